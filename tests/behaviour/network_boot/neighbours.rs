//! Another DHCP server on our own computer.

use rackseed::domain::network::{Service, ServiceState};

use super::{
    relays::{Routed, relayed},
    *,
};
use crate::{dhcp::packet::with_options, support::namespaces::Program};

const OURS: Ipv4Addr = Ipv4Addr::new(10, 91, 1, 1);
const MACHINE: Ipv4Addr = Ipv4Addr::new(10, 91, 1, 50);

/// A real DHCP server that gives out one address.
fn dnsmasq(namespace: &Namespace, more: &[&str]) -> Program {
    let words = [
        "--no-daemon",
        "--conf-file=/dev/null",
        "--port=0",
        "--user=root",
        "--pid-file=",
        "--leasefile-ro",
        "--no-ping",
        "--log-dhcp",
        "--dhcp-range=10.91.1.50,10.91.1.50,1h",
    ];
    let program = namespace.program("dnsmasq", &[&words[..], more].concat());
    namespace.wait_for_port(67);
    program
}

fn lan() -> (Namespace, Namespace) {
    let (server, lan) = (Namespace::new(), Namespace::new());
    server.cable("eth0", &lan, "eth0");
    server.ip("address add 10.91.1.1/24 dev eth0");
    (server, lan)
}

fn state(server: &Server, service: Service) -> ServiceState {
    server.interface("eth0").services.into_iter().find(|status| status.service == service).unwrap().state
}

/// A REQUEST of the machine of the recordings, to get its lease or to renew it.
fn request(lease: Ipv4Addr, is_renewal: bool) -> Vec<u8> {
    let mut packet = with_options(&recorded("ovmf-x64-pxe-discover"), |options| {
        options.retain(|(code, _)| ![50, 53, 54].contains(code));
        options.insert(0, (53, vec![3]));
        if !is_renewal {
            options.push((54, OURS.octets().to_vec()));
            options.push((50, lease.octets().to_vec()));
        }
    });
    if is_renewal {
        packet[10] = 0;
        packet[12..16].copy_from_slice(&lease.octets());
    }
    packet
}

/// Two offers: ours first, then that of the DHCP server.
fn two_offers(machine: &UdpSocket) -> (Heard, Heard) {
    let (one, other) = (ask_everybody(machine, "ovmf-x64-pxe-discover"), hear(machine));
    assert!(is_silent(machine), "somebody answered twice");
    if one.offers_address() { (other, one) } else { (one, other) }
}

#[test]
fn beside_a_dhcp_server_of_the_same_computer_both_answer_and_its_leases_are_renewed() {
    // The second way its socket may be shared with others that ask for it: we must not, or its unicast packets would be ours.
    for ways in [&[][..], &["--bind-interfaces", "--interface=eth0"]] {
        both_answer_and_leases_are_renewed_beside_dnsmasq_with(ways);
    }
}

fn both_answer_and_leases_are_renewed_beside_dnsmasq_with(ways: &[&str]) {
    let (server, lan) = lan();
    let _dhcp_server = dnsmasq(&server, ways);
    let running = Server::start(&server, config(vec![wanted("eth0")]));
    let ServiceState::Beside(other) = state(&running, Service::Dhcp) else { panic!("the port is dnsmasq's") };
    assert!(other.starts_with("dnsmasq (process "), "{other}");
    assert_eq!(running.interface("eth0").state(), InterfaceState::Answering);
    let machine = lan.socket("eth0", 68);
    let (ours, theirs) = two_offers(&machine);
    ours.is_ours(OURS, 67);
    assert_eq!((theirs.server_identifier(), &theirs.bytes[16..20]), (OURS, &MACHINE.octets()[..]));
    send(&machine, &request(MACHINE, false), EVERYBODY);
    assert_eq!(option(&hear(&machine).bytes, 53), Some(vec![5]), "the machine gets its lease");
    // A renewal goes to the server's address alone; if we had a socket on the port it might end there.
    lan.ip("address add 10.91.1.50/24 dev eth0");
    for _ in 0..5 {
        send(&machine, &request(MACHINE, true), SocketAddrV4::new(OURS, 67));
        let renewed = hear(&machine);
        assert_eq!((option(&renewed.bytes, 53), &renewed.bytes[16..20]), (Some(vec![5]), &MACHINE.octets()[..]));
        assert!(is_silent(&machine));
    }
    let boot_server = lan.socket("eth0", 4011);
    send(&boot_server, &recorded("ovmf-x64-pxe-4011-request"), SocketAddrV4::new(OURS, 4011));
    hear(&boot_server).is_ours(OURS, 4011);
}

#[test]
fn beside_a_dhcp_server_relays_are_answered_and_what_only_passes_through_is_not() {
    let routed = Routed::new();
    let server = &routed.server;
    let _dhcp_server = dnsmasq(server, &[]);
    // We are the router to another DHCP server.
    let behind = Namespace::new();
    server.cable("eth1", &behind, "eth0");
    server.ip("address add 10.91.3.1/24 dev eth1");
    behind.ip("address add 10.91.3.9/24 dev eth0");
    server.forward();
    routed.relay.ip("route add 10.91.3.0/24 via 10.91.1.1");
    let _running = Server::start(server, config(vec![wanted("eth0")]));
    let (relay, other_server) = (routed.relay.socket("up0", 67), behind.socket("eth0", 67));
    let address = Ipv4Addr::new(10, 91, 1, 50);
    let question = relayed("ovmf-x64-pxe-discover", address);
    send(&relay, &question, SocketAddrV4::new(Ipv4Addr::new(10, 91, 3, 9), 67));
    assert_eq!(hear(&other_server).bytes, question);
    assert!(is_silent(&relay), "a question to another server was answered");
    let is_ours = |our: Ipv4Addr| {
        // The DHCP server on our computer answers the relay as well, and the relay hears its own broadcast.
        let is_offer = |heard: &Heard| heard.bytes[0] == 2 && !heard.offers_address();
        let heard = wait_for("our answer", || Some(hear(&relay)).filter(is_offer));
        heard.is_ours(our, 67);
    };
    for our in [OURS, Ipv4Addr::new(10, 91, 1, 2)] {
        send(&relay, &question, SocketAddrV4::new(our, 67));
        is_ours(our);
    }
    send(&relay, &question, SocketAddrV4::new(Ipv4Addr::new(10, 91, 1, 255), 67));
    is_ours(OURS);
}

#[test]
fn beside_a_dhcp_server_each_network_is_still_answered_once_and_by_its_own_address() {
    let (server, left) = lan();
    let right = Namespace::new();
    server.cable("eth1", &right, "eth0");
    server.ip("address add 10.91.2.1/24 dev eth1");
    let _dhcp_server = dnsmasq(&server, &["--no-dhcp-interface=eth1"]);
    let running = Server::start(&server, config(vec![wanted("eth0"), wanted("eth1")]));
    for interface in ["eth0", "eth1"] {
        assert!(running.interface(interface).sentence().contains("beside dnsmasq"), "{interface}");
    }
    let (neighbour, machine) = (left.socket("eth0", 68), right.socket("eth0", 68));
    two_offers(&neighbour).0.is_ours(OURS, 67);
    assert!(is_silent(&machine), "the other network heard an answer too");
    ask_everybody(&machine, "ovmf-x64-pxe-discover").is_ours(Ipv4Addr::new(10, 91, 2, 1), 67);
    assert!(is_silent(&machine) && is_silent(&neighbour), "the other network's part of us answered too");
}

#[test]
fn a_dhcp_server_that_is_restarted_finds_its_port_free_and_we_still_answer() {
    let (server, lan) = lan();
    let dhcp_server = dnsmasq(&server, &[]);
    let running = Server::start(&server, config(vec![wanted("eth0")]));
    drop(dhcp_server);
    // Also when the interface is made anew while it is away.
    server.ip("address add 10.91.1.3/24 dev eth0");
    wait_for("the new address", || (running.interface("eth0").addresses.len() == 2).then_some(()));
    let machine = lan.socket("eth0", 68);
    ask_everybody(&machine, "ovmf-x64-pxe-discover").is_ours(OURS, 67);
    let _again = dnsmasq(&server, &[]);
    let (ours, theirs) = two_offers(&machine);
    ours.is_ours(OURS, 67);
    assert!(theirs.offers_address());
}

#[test]
fn a_port_that_is_shared_by_the_settings_is_left_to_a_dhcp_server_that_starts_later() {
    let (server, lan) = lan();
    let shared = NetworkBootConfig { is_dhcp_port_shared: true, ..config(vec![wanted("eth0")]) };
    let _running = Server::start(&server, shared);
    let machine = lan.socket("eth0", 68);
    ask_everybody(&machine, "ovmf-x64-pxe-discover").is_ours(OURS, 67);
    let _dhcp_server = dnsmasq(&server, &[]);
    let (ours, theirs) = two_offers(&machine);
    ours.is_ours(OURS, 67);
    assert!(theirs.offers_address());
}

#[test]
fn a_pxe_server_of_the_same_computer_is_named_and_its_ports_are_taken_once_it_ends() {
    let (server, lan) = lan();
    let folder = tempfile::tempdir().unwrap();
    let root = format!("--tftp-root={}", folder.path().display());
    let rival = dnsmasq(&server, &["--enable-tftp", &root, "--pxe-service=x86PC,Other,other"]);
    let running = Server::start(&server, config(vec![wanted("eth0")]));
    assert_eq!(running.interface("eth0").state(), InterfaceState::Impaired);
    assert!(matches!(state(&running, Service::Dhcp), ServiceState::Beside(_)));
    for (service, port) in [(Service::BootServer, "4011"), (Service::Tftp, "69")] {
        let ServiceState::Failed(why) = state(&running, service) else { panic!("{service} cannot run") };
        assert!(why.contains(port) && why.contains("dnsmasq (process "), "{why}");
    }
    let sentence = running.interface("eth0").sentence();
    assert!(sentence.contains("switch off PXE in that program"), "{sentence}");
    drop(rival);
    running.wait_until("eth0", InterfaceState::Answering);
    lan.ip("address add 10.91.1.50/24 dev eth0");
    assert_eq!(load(&lan, "eth0", OURS, "undionly.kpxe").from.ip(), OURS);
    let boot_server = lan.socket("eth0", 4011);
    send(&boot_server, &recorded("ovmf-x64-pxe-4011-request"), SocketAddrV4::new(OURS, 4011));
    hear(&boot_server).is_ours(OURS, 4011);
}
