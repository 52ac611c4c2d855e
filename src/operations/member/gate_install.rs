//! Puts the join gate on a member over a login that may do everything there, and proves that it lets in what it should and nothing else.

use std::net::{IpAddr, Ipv4Addr};

use super::{
    command::{GateCommand, SCRIPT},
    gate::{GateKey, KEY_NAME, ask, gate_key, gate_login, script_sha256},
};
use crate::{
    domain::{cluster::read_members, gate::Gate},
    operations::{
        World,
        cluster_access::{SHORT_COMMAND, checked, plain_public_key, run},
        step::StepError,
    },
    ports::{Command, Login},
};

/// The installed script.
const FILE: &str = "/usr/local/sbin/rackseed-join-gate";
/// Root's second file of keys: on the local disk, so it stays when a join replaces the first one, which is in the cluster's file system.
const KEYS: &str = "/root/.ssh/authorized_keys2";
/// How sshd may spell that file.
const SPELLINGS: &[&str] = &[".ssh/authorized_keys2", "%h/.ssh/authorized_keys2", KEYS];

/// Installs the gate where it is missing or old, proves it, and remembers it.
pub(in crate::operations) async fn install_gate(world: &World, root: &Login) -> Result<Gate, StepError> {
    let IpAddr::V4(address) = root.address.ip() else {
        return Err(StepError::lasting("members are reached by their IPv4 addresses"));
    };
    let host_key = plain_public_key(&root.host_key)
        .ok_or_else(|| StepError::lasting("the member's pinned host key cannot be read"))?;
    let key = gate_key(world).await?;
    let line = format!("restrict,command=\"{FILE}\" {} {KEY_NAME}", key.public);
    let found = Found::read(&run(world, root, &look(&line)).await?.output);
    found.check(address)?;
    let sha256 = script_sha256();
    if found.sha256 != sha256 {
        let command = Command { line: write_script(&sha256), input: SCRIPT.into(), limit: SHORT_COMMAND };
        checked(root, world.shell.run(root, &command).await?)?;
    }
    if !found.has_line {
        run(world, root, &write_line(&line, &key.public)).await?;
    }
    let node = prove(world, root, &key, address, &host_key).await?;
    let gate = Gate { address, ssh_host_key: host_key, node, script_sha256: sha256, installed_at: world.clock.now() };
    world.gates.set_gate(&gate).await?;
    Ok(gate)
}

/// What was there before.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    is_proxmox: bool,
    key_files: Vec<String>,
    sha256: String,
    has_line: bool,
}

impl Found {
    fn read(said: &str) -> Self {
        let mut found = Self::default();
        for line in said.lines() {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("proxmox", _) => found.is_proxmox = true,
                ("authorizedkeysfile", files) => {
                    found.key_files = files.split_whitespace().map(str::to_owned).collect();
                }
                ("script", sum) => sum.split(' ').next().unwrap_or_default().clone_into(&mut found.sha256),
                ("line", _) => found.has_line = true,
                _ => {}
            }
        }
        found
    }

    fn check(&self, address: Ipv4Addr) -> Result<(), StepError> {
        if !self.is_proxmox {
            return Err(StepError::lasting(format!(
                "{address} has no /etc/pve/.members: Proxmox VE does not run there, or pve-cluster is stopped"
            )));
        }
        if self.key_files.iter().any(|file| SPELLINGS.contains(&file.as_str())) {
            return Ok(());
        }
        let files = if self.key_files.is_empty() { "nothing".to_owned() } else { self.key_files.join(" ") };
        Err(StepError::lasting(format!(
            "sshd on {address} does not read {KEYS}, where the gate's key has to stand (`sshd -T` says AuthorizedKeysFile {files}); \
             add .ssh/authorized_keys2 to AuthorizedKeysFile in its sshd_config, reload ssh, and install again"
        )))
    }
}

/// The command that tells what is there. sshd wants to be called by its whole path.
fn look(line: &str) -> String {
    format!(
        "cd /; [ ! -e /etc/pve/.members ] || echo proxmox; sshd=$(command -v sshd || echo /usr/sbin/sshd); \
         {{ \"$sshd\" -T -C user=root,host=localhost,addr=127.0.0.1 || \"$sshd\" -T; }} 2>/dev/null | grep -i '^authorizedkeysfile ' | head -n 1; \
         [ ! -x {FILE} ] || echo script \"$(sha256sum < {FILE})\"; ! grep -qsxF '{line}' {KEYS} || echo line"
    )
}

/// The command that writes the script from its standard input: whole and checked, or not at all.
fn write_script(sha256: &str) -> String {
    format!(
        "umask 022; cd /; mkdir -p /usr/local/sbin; new=$(mktemp {FILE}.XXXXXX) && cat > \"$new\" && \
         [ \"$(sha256sum < \"$new\" | cut -d' ' -f1)\" = {sha256} ] && chmod 755 \"$new\" && mv -f \"$new\" {FILE} \
         || {{ rm -f \"$new\"; echo 'the script did not arrive whole, or there is no space left' >&2; exit 1; }}"
    )
}

/// The command that writes the line of the key, in the place of every other line with it.
fn write_line(line: &str, key: &str) -> String {
    format!(
        "umask 077; cd /; mkdir -p /root/.ssh; file=$(readlink -f {KEYS}); new=$(mktemp \"$file.XXXXXX\") || exit 1; \
         if [ -e \"$file\" ]; then grep -vF '{key}' \"$file\" > \"$new\"; [ $? -le 1 ] || {{ rm -f \"$new\"; exit 1; }}; fi; \
         printf '%s\\n' '{line}' >> \"$new\" && mv -f \"$new\" \"$file\" || {{ rm -f \"$new\"; exit 1; }}; grep -qxF '{line}' {KEYS}"
    )
}

/// The command that takes the line away again.
fn take_line(key: &str) -> String {
    format!(
        "umask 077; cd /; rest=$(mktemp) || exit 1; grep -vF '{key}' {KEYS} > \"$rest\"; [ $? -le 1 ] || exit 1; cat \"$rest\" > {KEYS}; rm -f \"$rest\"; ! grep -qF '{key}' {KEYS}"
    )
}

/// Logs in at the gate: what it should do is done, and what it should not is refused. Returns the node's name.
async fn prove(
    world: &World,
    root: &Login,
    key: &GateKey,
    address: Ipv4Addr,
    host_key: &str,
) -> Result<String, StepError> {
    let login = gate_login(world, key, address, host_key);
    // What would do no harm, and is refused by every gate.
    let other = world.shell.run(&login, &Command::new("id", SHORT_COMMAND)).await?;
    if other.status != Some(64) || !other.output.is_empty() {
        run(world, root, &take_line(&key.public)).await?;
        return Err(StepError::lasting(format!(
            "{address} ran a command that the gate has to refuse, so the gate's key was taken off again; does sshd there ignore `command=` (ForceCommand, or another SSH server)?"
        )));
    }
    let said = ask(world, &login, &GateCommand::Members).await?;
    let view = read_members(&said).map_err(|error| StepError::passing(error.to_string()))?;
    let version = ask(world, &login, &GateCommand::Version).await?;
    if version.split_whitespace().next() != Some(script_sha256().as_str()) {
        return Err(StepError::passing(format!("the script of the gate on {address} is not the one that was written")));
    }
    Ok(view.node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_does_not_read_the_second_file_is_refused_with_what_to_change() {
        let said = "proxmox\nauthorizedkeysfile .ssh/authorized_keys\n";
        let error = Found::read(said).check(Ipv4Addr::LOCALHOST).unwrap_err();
        assert!(error.reason.contains("AuthorizedKeysFile .ssh/authorized_keys)") && !error.may_pass, "{error}");
        for spelling in [".ssh/authorized_keys .ssh/authorized_keys2", "%h/.ssh/authorized_keys2", KEYS] {
            Found::read(&format!("proxmox\nauthorizedkeysfile {spelling}\n")).check(Ipv4Addr::LOCALHOST).unwrap();
        }
    }

    #[test]
    fn what_stands_there_already_is_seen() {
        let found = Found::read("proxmox\nauthorizedkeysfile .ssh/authorized_keys2\nscript abc  -\nline\n");
        assert_eq!((found.sha256.as_str(), found.has_line), ("abc", true));
        assert!(Found::read("authorizedkeysfile .ssh/authorized_keys2\n").check(Ipv4Addr::LOCALHOST).is_err());
    }
}
