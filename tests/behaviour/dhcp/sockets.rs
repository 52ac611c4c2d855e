//! The listener on loopback, on high ports, asked over real sockets.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use rackseed::{
    dhcp::{DhcpConfig, DhcpListener, Ear, Port, interfaces, place},
    domain::{
        boot_options::Discovery,
        boot_request::{BootOffer, BootRequest, Loader, SilenceReason},
        firmware::firmware,
        identity::MacAddress,
        network::{MeetingPlace, WantedInterface},
    },
};
use tokio::{net::UdpSocket, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::packet::{option, recorded};

/// How long a reply may take. Loopback needs microseconds; a loaded machine more.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long we listen for a reply that must not come.
const SILENCE: Duration = Duration::from_millis(300);

/// A listener that runs, and a machine that asks it.
struct Rehearsal {
    server: SocketAddr,
    proxy: SocketAddr,
    machine: UdpSocket,
    stop: CancellationToken,
    running: JoinHandle<std::io::Result<()>>,
}

fn config(port: Port, number: u16) -> DhcpConfig {
    config_with(port, number, Ear::default())
}

fn config_with(port: Port, number: u16, ear: Ear) -> DhcpConfig {
    let lo = WantedInterface { name: "lo".to_owned(), subnet: None, address: None };
    let place = place(&lo, &interfaces().unwrap()).unwrap();
    DhcpConfig { place, port, number, is_shared: false, relays: Vec::new(), reply_to_source: true, ear }
}

impl Rehearsal {
    /// Armed for one machine of the recordings, in each of its two lives.
    async fn start() -> Self {
        let [server, proxy] = [Port::Server, Port::Proxy].map(|port| DhcpListener::bind(config(port, 0)).unwrap());
        let ports = [&server, &proxy].map(|listener| listener.port().unwrap());
        let armed: MacAddress = "52:54:00:f3:00:01".parse().unwrap();
        let decide = move |request: &BootRequest, met: &MeetingPlace| match firmware(request.architecture) {
            _ if request.mac != armed => BootOffer::Silence(SilenceReason::NotArmed),
            None => BootOffer::Silence(SilenceReason::UnknownArchitecture),
            Some(_) if request.ipxe.is_some() => {
                BootOffer::Script(format!("http://{}:8081/ipxe/{armed}?b=xyz", met.our))
            }
            Some(firmware) => BootOffer::Loader(Loader {
                firmware,
                file: firmware.boot_file.into(),
                discovery: Discovery::usual(firmware.kind),
            }),
        };
        let stop = CancellationToken::new();
        let (server, proxy) = (server.run(decide, stop.clone()), proxy.run(decide, stop.clone()));
        let running = tokio::spawn(async { tokio::try_join!(server, proxy).map(drop) });
        let machine = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let on = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let [server, proxy] = ports.map(on);
        Self { server, proxy, machine, stop, running }
    }

    async fn ask(&self, packet: &[u8], port: SocketAddr) -> Vec<u8> {
        self.machine.send_to(packet, port).await.unwrap();
        let mut reply = vec![0; 2048];
        let (length, from) = timeout(PATIENCE, self.machine.recv_from(&mut reply)).await.unwrap().unwrap();
        assert_eq!(from, port, "the reply came from another address or port than was asked");
        reply.truncate(length);
        reply
    }

    async fn is_silent(&self) -> bool {
        timeout(SILENCE, self.machine.recv_from(&mut [0; 2048])).await.is_err()
    }

    async fn end(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.running).await.unwrap().unwrap().unwrap();
    }
}

/// A recording, sent by the armed machine.
fn from_armed(name: &str) -> Vec<u8> {
    let mut packet = recorded(name);
    packet[28..34].copy_from_slice(&[0x52, 0x54, 0, 0xf3, 0, 1]);
    packet
}

fn file(reply: &[u8]) -> String {
    let field = &reply[108..236];
    String::from_utf8(field[..field.iter().position(|byte| *byte == 0).unwrap()].to_vec()).unwrap()
}

#[tokio::test]
async fn a_machine_is_led_from_its_firmware_to_its_script() {
    let rehearsal = Rehearsal::start().await;
    let offer = rehearsal.ask(&from_armed("ovmf-x64-pxe-discover"), rehearsal.server).await;
    assert_eq!((file(&offer).as_str(), option(&offer, 53)), ("snponly.efi", Some(vec![2])));
    let ack = rehearsal.ask(&from_armed("ovmf-x64-pxe-4011-request"), rehearsal.proxy).await;
    assert_eq!((file(&ack).as_str(), option(&ack, 53)), ("snponly.efi", Some(vec![5])));
    let offer = rehearsal.ask(&from_armed("snponly2.0-chained-discover"), rehearsal.server).await;
    assert_eq!(file(&offer), "http://127.0.0.1:8081/ipxe/52:54:00:f3:00:01?b=xyz");
    rehearsal.end().await;
}

#[tokio::test]
async fn machines_that_are_not_armed_hear_nothing_on_either_port() {
    let rehearsal = Rehearsal::start().await;
    for (name, port) in [("ovmf-x64-pxe-discover", rehearsal.server), ("ovmf-x64-pxe-4011-request", rehearsal.proxy)] {
        let mut packet = from_armed(name);
        packet[33] = 0x99;
        rehearsal.machine.send_to(&packet, port).await.unwrap();
    }
    assert!(rehearsal.is_silent().await);
    rehearsal.end().await;
}

#[tokio::test]
async fn a_machine_that_takes_its_address_from_a_dhcp_server_is_overheard_and_not_answered() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let ear = Ear::new(move |taken| tell.send(*taken).unwrap());
    let listener = DhcpListener::bind(config_with(Port::Server, 0, ear)).unwrap();
    let (port, stop) = (listener.port().unwrap(), CancellationToken::new());
    let decide = |_: &BootRequest, _: &MeetingPlace| panic!("nothing is asked of us");
    let running = tokio::spawn(listener.run(decide, stop.clone()));
    let machine = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    machine.send_to(&recorded("ovmf-x64-pxe-request"), (Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let taken = timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
    assert_eq!((taken.mac.to_string().as_str(), taken.server), ("52:54:00:f3:00:01", Ipv4Addr::new(10, 78, 0, 1)));
    assert!(timeout(SILENCE, machine.recv_from(&mut [0; 2048])).await.is_err());
    stop.cancel();
    timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn garbage_and_vanished_senders_never_stop_the_listener() {
    let rehearsal = Rehearsal::start().await;
    let discover = from_armed("ovmf-x64-pxe-discover");
    for round in 0..200_u32 {
        let garbage: Vec<u8> = (0..round * 7).map(|byte| (byte.wrapping_mul(31) ^ round).to_le_bytes()[0]).collect();
        rehearsal.machine.send_to(&garbage, rehearsal.server).await.unwrap();
        rehearsal.machine.send_to(&garbage, rehearsal.proxy).await.unwrap();
        // Its reply finds no socket, and the system reports that to the listener.
        let vanishing = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        vanishing.send_to(&discover, rehearsal.server).await.unwrap();
    }
    assert_eq!(file(&rehearsal.ask(&discover, rehearsal.server).await), "snponly.efi");
    rehearsal.end().await;
}

#[tokio::test]
async fn a_port_that_another_server_has_is_an_error_that_says_what_to_do() {
    let other = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let taken = other.local_addr().unwrap().port();
    for port in [Port::Server, Port::Proxy] {
        let error = DhcpListener::bind(config(port, taken)).err().unwrap().to_string();
        assert!(error.contains(&format!("UDP port {taken} cannot be used")), "{error}");
        assert!(error.contains("ss -ulpn") && error.contains("in that program"), "{error}");
    }
}
