//! A shell on nodes that exist only in memory: enough of Proxmox VE to bring one into a cluster, with the quirks that matter.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Mutex,
};

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use rackseed::{
    ports::{Command, Credential, Login, Output, RemoteShell, RemoteShellError, SshKeys},
    remote_shell::Ssh,
};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

/// How many looks a join takes.
const JOIN_LOOKS: u32 = 2;

/// One node.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) cluster: Option<String>,
    /// Whether its system runs.
    pub(crate) online: bool,
    /// Whether its join died half-way: the cluster lists it, and it knows of no cluster.
    pub(crate) half_joined: bool,
    /// What its clock shows.
    pub(crate) clock: u64,
    /// What `openssl` says of its certificate.
    pub(crate) fingerprint: String,
    /// The links that its cluster's configuration names beyond link 0.
    pub(crate) more_links: u8,
    /// Whether its name is a loopback address to itself.
    pub(crate) is_loopback: bool,
    /// What it was asked as a member.
    pub(crate) asked: Vec<String>,
    /// How often a member removed it from its cluster.
    pub(crate) removals: u32,
    /// What the gate says, with its status, in place of removing another node.
    pub(crate) removal_failure: Option<(u32, String)>,
    /// Whether the connection breaks after such a removal: it happened, and we do not hear of it.
    pub(crate) breaks_after_removal: bool,
    /// Whether the ephemeral key is still accepted.
    pub(crate) has_key: bool,
    /// Looks until the running join ends.
    joining: Option<u32>,
    /// What the ended join said, until it is forgotten.
    ended: Option<String>,
    /// How often `pvecm` was started.
    pub(crate) joins_started: u32,
    /// What `pvecm` says in place of succeeding.
    pub(crate) join_failure: Option<String>,
    /// What it reports of a node that is to be rebuilt, if that is more than that it is a member.
    pub(crate) report: Option<String>,
    /// The key of the join gate and the checksum of its script, when it is installed.
    pub(crate) gate: (Option<String>, Option<String>),
    /// Whether its SSH server pays no heed to forced commands.
    pub(crate) runs_anything: bool,
    /// What was asked of it at its gate.
    pub(crate) asked_at_gate: Vec<String>,
}

/// Nodes by address.
#[derive(Default)]
pub(crate) struct Nodes(Mutex<BTreeMap<Ipv4Addr, Node>>);

impl Nodes {
    pub(crate) fn add(&self, address: Ipv4Addr, name: &str, cluster: Option<&str>) {
        let node = Node {
            name: name.to_owned(),
            cluster: cluster.map(str::to_owned),
            online: true,
            half_joined: false,
            clock: 1_000_000,
            fingerprint: ["AB"; 32].join(":"),
            more_links: 0,
            is_loopback: false,
            asked: Vec::new(),
            removals: 0,
            removal_failure: None,
            breaks_after_removal: false,
            has_key: true,
            joining: None,
            ended: None,
            joins_started: 0,
            join_failure: None,
            report: None,
            gate: (None, None),
            runs_anything: false,
            asked_at_gate: Vec::new(),
        };
        self.0.lock().unwrap().insert(address, node);
    }

    /// A new system on the same machine: in no cluster, with the key of its rebuild.
    pub(crate) fn reinstall(&self, address: Ipv4Addr) {
        self.change(address, |node| {
            assert_eq!(node.cluster, None, "the cluster still lists the node that is being installed");
            (node.online, node.has_key, node.joins_started) = (true, true, 0);
            node.gate = Default::default();
        });
    }

    pub(crate) fn node(&self, address: Ipv4Addr) -> Node {
        self.0.lock().unwrap()[&address].clone()
    }

    pub(crate) fn change(&self, address: Ipv4Addr, change: impl FnOnce(&mut Node)) {
        change(self.0.lock().unwrap().get_mut(&address).unwrap());
    }
}

fn members(nodes: &BTreeMap<Ipv4Addr, Node>, node: &Node) -> String {
    let cluster = node.cluster.as_ref().filter(|_| !node.half_joined);
    let Some(cluster) = cluster else { return format!(r#"{{"nodename":"{}","version":3}}"#, node.name) };
    let listed: Vec<_> = nodes.iter().filter(|(_, other)| other.cluster.as_ref() == Some(cluster)).collect();
    let online = listed.iter().filter(|(_, other)| other.online && !other.half_joined).count();
    let list: Vec<_> = listed
        .iter()
        .map(|(address, other)| {
            format!(
                r#""{}":{{"id":1,"online":{},"ip":"{address}"}}"#,
                other.name,
                u8::from(other.online && !other.half_joined)
            )
        })
        .collect();
    format!(
        r#"{{"nodename":"{}","version":4,"cluster":{{"name":"{cluster}","version":2,"nodes":{},"quorate":{}}},"nodelist":{{{}}}}}"#,
        node.name,
        list.len(),
        u8::from(online * 2 > list.len()),
        list.join(",")
    )
}

fn ok(output: impl Into<String>) -> Output {
    Output { status: Some(0), output: output.into(), error: String::new() }
}

#[async_trait]
impl RemoteShell for Nodes {
    async fn run(&self, login: &Login, command: &Command) -> Result<Output, RemoteShellError> {
        let IpAddr::V4(address) = login.address.ip() else { unreachable!("nodes have IPv4 addresses") };
        let mut nodes = self.0.lock().unwrap();
        let others = nodes.clone();
        let unreachable = || RemoteShellError::CannotReach { address: login.address, reason: "no such node".into() };
        let line = command.line.as_str();
        let asked = line.strip_prefix("sh -s -- ").unwrap_or(line);
        if let Some(removal) = asked.strip_prefix("remove ") {
            return remove(&mut nodes, address, removal).ok_or_else(unreachable);
        }
        let node = nodes.get_mut(&address).filter(|node| node.online).ok_or_else(unreachable)?;
        if node.is_gate_login(login) {
            node.asked_at_gate.push(line.to_owned());
            return Ok(gate(line, &others, node));
        }
        let is_member_login = !matches!(login.credential, Credential::Ed25519(_));
        if !node.has_key && !is_member_login {
            return Err(RemoteShellError::LoginRefused { address: login.address, user: login.user.clone() });
        }
        if let Some(output) = node.installs_gate(command) {
            return Ok(output);
        }
        if let Some((words, _)) = line.strip_prefix("sh -s -- ").and_then(|rest| rest.split_once(" <<")) {
            node.asked.push(words.to_owned());
            return Ok(gate(words, &others, node));
        }
        Ok(match line {
            "true" => ok(""),
            _ if line.starts_with("cd /; if [ ! -e /etc/pve/.members ]") => ok(""),
            _ if line.starts_with("cd /; echo clock") => {
                let name = if node.is_loopback { Ipv4Addr::LOCALHOST } else { address };
                ok(format!("clock {}\nname {name}\naddress {address}\n", node.clock))
            }
            _ if line.starts_with("cat /root/.ssh/id_rsa.pub") => ok("ssh-rsa AAAAB3NzaC1yc2E= root@node\n"),
            _ if line.starts_with("cat /etc/pve/.members") => ok(members(&others, node)),
            _ if line.ends_with("&& uname -n") => ok(format!("{}\n", node.name)),
            _ if line.starts_with("stat -c %A /etc/pve/local") => ok(format!("lrwxr-xr-x\n{}", members(&others, node))),
            _ if line.starts_with("rm -rf /run/rackseed-join") => {
                node.ended = None;
                ok("")
            }
            _ if line.starts_with("cd /; if [ -e /run/rackseed-join/ended ]") => ok(look(node)),
            _ if line.starts_with("cd /; if [ -e /etc/corosync") => ok(members(&others, node)),
            _ if line.starts_with("cd / && umask 077 && mkdir") => {
                assert!(
                    node.joining.is_none() && node.cluster.is_none(),
                    "a join was started beside another, or on a member"
                );
                node.joins_started += 1;
                node.joining = Some(JOIN_LOOKS);
                ok("")
            }
            _ if line.contains("mktemp") => {
                node.has_key = false;
                ok("place 0 clean\nplace 1 absent\nplace 2 clean\n")
            }
            _ if line.contains("ssh-keygen") => ok("ssh-rsa AAAAB3NzaC1yc2E= root@node\n"),
            _ if line.contains("/etc/pve/priv/authorized_keys") || line.contains("known_hosts") => ok(""),
            other => panic!("the node does not know this command: {other}"),
        })
    }
}

impl Node {
    /// Whether the key is that of the installed gate.
    fn is_gate_login(&self, login: &Login) -> bool {
        let Credential::Ed25519(key) = &login.credential else { return false };
        let shown = Ssh.public_line(key, "").unwrap();
        self.gate.0.as_deref().is_some_and(|known| known.contains(shown.trim()))
    }

    /// The commands that install the join gate: look, write the script, write the line.
    fn installs_gate(&mut self, command: &Command) -> Option<Output> {
        let line = command.line.as_str();
        if line.starts_with("cd /; [ ! -e /etc/pve/.members ]") {
            let script = self.gate.1.as_ref().map(|sum| format!("script {sum}  -\n")).unwrap_or_default();
            let known = self.gate.0.as_ref().filter(|known| line.contains(known.as_str())).map_or("", |_| "line\n");
            Some(ok(format!("proxmox\nauthorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2\n{script}{known}")))
        } else if line.starts_with("umask 022; cd /; mkdir -p /usr/local/sbin") {
            self.gate.1 = Some(HEXLOWER.encode(&Sha256::digest(command.input.expose_secret())));
            Some(ok(""))
        } else if line.starts_with("umask 077; cd /; rest=$(mktemp)") {
            self.gate.0 = None;
            Some(ok(""))
        } else if line.starts_with("umask 077; cd /; mkdir -p /root/.ssh") {
            self.gate.0 = line.split('\'').find(|part| part.starts_with("restrict,")).map(str::to_owned);
            Some(ok(""))
        } else {
            None
        }
    }
}

/// A removal as the gate does it; `None` when the member is not there, or the connection breaks.
fn remove(nodes: &mut BTreeMap<Ipv4Addr, Node>, asked: Ipv4Addr, words: &str) -> Option<Output> {
    let mut words = words.split_whitespace();
    let (name, address) = (words.next().unwrap(), words.next().unwrap().parse::<Ipv4Addr>().unwrap());
    let member = nodes.get(&asked).filter(|member| member.online)?.clone();
    assert!(member.cluster.is_some() && member.name != name, "{name} was to be removed on {}", member.name);
    if let Some((status, said)) = member.removal_failure {
        return Some(Output { status: Some(status), output: String::new(), error: said });
    }
    let node = nodes.get_mut(&address).unwrap();
    assert!(node.name == name && (!node.online || node.half_joined), "{name} is online, or is not at {address}");
    node.half_joined = false;
    if node.cluster.take().is_some() {
        node.removals += 1;
    }
    (!member.breaks_after_removal).then(|| ok(format!("{name} is not in the cluster\n")))
}

/// What a member says to a command of the join gate.
fn gate(words: &str, others: &BTreeMap<Ipv4Addr, Node>, node: &Node) -> Output {
    match words.split(' ').next() {
        Some("members") => ok(members(others, node)),
        Some("about") => {
            let links: String = (1..=node.more_links).map(|link| format!("ring{link}_addr: 10.{link}.0.1\n")).collect();
            ok(format!(
                "clock {}\nnodelist {{\nnode {{\nname: {}\nring0_addr: 10.0.0.1\n{links}}}\n}}\n",
                node.clock, node.name
            ))
        }
        Some("fingerprint") => ok(format!("sha256 Fingerprint={}\n", node.fingerprint)),
        Some("authorise" | "withdraw") => ok(""),
        Some("report") => ok(node.report.clone().unwrap_or_else(|| nothing_to_report(others, node))),
        Some("version") => ok(format!("{}  -\n", node.gate.1.as_deref().unwrap_or_default())),
        Some("id") if node.runs_anything => ok("uid=0(root)\n"),
        Some("id") => {
            Output { status: Some(64), output: String::new(), error: "rackseed-join-gate: no such command".into() }
        }
        _ => panic!("the member does not know this command: {words}"),
    }
}

/// The report of a cluster whose nodes are nothing but members.
fn nothing_to_report(nodes: &BTreeMap<Ipv4Addr, Node>, node: &Node) -> String {
    let listed = nodes.values().filter(|other| other.cluster == node.cluster);
    let listed = listed.map(|other| format!("| node {{\n|  name: {}\n| }}\n", other.name)).collect::<String>();
    let files = "ha/resources.cfg ha/groups.cfg ha/rules.cfg ha/manager_status replication.cfg storage.cfg jobs.cfg ceph.conf qemu-server lxc";
    let absent = files.split(' ').map(|name| format!("== {name}\n-- absent\n")).collect::<String>();
    format!(
        "== corosync.conf\n|nodelist {{\n{listed}|}}\n-- ok\n{absent}== resources\n|[]\n-- ok\n== storages\n-- ok\n== end\n"
    )
}

fn look(node: &mut Node) -> String {
    match node.joining {
        Some(0) => {
            node.joining = None;
            match node.join_failure.clone() {
                Some(failure) => node.ended = Some(failure),
                None => node.cluster = Some("rackseed".into()),
            }
        }
        Some(looks) => {
            node.joining = Some(looks - 1);
            return "running\nwaiting for quorum...".into();
        }
        None => {}
    }
    node.ended.as_ref().map_or_else(|| "absent".to_owned(), |said| format!("ended\n{said}"))
}
