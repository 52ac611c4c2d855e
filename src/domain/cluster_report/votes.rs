//! The votes of a cluster, from `corosync.conf`.

use super::{Reading, Unread};

/// Who has how many votes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorosyncVotes {
    /// Every node.
    pub nodes: Vec<NodeVotes>,
    /// The votes of a quorum device; 0 where there is none.
    pub device: u32,
}

/// The votes of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeVotes {
    /// Its name.
    pub name: String,
    /// Its votes, usually 1.
    pub votes: u32,
}

impl CorosyncVotes {
    /// All votes that are expected.
    pub fn expected(&self) -> u32 {
        self.nodes.iter().map(|node| node.votes).sum::<u32>() + self.device
    }

    /// The votes of a node; 0 when it is not listed.
    pub fn of(&self, name: &str) -> u32 {
        self.nodes.iter().find(|node| node.name == name).map_or(0, |node| node.votes)
    }
}

/// How many of the expected votes are a quorum.
pub fn quorum_of(expected: u32) -> u32 {
    expected / 2 + 1
}

/// Reads `corosync.conf`: sections in braces, `key: value` in them.
pub(super) fn read(text: &str) -> Reading<CorosyncVotes> {
    let mut place: Vec<&str> = Vec::new();
    let mut votes = CorosyncVotes::default();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(section) = line.strip_suffix('{') {
            place.push(section.trim());
            match place[..] {
                ["nodelist", "node"] => votes.nodes.push(NodeVotes { name: String::new(), votes: 1 }),
                // A device without a number of votes has one.
                ["quorum", "device"] => votes.device = 1,
                _ => {}
            }
        } else if line == "}" {
            place.pop();
        } else if let Some((key, value)) = line.split_once(':') {
            let value = value.trim();
            match (&place[..], key.trim(), votes.nodes.last_mut()) {
                (["nodelist", "node"], "name", Some(node)) => value.clone_into(&mut node.name),
                (["nodelist", "node"], "quorum_votes", Some(node)) => node.votes = value.parse().unwrap_or(1),
                (["quorum", "device"], "votes", _) => votes.device = value.parse().unwrap_or(1),
                _ => {}
            }
        }
    }
    if votes.nodes.iter().any(|node| !node.name.is_empty()) {
        return Ok(votes);
    }
    Err(Unread { what: "`corosync.conf`".into(), why: "it lists no node".into() })
}
