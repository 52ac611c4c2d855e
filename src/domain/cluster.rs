//! What a node says of its cluster: the reading of `/etc/pve/.members`, which is the best machine check there is (pmxcfs).

use std::collections::BTreeMap;

use serde::Deserialize;

/// The state of a cluster as one of its nodes sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterView {
    /// The node that was asked.
    pub node: String,
    /// The cluster; `None` on a node that stands alone.
    pub cluster: Option<Membership>,
}

/// The part of a view that only members have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The cluster's name.
    pub name: String,
    /// Whether the node sees a quorum.
    pub quorate: bool,
    /// The nodes by name.
    pub nodes: BTreeMap<String, NodeView>,
}

/// One node in a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// Its number in the cluster.
    pub id: Option<u32>,
    /// Whether it is there now.
    pub online: bool,
    /// Its address.
    pub address: String,
}

/// A `.members` file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the node's /etc/pve/.members cannot be read: {0}")]
pub struct UnreadableMembers(String);

#[derive(Deserialize)]
struct MembersFile {
    nodename: String,
    cluster: Option<ClusterRow>,
    #[serde(default)]
    nodelist: BTreeMap<String, NodeRow>,
}

#[derive(Deserialize)]
struct ClusterRow {
    name: String,
    quorate: u8,
}

#[derive(Deserialize)]
struct NodeRow {
    id: Option<u32>,
    online: u8,
    #[serde(default)]
    ip: String,
}

/// Reads the text of `/etc/pve/.members`.
pub fn read_members(text: &str) -> Result<ClusterView, UnreadableMembers> {
    let file: MembersFile = serde_json::from_str(text).map_err(|error| UnreadableMembers(error.to_string()))?;
    let nodes = file
        .nodelist
        .into_iter()
        .map(|(name, row)| (name, NodeView { id: row.id, online: row.online != 0, address: row.ip }))
        .collect();
    let cluster = file.cluster.map(|row| Membership { name: row.name, quorate: row.quorate != 0, nodes });
    Ok(ClusterView { node: file.nodename, cluster })
}

impl ClusterView {
    /// Whether the node list has this name or this address: a host that is, or may be, a member.
    pub fn lists(&self, name: &str, address: Option<&str>) -> bool {
        let Some(cluster) = &self.cluster else { return false };
        cluster.nodes.iter().any(|(node, view)| node == name || Some(view.address.as_str()) == address)
    }

    /// Whether this node is a member with quorum and sees every one of `names` online.
    pub fn is_whole(&self, names: &[&str]) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| {
            cluster.quorate && names.iter().all(|name| cluster.nodes.get(*name).is_some_and(|node| node.online))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_stands_alone_has_no_cluster() {
        let view = read_members("{\n\"nodename\": \"pve-01\",\n\"version\": 3\n}").unwrap();
        assert_eq!(view.cluster, None);
        assert!(!view.lists("pve-01", None));
    }

    #[test]
    fn a_member_lists_its_nodes_by_name_and_address() {
        let text = r#"{"nodename":"pve-01","version":4,"cluster":{"name":"lab","version":2,"nodes":2,"quorate":1},
            "nodelist":{"pve-01":{"id":1,"online":1,"ip":"10.0.0.5"},"pve-02":{"id":2,"online":0,"ip":"10.0.0.6"}}}"#;
        let view = read_members(text).unwrap();
        assert!(
            view.lists("pve-02", None)
                && view.lists("other", Some("10.0.0.6"))
                && !view.lists("other", Some("10.0.0.7"))
        );
        assert!(view.is_whole(&["pve-01"]) && !view.is_whole(&["pve-01", "pve-02"]));
    }
}
