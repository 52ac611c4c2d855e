//! A daemon, and a cluster of three of which one node really answers.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use rackseed::{
    domain::{hardware::Hardware, identity::OperationId, preflight::Overridden},
    ports::{HostLedger, RebuildLedger},
    simulator::{Installation, SimulatedNetwork, SimulatedSshServer},
    store::Store,
};
use serde_json::Value;

use crate::support::house::House;

/// Where the cluster lists the node that is to be rebuilt.
pub(super) const MEMBER_ADDRESS: &str = "127.0.0.3";
const FIRST_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

/// The daemon and the cluster.
pub(super) struct Lab {
    pub(super) house: House,
    member: PathBuf,
    server: Mutex<Option<SimulatedSshServer>>,
    _folder: tempfile::TempDir,
}

impl Lab {
    /// `pve-01`, `pve-02` and `pve-03` at 127.0.0.1 to .3, of which `pve-01` answers; nothing is on `pve-03`.
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let network = SimulatedNetwork::new(folder.path().join("network"), 0.0).unwrap();
        let node = network.install(&Installation {
            hostname: "pve-01".into(),
            address: [127, 0, 0, 1].into(),
            hardware_id: "4c4c4544-0035-4810-8051-000000000001".into(),
            root_ssh_keys: vec![FIRST_KEY.into()],
            root_password: "secret".into(),
        });
        let node = Arc::new(node.unwrap());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = SimulatedSshServer::start(node.clone(), port).await.unwrap();
        let password = folder.path().join("password");
        fs::write(&password, "secret").unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
        let house = House::with(|settings| {
            settings.proxmox.existing_node = "127.0.0.1".into();
            settings.proxmox.existing_node_ssh_host_key = node.host_key_line();
            settings.proxmox.root_password_file = password.to_str().unwrap().into();
            settings.proxmox.join_fingerprint = ["AA"; 32].join(":");
            settings.proxmox.ssh_port = port;
        })
        .await;
        house.add_image().await;
        let member = folder.path().join("network/nodes/pve-01");
        let lab = Self { house, member, server: Mutex::new(Some(server)), _folder: folder };
        lab.nodes_online([true; 3]);
        let nodes = ["pve-01", "pve-02", "pve-03"].map(|name| format!("  node {{\n    name: {name}\n  }}\n")).concat();
        lab.write("etc/pve/corosync.conf", &format!("nodelist {{\n{nodes}}}\n"));
        lab.write("etc/pve/nodes/pve-03/lxc/notes", "");
        lab
    }

    /// A file of the member.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.member.join(name)
    }

    /// Writes a file of the member.
    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Which nodes the member sees online.
    pub(super) fn nodes_online(&self, online: [bool; 3]) {
        let nodes = [1, 2, 3].map(|place| {
            let online = u8::from(online[place - 1]);
            format!("\"pve-0{place}\": {{ \"id\": {place}, \"online\": {online}, \"ip\": \"127.0.0.{place}\"}}")
        });
        let quorate = u8::from(online.iter().filter(|online| **online).count() >= 2);
        let cluster = format!("{{ \"name\": \"lab\", \"version\": 3, \"nodes\": 3, \"quorate\": {quorate} }}");
        let text = format!(
            "{{\n\"nodename\": \"pve-01\",\n\"version\": 5,\n\"cluster\": {cluster},\n\"nodelist\": {{\n{}\n}}\n}}\n",
            nodes.join(",\n")
        );
        self.write("etc/pve/.members", &text);
    }

    /// Puts guests, jobs and roles on `pve-03`.
    pub(super) fn furnish(&self) {
        self.write("etc/pve/nodes/pve-03/qemu-server/101.conf", "memory: 512\nname: web\n[before]\nname: old\n");
        self.write("etc/pve/nodes/pve-03/lxc/102.conf", "hostname: mail\n");
        self.write("etc/pve/ha/resources.cfg", "vm: 101\n\tstate started\n");
        self.write("etc/pve/ha/rules.cfg", "node-affinity: near\n\tnodes pve-03:2\n\tresources vm:101\n");
        self.write("etc/pve/replication.cfg", "local: 101-0\n\ttarget pve-02\n\tsource pve-03\n");
        let storages =
            "zfspool: tank\n\tpool tank\n\tnodes pve-03\n\nnfs: share\n\tserver 127.0.0.3\n\texport /share\n";
        self.write("etc/pve/storage.cfg", storages);
        self.write("etc/pve/jobs.cfg", "vzdump: nightly\n\tnode pve-03\n\tall 1\n");
        self.write("etc/pve/ceph.conf", "[global]\n\tmon_host = 127.0.0.1 127.0.0.3\n");
        let resources = r#"[{"id":"qemu/101","node":"pve-03","status":"running","type":"qemu","vmid":101},{"node":"pve-03","status":"stopped","type":"lxc","vmid":102},{"node":"pve-01","status":"running","type":"qemu","vmid":900}]"#;
        self.write("var/lib/told/_cluster_resources", resources);
        self.write("var/lib/told/_cluster_ceph_metadata", r#"{"mon":{},"osd":[{"id":0,"hostname":"pve-03"}]}"#);
        self.write("var/lib/told/storages", "Name Type Status Total\nbackup pbs active 100\n");
        let backups = r#"[{"ctime":1600000000,"vmid":102,"volid":"a"},{"ctime":1700000000,"notes":"vmid {102}","vmid":102,"volid":"b"},{"ctime":1700000000,"vmid":900}]"#;
        self.write("var/lib/told/_nodes_pve-01_storage_backup_content", backups);
    }

    /// The plan of a rebuild.
    pub(super) async fn plan(&self, host: &str, query: &str) -> Value {
        self.house.get(&format!("/api/hosts/{host}/rebuild-plan{query}")).await.json()
    }

    /// Ends the member's SSH server.
    pub(super) fn stop_member(&self) {
        drop(self.server.lock().unwrap().take());
    }

    /// What is kept of the overridden blockers with a rebuild.
    pub(super) async fn overridden(&self, operation: &str) -> Option<Overridden> {
        let operation: OperationId = operation.parse().unwrap();
        store(&self.house).rebuild(&operation).await.unwrap().unwrap().overridden
    }
}

/// The daemon's database.
fn store(house: &House) -> Store {
    Store::open_shared(&house.folder.path().join("data")).unwrap()
}

/// Keeps hardware of a host, as its reports would.
pub(super) async fn set_hardware(house: &House, host: &str, hardware: &Hardware) {
    store(house).set_hardware(&host.parse().unwrap(), hardware).await.unwrap();
}

/// The ids of everything that was found.
pub(super) fn ids(told: &Value) -> Vec<String> {
    let found = told["findings"].as_array().into_iter().flatten();
    found.map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
}

/// The ids of the findings of one severity.
pub(super) fn with_severity(plan: &Value, severity: &str) -> Vec<String> {
    let found = plan["findings"].as_array().unwrap_or_else(|| panic!("no findings: {plan:#}"));
    let found = found.iter().filter(|finding| finding["severity"] == severity);
    found.map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
}
