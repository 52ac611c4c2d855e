//! Looks at everything that speaks against wiping a host: our own ledger and catalog, and, where there is a cluster, what a member says.

use std::time::Duration;

use super::{
    RebuildDesk, RebuildRefusal,
    member::{Found, GateCommand, belonging},
    rebuild_desk::Asked,
};
use crate::{
    domain::{
        answer::AnswerReview,
        cluster_plan::Belonging,
        cluster_report::{ClusterReport, Reading, Unread, read_report},
        host::Host,
        identity::HostId,
        image::{Image, ImagePart},
        image_choice::{ImageChoice, NoImage, Wishes, choose_image},
        preflight::{ClusterFacts, Facts, Preflight, examine},
        server_type::ServerType,
    },
    ports::{ImageLibraryError, LedgerError},
};

/// How long the cluster may take for all its answers. Longer waits for slow members; an operator's question is ended after a minute.
const CLUSTER_PATIENCE: Duration = Duration::from_secs(50);
/// How many lines of a host's history are searched for what the machine itself said last.
const HISTORY_LINES: u32 = 200;

impl RebuildDesk {
    /// Says what a rebuild would do, and what speaks against it. Changes nothing.
    pub async fn plan(&self, host: &HostId, asked: &Asked) -> Result<Preflight, RebuildRefusal> {
        let host = self.world.keeper.host(host).await?;
        self.look_at(host, asked).await
    }

    /// The same for a host as it was read.
    pub(super) async fn look_at(&self, host: Host, asked: &Asked) -> Result<Preflight, RebuildRefusal> {
        let server_type = self.catalog.server_type(&host.server_type);
        let image = match self.choose(&host, server_type.as_ref(), asked.image.as_deref()).await? {
            Err(missing @ NoImage::Unknown { .. }) if asked.image.is_some() => {
                return Err(RebuildRefusal::UnknownImage(missing.to_string()));
            }
            chosen => chosen.map_err(|missing| missing.to_string()),
        };
        let image_damage = match &image {
            Ok(choice) => self.damage(&choice.image).await?,
            Err(_) => None,
        };
        let answer = match (&server_type, &image) {
            (Some(kind), Ok(choice)) => Some(self.review(&host, kind, &choice.image)),
            (None, _) | (_, Err(_)) => None,
        };
        let history = self.world.hosts.history(&host.id, HISTORY_LINES).await?;
        let last_heard = history.into_iter().find(crate::domain::host::HistoryEntry::is_from_machine);
        let cluster = self.ask_cluster(&host, asked).await;
        let now = self.world.clock.now();
        Ok(examine(Facts { now, host, server_type, image, image_damage, answer, last_heard, cluster }))
    }

    async fn choose(
        &self,
        host: &Host,
        server_type: Option<&ServerType>,
        asked: Option<&str>,
    ) -> Result<Result<ImageChoice, NoImage>, LedgerError> {
        let server_type = server_type.and_then(|kind| kind.image.as_deref());
        let wishes = Wishes { asked, host: host.options.image.as_ref(), server_type };
        Ok(choose_image(&self.images.images().await?, wishes))
    }

    fn review(&self, host: &Host, server_type: &ServerType, image: &Image) -> Result<AnswerReview, String> {
        self.answers.review(host, server_type, image.release).map_err(|error| error.to_string())
    }

    /// What is wrong with the files of an image.
    async fn damage(&self, image: &Image) -> Result<Option<String>, LedgerError> {
        for part in ImagePart::ALL {
            // The settings themselves do not matter here.
            let settings = (*part == ImagePart::InstallerIso).then_some("");
            match self.images.open(&image.id, *part, settings).await {
                Ok(_) => {}
                Err(ImageLibraryError::Ledger(error)) => return Err(error),
                Err(
                    error @ (ImageLibraryError::UnknownImage(_)
                    | ImageLibraryError::Damaged { .. }
                    | ImageLibraryError::SettingsTooLarge { .. }),
                ) => return Ok(Some(error.to_string())),
            }
        }
        Ok(None)
    }

    async fn ask_cluster(&self, host: &Host, asked: &Asked) -> ClusterFacts {
        let look = async {
            let found = belonging(&self.world, host, asked.member_address).await;
            let report = self.report(host, &found).await;
            ClusterFacts { belonging: found.belonging, votes: found.votes, view: found.view, report }
        };
        tokio::time::timeout(CLUSTER_PATIENCE, look).await.unwrap_or_else(|_| {
            let reason = format!("it did not answer within {} s", CLUSTER_PATIENCE.as_secs());
            ClusterFacts { belonging: Belonging::Unknown(reason), votes: None, view: None, report: None }
        })
    }

    /// What the member knows of the node; asked for only where it is a node of that cluster, or of its own.
    async fn report(&self, host: &Host, found: &Found) -> Option<Reading<ClusterReport>> {
        let (member, view) = (found.member.as_ref()?, found.view.as_ref()?);
        if !view.lists(host.hostname.as_str(), None) && view.node != host.hostname.as_str() {
            return None;
        }
        let said = member.ask(&self.world, &GateCommand::Report { node: host.hostname.clone() }).await;
        let unread = |why| Unread { what: "the cluster's report".into(), why };
        Some(said.map_err(|error| unread(error.reason)).and_then(|said| read_report(host.hostname.as_str(), &said)))
    }
}
