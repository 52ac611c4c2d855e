//! Gives the installer the answer of the host that it runs on, once, to the machine that loaded this rebuild's ISO.
//!
//! The commit of *answer served* comes before the first byte is sent: it is the point of no return, and from then on the machine boots
//! its disk. A serving mistake fails closed: no answer at all.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use super::{
    MachineUrls, OwnCertificate,
    answer_preview::PREVIEW_KEY,
    host_keeper::{HostKeeper, Move},
    refusal::{Refusal, RefusalLog},
    tokens::{RebuildTokens, hash_token},
};
use crate::{
    domain::{
        answer::{AnswerValues, ServedAnswer},
        boot_trace::Milestone,
        host::{Host, HostFacts},
        host_lifecycle::{HostEvent, HostState},
        image::{InstallerRelease, OLDEST_INSTALLER},
        installer::SystemReport,
        rebuild::{Rebuild, RebuildMarks, TokenPurpose},
        server_type::ServerType,
    },
    ports::{BootTrace, Catalog, Clock, ImageLibrary, RebuildLedger},
};

/// How long the same machine may ask for its answer again. The installer itself never retries; a person at its shell may.
const REPEAT_WINDOW: Duration = Duration::from_secs(120);

/// What the installer asks.
#[derive(Debug, Clone)]
pub struct AnswerRequest {
    /// The token in the URL's query.
    pub token: Option<String>,
    /// The token in the `Authorization` header, from installers that know it.
    pub bearer: Option<String>,
    /// What the machine is.
    pub report: SystemReport,
    /// Who asks.
    pub peer: Ipv4Addr,
    /// The address on which we were asked.
    pub our: Ipv4Addr,
}

/// Answers installers.
pub struct AnswerDesk {
    /// Keeps states.
    pub keeper: Arc<HostKeeper>,
    /// Rebuilds and tokens.
    pub rebuilds: Arc<dyn RebuildLedger>,
    /// Templates.
    pub catalog: Arc<dyn Catalog>,
    /// For the release of an image.
    pub images: Arc<dyn ImageLibrary>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Tells of refused tokens.
    pub refusals: Arc<RefusalLog>,
    /// Where machines find us.
    pub urls: MachineUrls,
    /// What the installer must pin.
    pub certificate: OwnCertificate,
    /// The domain of all nodes.
    pub domain: String,
    /// crypt(3) hash of root's password.
    pub root_password_hash: String,
    /// Public keys that every node gets besides the ephemeral one.
    pub root_ssh_keys: Vec<String>,
    /// Is told who was given an answer.
    pub trace: Arc<dyn BootTrace>,
}

impl AnswerDesk {
    /// Decides whether this machine gets the answer, commits that, and returns the TOML.
    pub async fn answer(&self, request: &AnswerRequest) -> Result<String, Refusal> {
        let (host, rebuild) = self.identify(request).await?;
        let Some(tokens) = self.keeper.tokens(&rebuild)? else {
            return Err(Refusal::Forbidden(format!(
                "the rebuild of {} has ended; start the machine again",
                host.hostname
            )));
        };
        match host.state {
            HostState::PxeBooted => self.serve_first(request, &host, &rebuild, &tokens).await,
            HostState::Installing => self.serve_again(request, &host, &rebuild, &tokens).await,
            HostState::Registered
            | HostState::PxeReady
            | HostState::Installed
            | HostState::FirstBoot
            | HostState::Joining
            | HostState::Ready
            | HostState::Failed => {
                let why = format!("{} is `{}`: it is not its turn to be installed", host.hostname, host.state.label());
                self.refusals.tell(Some(&host.id), TokenPurpose::Answer, request.peer, &why).await;
                Err(Refusal::Forbidden(why))
            }
        }
    }

    async fn identify(&self, request: &AnswerRequest) -> Result<(Host, Rebuild), Refusal> {
        let token = request.token.as_deref().unwrap_or_default();
        let record =
            self.rebuilds.token(&hash_token(token)).await?.filter(|record| record.purpose == TokenPurpose::Answer);
        let bearer_agrees = request.bearer.as_deref().is_none_or(|bearer| bearer == token);
        let Some(record) = record.filter(|_| bearer_agrees) else {
            self.refusals.tell(None, TokenPurpose::Answer, request.peer, "a token that is of no current rebuild").await;
            return Err(Refusal::Forbidden(
                "this installer was made for another rebuild; press Rebuild on the host's page and boot the machine from the network again".into(),
            ));
        };
        let host = self.keeper.host(&record.host).await?;
        let rebuild = self.rebuilds.rebuild(&record.operation).await?;
        rebuild.map(|rebuild| (host, rebuild)).ok_or_else(|| Refusal::Forbidden("this rebuild is gone".into()))
    }

    async fn serve_first(
        &self,
        request: &AnswerRequest,
        host: &Host,
        rebuild: &Rebuild,
        tokens: &RebuildTokens,
    ) -> Result<String, Refusal> {
        if !rebuild.is_armed(self.clock.now()) {
            return Err(Refusal::Forbidden(format!(
                "the rebuild of {} was armed for too long; press Rebuild again",
                host.hostname
            )));
        }
        if rebuild.must_leave() {
            return Err(Refusal::Forbidden(format!(
                "{} has not left its cluster yet, so its disk is not touched; start the machine again from the network",
                host.hostname
            )));
        }
        if !request.report.has_mac(host.mac) {
            return Err(self
                .stop(
                    request,
                    host,
                    rebuild,
                    format!("the installer runs on a machine without the MAC address {}", host.mac),
                )
                .await);
        }
        if rebuild.marks.image_address != Some(request.peer) {
            let fetched = rebuild.marks.image_address.map_or("nobody".to_owned(), |address| address.to_string());
            let why = format!(
                "the ISO was fetched by {fetched}, and the answer was asked for by {}; give the machine one DHCP address",
                request.peer
            );
            return Err(self.stop(request, host, rebuild, why).await);
        }
        let (toml, release) = self.render(request, host, rebuild, tokens).await?;
        let now = self.clock.now();
        let served = ServedAnswer {
            at: now,
            operation: rebuild.operation.clone(),
            release,
            our: request.our,
            answer: self.catalog.redact_answer(&toml.replace(&rebuild.public_key, PREVIEW_KEY)),
        };
        let marks = RebuildMarks {
            answered_at: Some(now),
            machine_fingerprint: Some(request.report.fingerprint()),
            ..RebuildMarks::default()
        };
        let details = Move {
            facts: HostFacts { installed_at: Some(now), is_member: Some(false), ..HostFacts::default() },
            marks: Some((rebuild.operation.clone(), marks)),
            spends: Some(hash_token(&tokens.token(TokenPurpose::Answer))),
            served: Some(served),
            ..Move::default()
        };
        self.keeper.apply(host, HostEvent::AnswerServed, details).await?;
        self.trace.saw(host.mac, Milestone::AnswerServed);
        self.keeper.learn(&host.id, |hardware| hardware.learn_from_installer(&request.report)).await;
        Ok(toml)
    }

    async fn serve_again(
        &self,
        request: &AnswerRequest,
        host: &Host,
        rebuild: &Rebuild,
        tokens: &RebuildTokens,
    ) -> Result<String, Refusal> {
        let marks = &rebuild.marks;
        let same_machine = marks.machine_fingerprint.as_deref() == Some(request.report.fingerprint().as_str())
            && marks.image_address == Some(request.peer);
        let in_time = marks.answered_at.is_some_and(|at| {
            let age = self.clock.now().duration_since(at);
            !age.is_negative() && age.unsigned_abs() <= REPEAT_WINDOW
        });
        if same_machine && in_time && marks.first_boot_fetched_at.is_none() {
            return self.render(request, host, rebuild, tokens).await.map(|(toml, _)| toml);
        }
        let why = if same_machine {
            "the answer of this rebuild was already used"
        } else {
            "two machines claimed this rebuild"
        };
        Err(self.stop(request, host, rebuild, why.to_owned()).await)
    }

    /// Stops the rebuild, for a reason that the operator and the person at the machine both read.
    async fn stop(&self, request: &AnswerRequest, host: &Host, rebuild: &Rebuild, why: String) -> Refusal {
        self.refusals.tell(Some(&host.id), TokenPurpose::Answer, request.peer, &why).await;
        let marks = RebuildMarks { refused: Some(why.clone()), ..RebuildMarks::default() };
        match self.keeper.mark(&rebuild.operation, &marks, None, None).await {
            Ok(_) => Refusal::Forbidden(why),
            Err(error) => error.into(),
        }
    }

    async fn render(
        &self,
        request: &AnswerRequest,
        host: &Host,
        rebuild: &Rebuild,
        tokens: &RebuildTokens,
    ) -> Result<(String, InstallerRelease), Refusal> {
        let image = self.images.image(&rebuild.image).await?;
        let release = request.report.release().or(image.map(|image| image.release)).unwrap_or(OLDEST_INSTALLER);
        let mut root_ssh_keys = self.root_ssh_keys.clone();
        root_ssh_keys.push(rebuild.public_key.clone());
        let callback = |what, purpose| self.urls.callback(request.our, &host.id, what, &tokens.token(purpose));
        let values = AnswerValues {
            webhook_url: callback("installed", TokenPurpose::Installed),
            first_boot_url: callback("first-boot-script", TokenPurpose::FirstBootScript),
            options: rebuild.answer.clone(),
            root_ssh_keys,
            ..self.values(host, &rebuild.server_type, release)
        };
        Ok((self.catalog.render_answer(&rebuild.template_text, &values)?, release))
    }

    /// What is known of a host for its answer; the URLs and keys of a rebuild are the caller's to add.
    pub(super) fn values(&self, host: &Host, server_type: &ServerType, release: InstallerRelease) -> AnswerValues {
        let hardware = host.hardware.clone().unwrap_or_default();
        AnswerValues {
            hostname: host.hostname.to_string(),
            domain: self.domain.clone(),
            mac: host.mac,
            server_type: server_type.clone(),
            options: host.options.answer.clone(),
            known_disks: hardware.disks,
            known_cards: hardware.nics,
            root_password_hash: self.root_password_hash.clone(),
            root_ssh_keys: Vec::new(),
            webhook_url: String::new(),
            first_boot_url: String::new(),
            certificate_fingerprint: self.certificate.fingerprint.clone(),
            release,
        }
    }
}
