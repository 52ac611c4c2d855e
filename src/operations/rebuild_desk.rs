//! Takes the request for a rebuild: every check that can be made before anything is armed, then one transaction that arms it.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretSlice};

use super::{
    OperationDesk, OperationView, World,
    member::belonging,
    plans::REBUILD_HOST,
    steps::{leave_cluster, power_on},
};
use crate::{
    domain::{
        change::OpenedRebuild,
        cluster_plan::QuorumWithout,
        host::Host,
        host_lifecycle::HostEvent,
        identity::{HostId, Hostname, OperationId},
        image::Image,
        image_choice::{ImageChoice, NoImage, Wishes, choose_image},
        image_memory::memory_warning,
        operation::Operation,
        power::PowerDriver,
        rebuild::{Rebuild, RebuildMarks, SealedSecrets},
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
    /// The host is, or may be, a member of the cluster.
    #[error("{0}")]
    Member(String),
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

/// What a rebuild would do, for a person who has not said yes.
#[derive(Debug)]
pub struct RebuildPlan {
    /// The host.
    pub host: Host,
    /// What would be installed, and why.
    pub choice: ImageChoice,
    /// The disk that would be wiped.
    pub disk_rule: String,
    /// What speaks against it, one sentence each.
    pub warnings: Vec<String>,
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
    /// Checks, then arms: a fresh key pair and one-time tokens for this rebuild alone.
    pub async fn request(
        &self,
        host: &HostId,
        confirm: Option<&str>,
        image: Option<&str>,
    ) -> Result<OperationView, RebuildRefusal> {
        let host = self.world.keeper.host(host).await?;
        if !host.state.is_stable() {
            let operation = host.operation.clone().unwrap_or_else(|| OperationId::from_random([0; 8]));
            return Err(RebuildRefusal::UnderWay { hostname: host.hostname, operation });
        }
        if confirm.map(str::trim) != Some(host.hostname.as_str()) {
            return Err(RebuildRefusal::Confirmation { hostname: host.hostname });
        }
        let (server_type, image, template_text) = self.check(&host, image).await?;
        let leaves = self.leaves(&host).await?;
        let opened = self.open(&host, server_type, image, template_text, leaves)?;
        let id = opened.operation.id.clone();
        let details = Move { opens: Some(Box::new(opened)), ..Move::default() };
        match self.world.keeper.apply(&host, HostEvent::RebuildRequested, details).await {
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

    /// Says what a rebuild would install, and what speaks against it without forbidding it.
    pub async fn plan(&self, host: &HostId, image: Option<&str>) -> Result<RebuildPlan, RebuildRefusal> {
        let host = self.world.keeper.host(host).await?;
        let server_type = self.server_type(&host)?;
        let choice = self.choose(&host, &server_type, image).await?;
        let memory = memory_warning(&choice.image, host.hostname.as_str(), host.hardware.as_ref());
        Ok(RebuildPlan { disk_rule: server_type.disk_rule(), choice, warnings: memory.into_iter().collect(), host })
    }

    fn server_type(&self, host: &Host) -> Result<ServerType, RebuildRefusal> {
        self.catalog.server_type(&host.server_type).ok_or_else(|| {
            RebuildRefusal::NotReady(format!(
                "the server type `{}` is not in the catalog any more; see /api/catalog",
                host.server_type
            ))
        })
    }

    async fn choose(
        &self,
        host: &Host,
        server_type: &ServerType,
        asked: Option<&str>,
    ) -> Result<ImageChoice, RebuildRefusal> {
        let wishes = Wishes { asked, host: host.options.image.as_ref(), server_type: server_type.image.as_deref() };
        choose_image(&self.images.images().await?, wishes).map_err(|missing| match missing {
            NoImage::Unknown { .. } => RebuildRefusal::UnknownImage(missing.to_string()),
            NoImage::Unfit(_) | NoImage::NoneYet | NoImage::NoneFit(_) => RebuildRefusal::NotReady(missing.to_string()),
        })
    }

    /// The server type, the image that will be installed, and the template's text.
    async fn check(&self, host: &Host, image: Option<&str>) -> Result<(ServerType, Image, String), RebuildRefusal> {
        let server_type = self.server_type(host)?;
        let image = self.choose(host, &server_type, image).await?.image;
        self.answers
            .preview(host, &server_type, image.release)
            .map_err(|error| RebuildRefusal::NotReady(error.to_string()))?;
        let name = host.options.answer.template_of(&server_type);
        let template = self.catalog.answer_template(name);
        let template =
            template.ok_or_else(|| RebuildRefusal::NotReady(format!("there is no answer template `{name}`")))?;
        Ok((server_type, image, template))
    }

    /// The address under which the host must leave its cluster first; refused where it is unclear whether it is a member.
    async fn leaves(&self, host: &Host) -> Result<Option<Ipv4Addr>, RebuildRefusal> {
        let found = belonging(&self.world, host, None).await;
        if let Some(obstacle) = found.belonging.obstacle() {
            return Err(RebuildRefusal::Member(format!("{}: {obstacle}; nothing was armed", host.hostname)));
        }
        let Some(address) = found.belonging.leaves() else { return Ok(None) };
        match found.votes.as_ref().map(|votes| (votes.without(), votes.sentence())) {
            Some((QuorumWithout::Lost | QuorumWithout::NoneNow, sentence)) => Err(RebuildRefusal::Member(sentence)),
            Some((QuorumWithout::Kept | QuorumWithout::KeptByExpectedOne, _)) | None => Ok(Some(address)),
        }
    }

    fn open(
        &self,
        host: &Host,
        server_type: ServerType,
        image: Image,
        template_text: String,
        leaves: Option<Ipv4Addr>,
    ) -> Result<OpenedRebuild, RebuildRefusal> {
        let secrets = &self.world.secrets;
        let mut random = [0; 8];
        random.copy_from_slice(&secrets.random_bytes(8)?);
        let id = OperationId::from_random(random);
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
        let operation =
            Operation { id, host: host.id.clone(), plan: REBUILD_HOST.name.to_owned(), steps, started_at: now };
        Ok(OpenedRebuild { operation, rebuild, tokens: RebuildTokens::new(token_secret).hashes() })
    }
}
