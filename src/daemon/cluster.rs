//! What the settings say of the cluster.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context;
use ipnet::Ipv4Net;

use super::settings_words::{set, set_path};
use crate::{
    domain::host_lifecycle::HostState,
    operations::{ClusterSettings, MemberCredential},
    ports::SshKeys,
    provisioning::Patience,
    remote_shell::Ssh,
    settings::{ProxmoxSettings, Settings, read_private_file},
};

/// How long a host may wait in `joining` while a person is asked to compare a fingerprint.
const CONFIRMATION_PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// What the settings say of the cluster, and the public key that every new node is given so that we can join the next one through it.
pub(super) fn cluster_settings(settings: &Settings) -> anyhow::Result<(ClusterSettings, Vec<String>)> {
    let proxmox = &settings.proxmox;
    let (mut credential, mut root_ssh_keys) = (None, Vec::new());
    if let Some(path) = set_path(&proxmox.key_file) {
        let key = read_private_file(&path).map_err(anyhow::Error::msg)?;
        root_ssh_keys
            .push(Ssh.public_line_of_key_file(&key).with_context(|| format!("{} cannot be used", path.display()))?);
        credential = Some(MemberCredential::Key(key));
    } else if let Some(path) = set_path(&proxmox.root_password_file) {
        credential = Some(MemberCredential::Password(read_private_file(&path).map_err(anyhow::Error::msg)?));
    }
    let cluster = ClusterSettings {
        existing_node: set(&proxmox.existing_node)
            .map(|address| address.parse())
            .transpose()
            .context("proxmox.existing_node")?,
        existing_node_ssh_host_key: set(&proxmox.existing_node_ssh_host_key).map(|key| key.trim().to_owned()),
        join_fingerprint: set(&proxmox.join_fingerprint).map(str::to_owned),
        cluster_name: proxmox.cluster_name.clone(),
        credential,
        links: links(proxmox)?,
        ssh_port: proxmox.ssh_port,
        confirm_host_key: settings.join.confirm_host_key,
    };
    Ok((cluster, root_ssh_keys))
}

/// The networks of corosync's links; `link0_network` is the short way to say one.
fn links(proxmox: &ProxmoxSettings) -> anyhow::Result<BTreeMap<u8, Ipv4Net>> {
    let named = set(&proxmox.link0_network).into_iter().chain(proxmox.links.iter().map(String::as_str));
    let numbered = (0..).zip(named).filter(|(_, network)| !network.is_empty());
    numbered
        .map(|(link, network)| Ok((link, network.parse().with_context(|| format!("proxmox.links[{link}]"))?)))
        .collect()
}

/// How long hosts may stay in each state.
pub(super) fn patience(settings: &Settings) -> Patience {
    let mut by_state: BTreeMap<_, _> = settings.patience.by_state();
    if settings.join.confirm_host_key {
        by_state.insert(HostState::Joining, CONFIRMATION_PATIENCE);
    }
    Patience(by_state)
}
