//! A member of a cluster that exists only as a folder and an SSH server on an address of loopback.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::Arc,
};

use rackseed::simulator::{Installation, SimulatedNetwork, SimulatedNode, SimulatedSshServer};
use tempfile::TempDir;

/// Root's password on every such member.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// One member; gone when this is dropped.
pub(crate) struct SimulatedMember {
    pub(crate) node: Arc<SimulatedNode>,
    /// What can be reached; taken away, the member is silent.
    pub(crate) server: Option<SimulatedSshServer>,
    pub(crate) folder: TempDir,
    pub(crate) address: String,
    pub(crate) port: u16,
}

impl SimulatedMember {
    /// Installs a node and lets it create its cluster.
    pub(crate) async fn creating(cluster: &str, hostname: &str, address: Ipv4Addr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let network = SimulatedNetwork::new(folder.path().join("network"), 0.1).unwrap();
        let installation = Installation {
            hostname: hostname.into(),
            address,
            hardware_id: "4c4c4544-0035-4810-8051-000000000000".into(),
            root_ssh_keys: Vec::new(),
            root_password: PASSWORD.into(),
        };
        let node = Arc::new(network.install(&installation).unwrap());
        let port = TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
        let server = Some(SimulatedSshServer::start(node.clone(), port).await.unwrap());
        let create = format!("pvecm create {cluster} --link0 {address}");
        assert!(node.start_command(&create).unwrap().wait().await.unwrap().success());
        Self { node, server, folder, address: address.to_string(), port }
    }
}
