//! The lab: a folder, and network namespaces joined by a bridge. In `lan` the machines and the foreign DHCP server live; in `server` lives
//! Rackseed, so that both can own port 67. A second network behind a relay, a rival PXE server and a lossy wire are added where a test wants
//! them.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use crate::program::{Program, inside, ip, read_log, run};

/// The network.
pub(crate) const SUBNET: &str = "10.77.0.0/24";
/// The address of the router and foreign DHCP server.
pub(crate) const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The address of Rackseed.
pub(crate) const OURS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// The network behind the relay, and the relay's address in it. The router leads from one network to the other.
const FAR_ROUTER: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 1);
const FAR_RELAY: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 254);
/// The relay's address in our network.
const NEAR_RELAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 254);
/// The address of the rival PXE server.
const RIVAL: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 3);
/// The bridges of the two networks.
pub(crate) const NEAR: &str = "lan0";
pub(crate) const FAR: &str = "far0";
/// The interface that Rackseed serves on.
pub(crate) const INTERFACE: &str = "vmbr0";

/// A dnsmasq that reads no settings of this machine and resolves no names.
fn dnsmasq(namespace: &str) -> Command {
    let mut dnsmasq = inside(namespace, "dnsmasq");
    dnsmasq.args(["--no-daemon", "--conf-file=/dev/null", "--port=0"]);
    dnsmasq
}

/// A lab. Everything in it ends and is removed when it is dropped; logs and captures stay.
pub(crate) struct Lab {
    /// Logs, captures, disks, Rackseed's data.
    pub(crate) folder: PathBuf,
    lan: String,
    server: String,
    started: Instant,
    /// More namespaces, with what runs in them.
    more: Vec<String>,
    programs: Vec<Program>,
}

impl Lab {
    /// Builds the lab and starts the foreign DHCP server. It offers addresses and nothing about booting.
    pub(crate) fn new(name: &str) -> Self {
        let is_root = run(Command::new("id").arg("-u")).trim() == "0";
        assert!(is_root, "this test makes network namespaces and must run as root; run `sudo make test`");
        run(&mut Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/install-packages")));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lab-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder for the lab");
        let id = std::process::id();
        let mut lab = Self {
            folder,
            lan: format!("rslan{id}"),
            server: format!("rssrv{id}"),
            started: Instant::now(),
            more: Vec::new(),
            programs: Vec::new(),
        };
        lab.build_network();
        lab.serve_addresses(NEAR, "10.77.0", ROUTER);
        lab
    }

    /// Starts the foreign DHCP server of a network.
    fn serve_addresses(&mut self, bridge: &str, network: &str, router: Ipv4Addr) {
        let mut dnsmasq = dnsmasq(&self.lan);
        dnsmasq.args([&format!("--interface={bridge}"), "--bind-interfaces", "--log-dhcp"]);
        dnsmasq.arg(format!("--dhcp-range={network}.50,{network}.150,1h"));
        dnsmasq.args([format!("--dhcp-option=3,{router}"), format!("--dhcp-option=6,{router}")]);
        dnsmasq.arg(format!("--dhcp-leasefile={}", self.folder.join(format!("{bridge}.leases")).display()));
        self.programs.push(Program::start(&mut dnsmasq, &self.folder.join("dnsmasq.log")));
    }

    /// Adds a second network, with its own foreign DHCP server, from which only a relay passes broadcasts on to Rackseed.
    pub(crate) fn add_far_network(&mut self) {
        let (lan, relay) = (self.lan.clone(), self.add_namespace("relay"));
        ip(&format!("-n {lan} link add {FAR} type bridge forward_delay 0"));
        ip(&format!("-n {lan} address add {FAR_ROUTER}/24 dev {FAR}"));
        ip(&format!("-n {lan} link set {FAR} up"));
        self.connect(&relay, "far", FAR_RELAY, FAR);
        self.connect(&relay, "near", NEAR_RELAY, NEAR);
        run(inside(&lan, "sysctl").args(["-q", "-w", "net.ipv4.ip_forward=1"]));
        self.serve_addresses(FAR, "10.79.0", FAR_ROUTER);
        let mut dnsmasq = dnsmasq(&relay);
        dnsmasq.args(["--log-dhcp", &format!("--dhcp-relay={FAR_RELAY},{OURS}")]);
        self.programs.push(Program::start(&mut dnsmasq, &self.folder.join("relay.log")));
    }

    /// Adds a PXE server of somebody else, which offers every machine a file that it does not have.
    pub(crate) fn add_rival(&mut self) {
        let rival = self.add_namespace("rival");
        self.connect(&rival, "rival", RIVAL, NEAR);
        let mut dnsmasq = dnsmasq(&rival);
        dnsmasq.args(["--log-dhcp", "--interface=rival", "--bind-interfaces", "--dhcp-range=10.77.0.0,proxy"]);
        for system in ["x86PC", "X86-64_EFI", "BC_EFI"] {
            dnsmasq.arg(format!("--pxe-service={system},rival,nothing"));
        }
        self.programs.push(Program::start(&mut dnsmasq, &self.folder.join("rival.log")));
    }

    /// Loses one of so many packets between Rackseed and the machines, in both directions. They are dropped where they arrive: a sender must
    /// not be told. Which ones is left to their number and not to chance: by chance firmware may lose all its few tries.
    pub(crate) fn lose_one_packet_of(&self, many: u8) {
        for (namespace, interface) in [(&self.server, INTERFACE), (&self.lan, "server0")] {
            let hook = format!("type filter hook ingress device {interface} priority 0;");
            let rule = format!("numgen inc mod {many} == {} counter drop", many - 1);
            let rules = format!("table netdev loss {{\n chain arriving {{\n {hook}\n {rule}\n }}\n}}\n");
            let file = self.folder.join(format!("loss-{interface}"));
            fs::write(&file, rules).expect("a file of rules");
            run(inside(namespace, "nft").arg("--file").arg(&file));
        }
    }

    /// How many packets were lost so far.
    pub(crate) fn lost_packets(&self) -> u64 {
        let lost = |namespace: &str| -> u64 {
            let rules = run(inside(namespace, "nft").args(["list", "table", "netdev", "loss"]));
            let count = rules.split("packets ").nth(1).and_then(|rest| rest.split(' ').next());
            count.and_then(|count| count.parse().ok()).expect("a counter")
        };
        lost(&self.server) + lost(&self.lan)
    }

    fn add_namespace(&mut self, name: &str) -> String {
        let namespace = format!("rs{name}{}", std::process::id());
        ip(&format!("netns add {namespace}"));
        ip(&format!("-n {namespace} link set lo up"));
        self.more.push(namespace.clone());
        namespace
    }

    /// Puts an interface of another namespace on a bridge.
    fn connect(&self, namespace: &str, interface: &str, address: Ipv4Addr, bridge: &str) {
        let (lan, port) = (&self.lan, format!("{interface}-port"));
        ip(&format!("-n {namespace} link add {interface} type veth peer name {port} netns {lan}"));
        ip(&format!("-n {namespace} address add {address}/24 dev {interface}"));
        ip(&format!("-n {namespace} link set {interface} up"));
        ip(&format!("-n {lan} link set {port} master {bridge} up"));
        let _ =
            Command::new("ip").args(["-n", namespace, "route", "add", "default", "via", &ROUTER.to_string()]).status();
    }

    fn build_network(&self) {
        let (lan, server) = (&self.lan, &self.server);
        ip(&format!("netns add {lan}"));
        ip(&format!("netns add {server}"));
        ip(&format!("-n {lan} link set lo up"));
        ip(&format!("-n {server} link set lo up"));
        ip(&format!("-n {lan} link add {NEAR} type bridge forward_delay 0"));
        ip(&format!("-n {lan} address add {ROUTER}/24 dev {NEAR}"));
        ip(&format!("-n {lan} link set {NEAR} up"));
        ip(&format!("-n {server} link add {INTERFACE} type veth peer name server0 netns {lan}"));
        ip(&format!("-n {server} address add {OURS}/24 dev {INTERFACE}"));
        ip(&format!("-n {server} link set {INTERFACE} up"));
        ip(&format!("-n {server} route add default via {ROUTER}"));
        ip(&format!("-n {lan} link set server0 master {NEAR} up"));
    }

    /// Makes a port for a machine.
    pub(crate) fn add_port(&self, port: &str) {
        ip(&format!("-n {} tuntap add {port} mode tap", self.lan));
    }

    /// Puts a port on a bridge.
    pub(crate) fn plug(&self, port: &str, bridge: &str) {
        ip(&format!("-n {} link set {port} master {bridge} up", self.lan));
    }

    /// A command that runs where the machines are.
    pub(crate) fn in_lan(&self, program: &str) -> Command {
        inside(&self.lan, program)
    }

    /// A command that runs where Rackseed is.
    pub(crate) fn in_server(&self, program: &str) -> Command {
        inside(&self.server, program)
    }

    /// What the foreign DHCP server has said so far.
    pub(crate) fn dhcp_log(&self) -> String {
        read_log(&self.folder.join("dnsmasq.log"))
    }

    /// What the rival PXE server has said so far.
    pub(crate) fn rival_log(&self) -> String {
        read_log(&self.folder.join("rival.log"))
    }

    /// Tells, with the time since the start, what has happened.
    pub(crate) fn note(&self, what: &str) {
        eprintln!("[{:6.1} s] {what}", self.started.elapsed().as_secs_f32());
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.programs.clear();
        for namespace in [&self.lan, &self.server].into_iter().chain(&self.more) {
            let _ = Command::new("ip").args(["netns", "delete", namespace]).status();
        }
        // The large files; what tells why something failed stays.
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|kind| kind == "disk" || kind == "iso") {
                let _ = fs::remove_file(entry.path());
            }
        }
        if std::thread::panicking() {
            eprintln!("logs and captures are in {}", self.folder.display());
        }
    }
}
