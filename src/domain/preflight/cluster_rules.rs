//! Findings about the cluster itself: whether the host is a member, and what becomes of the quorum without it.

use super::{Facts, Rule, blocker, list, machine_rules::when, note, outlook::look_ahead, wall, warning};
use crate::domain::cluster_plan::{Belonging, QuorumWithout};

pub(super) const RULES: &[Rule] = &[
    blocker("cluster_unreachable", |facts| obstacle(facts, |belonging| matches!(belonging, Belonging::Unknown(_)))),
    wall("asked_itself", |facts| obstacle(facts, |belonging| matches!(belonging, Belonging::AskedItself))),
    wall("address_unstated", |facts| {
        obstacle(facts, |belonging| matches!(belonging, Belonging::AddressNotStated { .. }))
    }),
    wall("address_differs", |facts| {
        obstacle(facts, |belonging| matches!(belonging, Belonging::NameTakenByAnotherAddress { .. }))
    }),
    blocker("address_of_another", |facts| {
        obstacle(facts, |belonging| matches!(belonging, Belonging::AddressTakenByAnotherName { .. }))
    }),
    blocker("last_member", |facts| {
        let words = format!(
            "{} is the only node of its cluster: users, permissions, storages and jobs of the cluster are lost with it",
            facts.name()
        );
        when(matches!(facts.cluster.belonging, Belonging::OnlyMember), words)
    }),
    blocker("standalone_node", |facts| {
        let words = format!(
            "{} is the node that new ones join through (it stands alone); what is configured on it is lost",
            facts.name()
        );
        let is_asked =
            facts.cluster.view.as_ref().is_some_and(|view| view.cluster.is_none() && view.node == facts.name());
        when(is_asked && matches!(facts.cluster.belonging, Belonging::NotAMember), words)
    }),
    blocker("no_quorum", |facts| {
        let without = without(facts);
        sentence(facts, without == Some(QuorumWithout::NoneNow) && facts.is_node())
    }),
    blocker("quorum_lost", |facts| {
        let found = sentence(facts, without(facts) == Some(QuorumWithout::Lost) && is_member(facts));
        if !found.is_empty() {
            return found;
        }
        // Nodes may have other numbers of votes than one; `.members` does not tell.
        let outlook = look_ahead(facts).filter(|_| is_member(facts) && without(facts) == Some(QuorumWithout::Kept));
        let lost = outlook.filter(|outlook| outlook.votes_known && outlook.votes_without < outlook.votes_needed);
        lost.map(|outlook| format!("the cluster would lose its quorum: {}", outlook.sentence())).into_iter().collect()
    }),
    blocker("quorum_device", |facts| {
        let device = facts.read(|report| &report.votes).map_or(0, |votes| votes.device);
        let words = "the cluster has a QDevice, and Proxmox changes no membership with one: `pvecm qdevice remove` first, and set it up again afterwards";
        when(device > 0 && is_member(facts), words.to_owned())
    }),
    blocker("two_nodes_with_ha", |facts| {
        let manages = facts.read(|report| &report.high_availability).is_some_and(|ha| !ha.resources.is_empty());
        let words = "the cluster has two nodes and manages guests for high availability: while this host is away, the watchdog may reset the other node; set those guests to `ignored` first";
        when(is_pair(facts) && manages, words.to_owned())
    }),
    warning("two_nodes", |facts| sentence(facts, is_pair(facts))),
    blocker("votes_unread", |facts| {
        // A node that stands alone has no such file.
        let unread = facts.unread(|report| &report.votes).filter(|_| facts.cluster.votes.is_some());
        unread.map(|why| format!("{why}; without it nobody knows the votes")).into_iter().collect()
    }),
    blocker("report_unread", |facts| {
        let failed = facts.cluster.report.as_ref().and_then(|report| report.as_ref().err());
        let words = |error| format!("{error}; nobody knows what runs on {}", facts.name());
        failed.map(words).into_iter().collect()
    }),
    warning("others_offline", |facts| {
        let offline = facts.cluster.votes.as_ref().filter(|_| is_member(facts)).map(|votes| &votes.others_offline);
        let offline = offline.filter(|names| !names.is_empty());
        offline
            .map(|names| format!("other nodes of the cluster are offline: {}", list(names.clone())))
            .into_iter()
            .collect()
    }),
    warning("no_quorum_to_join", |facts| {
        let has_none = facts.cluster.votes.as_ref().is_some_and(|votes| !votes.quorate) && !facts.is_node();
        when(has_none, "the cluster has no quorum now; the new node waits with joining until it has one".to_owned())
    }),
    note("no_longer_listed", |facts| {
        let words = format!("the cluster does not list {} any more, so there is nothing to leave", facts.name());
        when(matches!(facts.cluster.belonging, Belonging::NoLongerListed), words)
    }),
    note("leaves_first", |facts| {
        let Belonging::Member { address, .. } = &facts.cluster.belonging else { return Vec::new() };
        vec![format!(
            "{} ({address}) is a member: it is removed from the cluster, reinstalled, and joins again under its name",
            facts.name()
        )]
    }),
    note("still_runs", |facts| {
        let words = format!("{} is up now; it goes on running until somebody restarts it", facts.name());
        when(matches!(facts.cluster.belonging, Belonging::Member { online: true, .. }), words)
    }),
];

fn obstacle(facts: &Facts, is_it: fn(&Belonging) -> bool) -> Vec<String> {
    let belonging = &facts.cluster.belonging;
    belonging.obstacle().filter(|_| is_it(belonging)).into_iter().collect()
}

fn is_member(facts: &Facts) -> bool {
    matches!(facts.cluster.belonging, Belonging::Member { .. })
}

fn is_pair(facts: &Facts) -> bool {
    is_member(facts) && without(facts) == Some(QuorumWithout::KeptByExpectedOne)
}

fn without(facts: &Facts) -> Option<QuorumWithout> {
    facts.cluster.votes.as_ref().map(crate::domain::cluster_plan::Votes::without)
}

fn sentence(facts: &Facts, condition: bool) -> Vec<String> {
    let votes = facts.cluster.votes.as_ref().filter(|_| condition);
    votes.map(crate::domain::cluster_plan::Votes::sentence).into_iter().collect()
}
