//! The lab: two networks, and nodes on them.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::namespaces::Namespace;

/// Root's password on every node.
pub(crate) const PASSWORD: &str = "correct horse";
/// How long something in the lab may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The networks `10.0.0.0/24` and `10.1.0.0/24`. We are `.250` on both.
pub(crate) struct Lab {
    /// Everything that is written.
    pub(crate) folder: tempfile::TempDir,
    switch: Namespace,
    /// The operator's key, which every node knows from its answer file.
    pub(crate) private_key: String,
    public_key: String,
    root_hash: String,
}

/// What is unusual about a node.
#[derive(Clone)]
pub(crate) struct Oddities {
    /// A second network, for corosync's link 1.
    pub(crate) second_network: bool,
    /// Whether the node can resolve its own name.
    pub(crate) resolves: bool,
    /// By how much its clock is wrong, in the words of libfaketime (`+90m`).
    pub(crate) clock_offset: Option<&'static str>,
    /// After how many seconds a lock that nobody holds is thrown away; 120 on a real node (1.7).
    pub(crate) lock_seconds: u32,
    /// How long a lock is waited for; 10 s on a real node (1.7).
    pub(crate) lock_wait: u32,
    /// How much later than the quorum `/etc/pve` can be written (1.8).
    pub(crate) writable_seconds: u32,
}

impl Default for Oddities {
    fn default() -> Self {
        Self {
            second_network: false,
            resolves: true,
            clock_offset: None,
            lock_seconds: 6,
            lock_wait: 3,
            writable_seconds: 1,
        }
    }
}

/// Runs a story in a lab of its own, with the lab's networks for its network.
pub(crate) fn in_lab(story: impl AsyncFnOnce(&Lab) + Send) {
    let lab = Lab::new();
    lab.switch.enter(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(story(&lab));
    });
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let switch = Namespace::new();
        for (bridge, network) in [("lan0", 0), ("lan1", 1)] {
            switch.ip(&format!("link add {bridge} type bridge"));
            switch.ip(&format!("link set {bridge} up"));
            switch.ip(&format!("addr add 10.{network}.0.250/24 dev {bridge}"));
        }
        fs::create_dir(folder.path().join("clusters")).unwrap();
        let root_hash = run(Command::new("openssl").args(["passwd", "-6", PASSWORD])).trim().to_owned();
        let mut lab = Self { folder, switch, private_key: String::new(), public_key: String::new(), root_hash };
        let operator = lab.key("operator");
        lab.private_key = fs::read_to_string(&operator.private).unwrap();
        lab.public_key = operator.public;
        lab
    }

    /// Makes a key.
    pub(crate) fn key(&self, name: &str) -> KeyPair {
        let private = self.folder.path().join(name);
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&private));
        let public = fs::read_to_string(private.with_extension("pub")).unwrap().trim().to_owned();
        KeyPair { public, private }
    }

    /// OpenSSH's own client, without a terminal.
    pub(crate) fn ssh_command(&self, node: &Node, key: &KeyPair, line: &str) -> Command {
        let mut command = Command::new("ssh");
        let options =
            ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes"];
        command.args(options.iter().flat_map(|option| ["-o", option])).args(["-F", "none", "-q", "-n", "-i"]);
        command.arg(&key.private).args([&format!("root@{}", node.address), line]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Whether a key lets in, and the line succeeds.
    pub(crate) fn ssh(&self, node: &Node, key: &KeyPair, line: &str) -> bool {
        self.ssh_command(node, key, line).status().unwrap().success()
    }

    /// Boots a freshly installed node at `10.0.0.LAST`, which knows one more key than the operator's.
    pub(crate) fn boot(&self, name: &str, last: u8, key: &str, oddities: &Oddities) -> Node {
        let namespace = Namespace::new();
        let networks: &[u8] = if oddities.second_network { &[0, 1] } else { &[0] };
        for network in networks {
            let (interface, port) = (format!("eth{network}"), format!("port{network}-{last}"));
            namespace.cable(&interface, &self.switch, &port);
            self.switch.ip(&format!("link set {port} master lan{network}"));
            namespace.ip(&format!("addr add 10.{network}.0.{last}/24 dev {interface}"));
        }
        let address = Ipv4Addr::new(10, 0, 0, last);
        let settings = self.folder.path().join(format!("{name}.settings"));
        let (operator, root_hash) = (&self.public_key, &self.root_hash);
        let Oddities { lock_seconds, lock_wait, writable_seconds, .. } = oddities;
        let text = format!(
            "name={name} address={address} resolves={} writable_seconds={writable_seconds} lock_seconds={lock_seconds} lock_wait={lock_wait}\n\
             faketime={} clock_offset={}\nroot_hash='{root_hash}'\nauthorized_keys='{operator}\n{key}\n'\nauthorized_keys2='{key}\n'\n",
            if oddities.resolves { "yes" } else { "" },
            if oddities.clock_offset.is_some() { libfaketime() } else { String::new() },
            oddities.clock_offset.unwrap_or_default(),
        );
        fs::write(&settings, text).unwrap();
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut child = namespace
            .command("unshare")
            .args(["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc", "bash"])
            .arg(own.join("tests/cluster/node/init"))
            .arg(own.join("tests/cluster/stand_in"))
            .arg(own.join("tests/cluster/node"))
            .arg(self.folder.path().join("clusters"))
            .arg(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let first = await_up(name, child.stdout.take().unwrap(), child.id());
        Node { name: name.to_owned(), address, namespace, child, first }
    }
}

/// A key pair of somebody's.
pub(crate) struct KeyPair {
    /// One line.
    pub(crate) public: String,
    private: PathBuf,
}

/// Waits until the node says that it is up, and finds its first process.
fn await_up(name: &str, output: ChildStdout, unshare: u32) -> u32 {
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).unwrap();
    assert_eq!(line, "up\n", "the node {name} does not come up; its words are above");
    let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).unwrap();
    children.trim().parse().unwrap()
}

/// One node. Dropping it pulls its plug, and its disk is gone.
pub(crate) struct Node {
    /// Its name.
    pub(crate) name: String,
    /// Its address on link 0.
    pub(crate) address: Ipv4Addr,
    namespace: Namespace,
    child: Child,
    first: u32,
}

impl Node {
    /// Runs a script on the node, at its console so to speak, and returns what it said; a status other than 0 is told in the last line.
    pub(crate) fn console(&self, script: &str) -> String {
        let script = format!("export PATH=/usr/local/sbin:$PATH LC_ALL=C; cd /root; {script}\n");
        let target = self.first.to_string();
        let output = Command::new("nsenter")
            .args(["-t", &target, "-m", "-u", "-i", "-n", "-p", "bash", "-c", &script])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        match output.status.code() {
            Some(0) => {}
            code => said.push_str(&format!("status {}\n", code.unwrap_or(-1))),
        }
        said
    }

    /// Starts a script on the node that goes on by itself.
    pub(crate) fn start(&self, script: &str) {
        self.console(&format!("setsid bash -c '{script}' < /dev/null > /dev/null 2>&1 &"));
    }

    /// Puts a script of ours before a program of the node.
    pub(crate) fn replace(&self, program: &str, script: &str) {
        let file = format!("/usr/local/sbin/{program}");
        self.console(&format!("cat > {file} <<'END'\n#!/bin/bash\n{script}\nEND\nchmod 755 {file}"));
    }

    /// What was done to the node: each `pvecm` and `systemctl`, with its time before it.
    pub(crate) fn actions(&self) -> Vec<String> {
        let log = self.console("cat /var/log/actions");
        log.lines().map(|line| line.split_once(' ').map_or(line, |(_, rest)| rest).to_owned()).collect()
    }

    /// How often a command that begins with these words was given.
    pub(crate) fn count(&self, words: &str) -> usize {
        self.actions().iter().filter(|action| action.starts_with(words)).count()
    }

    /// What the node sees of its cluster.
    pub(crate) fn members(&self) -> serde_json::Value {
        let text = self.console("cat /etc/pve/.members");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}: {text}", self.name))
    }

    /// Whether the node is a member with quorum, can write, and sees exactly these nodes, all online.
    pub(crate) fn sees(&self, names: &[&str]) -> bool {
        let members = self.members();
        let Some(list) = members["nodelist"].as_object() else { return false };
        let online = list.values().all(|node| node["online"] == 1);
        let mut names = names.to_vec();
        names.sort_unstable();
        let seen: Vec<_> = list.keys().map(String::as_str).collect();
        members["cluster"]["quorate"] == 1 && online && seen == names && self.can_write()
    }

    /// Whether `/etc/pve` can be written, by Proxmox's own test (1.8).
    pub(crate) fn can_write(&self) -> bool {
        self.console("stat -c %A /etc/pve/local").as_bytes().get(2) == Some(&b'w')
    }

    /// Its SSH host key, as the installer reports it.
    pub(crate) fn host_key(&self) -> String {
        self.console("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub").trim().to_owned()
    }

    /// Pulls a cable, or plugs it in again.
    pub(crate) fn cable(&self, network: u8, state: &str) {
        self.namespace.ip(&format!("link set eth{network} {state}"));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn libfaketime() -> String {
    let found = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
        .map(|kind| PathBuf::from(format!("/usr/lib/{kind}/faketime/libfaketime.so.1")))
        .into_iter()
        .find(|path| path.exists());
    found.expect("the tests need the package faketime; run .ci/install-packages").display().to_string()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
