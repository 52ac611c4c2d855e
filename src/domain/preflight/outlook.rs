//! What the cluster looks like with and without the host.

use jiff::Timestamp;

use super::Facts;
use crate::domain::cluster_report::{Guest, quorum_of};

/// The cluster as one member sees it, and the votes with and without the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// The cluster's name.
    pub name: String,
    /// The node that was asked.
    pub asked: String,
    /// Whether it sees a quorum now.
    pub is_quorate: bool,
    /// The nodes, and whether each is online.
    pub nodes: Vec<(String, bool)>,
    /// Whether the votes are those of `corosync.conf`; else each node is counted as one.
    pub votes_known: bool,
    /// The votes that are expected now.
    pub votes_expected: u32,
    /// How many of them are a quorum.
    pub votes_needed: u32,
    /// The votes of the nodes that are online now.
    pub votes_online: u32,
    /// The same without the host.
    pub votes_without: u32,
    /// How many are a quorum once the host has been removed.
    pub votes_needed_after: u32,
    /// The votes of the host itself; none where the cluster does not list it.
    pub votes_own: u32,
    /// The host's name, and whether the cluster lists it.
    pub host: String,
    /// Whether the cluster lists the host: then it leaves before it is installed, and joins again.
    pub is_listed: bool,
    /// The guests on the host.
    pub guests: Vec<GuestOutlook>,
}

/// A guest on the host, and its newest backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestOutlook {
    /// The guest.
    pub guest: Guest,
    /// Its newest backup away from the host, as far as the asked member sees.
    pub last_backup: Option<Timestamp>,
}

/// The cluster at one time of a rebuild.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// When: `now`, `installing` or `ready`.
    pub id: &'static str,
    /// The same for people.
    pub when: &'static str,
    /// The nodes, and whether each is expected to be online.
    pub nodes: Vec<(String, bool)>,
    /// The votes that are expected.
    pub votes_expected: u32,
    /// How many of them are there.
    pub votes_online: u32,
    /// How many are a quorum.
    pub votes_needed: u32,
}

impl Phase {
    /// Whether the votes that are there are a quorum.
    pub fn has_quorum(&self) -> bool {
        self.votes_online >= self.votes_needed
    }
}

impl Outlook {
    /// The cluster before, during and after the rebuild, as long as no other node comes or goes: what a person agrees to. A node that joins has
    /// one vote.
    pub fn phases(&self) -> Vec<Phase> {
        let without: Vec<_> = self.nodes.iter().filter(|(name, _)| *name != self.host).cloned().collect();
        let mut with = without.clone();
        with.push((self.host.clone(), true));
        with.sort();
        let expected = self.votes_expected.saturating_sub(self.votes_own);
        let phase = |id, when, nodes: Vec<_>, votes_expected, votes_online| Phase {
            id,
            when,
            nodes,
            votes_expected,
            votes_online,
            votes_needed: quorum_of(votes_expected),
        };
        vec![
            phase("now", "Now", self.nodes.clone(), self.votes_expected, self.votes_online),
            phase("installing", "While it is installed", without, expected, self.votes_without),
            phase("ready", "When it is ready", with, expected + 1, self.votes_without + 1),
        ]
    }

    /// The quorum in one sentence.
    pub fn sentence(&self) -> String {
        let Self { votes_expected, votes_needed, votes_online, votes_without, votes_needed_after, .. } = self;
        format!(
            "{votes_online} of {votes_expected} votes are there now and {votes_needed} are needed; without this host {votes_without} are \
             there, and once it is removed {votes_needed_after} are needed"
        )
    }
}

/// Counts the votes; `None` where there is no cluster, or it was not seen.
pub(super) fn look_ahead(facts: &Facts) -> Option<Outlook> {
    let view = facts.cluster.view.as_ref()?;
    let cluster = view.cluster.as_ref()?;
    let known = facts.read(|report| &report.votes);
    let of = |node: &str| known.map_or(1, |votes| votes.of(node));
    let online = |without: Option<&str>| {
        let online = cluster.nodes.iter().filter(|(name, node)| node.online && Some(name.as_str()) != without);
        online.map(|(name, _)| of(name)).sum::<u32>()
    };
    let expected =
        known.map_or_else(|| u32::try_from(cluster.nodes.len()).unwrap_or(u32::MAX), |votes| votes.expected());
    let is_listed = cluster.nodes.contains_key(facts.name());
    let own = if is_listed { of(facts.name()) } else { 0 };
    let guests = facts.read(|report| &report.guests).into_iter().flatten();
    Some(Outlook {
        name: cluster.name.clone(),
        asked: view.node.clone(),
        is_quorate: cluster.quorate,
        nodes: cluster.nodes.iter().map(|(name, node)| (name.clone(), node.online)).collect(),
        votes_known: known.is_some(),
        votes_expected: expected,
        votes_needed: quorum_of(expected),
        votes_online: online(None),
        votes_without: online(Some(facts.name())),
        votes_needed_after: quorum_of(expected.saturating_sub(own)),
        votes_own: own,
        host: facts.name().to_owned(),
        is_listed,
        guests: guests
            .map(|guest| GuestOutlook { guest: guest.clone(), last_backup: facts.backup_of(guest.id) })
            .collect(),
    })
}
