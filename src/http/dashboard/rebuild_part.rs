//! The parts of the page before a rebuild: what was found, what the cluster would look like, what happens when, and what changes in the answer.

use super::words::Moment;
use crate::domain::{
    cluster_report::GuestState,
    preflight::{Finding, GuestOutlook, Outlook, Phase, Severity},
};

/// Something that was found.
pub(super) struct FindingRow {
    pub(super) id: &'static str,
    pub(super) severity: &'static str,
    pub(super) tone: &'static str,
    pub(super) sentence: String,
}

/// The cluster before, during and after.
pub(super) struct ClusterPart {
    pub(super) name: String,
    pub(super) asked: String,
    pub(super) sentence: String,
    pub(super) phases: Vec<PhaseRow>,
    pub(super) guests: Vec<GuestRow>,
}

/// The cluster at one time.
pub(super) struct PhaseRow {
    pub(super) id: &'static str,
    pub(super) when: &'static str,
    pub(super) nodes: Vec<NodeRow>,
    pub(super) votes: String,
    pub(super) tone: &'static str,
    pub(super) quorum: &'static str,
}

/// One node in it.
pub(super) struct NodeRow {
    pub(super) name: String,
    pub(super) tone: &'static str,
    /// What happens to it: `offline`, `leaves`, `joins`; mostly nothing.
    pub(super) note: &'static str,
}

/// A guest on the host.
pub(super) struct GuestRow {
    pub(super) title: String,
    pub(super) state: &'static str,
    pub(super) tone: &'static str,
    pub(super) backup: String,
}

/// A line of a difference: its class and its text.
pub(super) fn lines(difference: &str) -> Vec<(&'static str, String)> {
    let class = |line: &str| match line.chars().next() {
        Some('+') if !line.starts_with("+++") => "plus",
        Some('-') if !line.starts_with("---") => "minus",
        Some(_) | None => "same",
    };
    difference.lines().map(|line| (class(line), line.to_owned())).collect()
}

impl FindingRow {
    pub(super) fn new(finding: &Finding) -> Self {
        let (severity, tone) = match finding.severity {
            Severity::Blocker => ("Blocker", "bad"),
            Severity::Warning => ("Warning", "armed"),
            Severity::Note => ("Note", "calm"),
        };
        Self { id: finding.id, severity, tone, sentence: finding.sentence.clone() }
    }
}

impl ClusterPart {
    pub(super) fn new(outlook: &Outlook, now: jiff::Timestamp) -> Self {
        let quorum = if outlook.is_quorate { "It has a quorum" } else { "It has no quorum" };
        Self {
            name: outlook.name.clone(),
            asked: outlook.asked.clone(),
            sentence: format!("{quorum}: {}", outlook.sentence()),
            phases: outlook.phases().into_iter().map(|phase| PhaseRow::new(phase, outlook)).collect(),
            guests: outlook.guests.iter().map(|guest| GuestRow::new(guest, now)).collect(),
        }
    }
}

impl PhaseRow {
    fn new(phase: Phase, outlook: &Outlook) -> Self {
        let has_quorum = if phase.id == "now" { outlook.is_quorate } else { phase.has_quorum() };
        let votes = format!("{} of {} votes, {} needed", phase.votes_online, phase.votes_expected, phase.votes_needed);
        let mut nodes: Vec<_> = phase
            .nodes
            .into_iter()
            .map(|(name, online)| NodeRow {
                note: match (online, phase.id == "ready" && name == outlook.host) {
                    (false, _) => "offline",
                    (true, true) => "joins",
                    (true, false) => "",
                },
                tone: if online { "good" } else { "bad" },
                name,
            })
            .collect();
        if phase.id == "installing" && outlook.is_listed {
            nodes.push(NodeRow { name: outlook.host.clone(), tone: "calm", note: "leaves" });
        }
        Self {
            id: phase.id,
            when: phase.when,
            nodes,
            votes,
            tone: if has_quorum { "good" } else { "bad" },
            quorum: if has_quorum { "quorum" } else { "no quorum" },
        }
    }
}

impl GuestRow {
    fn new(outlook: &GuestOutlook, now: jiff::Timestamp) -> Self {
        let (state, tone) = match outlook.guest.state {
            GuestState::Running => ("running", "bad"),
            GuestState::Stopped => ("stopped", "calm"),
            GuestState::Unknown => ("state unknown", "bad"),
        };
        let backup = match outlook.last_backup {
            Some(at) => format!("backed up {} ago", Moment::new(at, now).ago),
            None => "no backup seen".to_owned(),
        };
        Self { title: outlook.guest.title(), state, tone, backup }
    }
}
