//! The join gate: the key that opens it, and how members that have it are asked.
//!
//! On a member, the gate is the script `join-gate` as the forced command of one key of ours: that key can have the script's commands done and
//! nothing else, so neither root's password nor a key of root's has to lie here. One key serves all members; it never leaves this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};

use super::{
    MemberAccess,
    command::{GateCommand, SCRIPT},
};
use crate::{
    domain::host::Host,
    operations::{MemberCredential, World, cluster_access::plain_public_key, step::StepError},
    ports::{Command, Credential, Login, RemoteShellError},
};

/// Where the sealed key is kept.
pub const KEY_PLACE: &str = "gate_key/sealed";
/// What the key is called where it stands.
pub(super) const KEY_NAME: &str = "rackseed-join-gate";

/// The key that opens the gate.
pub(super) struct GateKey {
    /// 32 bytes.
    pub(super) private: SecretSlice<u8>,
    /// `ssh-ed25519 BASE64`.
    pub(super) public: String,
}

/// The key of the gate; made when it is needed first.
pub(super) async fn gate_key(world: &World) -> Result<GateKey, StepError> {
    let sealed = match world.gates.gate_key().await? {
        Some(sealed) => sealed,
        None => {
            let fresh: SecretSlice<u8> = world.secrets.random_bytes(32)?.into();
            world.gates.keep_gate_key(&world.secrets.seal(KEY_PLACE, fresh.expose_secret())?).await?
        }
    };
    let private = world.secrets.open(KEY_PLACE, &sealed)?;
    let unusable = |error: String| StepError::lasting(format!("the key of the join gate cannot be used: {error}"));
    let line = world.ssh_keys.public_line(&private, KEY_NAME).map_err(|error| unusable(error.to_string()))?;
    let public = plain_public_key(&line).ok_or_else(|| unusable("it cannot be spelt".into()))?;
    Ok(GateKey { private, public })
}

/// SHA-256 of the script that this program installs.
pub(super) fn script_sha256() -> String {
    HEXLOWER.encode(&Sha256::digest(SCRIPT))
}

/// The login at the gate of a member.
pub(super) fn gate_login(world: &World, key: &GateKey, address: Ipv4Addr, host_key: &str) -> Login {
    Login {
        address: SocketAddr::new(IpAddr::V4(address), world.cluster.ssh_port),
        user: "root".into(),
        credential: Credential::Ed25519(key.private.clone()),
        host_key: host_key.to_owned(),
    }
}

/// How to log in to a member: at its gate where it has one, else with what the settings say.
pub(super) async fn member_login(
    world: &World,
    address: Ipv4Addr,
    host_key: String,
) -> Result<(Login, MemberAccess), StepError> {
    if world.gates.gates().await?.iter().any(|gate| gate.is_at(address, &host_key)) {
        return Ok((gate_login(world, &gate_key(world).await?, address, &host_key), MemberAccess::Gate));
    }
    let credential = settings_credential(world).ok_or_else(|| {
        StepError::lasting(format!(
            "there is no way to log in to the member {address}: install the join gate there with `rackseed gate install --node {address}` \
             (preferred), or set proxmox.key_file or proxmox.root_password_file"
        ))
    })?;
    let address = SocketAddr::new(IpAddr::V4(address), world.cluster.ssh_port);
    Ok((Login { address, user: "root".into(), credential, host_key }, MemberAccess::Root))
}

/// What the settings say of how members know us.
pub(super) fn settings_credential(world: &World) -> Option<Credential> {
    Some(match world.cluster.credential.as_ref()? {
        MemberCredential::Password(password) => Credential::Password(password.clone()),
        MemberCredential::Key(key) => Credential::OpenSshKey(key.clone()),
    })
}

/// Puts the members that have the gate before the others, and changes nothing else in their order.
pub(super) async fn gates_first(world: &World, members: &mut [(Ipv4Addr, String)]) -> Result<(), StepError> {
    let gates = world.gates.gates().await?;
    members.sort_by_key(|(address, key)| !gates.iter().any(|gate| gate.is_at(*address, key)));
    Ok(())
}

/// Members that no host of ours is: an operator installed the gate there, so there is a cluster, and it can be asked.
pub(super) async fn members_of_others(world: &World, hosts: &[Host]) -> Result<Vec<(Ipv4Addr, String)>, StepError> {
    let gates = world.gates.gates().await?.into_iter();
    let others = gates.filter(|gate| !hosts.iter().any(|host| gate.is_of(host)));
    Ok(others.map(|gate| (gate.address, gate.ssh_host_key)).collect())
}

/// Has the gate do one command.
pub(super) async fn ask(world: &World, login: &Login, command: &GateCommand) -> Result<String, StepError> {
    let address = login.address.ip();
    let again = format!("install it again with `rackseed gate install --node {address}`");
    let output = match world.shell.run(login, &Command::new(command.words(), command.limit())).await {
        Err(RemoteShellError::LoginRefused { .. }) => {
            // It may pass, so that the next member is asked.
            return Err(StepError::passing(format!(
                "the member {address} does not let us in at its join gate any more; {again}, or take it off the list with `rackseed gate remove --node {address} --forget`"
            )));
        }
        result => result?,
    };
    if output.status == Some(64) && output.error.contains("no such command") {
        return Err(StepError::lasting(format!(
            "the join gate of the member {address} is older than this program and does not know the command; {again}"
        )));
    }
    super::answer(address, output)
}
