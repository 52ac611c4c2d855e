//! What a cluster's votes mean for a person: how many there are, how many are needed, and how many members may still fail.

use super::{
    cluster::Membership,
    cluster_report::{CorosyncVotes, quorum_of},
};

/// The votes of a cluster as one of its members sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterHealth {
    /// All votes.
    pub expected: u32,
    /// Those of members that are online, and of a quorum device.
    pub present: u32,
    /// How many are needed.
    pub needed: u32,
    /// Whether the member that was asked has a quorum.
    pub quorate: bool,
    /// How many members, those with the most votes first, may fail before the quorum is lost.
    pub may_fail: usize,
    /// The votes of a quorum device, which are taken to be there while there is a quorum.
    pub device: u32,
}

impl ClusterHealth {
    /// Counts. Without `corosync.conf`, every member has one vote.
    pub fn new(cluster: &Membership, votes: Option<&CorosyncVotes>) -> Self {
        let of = |name: &str| votes.map_or(1, |votes| votes.of(name));
        let device = votes.map_or(0, |votes| votes.device);
        let total: u32 = cluster.nodes.keys().map(|name| of(name)).sum();
        let mut online: Vec<u32> =
            cluster.nodes.iter().filter(|(_, node)| node.online).map(|(name, _)| of(name)).collect();
        let expected = votes.map_or(total, |votes| votes.expected().max(total));
        let needed = quorum_of(expected);
        let present = online.iter().sum::<u32>() + if cluster.quorate { device } else { 0 };
        online.sort_unstable_by(|one, other| other.cmp(one));
        let (mut left, mut may_fail) = (present, 0);
        for votes in online {
            left -= votes;
            if left < needed {
                break;
            }
            may_fail += 1;
        }
        Self { expected, present, needed, quorate: cluster.quorate, may_fail, device }
    }

    /// All of it as one sentence.
    pub fn sentence(&self) -> String {
        let Self { expected, present, needed, device, .. } = self;
        let with_device = if *device > 0 { format!(", {device} of them of the quorum device") } else { String::new() };
        let counted = format!("{present} of {expected} votes{with_device}, {needed} are needed");
        if !self.quorate {
            return format!(
                "{counted}: the cluster has no quorum. Guests go on where they run, and nothing can be changed until more members are online"
            );
        }
        match self.may_fail {
            0 if *expected == 1 => "1 of 1 vote: this member stands alone in its cluster".to_owned(),
            0 => format!("{counted}: no member may fail"),
            1 => format!("{counted}: one member may fail"),
            count => format!("{counted}: {count} members may fail"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{cluster::NodeView, cluster_report::NodeVotes};

    fn cluster(online: &[bool], quorate: bool) -> Membership {
        let node = |(place, online): (usize, &bool)| {
            (format!("pve-{place}"), NodeView { id: None, online: *online, address: String::new() })
        };
        Membership { name: "lab".into(), quorate, nodes: online.iter().enumerate().map(node).collect() }
    }

    fn votes(of_nodes: &[u32], device: u32) -> CorosyncVotes {
        let node = |(place, votes): (usize, &u32)| NodeVotes { name: format!("pve-{place}"), votes: *votes };
        CorosyncVotes { nodes: of_nodes.iter().enumerate().map(node).collect(), device }
    }

    #[test]
    fn a_sentence_says_how_many_members_may_fail() {
        for (online, quorate, told) in [
            (&[true][..], true, "1 of 1 vote: this member stands alone in its cluster"),
            (&[true, true], true, "2 of 2 votes, 2 are needed: no member may fail"),
            (&[true, true, true], true, "3 of 3 votes, 2 are needed: one member may fail"),
            (&[true, true, false], true, "2 of 3 votes, 2 are needed: no member may fail"),
            (&[true; 5], true, "5 of 5 votes, 3 are needed: 2 members may fail"),
        ] {
            assert_eq!(ClusterHealth::new(&cluster(online, quorate), None).sentence(), told);
        }
        let lost = ClusterHealth::new(&cluster(&[true, false, false], false), None).sentence();
        assert!(lost.starts_with("1 of 3 votes, 2 are needed: the cluster has no quorum"), "{lost}");
    }

    #[test]
    fn members_with_more_votes_and_a_device_count_as_they_do_in_corosync() {
        let heavy = ClusterHealth::new(&cluster(&[true; 3], true), Some(&votes(&[2, 1, 1], 0)));
        assert_eq!((heavy.expected, heavy.needed, heavy.may_fail), (4, 3, 0), "the heavy one may not fail");
        let pair = ClusterHealth::new(&cluster(&[true, true], true), Some(&votes(&[1, 1], 1)));
        assert_eq!(pair.sentence(), "3 of 3 votes, 1 of them of the quorum device, 2 are needed: one member may fail");
    }
}
