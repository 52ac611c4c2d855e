//! What the operator listener asks, and the questions that its API and its pages share.

use std::{net::SocketAddr, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::{
    audit::RefusalCount, image_checks::ImageChecks, problem::Problem, problem_codes::Code, repeats::Repeats,
    request_counts::RequestCounts, visit::FormToken,
};
use crate::{
    domain::{
        host::Host,
        identity::{HostId, ImageId},
        image_choice::{ImageChoice, NoImage, Wishes, choose_image},
        image_use::{ImageUse, server_types_with},
        server_type::ServerType,
    },
    operations::{BatchDesk, ClusterDesk, GateDesk, OperationDesk, OperationView, RebuildDesk},
    ports::{
        Appliance, AuditLog, Catalog, Clock, ExchangeLedger, HostLedger, ImageIntake, ImageKeeper, ImageLibrary,
        ImageRefusal, LedgerError, LiveFeed, NetworkView, NotificationLedger, OperationJournal, RebuildLedger, SshKeys,
        Targets,
    },
    provisioning::{AccessDesk, AnswerDesk, BootDiary, Enrolment, PatienceDesk, PowerDesk, Sightings},
};

/// What the operator listener asks.
#[derive(Clone)]
pub struct OperatorState {
    /// Hosts.
    pub hosts: Arc<dyn HostLedger>,
    /// Rebuilds.
    pub rebuilds: Arc<dyn RebuildLedger>,
    /// Journals.
    pub journal: Arc<dyn OperationJournal>,
    /// What machines sent and were answered.
    pub exchanges: Arc<dyn ExchangeLedger>,
    /// The live feed.
    pub feed: Arc<dyn LiveFeed>,
    /// Server types, templates, scripts.
    pub catalog: Arc<dyn Catalog>,
    /// Images.
    pub images: Arc<dyn ImageLibrary>,
    /// Removes and prefers images.
    pub image_keeper: Arc<dyn ImageKeeper>,
    /// Takes images in.
    pub intake: Arc<dyn ImageIntake>,
    /// Checks of images since the start.
    pub image_checks: Arc<ImageChecks>,
    /// Spells fingerprints of host keys.
    pub ssh_keys: Arc<dyn SshKeys>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Tells how long hosts may take.
    pub patience: Arc<PatienceDesk>,
    /// Registers hosts.
    pub enrolment: Arc<Enrolment>,
    /// Previews answers.
    pub answers: Arc<AnswerDesk>,
    /// Starts rebuilds.
    pub rebuild: Arc<RebuildDesk>,
    /// Rebuilds many hosts.
    pub batches: Arc<BatchDesk>,
    /// Shows and moves operations.
    pub operations: Arc<OperationDesk>,
    /// Looks at the cluster.
    pub cluster: Arc<ClusterDesk>,
    /// Installs and removes the join gate.
    pub gates: Arc<GateDesk>,
    /// Where booting machines are answered.
    pub network: Arc<dyn NetworkView>,
    /// Looks at power, and switches.
    pub power: Arc<PowerDesk>,
    /// What was seen of booting machines.
    pub diary: Arc<BootDiary>,
    /// Machines that are not registered.
    pub sightings: Arc<Sightings>,
    /// Hides the secrets of an answer.
    pub redact: fn(&str) -> String,
    /// The address on which the operator listener is bound: every page says whether it is loopback.
    pub listen: SocketAddr,
    /// Lets people and programs in.
    pub access: Arc<AccessDesk>,
    /// Under what a proxy with TLS shows the dashboard.
    pub trusted_origins: Arc<[String]>,
    /// Proves that a form of somebody who has not been let in yet is from a page of ours.
    pub form_token: FormToken,
    /// What was asked; one for all listeners.
    pub requests: Arc<RequestCounts>,
    /// Who did what.
    pub audit: Arc<dyn AuditLog>,
    /// Which requests were done already.
    pub repeats: Arc<Repeats>,
    /// How much of what is refused is written there.
    pub refusals: Arc<RefusalCount>,
    /// Whom we tell.
    pub targets: Arc<dyn Targets>,
    /// What became of it.
    pub outbox: Arc<dyn NotificationLedger>,
    /// What the daemon knows of itself.
    pub appliance: Arc<dyn Appliance>,
    /// Ends the event streams when the daemon stops.
    pub stop: CancellationToken,
}

impl OperatorState {
    /// How many lines of a host's history are shown. More makes pages longer; nothing is lost from the database by fewer.
    pub(super) const HISTORY_LINES: u32 = 200;

    /// A host, or the 404 that says that there is none.
    pub(super) async fn host(&self, id: &HostId) -> Result<Host, Problem> {
        let host = self.hosts.host(id).await?;
        host.ok_or_else(|| Problem::coded(Code::HostNotFound, format!("there is no host {id}")))
    }

    /// The latest operation of a host.
    pub(super) async fn operation_of(&self, host: &Host) -> Result<Option<OperationView>, LedgerError> {
        match &host.operation {
            Some(id) => self.operations.view(id).await,
            None => Ok(None),
        }
    }

    /// The fingerprint of the host key that a host's installation reported.
    pub(super) fn fingerprint_of(&self, host: &Host) -> Option<String> {
        self.ssh_keys.fingerprint(host.ssh_host_key.as_deref()?).ok()
    }

    /// The image that a host would be installed from, and why; or why there is none.
    pub(super) async fn image_for(
        &self,
        host: &Host,
        server_type: &ServerType,
    ) -> Result<Result<ImageChoice, NoImage>, LedgerError> {
        let wishes =
            Wishes { asked: None, host: host.options.image.as_ref(), server_type: server_type.image.as_deref() };
        Ok(choose_image(&self.images.images().await?, wishes))
    }

    /// Refuses the choice of an image that is not there, or that no host can be rebuilt with.
    pub(super) async fn usable_image(&self, name: &str) -> Result<(), Problem> {
        let wishes = Wishes { asked: Some(name), ..Wishes::default() };
        match choose_image(&self.images.images().await?, wishes) {
            Ok(_) => Ok(()),
            Err(missing) => Err(Problem::fields(&[("image", missing.to_string())])),
        }
    }

    /// Every use of an image, of hosts and of server types.
    pub(super) async fn image_uses(&self) -> Result<Vec<(ImageId, ImageUse)>, LedgerError> {
        let mut uses = self.image_keeper.uses().await?;
        let server_types = self.catalog.server_types();
        for image in self.images.images().await? {
            uses.extend(server_types_with(&image.id, &server_types).into_iter().map(|user| (image.id.clone(), user)));
        }
        Ok(uses)
    }

    /// Removes an image unless somebody uses it.
    pub(super) async fn remove_image(&self, id: &ImageId) -> Result<(), ImageRefusal> {
        let others = server_types_with(id, &self.catalog.server_types());
        self.image_keeper.remove(id, &others, self.clock.now()).await
    }
}
