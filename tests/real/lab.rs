//! The lab: a folder, and two network namespaces joined by a bridge. In `lan` the machines and the foreign DHCP server live; in `server`
//! lives Rackseed, so that both can own port 67.

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
/// The interface that Rackseed serves on.
pub(crate) const INTERFACE: &str = "vmbr0";

/// A lab. Everything in it ends and is removed when it is dropped; logs and captures stay.
pub(crate) struct Lab {
    /// Logs, captures, disks, Rackseed's data.
    pub(crate) folder: PathBuf,
    lan: String,
    server: String,
    started: Instant,
    dhcp: Option<Program>,
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
            dhcp: None,
        };
        lab.build_network();
        let (lease_file, log) = (lab.folder.join("leases"), lab.folder.join("dnsmasq.log"));
        let mut dnsmasq = inside(&lab.lan, "dnsmasq");
        dnsmasq.args([
            "--no-daemon",
            "--conf-file=/dev/null",
            "--port=0",
            "--interface=lan0",
            "--bind-interfaces",
            "--log-dhcp",
        ]);
        dnsmasq.args([
            "--dhcp-range=10.77.0.50,10.77.0.150,1h",
            "--dhcp-option=3,10.77.0.1",
            "--dhcp-option=6,10.77.0.1",
        ]);
        dnsmasq.arg(format!("--dhcp-leasefile={}", lease_file.display()));
        lab.dhcp = Some(Program::start(&mut dnsmasq, &log));
        lab
    }

    fn build_network(&self) {
        let (lan, server) = (&self.lan, &self.server);
        ip(&format!("netns add {lan}"));
        ip(&format!("netns add {server}"));
        ip(&format!("-n {lan} link set lo up"));
        ip(&format!("-n {server} link set lo up"));
        ip(&format!("-n {lan} link add lan0 type bridge forward_delay 0"));
        ip(&format!("-n {lan} address add {ROUTER}/24 dev lan0"));
        ip(&format!("-n {lan} link set lan0 up"));
        ip(&format!("-n {server} link add {INTERFACE} type veth peer name server0 netns {lan}"));
        ip(&format!("-n {server} address add {OURS}/24 dev {INTERFACE}"));
        ip(&format!("-n {server} link set {INTERFACE} up"));
        ip(&format!("-n {server} route add default via {ROUTER}"));
        ip(&format!("-n {lan} link set server0 master lan0 up"));
    }

    /// Puts a new port for a machine on the bridge.
    pub(crate) fn add_port(&self, port: &str) {
        ip(&format!("-n {} tuntap add {port} mode tap", self.lan));
        ip(&format!("-n {} link set {port} master lan0 up", self.lan));
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

    /// Tells, with the time since the start, what has happened.
    pub(crate) fn note(&self, what: &str) {
        eprintln!("[{:6.1} s] {what}", self.started.elapsed().as_secs_f32());
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.dhcp = None;
        for namespace in [&self.lan, &self.server] {
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
