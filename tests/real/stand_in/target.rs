//! The disk: the prepared system is written to it, and made into this host.

use std::{
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context, bail};
use rackseed::simulator::installer_client::HostKeys;

use crate::{answer::Plan, machine::Lease};

/// Where the new system is mounted.
const ROOT: &str = "/mnt";
/// How often the kernel is asked for the new partition, and how long apart.
const PARTITION_TRIES: u32 = 40;
const PARTITION_PAUSE: Duration = Duration::from_millis(250);

/// A written disk with its system mounted.
pub(crate) struct Target;

impl Target {
    /// Writes the compressed image to the disk and mounts its third partition.
    pub(crate) fn write(disk: &Path, image: &str) -> anyhow::Result<Self> {
        let mut unpack = Command::new("zstd").args(["-dc", image]).stdout(Stdio::piped()).spawn()?;
        let mut image = unpack.stdout.take().context("zstd has no output")?;
        let mut file = fs::OpenOptions::new().write(true).open(disk)?;
        std::io::copy(&mut image.by_ref(), &mut file).with_context(|| format!("cannot write {}", disk.display()))?;
        if !unpack.wait()?.success() {
            bail!("the ISO is damaged: its system does not unpack (too little memory?)");
        }
        file.sync_all()?;
        drop(file);
        run("blockdev", &["--rereadpt", &disk.display().to_string()])?;
        let partition = partition(disk, 3);
        for _ in 0..PARTITION_TRIES {
            if partition.exists() {
                run("mount", &["-t", "ext4", &partition.display().to_string(), ROOT])?;
                return Ok(Self);
            }
            sleep(PARTITION_PAUSE);
        }
        bail!("{} did not appear", partition.display())
    }

    /// Gives the system its name, address, root's password and keys, and the first-boot script. Returns its machine id.
    pub(crate) fn customise(&self, plan: &Plan, lease: &Lease, script: Option<&[u8]>) -> anyhow::Result<String> {
        let hostname = plan.fqdn.split('.').next().unwrap_or_default();
        let Lease { address, prefix, gateway, dns, .. } = lease;
        put("etc/hostname", &format!("{hostname}\n"), 0o644)?;
        let hosts = format!("127.0.0.1 localhost.localdomain localhost\n{address} {} {hostname}\n", plan.fqdn);
        put("etc/hosts", &hosts, 0o644)?;
        put("etc/resolv.conf", &format!("search {}\nnameserver {dns}\n", domain(&plan.fqdn)), 0o644)?;
        // The lease becomes the static address: there is no DHCP client on the node. The card is named by the kernel (`net.ifnames=0`).
        let network = format!(
            "[Match]\nName=eth0\n[Network]\nAddress={address}/{prefix}\nGateway={gateway}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        );
        put("etc/systemd/network/10-management.network", &network, 0o644)?;
        let id = fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().replace('-', "");
        put("etc/machine-id", &format!("{id}\n"), 0o444)?;
        let shadow = fs::read_to_string(path("etc/shadow"))?;
        let shadow: String = shadow.lines().map(|line| shadow_line(line, &plan.root_password_hash)).collect();
        put("etc/shadow", &shadow, 0o640)?;
        fs::create_dir_all(path("root/.ssh"))?;
        fs::set_permissions(path("root/.ssh"), fs::Permissions::from_mode(0o700))?;
        // Joined by newlines, without one at the end, as the real installer does.
        put("root/.ssh/authorized_keys", &plan.root_ssh_keys.join("\n"), 0o600)?;
        if let Some(script) = script {
            let folder = path("var/lib/proxmox-first-boot");
            fs::write(folder.join("proxmox-first-boot"), script)?;
            fs::write(folder.join("pending-first-boot-setup"), "")?;
            for place in [folder.clone(), folder.join("proxmox-first-boot"), folder.join("pending-first-boot-setup")] {
                fs::set_permissions(place, fs::Permissions::from_mode(0o700))?;
            }
        }
        Ok(id)
    }

    /// Makes the host keys of the new system, with its own program.
    pub(crate) fn make_host_keys(&self) -> anyhow::Result<HostKeys> {
        run("mount", &["--bind", "/dev", "/mnt/dev"])?;
        let key = |kind: &str, bits: &[&str]| -> anyhow::Result<String> {
            let file = format!("/etc/ssh/ssh_host_{kind}_key");
            let mut arguments =
                vec![ROOT, "/usr/bin/ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "root@pve", "-f", &file];
            arguments.extend(bits);
            run("chroot", &arguments)?;
            Ok(fs::read_to_string(path(&format!("etc/ssh/ssh_host_{kind}_key.pub")))?.trim().to_owned())
        };
        let keys =
            HostKeys { ecdsa: key("ecdsa", &[])?, ed25519: key("ed25519", &[])?, rsa: key("rsa", &["-b", "2048"])? };
        run("umount", &["/mnt/dev"])?;
        Ok(keys)
    }

    /// Unmounts, so that everything is on the disk before anybody is told.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        run("umount", &[ROOT])
    }
}

/// `/dev/sda` has `/dev/sda3`, `/dev/nvme0n1` has `/dev/nvme0n1p3`.
fn partition(disk: &Path, number: u32) -> PathBuf {
    let disk = disk.display().to_string();
    let middle = if disk.ends_with(|last: char| last.is_ascii_digit()) { "p" } else { "" };
    PathBuf::from(format!("{disk}{middle}{number}"))
}

fn domain(fqdn: &str) -> &str {
    fqdn.split_once('.').map_or("", |(_, domain)| domain)
}

fn shadow_line(line: &str, hash: &str) -> String {
    match line.strip_prefix("root:").and_then(|rest| rest.split_once(':')) {
        Some((_, rest)) => format!("root:{hash}:{rest}\n"),
        None => format!("{line}\n"),
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(ROOT).join(name)
}

fn put(name: &str, text: &str, mode: u32) -> anyhow::Result<()> {
    let place = path(name);
    // A link in the prepared system would lead out of it.
    let _ = fs::remove_file(&place);
    fs::write(&place, text).with_context(|| format!("cannot write {}", place.display()))?;
    Ok(fs::set_permissions(&place, fs::Permissions::from_mode(mode))?)
}

fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("cannot run {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    bail!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim())
}
