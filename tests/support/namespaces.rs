//! Networks of our own, made of the kernel's network namespaces and gone with the test. They need root.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Protocol, Socket, Type};

/// How long something may take that needs a moment: interfaces are looked at every two seconds, and the computer may be loaded.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long we listen for a packet that must not come.
pub(crate) const SILENCE: Duration = Duration::from_millis(700);

static COUNT: AtomicU32 = AtomicU32::new(0);

/// One network namespace.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        let name = format!("rsnet{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let user = Command::new("id").arg("-u").output().unwrap().stdout;
        assert_eq!(user, b"0\n", "this test makes network namespaces; run it as root: `sudo make test`");
        ip(&format!("netns add {name}"));
        let namespace = Self { name };
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs `ip` in here.
    pub(crate) fn ip(&self, words: &str) {
        ip(&format!("-n {} {words}", self.name));
    }

    /// Lays a cable from here to there; both ends are up.
    pub(crate) fn cable(&self, interface: &str, other: &Self, other_interface: &str) {
        self.ip(&format!("link add {interface} type veth peer name {other_interface} netns {}", other.name));
        self.ip(&format!("link set {interface} up"));
        other.ip(&format!("link set {other_interface} up"));
    }

    /// Adds a VLAN to both ends of a cable. A kernel without VLANs gets a second cable of that name, which is the same to whoever uses it.
    pub(crate) fn vlan(&self, interface: &str, other: &Self, other_interface: &str, id: u16) {
        let (here, there) = (format!("{interface}.{id}"), format!("{other_interface}.{id}"));
        let add = |namespace: &Self, parent: &str, name: &str| {
            let words = format!("-n {} link add link {parent} name {name} type vlan id {id}", namespace.name);
            Command::new("ip").args(words.split_whitespace()).output().unwrap().status.success()
        };
        if !add(self, interface, &here) {
            return self.cable(&here, other, &there);
        }
        assert!(add(other, other_interface, &there));
        self.ip(&format!("link set {here} up"));
        other.ip(&format!("link set {there} up"));
    }

    /// Passes packets on between its interfaces.
    pub(crate) fn forward(&self) {
        self.enter(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
    }

    /// Does something in here: sockets and threads that are made belong to this namespace for good.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let place = File::open(Path::new("/run/netns").join(&self.name)).unwrap();
        let inside = || {
            setns(&place, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        };
        thread::scope(|scope| scope.spawn(inside).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// A UDP socket on one interface that hears broadcasts and may send them.
    pub(crate) fn socket(&self, interface: &str, port: u16) -> UdpSocket {
        self.enter(|| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
            socket.set_reuse_address(true).unwrap();
            socket.set_broadcast(true).unwrap();
            socket.bind_device(Some(interface.as_bytes())).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into()).unwrap();
            socket.into()
        })
    }

    /// Waits until a program in here has a UDP port. The kernel's list is read: trying the port would take it away for a moment.
    pub(crate) fn wait_for_port(&self, port: u16) {
        let wanted = format!(":{port:04X} ");
        wait_for("a program to have its port", || {
            let list = self.enter(|| std::fs::read_to_string("/proc/thread-self/net/udp").unwrap());
            list.contains(&wanted).then_some(())
        });
    }

    /// A program that will run in here.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Starts a program in here that runs until it is dropped.
    pub(crate) fn program(&self, program: &str, arguments: &[&str]) -> Program {
        let mut command = self.command(program);
        command.args(arguments);
        // Its words are shown with those of a test that fails.
        Program(command.stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}

/// A program in the background.
pub(crate) struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ip(words: &str) {
    let output = Command::new("ip").args(words.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Looks again and again until there is something.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
