//! What a cluster says of a host that is to be rebuilt: whether it is a member, known by name *and* address, and whether the others keep
//! their quorum without it. Pure: the view was read from a member.

use std::net::Ipv4Addr;

use super::{
    cluster::{ClusterView, Membership},
    identity::Hostname,
};

/// Who we take a host for.
#[derive(Debug, Clone, Copy)]
pub struct HostClaim<'a> {
    /// Its name.
    pub name: &'a Hostname,
    /// The address with which it phoned home last, if we ever installed it.
    pub known_address: Option<Ipv4Addr>,
    /// The address that the operator states for this rebuild (`member_address`): it counts in place of the known one. A member that we
    /// never installed has no other.
    pub stated_address: Option<Ipv4Addr>,
    /// Whether we have seen it as a member since its last rebuild.
    pub is_member: bool,
}

/// What the cluster says of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Belonging {
    /// Neither its name nor its address is listed.
    NotAMember,
    /// We took it for a member, but the cluster lists it no longer: there is nothing to leave.
    NoLongerListed,
    /// Listed with exactly this name and this address: it must leave before it is installed.
    Member {
        /// Its name there.
        name: String,
        /// Its address there.
        address: Ipv4Addr,
        /// Whether the others see it now.
        online: bool,
    },
    /// It is the one node of its cluster: the cluster ends with it, and there is nobody to leave.
    OnlyMember,
    /// The one that we asked is the host itself, and there are others: one of those must be asked.
    AskedItself,
    /// Its name is listed, and we do not know the host's address: the operator must state it.
    AddressNotStated {
        /// Its name.
        name: String,
        /// The address that the cluster lists.
        listed: String,
    },
    /// Its name is listed with another address: another machine may have it.
    NameTakenByAnotherAddress {
        /// Its name.
        name: String,
        /// The address that the cluster lists.
        listed: String,
        /// The host's.
        ours: Ipv4Addr,
    },
    /// Its address is listed with another name.
    AddressTakenByAnotherName {
        /// The name that the cluster lists.
        listed: String,
        /// The host's address.
        address: Ipv4Addr,
    },
    /// The cluster could not be asked, for this reason.
    Unknown(String),
}

/// Finds what the cluster says of a host. `asked` is the address of the member whose view this is.
pub fn find_belonging(view: &ClusterView, asked: Ipv4Addr, claim: &HostClaim<'_>) -> Belonging {
    let name = claim.name.as_str();
    let ours = claim.stated_address.or(claim.known_address);
    let Some(cluster) = &view.cluster else { return of_lone_node(view, asked, claim) };
    if let Some(listed) = cluster.nodes.get(name) {
        let Some(ours) = ours else {
            return Belonging::AddressNotStated { name: name.to_owned(), listed: listed.address.clone() };
        };
        if listed.address.parse() != Ok(ours) {
            let listed = listed.address.clone();
            return Belonging::NameTakenByAnotherAddress { name: name.to_owned(), listed, ours };
        }
        if view.node == name {
            return if cluster.nodes.len() == 1 { Belonging::OnlyMember } else { Belonging::AskedItself };
        }
        return Belonging::Member { name: name.to_owned(), address: ours, online: listed.online };
    }
    let other = cluster.nodes.iter().find(|(_, node)| ours.is_some_and(|ours| node.address.parse() == Ok(ours)));
    match other.zip(ours) {
        Some(((other, _), address)) => Belonging::AddressTakenByAnotherName { listed: other.clone(), address },
        None if claim.is_member => Belonging::NoLongerListed,
        None => Belonging::NotAMember,
    }
}

/// The node that was asked stands alone: only its own name and address can be the host's.
fn of_lone_node(view: &ClusterView, asked: Ipv4Addr, claim: &HostClaim<'_>) -> Belonging {
    let ours = claim.stated_address.or(claim.known_address);
    let name = claim.name.as_str();
    match (view.node == name, ours) {
        (true, Some(ours)) if ours == asked => Belonging::NotAMember,
        (true, Some(ours)) => {
            Belonging::NameTakenByAnotherAddress { name: name.to_owned(), listed: asked.to_string(), ours }
        }
        (true, None) => Belonging::AddressNotStated { name: name.to_owned(), listed: asked.to_string() },
        (false, Some(address)) if address == asked => {
            Belonging::AddressTakenByAnotherName { listed: view.node.clone(), address }
        }
        (false, _) if claim.is_member => Belonging::NoLongerListed,
        (false, _) => Belonging::NotAMember,
    }
}

impl Belonging {
    /// The address under which the host must leave its cluster before it is installed.
    pub fn leaves(&self) -> Option<Ipv4Addr> {
        match self {
            Self::Member { address, .. } => Some(*address),
            Self::NotAMember
            | Self::NoLongerListed
            | Self::OnlyMember
            | Self::AskedItself
            | Self::AddressNotStated { .. }
            | Self::NameTakenByAnotherAddress { .. }
            | Self::AddressTakenByAnotherName { .. }
            | Self::Unknown(_) => None,
        }
    }

    /// Why the host must not be rebuilt as things are, and what to do; `None` when nothing is in the way.
    pub fn obstacle(&self) -> Option<String> {
        Some(match self {
            Self::NotAMember | Self::NoLongerListed | Self::Member { .. } | Self::OnlyMember => return None,
            Self::AskedItself => {
                "the only member that could be asked is this host itself; set proxmox.existing_node (with its host key) to another member".into()
            }
            Self::AddressNotStated { name, listed } => format!(
                "the cluster lists {name} at {listed}, and Rackseed has never seen this host's address; if that is this machine, state it: --member-address {listed}"
            ),
            Self::NameTakenByAnotherAddress { name, listed, ours } => format!(
                "the cluster lists {name} at {listed}, but this host was last seen at {ours}; if it is the same machine, state it: --member-address {listed}, else give the host another name"
            ),
            Self::AddressTakenByAnotherName { listed, address } => format!(
                "the cluster lists {address} as the node {listed}, not as this host; register it by that name, or give it another address"
            ),
            Self::Unknown(reason) => format!("the cluster cannot be asked whether this host is a member: {reason}"),
        })
    }
}

/// The votes of a cluster with and without one of its nodes. Every node counts as one vote, which is what Proxmox gives it; a vote of a
/// quorum device, or other numbers in `corosync.conf`, are not in a node's `.members` and not counted here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Votes {
    /// How many nodes the cluster has, the host included.
    pub total: usize,
    /// How many of them are online now.
    pub online: usize,
    /// Whether the member that was asked sees a quorum now.
    pub quorate: bool,
    /// How many others are online.
    pub others_online: usize,
    /// The others that are offline.
    pub others_offline: Vec<String>,
}

/// What becomes of the quorum when the host goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuorumWithout {
    /// The others keep it, while the host is still listed and after it was removed.
    Kept,
    /// There are two nodes: the other one has none until it was told to expect one vote (`pvecm expected 1`), which the leaving does.
    KeptByExpectedOne,
    /// They lose it: nothing could be removed then, and nothing could be changed.
    Lost,
    /// There is none now.
    NoneNow,
}

/// Counts the votes around the node `name`; `None` when the member that was asked stands alone.
pub fn count_votes(view: &ClusterView, name: &str) -> Option<Votes> {
    let Membership { quorate, nodes, .. } = view.cluster.as_ref()?;
    let others = || nodes.iter().filter(|(node, _)| *node != name);
    Some(Votes {
        total: nodes.len(),
        online: nodes.values().filter(|node| node.online).count(),
        quorate: *quorate,
        others_online: others().filter(|(_, node)| node.online).count(),
        others_offline: others().filter(|(_, node)| !node.online).map(|(node, _)| node.clone()).collect(),
    })
}

impl Votes {
    /// How many votes a cluster of so many nodes needs.
    pub fn majority(total: usize) -> usize {
        total / 2 + 1
    }

    /// What becomes of the quorum when the host goes: first it is off and still listed, then it is removed.
    pub fn without(&self) -> QuorumWithout {
        let is_pair = self.total == 2 && self.others_online == 1;
        if is_pair {
            return QuorumWithout::KeptByExpectedOne;
        }
        if !self.quorate {
            return QuorumWithout::NoneNow;
        }
        let while_away = self.others_online >= Self::majority(self.total);
        let afterwards = self.others_online >= Self::majority(self.total.saturating_sub(1));
        if while_away && afterwards { QuorumWithout::Kept } else { QuorumWithout::Lost }
    }

    /// The same as a sentence.
    pub fn sentence(&self) -> String {
        let Self { total, others_online, others_offline, .. } = self;
        let needed = Self::majority(*total);
        match self.without() {
            QuorumWithout::Kept => {
                format!("the cluster keeps its quorum without this host: {others_online} others are online, {needed} of {total} are needed")
            }
            QuorumWithout::KeptByExpectedOne => {
                "the cluster has two nodes: while this host is away the other one has no quorum until it is told to expect one vote, which the leaving does".into()
            }
            QuorumWithout::Lost => format!(
                "the cluster would lose its quorum without this host: only {others_online} others are online and {needed} of {total} are needed; bring {} online first",
                others_offline.join(", ")
            ),
            QuorumWithout::NoneNow => {
                format!("the cluster has no quorum now ({} of {total} nodes are online, {needed} are needed); bring nodes online first", self.online)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cluster::NodeView;

    const ASKED: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    /// The view of `pve-01` (10.0.0.1) of itself and so many others: each is online or not.
    fn view(others_online: &[bool]) -> ClusterView {
        let mut nodes = std::collections::BTreeMap::new();
        for (place, online) in std::iter::once(&true).chain(others_online).enumerate() {
            nodes.insert(
                format!("pve-{:02}", place + 1),
                NodeView { id: None, online: *online, address: format!("10.0.0.{}", place + 1) },
            );
        }
        let online = nodes.values().filter(|node| node.online).count();
        let quorate = online >= Votes::majority(nodes.len());
        ClusterView { node: "pve-01".into(), cluster: Some(Membership { name: "lab".into(), quorate, nodes }) }
    }

    fn belonging(view: &ClusterView, name: &str, known: Option<Ipv4Addr>, stated: Option<Ipv4Addr>) -> Belonging {
        let name = name.parse().unwrap();
        let claim = HostClaim { name: &name, known_address: known, stated_address: stated, is_member: false };
        find_belonging(view, ASKED, &claim)
    }

    #[test]
    fn a_host_is_a_member_only_by_name_and_address() {
        let view = view(&[true, false]);
        let member = belonging(&view, "pve-02", Some(OURS), None);
        assert_eq!(member, Belonging::Member { name: "pve-02".into(), address: OURS, online: true });
        assert_eq!((member.leaves(), member.obstacle()), (Some(OURS), None));
        let elsewhere = belonging(&view, "pve-03", Some(OURS), None);
        assert!(matches!(&elsewhere, Belonging::NameTakenByAnotherAddress { listed, .. } if listed == "10.0.0.3"));
        assert!(elsewhere.leaves().is_none() && elsewhere.obstacle().unwrap().contains("--member-address 10.0.0.3"));
        let renamed = belonging(&view, "pve-09", Some(OURS), None);
        assert!(matches!(&renamed, Belonging::AddressTakenByAnotherName { listed, .. } if listed == "pve-02"));
        assert_eq!(belonging(&view, "pve-09", None, None), Belonging::NotAMember);
    }

    #[test]
    fn a_member_that_we_never_installed_leaves_only_by_the_address_that_the_operator_states() {
        let view = view(&[true, true]);
        let unstated = belonging(&view, "pve-02", None, None);
        assert!(matches!(unstated, Belonging::AddressNotStated { .. }) && unstated.leaves().is_none());
        assert!(unstated.obstacle().unwrap().contains("--member-address 10.0.0.2"));
        assert_eq!(belonging(&view, "pve-02", None, Some(OURS)).leaves(), Some(OURS));
        assert_eq!(belonging(&view, "pve-02", Some(Ipv4Addr::new(10, 9, 9, 9)), Some(OURS)).leaves(), Some(OURS));
        assert_eq!(belonging(&view, "pve-02", Some(OURS), Some(Ipv4Addr::new(10, 0, 0, 3))).leaves(), None);
    }

    #[test]
    fn the_member_that_was_asked_is_never_asked_to_remove_itself() {
        assert_eq!(belonging(&view(&[true]), "pve-01", Some(ASKED), None), Belonging::AskedItself);
        assert_eq!(belonging(&view(&[]), "pve-01", Some(ASKED), None), Belonging::OnlyMember);
        let lone = ClusterView { node: "pve-01".into(), cluster: None };
        assert_eq!(belonging(&lone, "pve-01", Some(ASKED), None), Belonging::NotAMember);
        assert!(belonging(&lone, "pve-01", Some(OURS), None).obstacle().is_some());
        assert!(belonging(&lone, "pve-02", Some(ASKED), None).obstacle().is_some());
        assert_eq!(belonging(&lone, "pve-02", Some(OURS), None), Belonging::NotAMember);
    }

    #[test]
    fn a_member_that_the_cluster_lists_no_longer_has_nothing_to_leave() {
        let name = "pve-09".parse().unwrap();
        let claim = HostClaim { name: &name, known_address: None, stated_address: None, is_member: true };
        let gone = find_belonging(&view(&[true]), ASKED, &claim);
        assert_eq!((&gone, gone.leaves(), gone.obstacle()), (&Belonging::NoLongerListed, None, None));
    }

    #[test]
    fn the_quorum_without_a_host_is_counted_while_it_is_away_and_after_it_left() {
        for (others_online, expected) in [
            (&[true][..], QuorumWithout::KeptByExpectedOne),
            (&[false], QuorumWithout::KeptByExpectedOne),
            (&[true, true], QuorumWithout::Kept),
            (&[false, true], QuorumWithout::Kept),
            (&[true, false], QuorumWithout::Lost),
            (&[false, false], QuorumWithout::NoneNow),
            // Three of four are needed while it is away, though two of three would do afterwards.
            (&[true, true, false], QuorumWithout::Lost),
            (&[true, true, true], QuorumWithout::Kept),
            (&[true, true, true, false], QuorumWithout::Kept),
        ] {
            let votes = count_votes(&view(others_online), "pve-02").unwrap();
            assert_eq!(votes.without(), expected, "{others_online:?}: {}", votes.sentence());
        }
        let lost = count_votes(&view(&[true, false]), "pve-02").unwrap().sentence();
        assert!(lost.contains("pve-03") && lost.contains("2 of 3"), "{lost}");
        assert_eq!(count_votes(&ClusterView { node: "a".into(), cluster: None }, "a"), None);
    }
}
