//! Asks the network as booting machines would, and lists who answers what: a rival PXE server, a stray boot file, a blocked port or no DHCP
//! server at all is found before a machine stands there without a boot.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};

use super::probe_packets::{Answer, boot_server_request, discover, read};
use crate::domain::{
    identity::MacAddress,
    network_probe::{ProbeAnswer, ProbeClient},
};

/// DHCP's ports (RFC 2131 §4.1) and the boot server's (PXE 2.1).
const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
const PROXY_PORT: u16 = 4011;
/// When the questions are asked again; servers that ping an address first take a second to answer.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// How long answers are waited for: as long as the firmware that waits longest collects offers (EDK2, 3.7 s).
const LISTEN: Duration = Duration::from_secs(4);
/// How long a boot server may take; firmware asks again after one second.
const LISTEN_TO_BOOT_SERVER: Duration = Duration::from_millis(1500);
/// How many answers are kept. A network that gives more is ill in a way that needs no more evidence.
const MOST_ANSWERS: usize = 64;
/// How long one look for a packet takes.
const LOOK: Duration = Duration::from_millis(200);
/// Longer than any packet.
const LARGEST_PACKET: usize = 2048;

/// Asks as every client kind with this address and returns who answered, each server once per kind. Nothing is requested, so no lease is used
/// up. With a locally administered address (nobody's), we ourselves are silent; with that of an armed host, the answers are what it would get.
/// Takes about four seconds, and a little more for every boot server that must be asked; needs the capabilities of the daemon.
///
/// # Errors
/// The port or the interface cannot be used.
pub fn probe(interface: &str, our: Ipv4Addr, mac: MacAddress) -> io::Result<Vec<ProbeAnswer>> {
    let socket = open(interface)?;
    let mut answers = ask_everybody(&socket, mac)?;
    for answer in answers.iter_mut().filter(|answer| answer.needs_boot_server()) {
        answer.boot_server = Some(ask_boot_server(&socket, our, mac, answer)?);
    }
    Ok(answers)
}

fn open(interface: &str) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    // The computer's own DHCP client may hold the port too; both then hear the broadcast answers.
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.set_read_timeout(Some(LOOK))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, CLIENT_PORT)).into())?;
    Ok(socket.into())
}

fn ask_everybody(socket: &UdpSocket, mac: MacAddress) -> io::Result<Vec<ProbeAnswer>> {
    let questions: Vec<_> = ProbeClient::ALL.iter().map(|client| discover(*client, mac)).collect::<io::Result<_>>()?;
    let (began, mut asked, mut answers) = (Instant::now(), 0, Vec::<ProbeAnswer>::new());
    while began.elapsed() < LISTEN {
        if began.elapsed() >= ASK_AGAIN * asked {
            for question in &questions {
                socket.send_to(question, (Ipv4Addr::BROADCAST, SERVER_PORT))?;
            }
            asked += 1;
        }
        if let Some(Answer { offer, .. }) = receive(socket, mac)?
            && answers.len() < MOST_ANSWERS
            && !answers.iter().any(|known| (known.client, known.server) == (offer.client, offer.server))
        {
            answers.push(offer);
        }
    }
    Ok(answers)
}

/// Asks a PXE server's port 4011 as firmware does that it sent there, and tells whether it answered.
fn ask_boot_server(socket: &UdpSocket, our: Ipv4Addr, mac: MacAddress, offer: &ProbeAnswer) -> io::Result<bool> {
    let question = boot_server_request(offer.client, mac, our)?;
    socket.send_to(&question, (offer.server, PROXY_PORT))?;
    let began = Instant::now();
    while began.elapsed() < LISTEN_TO_BOOT_SERVER {
        if receive(socket, mac)?.is_some_and(|answer| answer.is_acknowledgement) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Waits a moment for an answer to our own questions; anything else on the port is not for us.
fn receive(socket: &UdpSocket, mac: MacAddress) -> io::Result<Option<Answer>> {
    let mut buffer = [0; LARGEST_PACKET];
    match socket.recv_from(&mut buffer) {
        Ok((length, SocketAddr::V4(sender))) => Ok(read(&buffer[..length], *sender.ip(), mac)),
        Ok(_) => Ok(None),
        // The last one: a server that has nothing on port 4011 says so by ICMP.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
