//! A freshly installed Proxmox VE node that is only a folder: the true command lines of our steps run there in a real shell.
//!
//! Absolute paths below `/root`, `/etc`, `/run`, `/var`, `/proc` and `/sys` are led into the folder, and the few programs that would touch the machine
//! (`pvecm`, `uname`, `getent`, `ip`, `lsblk`, `curl`, `openssl`, `systemctl`, `sshd`, `logger`, `sleep`, `pvesh`, `pvesm`) are found in its `bin` first. No root
//! is needed, and nothing outside is touched.

use std::{
    collections::BTreeSet,
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use data_encoding::BASE64;
use jiff::Timestamp;
use russh::keys::{
    PrivateKey,
    ssh_key::private::{Ed25519Keypair, KeypairData},
};
use tokio::process::{Child, Command};

use super::{
    NodeLog,
    authorized_keys::{KeyRules, rules_for},
};

/// The programs that a simulated node has of its own.
const PROGRAMS: &[(&str, &str)] = &[
    ("pvecm", include_str!("node/pvecm")),
    ("curl", include_str!("node/curl")),
    ("openssl", include_str!("node/openssl")),
    ("getent", include_str!("node/getent")),
    ("ip", include_str!("node/ip")),
    ("lsblk", include_str!("node/lsblk")),
    ("uname", include_str!("node/uname")),
    ("systemctl", include_str!("node/systemctl")),
    ("sshd", include_str!("node/sshd")),
    ("logger", include_str!("node/logger")),
    ("sleep", include_str!("node/sleep")),
    ("pvesh", include_str!("node/pvesh")),
    ("pvesm", include_str!("node/pvesm")),
];
/// The folders of a fresh node.
const FOLDERS: &[&str] = &[
    "bin",
    "tmp",
    "run",
    "root/.ssh",
    "etc/ssh",
    "etc/corosync",
    "etc/pve/priv",
    "etc/pve/local",
    "var/lib/own-certificate",
    "var/lib/proxmox-first-boot",
    "var/log/pve/tasks",
    "usr/local/sbin",
    "sys/class/dmi/id",
    "proc",
];
/// Where absolute paths are led into the folder.
const LED_INTO_FOLDER: &[&str] = &["/root/", "/etc/", "/run/", "/var/", "/sys/", "/proc/", "/usr/local/sbin/"];
/// What a node finds after its own programs.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The folders of all simulated nodes that can reach each other.
#[derive(Debug, Clone)]
pub struct SimulatedNetwork {
    folder: PathBuf,
    join_seconds: f32,
}

/// What an installer knows of the node that it makes.
#[derive(Debug, Clone)]
pub struct Installation {
    /// Name of the node, without domain.
    pub hostname: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// SMBIOS system UUID.
    pub hardware_id: String,
    /// `root-ssh-keys` of the answer.
    pub root_ssh_keys: Vec<String>,
    /// Root's password, for members that are reached by password.
    pub root_password: String,
}

/// One simulated node.
#[derive(Debug, Clone)]
pub struct SimulatedNode {
    folder: PathBuf,
    network: SimulatedNetwork,
    /// Its address.
    pub address: Ipv4Addr,
    host_key: PrivateKey,
    log: NodeLog,
    /// The lines of root's key files as the log tells of them.
    told_keys: Arc<Mutex<BTreeSet<String>>>,
}

impl SimulatedNetwork {
    /// Uses a folder, which must have a path without blanks: it stands in shell commands. A join takes `join_seconds`.
    pub fn new(folder: PathBuf, join_seconds: f32) -> io::Result<Self> {
        fs::create_dir_all(folder.join("nodes"))?;
        fs::create_dir_all(folder.join("addresses"))?;
        fs::create_dir_all(folder.join("logs"))?;
        Ok(Self { folder, join_seconds })
    }

    /// What was done to the node of this name, also before it was installed again.
    pub fn log(&self, hostname: &str) -> NodeLog {
        NodeLog::new(self.folder.join("logs").join(hostname))
    }

    /// Writes a fresh node to the disk; what an older one of this name left there is gone.
    pub fn install(&self, installation: &Installation) -> io::Result<SimulatedNode> {
        let folder = self.folder.join("nodes").join(&installation.hostname);
        remove_if_there(fs::remove_dir_all(&folder))?;
        for name in FOLDERS {
            fs::create_dir_all(folder.join(name))?;
        }
        let address_link = self.folder.join("addresses").join(installation.address.to_string());
        remove_if_there(fs::remove_file(&address_link))?;
        symlink(&folder, address_link)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
        let host_key =
            PrivateKey::new(KeypairData::from(Ed25519Keypair::from_seed(&seed)), "").map_err(io::Error::other)?;
        let (log, told_keys) = (self.log(&installation.hostname), Arc::default());
        let node =
            SimulatedNode { folder, network: self.clone(), address: installation.address, host_key, log, told_keys };
        node.write_files(installation)?;
        node.log.note("installed", &format!("{} {}", installation.hostname, installation.address));
        node.note_keys();
        Ok(node)
    }
}

impl SimulatedNode {
    /// What a power switch does to a node that is a member: the others see it go.
    pub async fn switch_off(&self) -> io::Result<()> {
        let status = self.start_command("pvecm simulated-switch-off")?.wait().await?;
        if status.success() { Ok(()) } else { Err(io::Error::other("the simulated node cannot be switched off")) }
    }

    /// The SSH host key.
    pub(super) fn host_key(&self) -> &PrivateKey {
        &self.host_key
    }

    /// The public SSH host key, one OpenSSH line.
    pub fn host_key_line(&self) -> String {
        self.host_key.public_key().to_openssh().unwrap_or_default()
    }

    /// What was done to it.
    pub fn log(&self) -> &NodeLog {
        &self.log
    }

    /// Notes which lines came into root's key files and which went since the last look.
    pub(super) fn note_keys(&self) {
        let files = ["root/.ssh/authorized_keys", "root/.ssh/authorized_keys2"];
        let text: Vec<_> = files.iter().map(|name| fs::read_to_string(self.path(name)).unwrap_or_default()).collect();
        let lines = text.iter().flat_map(|text| text.lines()).map(str::trim).filter(|line| !line.is_empty());
        let there: BTreeSet<String> = lines.map(str::to_owned).collect();
        let mut told = self.told_keys.lock().unwrap_or_else(PoisonError::into_inner);
        there.difference(&told).for_each(|line| self.log.note("key added", line));
        told.difference(&there).for_each(|line| self.log.note("key removed", line));
        *told = there;
    }

    /// The text of one of its files; empty when it is not there.
    pub fn file(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A file of the node.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether root may log in with a key, `TYPE BASE64`, whatever that login may do.
    pub fn accepts_key(&self, key: &str) -> bool {
        self.rules_of_key(key).is_some()
    }

    /// What root may do with a key: sshd reads both of its files anew for every login.
    #[expect(clippy::disallowed_methods, reason = "a node has the clock of the machine that it is on")]
    pub(super) fn rules_of_key(&self, key: &str) -> Option<KeyRules> {
        ["root/.ssh/authorized_keys", "root/.ssh/authorized_keys2"].iter().find_map(|name| {
            let lines = fs::read_to_string(self.path(name)).unwrap_or_default();
            rules_for(&lines, key, Timestamp::now())
        })
    }

    /// Whether this is root's password.
    pub fn accepts_password(&self, password: &str) -> bool {
        let known = fs::read_to_string(self.path("etc/root-password")).unwrap_or_default();
        !known.is_empty() && known == password
    }

    /// Starts a command line as root's shell on the node would run it.
    pub fn start_command(&self, line: &str) -> io::Result<Child> {
        start(self.program("sh").arg("-c").arg(self.lead_into_folder(line)))
    }

    /// Starts what a login asks for, or the command that its key forces on it, as sshd does.
    pub(super) fn start_login_command(
        &self,
        asked: &str,
        forced: Option<&str>,
        client: SocketAddr,
    ) -> io::Result<Child> {
        let Some(forced) = forced else { return self.start_command(asked) };
        // A script of the node names the node's own files; where it is only named, it is read and led as a command line is.
        let text = fs::read_to_string(forced).unwrap_or_else(|_| forced.to_owned());
        let client = format!("{} {} 22", client.ip(), client.port());
        let mut program = self.program("sh");
        program.arg("-c").arg(self.lead_into_folder(&text)).arg(forced);
        start(program.env("SSH_ORIGINAL_COMMAND", asked).env("SSH_CLIENT", client))
    }

    /// Writes the first-boot script where the installer puts it.
    pub(super) fn write_first_boot_script(&self, script: &[u8]) -> io::Result<()> {
        let text = self.lead_into_folder(&String::from_utf8_lossy(script));
        write_executable(&self.path(FIRST_BOOT), &text)
    }

    /// Starts the first-boot script as systemd does: with the name of its moment as only argument.
    pub(super) fn start_first_boot(&self) -> io::Result<Child> {
        let script = self.path(FIRST_BOOT);
        self.program("sh")
            .arg(script)
            .arg("fully-up")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command
            .env_clear()
            .env("PATH", format!("{}:{SEARCH_PATH}", self.path("bin").display()))
            .env("HOME", self.path("root"))
            .env("TMPDIR", self.path("tmp"))
            .env("LC_ALL", "C")
            .env("SIMULATED_NODE", &self.folder)
            .env("SIMULATED_NETWORK", &self.network.folder)
            .env("SIMULATED_JOIN_SECONDS", self.network.join_seconds.to_string())
            .current_dir(&self.folder)
            .kill_on_drop(true);
        command
    }

    /// Puts the folder before every absolute path that names the node's own files.
    fn lead_into_folder(&self, text: &str) -> String {
        let folder = self.folder.display().to_string();
        let (mut led, mut last) = (String::with_capacity(text.len() + 256), ' ');
        for (place, character) in text.char_indices() {
            // Within a word, such as the base64 of a key or a URL, a slash begins no absolute path.
            let begins_word = !(last.is_ascii_alphanumeric() || "/._-+".contains(last));
            if begins_word && LED_INTO_FOLDER.iter().any(|prefix| text[place..].starts_with(prefix)) {
                led.push_str(&folder);
            }
            led.push(character);
            last = character;
        }
        led
    }

    fn write_files(&self, installation: &Installation) -> io::Result<()> {
        for (name, script) in PROGRAMS {
            write_executable(&self.path("bin").join(name), script)?;
        }
        let name = &installation.hostname;
        let certificate = random_words(32, ":")?;
        fs::create_dir_all(self.path("etc/pve/nodes").join(name))?;
        let files = [
            ("etc/hostname".to_owned(), format!("{name}\n")),
            ("etc/address".to_owned(), format!("{}\n", installation.address)),
            ("etc/root-password".to_owned(), installation.root_password.clone()),
            ("etc/pve/.members".to_owned(), format!("{{\n\"nodename\": \"{name}\",\n\"version\": 1\n}}\n")),
            (format!("etc/pve/nodes/{name}/pve-ssl.pem"), certificate.clone()),
            ("var/lib/own-certificate/pve-ssl.pem".to_owned(), certificate),
            ("etc/ssh/ssh_host_ed25519_key.pub".to_owned(), format!("{}\n", self.host_key_line())),
            ("sys/class/dmi/id/product_uuid".to_owned(), format!("{}\n", installation.hardware_id)),
            ("proc/meminfo".to_owned(), "MemTotal:       65842340 kB\n".to_owned()),
            // The real installer joins the keys without a line break at the end.
            ("root/.ssh/authorized_keys".to_owned(), installation.root_ssh_keys.join("\n")),
            // Root's own key pair is there from the first boot on; nobody computes with this one.
            ("root/.ssh/id_rsa".to_owned(), "a simulated private key\n".to_owned()),
            ("root/.ssh/id_rsa.pub".to_owned(), format!("ssh-rsa {} root@{name}\n", random_rsa_blob()?)),
        ];
        for (name, content) in files {
            fs::write(self.path(&name), content)?;
        }
        Ok(())
    }
}

fn start(program: &mut Command) -> io::Result<Child> {
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// Where the installer puts the first-boot script.
const FIRST_BOOT: &str = "var/lib/proxmox-first-boot/proxmox-first-boot";

/// The public part of an RSA key in the form of OpenSSH, with a modulus that is only random.
fn random_rsa_blob() -> io::Result<String> {
    let mut modulus = [0; 257];
    getrandom::fill(&mut modulus[1..]).map_err(|error| io::Error::other(error.to_string()))?;
    let mut blob = Vec::new();
    for part in [b"ssh-rsa".as_slice(), &[1, 0, 1], &modulus] {
        blob.extend(u32::try_from(part.len()).unwrap_or_default().to_be_bytes());
        blob.extend(part);
    }
    Ok(BASE64.encode(&blob))
}

fn random_words(count: usize, separator: &str) -> io::Result<String> {
    let mut bytes = vec![0; count];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(separator))
}

fn write_executable(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

fn remove_if_there(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
