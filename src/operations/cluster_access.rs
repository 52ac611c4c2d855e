//! What the settings say of the cluster, and how we reach the node that is to join.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use ipnet::Ipv4Net;
use secrecy::SecretString;

use super::{World, step::StepError};
use crate::{
    domain::{host::Host, rebuild::Rebuild},
    ports::{Command, Credential, Login, Output},
    provisioning::secret_place,
};

/// How we prove to members who we are.
#[derive(Debug, Clone)]
pub enum MemberCredential {
    /// Root's password, from `proxmox.root_password_file`.
    Password(SecretString),
    /// The text of the OpenSSH private key in `proxmox.key_file`.
    Key(SecretString),
}

/// What the settings say of the cluster.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// A member, if there is a cluster already.
    pub existing_node: Option<Ipv4Addr>,
    /// Its SSH host key, `ssh-ed25519 BASE64`.
    pub existing_node_ssh_host_key: Option<String>,
    /// SHA-256 of its API certificate, as `AA:BB:…`.
    pub join_fingerprint: Option<String>,
    /// The name of a cluster that we create; at most 15 characters.
    pub cluster_name: String,
    /// How members know us.
    pub credential: Option<MemberCredential>,
    /// The network of each of corosync's links; empty: link 0 alone, with the address with which the node phoned home.
    pub links: BTreeMap<u8, Ipv4Net>,
    /// The SSH port of nodes.
    pub ssh_port: u16,
    /// Whether a person compares the new node's host key before any credential leaves us.
    pub confirm_host_key: bool,
}

/// How long a short command on a node may take.
pub(super) const SHORT_COMMAND: Duration = Duration::from_secs(20);

/// The login on the node that is being rebuilt: the ephemeral key, and exactly the host key that its webhook reported.
pub(super) fn node_login(world: &World, host: &Host, rebuild: &Rebuild) -> Result<Login, StepError> {
    let (Some(address), Some(host_key)) = (host.address, host.ssh_host_key.clone()) else {
        return Err(StepError::lasting("the node's address or SSH host key is not known; rebuild it"));
    };
    let sealed = rebuild
        .sealed
        .as_ref()
        .ok_or_else(|| StepError::lasting("the ephemeral key of this rebuild is erased; rebuild the host"))?;
    let key = world.secrets.open(&secret_place(&rebuild.operation, "private_key"), &sealed.private_key)?;
    let address = SocketAddr::new(IpAddr::V4(address), world.cluster.ssh_port);
    Ok(Login { address, user: "root".into(), credential: Credential::Ed25519(key), host_key })
}

/// Runs a short command; a status other than 0 is a failure that may pass.
pub(super) async fn run(world: &World, login: &Login, line: &str) -> Result<Output, StepError> {
    checked(login, world.shell.run(login, &Command::new(line, SHORT_COMMAND)).await?)
}

/// What a command said; a status other than 0 is a failure that may pass.
pub(super) fn checked(login: &Login, output: Output) -> Result<Output, StepError> {
    if output.is_success() {
        return Ok(output);
    }
    let said = last_lines(if output.error.trim().is_empty() { &output.output } else { &output.error });
    let status = output.status.map_or("a signal".to_owned(), |status| format!("status {status}"));
    Err(StepError::passing(format!("a command on {} ended with {status}: {said}", login.address.ip())))
}

/// The last lines of what a command said, short enough for a reason.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(3)..].join(" / ");
    tail.chars().take(400).collect()
}

/// Whether a text is one OpenSSH public key line without anything that a shell would read: `TYPE BASE64`, comment cut off.
pub(super) fn plain_public_key(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let (kind, key) = (words.next()?, words.next()?);
    let is_kind = kind.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '@' | '.'));
    let is_base64 = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='));
    (is_kind && is_base64).then(|| format!("{kind} {key}"))
}
