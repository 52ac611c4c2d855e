//! A cluster that was there before: one member, set up by hand as a person would.

use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rackseed::simulator::{Installation, SimulatedNetwork, SimulatedNode, SimulatedSshServer};
use russh::keys::{
    PrivateKey,
    ssh_key::{
        LineEnding,
        private::{Ed25519Keypair, KeypairData},
    },
};

/// Its name.
pub(crate) const NAME: &str = "pve-00";
/// Root's password there.
pub(crate) const PASSWORD: &str = "correct-horse-battery-staple";
/// How long it may take until it stands.
const STAND_LIMIT: Duration = Duration::from_secs(30);

/// A member of a cluster of one.
pub(crate) struct Member {
    node: Arc<SimulatedNode>,
    _ssh: SimulatedSshServer,
}

impl Member {
    /// Installs it, lets a new key in, which is written into a file for the settings, and makes the cluster `demo`.
    pub(crate) async fn stand_up(network: &SimulatedNetwork, address: Ipv4Addr, port: u16, key_file: &Path) -> Self {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).unwrap();
        let pair = PrivateKey::new(KeypairData::from(Ed25519Keypair::from_seed(&seed)), "operator").unwrap();
        write_secret(key_file, &pair.to_openssh(LineEnding::LF).unwrap());
        let key = pair.public_key().to_openssh().unwrap();
        let installation = Installation {
            hostname: NAME.into(),
            address,
            hardware_id: "00000000-0000-0000-0000-000000000000".into(),
            root_ssh_keys: vec![key],
            root_password: PASSWORD.into(),
        };
        let node = Arc::new(network.install(&installation).unwrap());
        let made =
            node.start_command(&format!("pvecm create demo --link0 {address}")).unwrap().wait_with_output().await;
        let made = String::from_utf8(made.unwrap().stdout).unwrap();
        let end = Instant::now() + STAND_LIMIT;
        while !node.file("etc/pve/.members").contains("\"quorate\": 1") {
            assert!(Instant::now() < end, "the member does not stand: {made}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let ssh = SimulatedSshServer::start(Arc::clone(&node), port).await.unwrap();
        Self { node, _ssh: ssh }
    }

    pub(crate) fn address(&self) -> Ipv4Addr {
        self.node.address
    }

    pub(crate) fn host_key(&self) -> String {
        self.node.host_key_line()
    }

    /// What Proxmox shows of its API certificate.
    pub(crate) fn fingerprint(&self) -> String {
        self.node.file(&format!("etc/pve/nodes/{NAME}/pve-ssl.pem")).trim().to_owned()
    }
}

/// Writes root's password where the settings say.
pub(crate) fn write_password(file: &Path) {
    write_secret(file, &format!("{PASSWORD}\n"));
}

fn write_secret(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}
