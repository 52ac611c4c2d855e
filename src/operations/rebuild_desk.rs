//! Takes the request for a rebuild: every check that can be made before anything is armed, then one transaction that arms it.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretSlice};

use super::{
    OperationDesk, OperationView, World,
    plans::REBUILD_HOST,
    steps::{leave_cluster, power_on},
};
use crate::{
    domain::{
        change::OpenedRebuild,
        host::Host,
        host_lifecycle::HostEvent,
        identity::{HostId, Hostname, OperationId},
        image::Image,
        operation::Operation,
        power::PowerDriver,
        preflight::{Consent, Facts, Objection, Overridden, Preflight},
        rebuild::{Rebuild, RebuildMarks, SealedSecrets},
        repeat::Intended,
        server_type::ServerType,
    },
    ports::{Catalog, ImageLibrary, LedgerError, SecretsError, UnusableKey},
    provisioning::{AnswerDesk, KeeperError, Move, RebuildTokens, secret_place},
};

/// Why a rebuild was refused. Nothing is armed then.
#[derive(Debug, thiserror::Error)]
pub enum RebuildRefusal {
    /// There is no such host.
    #[error("there is no host {0}")]
    UnknownHost(HostId),
    /// The host's name was not typed as confirmation.
    #[error("a rebuild wipes the disk; confirm it with the host's name `{hostname}`")]
    Confirmation {
        /// The name.
        hostname: Hostname,
    },
    /// There is no such image.
    #[error("{0}")]
    UnknownImage(String),
    /// A rebuild is under way.
    #[error("{hostname} is already being rebuilt (operation {operation})")]
    UnderWay {
        /// The host's name.
        hostname: Hostname,
        /// The operation.
        operation: OperationId,
    },
    /// What the pre-flight found stands in the way, or was not agreed to.
    #[error("{}", objection.sentence(preflight))]
    Objection {
        /// What is missing.
        objection: Objection,
        /// All that was found.
        preflight: Box<Preflight>,
    },
    /// Something that a rebuild needs is missing or wrong.
    #[error("{0}")]
    NotReady(String),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No secrets can be made.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// No key can be made.
    #[error(transparent)]
    Key(#[from] UnusableKey),
}

impl From<KeeperError> for RebuildRefusal {
    fn from(error: KeeperError) -> Self {
        match error {
            KeeperError::UnknownHost(id) => Self::UnknownHost(id),
            KeeperError::Ledger(error) => Self::Ledger(error),
            KeeperError::Secrets(error) => Self::Secrets(error),
            KeeperError::Illegal(illegal) => Self::NotReady(illegal.to_string()),
        }
    }
}

/// What is said with the request for a rebuild.
#[derive(Debug, Clone, Default)]
pub struct RebuildWish {
    /// The host's name once more.
    pub confirm: Option<String>,
    /// What would be looked at.
    pub asked: Asked,
    /// What was agreed to.
    pub consent: Consent,
    /// The id of its operation, where that was chosen before.
    pub intended: Option<Intended>,
}

/// What a pre-flight looks at beside the host itself.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The image, if one is asked for.
    pub image: Option<String>,
    /// The address under which the cluster lists the host, as the operator states it: for members that we never installed.
    pub member_address: Option<Ipv4Addr>,
}

/// Starts rebuilds.
pub struct RebuildDesk {
    /// The outside.
    pub world: Arc<World>,
    /// Server types and templates.
    pub catalog: Arc<dyn Catalog>,
    /// Images.
    pub images: Arc<dyn ImageLibrary>,
    /// Renders the answer as a check.
    pub answers: Arc<AnswerDesk>,
    /// Shows the operation.
    pub operations: Arc<OperationDesk>,
    /// How long a rebuild stays armed (`pxe.armed_minutes`).
    pub armed_for: Duration,
}

impl RebuildDesk {
    /// Starts a rebuild that no blocker stands against; its warnings are accepted.
    pub async fn request(
        &self,
        host: &HostId,
        confirm: Option<&str>,
        image: Option<&str>,
    ) -> Result<OperationView, RebuildRefusal> {
        let asked = Asked { image: image.map(str::to_owned), member_address: None };
        let consent = Consent { accepts_warnings: true, ..Consent::default() };
        let wish = RebuildWish { confirm: confirm.map(str::to_owned), asked, consent, intended: None };
        self.request_with(host, &wish).await
    }

    /// Looks once more at everything, then arms: a fresh key pair and one-time tokens for this rebuild alone.
    pub async fn request_with(&self, host: &HostId, wish: &RebuildWish) -> Result<OperationView, RebuildRefusal> {
        let host = self.world.keeper.host(host).await?;
        if !host.state.is_stable() {
            let operation = host.operation.clone().unwrap_or_else(|| OperationId::from_random([0; 8]));
            return Err(RebuildRefusal::UnderWay { hostname: host.hostname, operation });
        }
        if wish.confirm.as_deref().map(str::trim) != Some(host.hostname.as_str()) {
            return Err(RebuildRefusal::Confirmation { hostname: host.hostname });
        }
        // What the operator was shown may have changed since.
        let preflight = self.look_at(host, &wish.asked).await?;
        let overridden = match preflight.permits(&wish.consent) {
            Ok(overridden) => Overridden::new(&overridden, &wish.consent),
            Err(objection) => return Err(RebuildRefusal::Objection { objection, preflight: Box::new(preflight) }),
        };
        let Facts { host, server_type, image, cluster, .. } = preflight.facts;
        let (Some(server_type), Ok(choice)) = (server_type, image) else {
            return Err(RebuildRefusal::NotReady("there is no server type, or no image".into()));
        };
        let name = host.options.answer.template_of(&server_type);
        let template = self.catalog.answer_template(name);
        let template =
            template.ok_or_else(|| RebuildRefusal::NotReady(format!("there is no answer template `{name}`")))?;
        let random = wish.intended.map_or_else(|| self.world.secrets.short_random(), Ok)?;
        let id = OperationId::from_random(random);
        let mut opened = self.open(id, &host, server_type, choice.image, template, cluster.belonging.leaves())?;
        opened.rebuild.overridden.clone_from(&overridden);
        self.arm(&host, opened, overridden.as_ref()).await
    }

    async fn arm(
        &self,
        host: &Host,
        opened: OpenedRebuild,
        overridden: Option<&Overridden>,
    ) -> Result<OperationView, RebuildRefusal> {
        let id = opened.operation.id.clone();
        if let Some(overridden) = overridden {
            tracing::warn!(
                host.id = host.id.as_str(),
                operation = id.as_str(),
                "{}: {}",
                host.hostname,
                overridden.sentence()
            );
        }
        let because = overridden.map(Overridden::sentence);
        let details = Move { because, opens: Some(Box::new(opened)), ..Move::default() };
        match self.world.keeper.apply(host, HostEvent::RebuildRequested, details).await {
            Err(KeeperError::Ledger(LedgerError::Conflict)) => {
                return Err(RebuildRefusal::NotReady("the host, or the image, has just changed; look again".into()));
            }
            result => result?,
        };
        let view = self.operations.view(&id).await?;
        view.ok_or_else(|| {
            RebuildRefusal::Ledger(LedgerError::Unreadable(format!("operation {id} is not there after it was written")))
        })
    }

    fn open(
        &self,
        id: OperationId,
        host: &Host,
        server_type: ServerType,
        image: Image,
        template_text: String,
        leaves: Option<Ipv4Addr>,
    ) -> Result<OpenedRebuild, RebuildRefusal> {
        let secrets = &self.world.secrets;
        let token_secret: SecretSlice<u8> = secrets.random_bytes(32)?.into();
        let private_key: SecretSlice<u8> = secrets.random_bytes(32)?.into();
        let public_key = self.world.ssh_keys.public_line(&private_key, &format!("rackseed-{id}"))?;
        let sealed = SealedSecrets {
            token_secret: secrets.seal(&secret_place(&id, "token_secret"), token_secret.expose_secret())?,
            private_key: secrets.seal(&secret_place(&id, "private_key"), private_key.expose_secret())?,
        };
        let now = self.world.clock.now();
        let rebuild = Rebuild {
            operation: id.clone(),
            host: host.id.clone(),
            template: host.options.answer.template_of(&server_type).clone(),
            server_type,
            template_text,
            answer: host.options.answer.clone(),
            image: image.id,
            public_key,
            sealed: Some(sealed),
            leaves,
            overridden: None,
            requested_at: now,
            armed_until: now + SignedDuration::try_from(self.armed_for).unwrap_or(SignedDuration::from_mins(60)),
            ended_at: None,
            marks: RebuildMarks::default(),
        };
        // A step that would only be skipped is not shown to people as done.
        let has_driver = host.options.power.driver != PowerDriver::None;
        let steps = REBUILD_HOST.steps.iter().filter(|step| has_driver || **step != power_on::NAME);
        let steps = steps.filter(|step| leaves.is_some() || **step != leave_cluster::NAME);
        let steps = steps.map(|step| (*step).to_owned()).collect();
        let operation = Operation {
            id,
            host: host.id.clone(),
            plan: REBUILD_HOST.name.to_owned(),
            steps,
            started_at: now,
            program: None,
        };
        Ok(OpenedRebuild { operation, rebuild, tokens: RebuildTokens::new(token_secret).hashes() })
    }
}
