//! Machines behind a relay.

use super::*;

const RELAY: Ipv4Addr = Ipv4Addr::new(10, 91, 9, 1);
const OURS: Ipv4Addr = Ipv4Addr::new(10, 91, 1, 1);
const ALSO_OURS: Ipv4Addr = Ipv4Addr::new(10, 91, 1, 2);

/// Ours, the relay's computer, and the network behind it, where the machines are.
pub(super) struct Routed {
    pub(super) server: Namespace,
    pub(super) relay: Namespace,
    pub(super) machines: Namespace,
}

impl Routed {
    pub(super) fn new() -> Self {
        let (server, relay, machines) = (Namespace::new(), Namespace::new(), Namespace::new());
        server.cable("eth0", &relay, "up0");
        relay.cable("down0", &machines, "eth0");
        server.ip("address add 10.91.1.1/24 dev eth0");
        server.ip("address add 10.91.1.2/24 dev eth0");
        relay.ip("address add 10.91.1.50/24 dev up0");
        relay.ip("address add 10.91.9.1/24 dev down0");
        relay.forward();
        server.ip("route add 10.91.9.0/24 via 10.91.1.50");
        Self { server, relay, machines }
    }
}

/// A question as a relay passes it on.
pub(super) fn relayed(name: &str, relay: Ipv4Addr) -> Vec<u8> {
    let mut packet = recorded(name);
    packet[3] = 1;
    packet[24..28].copy_from_slice(&relay.octets());
    packet
}

#[test]
fn a_relay_is_answered_at_its_own_address_from_the_address_that_it_asked() {
    let routed = Routed::new();
    let _running = Server::start(&routed.server, config(vec![wanted("eth0")]));
    // The relay sends through one interface and is to be answered at the address of the other.
    let relay = routed.relay.enter(|| UdpSocket::bind((RELAY, 67)).unwrap());
    relay.set_read_timeout(Some(crate::support::namespaces::PATIENCE)).unwrap();
    let broadcasts = routed.relay.socket("up0", 68);
    for our in [OURS, ALSO_OURS] {
        send(&relay, &relayed("ovmf-x64-pxe-discover", RELAY), SocketAddrV4::new(our, 67));
        let offer = hear(&relay);
        offer.is_ours(our, 67);
        assert_eq!(offer.bytes[24..28], RELAY.octets());
        send(&relay, &relayed("snponly2.0-chained-discover", RELAY), SocketAddrV4::new(our, 67));
        assert_eq!(hear(&relay).file(), format!("http://{our}:8081/eth0"));
    }
    // A relay that asks everybody is told the interface's own address.
    let asking = routed.relay.socket("up0", 0);
    send(&asking, &relayed("ovmf-x64-pxe-discover", RELAY), SocketAddrV4::new(Ipv4Addr::new(10, 91, 1, 255), 67));
    hear(&relay).is_ours(OURS, 67);
    assert!(is_silent(&broadcasts), "the answer to a relay was broadcast");
}

#[test]
fn a_machine_behind_a_real_relay_gets_from_its_discover_to_its_loader() {
    let routed = Routed::new();
    let _running = Server::start(&routed.server, config(vec![wanted("eth0")]));
    let dnsmasq = ["--no-daemon", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file="];
    let relay_words = ["--dhcp-relay=10.91.9.1,10.91.1.2", "--log-dhcp"];
    let _relay = routed.relay.program("dnsmasq", &[&dnsmasq[..], &relay_words[..]].concat());
    let machine = routed.machines.socket("eth0", 68);
    let offer = wait_for("an offer through the relay", || {
        send(&machine, &recorded("ovmf-x64-pxe-discover"), EVERYBODY);
        (!is_silent(&machine)).then(|| {
            send(&machine, &recorded("ovmf-x64-pxe-discover"), EVERYBODY);
            hear(&machine)
        })
    });
    assert_eq!((offer.server_identifier(), offer.next_server()), (ALSO_OURS, ALSO_OURS));
    // With the address that the DHCP server gave it, the machine asks us itself, through the router.
    routed.machines.ip("address add 10.91.9.77/24 dev eth0");
    routed.machines.ip("route add default via 10.91.9.1");
    let boot_server = routed.machines.socket("eth0", 4011);
    send(&boot_server, &recorded("relayed-ovmf-x64-4011-request"), SocketAddrV4::new(ALSO_OURS, 4011));
    hear(&boot_server).is_ours(ALSO_OURS, 4011);
    let loaded = load(&routed.machines, "eth0", ALSO_OURS, "undionly.kpxe");
    assert_eq!((loaded.from.ip(), &loaded.bytes[4..]), (ALSO_OURS.into(), LOADER));
}

#[test]
fn a_relay_that_is_not_in_the_list_hears_nothing() {
    let routed = Routed::new();
    let relays = vec!["10.91.1.0/24".parse().unwrap()];
    let _running = Server::start(&routed.server, NetworkBootConfig { relays, ..config(vec![wanted("eth0")]) });
    let relay = routed.relay.socket("up0", 67);
    send(&relay, &relayed("ovmf-x64-pxe-discover", RELAY), SocketAddrV4::new(OURS, 67));
    assert!(is_silent(&relay));
    let known = Ipv4Addr::new(10, 91, 1, 50);
    send(&relay, &relayed("ovmf-x64-pxe-discover", known), SocketAddrV4::new(OURS, 67));
    hear(&relay).is_ours(OURS, 67);
    // The list is about relays; machines of the same network need not be in it.
    let machine = routed.relay.socket("up0", 68);
    ask_everybody(&machine, "ovmf-x64-pxe-discover").is_ours(OURS, 67);
}
