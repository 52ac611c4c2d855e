//! The forms in which programs read what a rebuild would do.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::image_views::ImageJson;
use crate::{
    domain::{
        hardware::Disk,
        preflight::{Finding, GuestOutlook, Moment, Outlook, Phase, Preflight, Severity, moments},
    },
    http::{OperatorState, schema::described},
    ports::LedgerError,
};

described! {
    /// What a rebuild would do, and what speaks against it.
    #[derive(Debug, Serialize)]
    pub(crate) struct RebuildPlanJson as "RebuildPlan" {
        /// The host.
        host_id: String,
        /// The host's name.
        hostname: String,
        /// When all this was looked at; a request looks again.
        looked_at: Timestamp,
        /// Whether no blocker stands.
        may_start: bool,
        /// What was found, the gravest first.
        findings: Vec<FindingJson>,
        /// What would be installed; absent when nothing can be.
        image: Option<ImageJson>,
        /// Why this image: `asked`, `host`, `server_type`, `default` or `newest`.
        image_because: Option<String>,
        /// The same for people, or why there is none.
        image_reason: String,
        /// The disk that would be wiped.
        disk: Option<String>,
        /// The same disks, as the machine reported them last; empty before its first report.
        disks: Vec<WipedDiskJson>,
        /// The answer that the installer would be given, without secrets.
        answer: Option<String>,
        /// What has changed in it since the host was given one last; absent when it never was, empty when nothing has.
        answer_difference: Option<String>,
        /// When the machine itself was heard of last.
        last_heard_at: Option<Timestamp>,
        /// What it said.
        last_heard: Option<String>,
        /// The cluster with and without the host; absent where there is none, or it was not seen.
        cluster: Option<ClusterOutlookJson>,
        /// What would happen after the request, in order, and what cancelling means at each moment.
        moments: Vec<MomentJson>,
        /// The sentences of the warnings.
        warnings: Vec<String>,
    }
}

described! {
    /// One moment of a rebuild.
    #[derive(Debug, Serialize)]
    pub(crate) struct MomentJson as "RebuildMoment" {
        /// `armed`, `started`, `left`, `answered`, `installed` or `ready`.
        id: String,
        /// What happens.
        title: String,
        /// What it means, and what cancelling means from here on.
        detail: String,
        /// Whether the disk may be wiped from here on.
        point_of_no_return: bool,
    }
}

described! {
    /// One thing that was found.
    #[derive(Debug, Serialize)]
    pub(crate) struct FindingJson as "Finding" {
        /// The word by which a blocker is overridden.
        id: String,
        /// `blocker` stops a rebuild, `warning` must be accepted, `note` is told.
        severity: String,
        /// Whether a request may override it.
        can_be_overridden: bool,
        /// What was found and what to do.
        sentence: String,
    }
}

described! {
    /// A disk that would be wiped.
    #[derive(Debug, Serialize)]
    pub(crate) struct WipedDiskJson as "WipedDisk" {
        /// Its device name.
        path: String,
        /// Its model.
        model: Option<String>,
        /// Its serial number.
        serial: Option<String>,
        /// Its size.
        size_bytes: Option<u64>,
        /// Whether the system was on it at the last report.
        held_system: bool,
    }
}

described! {
    /// The cluster with and without the host.
    #[derive(Debug, Serialize)]
    pub(crate) struct ClusterOutlookJson as "ClusterOutlook" {
        /// Its name.
        name: String,
        /// The node that was asked.
        asked: String,
        /// Whether it sees a quorum now.
        quorate: bool,
        /// The nodes that are online.
        online: Vec<String>,
        /// The nodes that are not.
        offline: Vec<String>,
        /// The votes that are expected now.
        votes_expected: u32,
        /// How many of them are a quorum.
        votes_needed: u32,
        /// Those of the nodes that are online.
        votes_online: u32,
        /// The same without the host.
        votes_without: u32,
        /// How many are a quorum once the host has been removed.
        votes_needed_after: u32,
        /// Whether the cluster lists the host: then it leaves before it is installed, and joins again.
        leaves: bool,
        /// The cluster now, while the host is installed, and when it is ready.
        phases: Vec<ClusterPhaseJson>,
        /// The guests on the host.
        guests: Vec<HostGuestJson>,
    }
}

described! {
    /// The cluster at one time of a rebuild, as long as no other node comes or goes.
    #[derive(Debug, Serialize)]
    pub(crate) struct ClusterPhaseJson as "ClusterPhase" {
        /// `now`, `installing` or `ready`.
        id: String,
        /// The names of its nodes.
        nodes: Vec<String>,
        /// The votes that are expected.
        votes_expected: u32,
        /// How many of them are there.
        votes_online: u32,
        /// How many are a quorum.
        votes_needed: u32,
        /// Whether it has one.
        quorate: bool,
    }
}

described! {
    /// A guest on the host.
    #[derive(Debug, Serialize)]
    pub(crate) struct HostGuestJson as "HostGuest" {
        /// Its VMID.
        vmid: u32,
        /// `vm` or `ct`.
        kind: String,
        /// Its name.
        name: Option<String>,
        /// `running`, `stopped` or `unknown`.
        state: String,
        /// When its newest backup away from the host was made.
        last_backup_at: Option<Timestamp>,
    }
}

impl RebuildPlanJson {
    /// Spells a pre-flight.
    pub(crate) async fn new(state: &OperatorState, preflight: &Preflight) -> Result<Self, LedgerError> {
        let facts = &preflight.facts;
        let uses = state.image_uses().await?;
        let review = facts.answer.as_ref().and_then(|answer| answer.as_ref().ok());
        let (image, because, reason) = match &facts.image {
            Ok(choice) => {
                let because = Some(choice.because.to_string());
                (Some(ImageJson::new(&choice.image, &uses)), because, choice.because.sentence().to_owned())
            }
            Err(missing) => (None, None, missing.clone()),
        };
        let rule = facts.server_type.as_ref().map(|kind| facts.host.options.answer.disk_rule(kind));
        let warnings = preflight.of(Severity::Warning).map(|finding| finding.sentence.clone());
        let disk = review.and_then(|review| review.disks.clone()).or(rule);
        let moments = moments(facts, state.rebuild.armed_for, disk.as_deref());
        Ok(Self {
            moments: moments.into_iter().map(MomentJson::new).collect(),
            host_id: facts.host.id.to_string(),
            hostname: facts.host.hostname.to_string(),
            looked_at: facts.now,
            may_start: preflight.of(Severity::Blocker).next().is_none(),
            findings: findings(&preflight.findings),
            image,
            image_because: because,
            image_reason: reason,
            disk,
            disks: review.into_iter().flat_map(|review| &review.wiped).map(WipedDiskJson::new).collect(),
            answer: review.and_then(|review| review.toml.as_deref()).map(state.redact),
            answer_difference: difference(state, preflight).await?,
            last_heard_at: facts.last_heard.as_ref().map(|entry| entry.at),
            last_heard: facts.last_heard.as_ref().map(|entry| entry.because.clone()),
            cluster: preflight.outlook.as_ref().map(ClusterOutlookJson::new),
            warnings: warnings.collect(),
        })
    }
}

/// What has changed in the answer since the host was given one last.
pub(in crate::http) async fn difference(
    state: &OperatorState,
    preflight: &Preflight,
) -> Result<Option<String>, LedgerError> {
    let facts = &preflight.facts;
    let (Some(kind), Ok(choice)) = (&facts.server_type, &facts.image) else { return Ok(None) };
    let found = state.answers.difference(&facts.host, kind, choice.image.release).await?;
    Ok(found.ok().flatten().map(|found| found.difference))
}

/// Spells findings.
pub(in crate::http) fn findings(findings: &[Finding]) -> Vec<FindingJson> {
    let spell = |finding: &Finding| FindingJson {
        id: finding.id.to_owned(),
        severity: finding.severity.to_string(),
        can_be_overridden: finding.can_be_overridden,
        sentence: finding.sentence.clone(),
    };
    findings.iter().map(spell).collect()
}

impl MomentJson {
    fn new(moment: Moment) -> Self {
        Self {
            id: moment.id.to_owned(),
            title: moment.title,
            detail: moment.detail,
            point_of_no_return: moment.is_point_of_no_return,
        }
    }
}

impl WipedDiskJson {
    fn new(disk: &Disk) -> Self {
        let property = |properties: &BTreeMap<String, String>, key: &str| properties.get(key).cloned();
        Self {
            path: disk.path.clone(),
            model: property(&disk.properties, "ID_MODEL"),
            serial: property(&disk.properties, "ID_SERIAL_SHORT").or_else(|| property(&disk.properties, "ID_SERIAL")),
            size_bytes: disk.size_bytes,
            held_system: disk.is_boot_disk,
        }
    }
}

impl ClusterOutlookJson {
    fn new(outlook: &Outlook) -> Self {
        let nodes = |online| {
            let nodes = outlook.nodes.iter().filter(move |(_, is_online)| *is_online == online);
            nodes.map(|(name, _)| name.clone()).collect()
        };
        Self {
            name: outlook.name.clone(),
            asked: outlook.asked.clone(),
            quorate: outlook.is_quorate,
            online: nodes(true),
            offline: nodes(false),
            votes_expected: outlook.votes_expected,
            votes_needed: outlook.votes_needed,
            votes_online: outlook.votes_online,
            votes_without: outlook.votes_without,
            votes_needed_after: outlook.votes_needed_after,
            leaves: outlook.is_listed,
            phases: outlook.phases().into_iter().map(ClusterPhaseJson::new).collect(),
            guests: outlook.guests.iter().map(HostGuestJson::new).collect(),
        }
    }
}

impl ClusterPhaseJson {
    fn new(phase: Phase) -> Self {
        let quorate = phase.has_quorum();
        Self {
            id: phase.id.to_owned(),
            nodes: phase.nodes.into_iter().map(|(name, _)| name).collect(),
            votes_expected: phase.votes_expected,
            votes_online: phase.votes_online,
            votes_needed: phase.votes_needed,
            quorate,
        }
    }
}

impl HostGuestJson {
    fn new(outlook: &GuestOutlook) -> Self {
        Self {
            vmid: outlook.guest.id,
            kind: outlook.guest.kind.to_string(),
            name: outlook.guest.name.clone(),
            state: outlook.guest.state.to_string(),
            last_backup_at: outlook.last_backup,
        }
    }
}
