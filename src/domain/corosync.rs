//! The links of a cluster: what its `corosync.conf` names, and which addresses of a node go to which.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;

/// How many links corosync has at most: 0 to 7.
pub const MOST_LINKS: u8 = 8;

/// One node of the list in `corosync.conf`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorosyncNode {
    /// Its name.
    pub name: String,
    /// Its address, or host name, on each link.
    pub links: BTreeMap<u8, String>,
}

/// Reads the node list of a `corosync.conf`.
pub fn read_nodes(text: &str) -> Vec<CorosyncNode> {
    let (mut nodes, mut current) = (Vec::new(), None);
    for line in text.lines().map(str::trim) {
        if line.split_whitespace().eq(["node", "{"]) {
            current = Some(CorosyncNode::default());
        } else if line == "}" {
            nodes.extend(current.take().filter(|node| !node.name.is_empty()));
        } else if let (Some(node), Some((key, value))) = (&mut current, line.split_once(':')) {
            let link = key.strip_prefix("ring").and_then(|rest| rest.strip_suffix("_addr")?.parse::<u8>().ok());
            match link {
                Some(link) => {
                    node.links.insert(link, value.trim().to_owned());
                }
                None if key == "name" => node.name = value.trim().to_owned(),
                None => {}
            }
        }
    }
    nodes
}

/// Chooses a node's address on every link. `networks` are the settings', `home` the address with which the node phoned home, `existing` the
/// links of the cluster that it joins: it must be given exactly those.
pub fn choose_links(
    networks: &BTreeMap<u8, Ipv4Net>,
    addresses: &[Ipv4Addr],
    home: Ipv4Addr,
    existing: Option<&BTreeSet<u8>>,
) -> Result<BTreeMap<u8, Ipv4Addr>, String> {
    let mut chosen = BTreeMap::new();
    if networks.is_empty() {
        chosen.insert(0, home);
    }
    for (link, network) in networks {
        let address = addresses.iter().find(|address| network.contains(*address)).ok_or_else(|| {
            format!(
                "the node has no address in {network}, the network of corosync's link {link} (proxmox.links); give it one, or correct the setting"
            )
        })?;
        chosen.insert(*link, *address);
    }
    let Some(existing) = existing.filter(|links| !links.is_empty()) else { return Ok(chosen) };
    if let Some(link) = existing.iter().find(|link| !chosen.contains_key(link)) {
        return Err(format!(
            "the cluster's corosync has the link {link}, and proxmox.links names no network for it; add it as entry {link} (the first one is entry 0), then retry"
        ));
    }
    if let Some(link) = chosen.keys().find(|link| !existing.contains(link)) {
        return Err(format!(
            "proxmox.links names a network for corosync's link {link}, which the cluster does not have; take it out, then retry"
        ));
    }
    Ok(chosen)
}

/// The links as arguments of `pvecm`.
pub fn link_arguments(links: &BTreeMap<u8, Ipv4Addr>) -> String {
    links.iter().map(|(link, address)| format!("--link{link} {address}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "logging {\n  debug: off\n}\n\nnodelist {\n  node {\n    name: pve-01\n    nodeid: 1\n    quorum_votes: 1\n    ring0_addr: 10.0.0.1\n    ring1_addr: 10.1.0.1\n  }\n  node {\n    name: pve-02\n    nodeid: 2\n    ring0_addr: 10.0.0.2\n    ring1_addr: 10.1.0.2\n  }\n}\ntotem {\n  cluster_name: lab\n  interface {\n    linknumber: 0\n  }\n}\n";

    #[test]
    fn the_nodes_of_a_cluster_are_read_with_their_links() {
        let nodes = read_nodes(TEXT);
        assert_eq!(nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["pve-01", "pve-02"]);
        assert_eq!(nodes[1].links, [(0, "10.0.0.2".to_owned()), (1, "10.1.0.2".to_owned())].into());
        assert_eq!(read_nodes("node {\n}\n}\nring0_addr: x"), []);
    }

    #[test]
    fn a_node_is_given_exactly_the_links_of_the_cluster_or_one_sentence_names_the_missing_setting() {
        let networks = |list: &[(u8, &str)]| -> BTreeMap<u8, Ipv4Net> {
            list.iter().map(|(link, network)| (*link, network.parse().unwrap())).collect()
        };
        let addresses = ["10.0.0.5", "10.1.0.5", "192.0.2.5"].map(|address| address.parse().unwrap());
        let home = addresses[2];
        let choose = |list: &[(u8, &str)], existing: Option<&[u8]>| {
            let existing = existing.map(|links| links.iter().copied().collect());
            choose_links(&networks(list), &addresses, home, existing.as_ref()).map(|links| link_arguments(&links))
        };
        assert_eq!(choose(&[], None).unwrap(), "--link0 192.0.2.5");
        assert_eq!(choose(&[], Some(&[0])).unwrap(), "--link0 192.0.2.5");
        let both = [(0, "10.0.0.0/24"), (1, "10.1.0.0/24")];
        assert_eq!(choose(&both, Some(&[0, 1])).unwrap(), "--link0 10.0.0.5 --link1 10.1.0.5");
        assert!(choose(&[], Some(&[0, 1])).unwrap_err().contains("add it as entry 1"));
        assert!(choose(&both, Some(&[0])).unwrap_err().contains("link 1, which the cluster does not have"));
        assert!(choose(&[(0, "10.9.0.0/24")], None).unwrap_err().contains("no address in 10.9.0.0/24"));
    }
}
