//! Where booting machines are answered: real sockets in networks of our own, with the interfaces, relays and DHCP servers that people have.

mod changes;
mod daemon;
mod neighbours;
mod relays;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket},
    sync::{Arc, mpsc},
    thread::JoinHandle,
};

use rackseed::{
    daemon::{Decide, NetworkBoard, NetworkBoot, NetworkBootConfig, OpenTftp},
    dhcp::{interfaces, place},
    domain::{
        boot_options::Discovery,
        boot_request::{BootOffer, Loader, SilenceReason},
        firmware::firmware,
        network::{InterfaceState, InterfaceStatus, WantedInterface},
    },
    ports::NetworkView,
    tftp::{BootFiles, TftpServer},
};
use tokio_util::sync::CancellationToken;

use crate::{
    dhcp::packet::{option, recorded},
    support::namespaces::{Namespace, SILENCE, wait_for},
};

/// What the TFTP servers have.
const LOADER: &[u8] = b"a small loader";

/// Network boot that runs in a namespace.
struct Server {
    board: Arc<NetworkBoard>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

fn wanted(name: &str) -> WantedInterface {
    WantedInterface { name: name.to_owned(), subnet: None, address: None }
}

fn config(interfaces: Vec<WantedInterface>) -> NetworkBootConfig {
    NetworkBootConfig { interfaces, dhcp_port: 67, proxy_port: 4011, tftp_port: 69, ..NetworkBootConfig::default() }
}

impl Server {
    fn start(namespace: &Namespace, config: NetworkBootConfig) -> Self {
        let (board, stop) = (Arc::new(NetworkBoard::default()), CancellationToken::new());
        let (ready, is_ready) = mpsc::channel();
        let run = {
            let (board, stop) = (Arc::clone(&board), stop.clone());
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let network_boot = NetworkBoot::start(config, decide(), open_tftp(), board).await.unwrap();
                    ready.send(()).unwrap();
                    network_boot.run(stop).await;
                });
            }
        };
        let thread = Some(namespace.enter(move || std::thread::spawn(run)));
        is_ready.recv().expect("network boot starts");
        Self { board, stop, thread }
    }

    fn interface(&self, name: &str) -> InterfaceStatus {
        let status = self.board.status();
        status.interfaces.into_iter().find(|interface| interface.name == name).unwrap()
    }

    fn wait_until(&self, interface: &str, state: InterfaceState) -> InterfaceStatus {
        wait_for(&format!("{interface} to be {}", state.word()), || {
            Some(self.interface(interface)).filter(|status| status.state() == state)
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_some_and(|ended| ended.is_ok()), "network boot panicked");
    }
}

/// Every machine of the recordings is armed; iPXE is told the address by which it knows us.
fn decide() -> Decide {
    Arc::new(|request, met| match firmware(request.architecture) {
        None => BootOffer::Silence(SilenceReason::UnknownArchitecture),
        Some(_) if request.ipxe.is_some() => BootOffer::Script(format!("http://{}:8081/{}", met.our, met.interface)),
        Some(firmware) => BootOffer::Loader(Loader {
            firmware,
            file: firmware.boot_file.into(),
            discovery: Discovery::usual(firmware.kind),
        }),
    })
}

fn open_tftp() -> OpenTftp {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("undionly.kpxe"), LOADER).unwrap();
    let files = Arc::new(BootFiles::load(folder.path()));
    Box::new(move |address| TftpServer::bind(address, Arc::clone(&files)))
}

/// A reply with the address and port from which it came.
struct Heard {
    bytes: Vec<u8>,
    from: SocketAddr,
}

impl Heard {
    fn server_identifier(&self) -> Ipv4Addr {
        let four: [u8; 4] = option(&self.bytes, 54).unwrap().try_into().unwrap();
        four.into()
    }

    fn next_server(&self) -> Ipv4Addr {
        let four: [u8; 4] = self.bytes[20..24].try_into().unwrap();
        four.into()
    }

    fn offers_address(&self) -> bool {
        self.bytes[16..20] != [0; 4]
    }

    fn file(&self) -> String {
        let field = &self.bytes[108..236];
        String::from_utf8(field[..field.iter().position(|byte| *byte == 0).unwrap()].to_vec()).unwrap()
    }

    /// Holds that this is from one of our addresses and names it everywhere.
    fn is_ours(&self, our: Ipv4Addr, port: u16) {
        assert_eq!(self.from, SocketAddr::from((our, port)), "it left from another address");
        assert_eq!((self.server_identifier(), self.next_server()), (our, our), "it names another address");
        assert!(!self.offers_address());
    }
}

fn hear(socket: &UdpSocket) -> Heard {
    let mut bytes = vec![0; 2048];
    let (length, from) = socket.recv_from(&mut bytes).expect("a reply");
    bytes.truncate(length);
    Heard { bytes, from }
}

fn is_silent(socket: &UdpSocket) -> bool {
    let before = socket.read_timeout().unwrap();
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    let heard = socket.recv_from(&mut [0; 2048]);
    socket.set_read_timeout(before).unwrap();
    heard.is_err()
}

/// Where a machine without an address asks.
const EVERYBODY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::BROADCAST, 67);

fn send(socket: &UdpSocket, packet: &[u8], to: SocketAddrV4) {
    socket.send_to(packet, to).unwrap();
}

fn ask_everybody(socket: &UdpSocket, name: &str) -> Heard {
    send(socket, &recorded(name), EVERYBODY);
    hear(socket)
}

/// Loads a file by TFTP, one that fits into one packet.
fn load(machine: &Namespace, interface: &str, from: Ipv4Addr, file: &str) -> Heard {
    let socket = machine.socket(interface, 0);
    send(&socket, format!("\0\u{1}{file}\0octet\0").as_bytes(), SocketAddrV4::new(from, 69));
    let heard = hear(&socket);
    socket.send_to(&[0, 4, 0, 1], heard.from).unwrap();
    heard
}

#[test]
fn our_address_is_that_of_the_interface_within_the_network() {
    let present = interfaces().unwrap();
    let our =
        |wanted: WantedInterface| place(&wanted, &present).map(|place| place.our).map_err(|error| error.to_string());
    let within = |subnet: &str| WantedInterface { subnet: Some(subnet.parse().unwrap()), ..wanted("lo") };
    assert_eq!(our(wanted("lo")), Ok(Ipv4Addr::LOCALHOST));
    assert_eq!(our(within("127.0.0.0/8")), Ok(Ipv4Addr::LOCALHOST));
    let elsewhere = our(within("192.0.2.0/24")).unwrap_err();
    assert!(elsewhere.contains("`lo` has no IPv4 address in 192.0.2.0/24"), "{elsewhere}");
    let unknown = our(wanted("none0")).unwrap_err();
    assert!(unknown.contains("no network interface `none0`") && unknown.contains("lo"), "{unknown}");
}

#[test]
fn machines_of_two_networks_are_each_answered_by_the_address_that_they_can_reach() {
    let (server, left, right) = (Namespace::new(), Namespace::new(), Namespace::new());
    server.cable("left0", &left, "eth0");
    server.cable("right0", &right, "eth0");
    server.ip("address add 10.91.1.1/24 dev left0");
    server.ip("address add 10.91.2.1/24 dev right0");
    let _running = Server::start(&server, config(vec![wanted("left0"), wanted("right0")]));
    let (left_machine, right_machine) = (left.socket("eth0", 68), right.socket("eth0", 68));
    for (machine, elsewhere, our) in [
        (&left_machine, &right_machine, Ipv4Addr::new(10, 91, 1, 1)),
        (&right_machine, &left_machine, Ipv4Addr::new(10, 91, 2, 1)),
    ] {
        ask_everybody(machine, "ovmf-x64-pxe-discover").is_ours(our, 67);
        assert!(ask_everybody(machine, "snponly2.0-chained-discover").file().starts_with(&format!("http://{our}:")));
        assert!(is_silent(elsewhere), "the answer also left through the other interface");
    }
    left.ip("address add 10.91.1.50/24 dev eth0");
    right.ip("address add 10.91.2.50/24 dev eth0");
    for (machines, our) in [(&left, Ipv4Addr::new(10, 91, 1, 1)), (&right, Ipv4Addr::new(10, 91, 2, 1))] {
        let socket = machines.socket("eth0", 4011);
        send(&socket, &recorded("ovmf-x64-pxe-4011-request"), SocketAddrV4::new(our, 4011));
        hear(&socket).is_ours(our, 4011);
        let loaded = load(machines, "eth0", our, "undionly.kpxe");
        assert_eq!((loaded.from.ip(), &loaded.bytes[4..]), (our.into(), LOADER));
    }
}

#[test]
fn a_second_address_answers_those_who_ask_it_and_a_chosen_one_answers_everybody() {
    let (server, lan) = (Namespace::new(), Namespace::new());
    server.cable("eth0", &lan, "eth0");
    server.ip("address add 10.91.1.1/24 dev eth0");
    // With a label the system lists the address as if it were on an interface of that name.
    server.ip("address add 10.91.1.2/24 dev eth0 label eth0:boot");
    lan.ip("address add 10.91.1.50/24 dev eth0");
    let (first, second) = (Ipv4Addr::new(10, 91, 1, 1), Ipv4Addr::new(10, 91, 1, 2));
    let (discovers, requests) = (lan.socket("eth0", 68), lan.socket("eth0", 4011));
    let request = recorded("ovmf-x64-pxe-4011-request");
    {
        let running = Server::start(&server, config(vec![wanted("eth0")]));
        assert_eq!(running.interface("eth0").addresses, [first, second]);
        ask_everybody(&discovers, "ovmf-x64-pxe-discover").is_ours(first, 67);
        send(&requests, &request, SocketAddrV4::new(second, 4011));
        hear(&requests).is_ours(second, 4011);
        assert_eq!(load(&lan, "eth0", second, "undionly.kpxe").from.ip(), second);
    }
    let chosen = WantedInterface { address: Some(second), ..wanted("eth0") };
    let running = Server::start(&server, config(vec![chosen]));
    ask_everybody(&discovers, "ovmf-x64-pxe-discover").is_ours(second, 67);
    // Another program of the computer may now serve TFTP on the first address.
    assert_eq!(running.interface("eth0").services.len(), 3);
    server.enter(|| UdpSocket::bind((first, 69))).unwrap();
    assert!(server.enter(|| UdpSocket::bind((second, 69))).is_err());
    drop(running);
    let within = WantedInterface { subnet: Some("10.91.1.2/32".parse().unwrap()), ..wanted("eth0") };
    let _running = Server::start(&server, config(vec![within]));
    ask_everybody(&discovers, "ovmf-x64-pxe-discover").is_ours(second, 67);
}
