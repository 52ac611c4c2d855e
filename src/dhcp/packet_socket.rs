//! Hears and answers on a UDP port that another program of this computer has, without taking anything from it.
//!
//! A packet socket gets a copy of what comes in on the interface, before any firewall; the other program's socket gets it all the same.
//! Two UDP sockets on one port could not do that: of packets that are sent to our address the system would give each to one of them only,
//! and renewals of leases would end with us. Answers go out of a raw socket, whose packets carry the port without owning it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    ops::Range,
    os::fd::AsRawFd,
};

use nix::{
    libc,
    sys::socket::{LinkAddr, recvfrom},
};
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};
use tokio::{io::Interest, net::UdpSocket};

use super::{interface::Place, listener::Received};

const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
/// UDP's number in the IP header.
const UDP: u8 = 17;
/// Neither a first nor a later fragment: the bit *more fragments* and the offset are zero.
const FRAGMENT: u16 = 0x3fff;
/// Routers between us and a relay each take one off.
const TIME_TO_LIVE: u8 = 64;

/// A pair of sockets beside the one that has the port. Neither is a UDP socket: tokio's type only waits for them.
pub(super) struct BesidePort {
    incoming: UdpSocket,
    outgoing: UdpSocket,
    place: Place,
    port: u16,
}

impl BesidePort {
    /// Needs the capability `CAP_NET_RAW`.
    pub(super) fn open(place: Place, port: u16) -> io::Result<Self> {
        let ipv4 = i32::from(u16::try_from(libc::ETH_P_IP).map_err(io::Error::other)?.to_be());
        let incoming = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(ipv4)))?;
        incoming.attach_filter(&filter(place.index, port))?;
        incoming.set_nonblocking(true)?;
        let outgoing = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
        outgoing.set_broadcast(true)?;
        outgoing.set_nonblocking(true)?;
        outgoing.bind_device(Some(place.interface.as_bytes()))?;
        let awaitable = |socket: Socket| UdpSocket::from_std(socket.into());
        Ok(Self { incoming: awaitable(incoming)?, outgoing: awaitable(outgoing)?, place, port })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        loop {
            let read = || Ok(recvfrom::<LinkAddr>(self.incoming.as_raw_fd(), buffer)?);
            let (length, link) = self.incoming.async_io(Interest::READABLE, read).await?;
            // What came in before the filter was there, and what the card hears but others should have, is not for us.
            let is_ours = link.is_some_and(|link| {
                u32::try_from(link.ifindex()) == Ok(self.place.index) && link.pkttype() != libc::PACKET_OTHERHOST
            });
            let datagram =
                datagram(&buffer[..length], self.port).filter(|found| is_ours && self.is_for_us(found.asked));
            if let Some(datagram) = datagram {
                return Ok(datagram);
            }
        }
    }

    /// On a router we see packets that only pass through, such as a relay's to the DHCP server behind us: they are not to be answered.
    fn is_for_us(&self, asked: Ipv4Addr) -> bool {
        asked.is_broadcast() || self.place.broadcasts.contains(&asked) || self.place.addresses.contains(&asked)
    }

    pub(super) async fn send(&self, bytes: &[u8], our: Ipv4Addr, destination: SocketAddrV4) -> io::Result<()> {
        let packet =
            packet(SocketAddrV4::new(our, self.port), destination, bytes).ok_or(io::ErrorKind::InvalidInput)?;
        // The port stands in the packet; the socket itself knows none.
        let host = SocketAddr::from((*destination.ip(), 0)).into();
        let send = || SockRef::from(&self.outgoing).send_to(&packet, &host);
        self.outgoing.async_io(Interest::WRITABLE, send).await.map(drop)
    }
}

/// The system's filter program: whole UDP packets to the port, from the one interface. Everything else never reaches us.
fn filter(interface_index: u32, port: u16) -> [SockFilter; 11] {
    let code = |class: u32, width: u32, mode: u32| u16::try_from(class | width | mode).unwrap_or_default();
    let load = |width: u32, mode: u32, place: u32| SockFilter::new(code(libc::BPF_LD, width, mode), 0, 0, place);
    // How many lines are skipped where it is so, and where not.
    let jump = |test: u32, then: u8, otherwise: u8, value: u32| {
        SockFilter::new(code(libc::BPF_JMP, test, libc::BPF_K), then, otherwise, value)
    };
    let give = |length: u32| SockFilter::new(code(libc::BPF_RET, libc::BPF_K, 0), 0, 0, length);
    let interface = (libc::SKF_AD_OFF + libc::SKF_AD_IFINDEX).cast_unsigned();
    [
        load(libc::BPF_W, libc::BPF_ABS, interface),
        jump(libc::BPF_JEQ, 0, 8, interface_index),
        load(libc::BPF_B, libc::BPF_ABS, 9),
        jump(libc::BPF_JEQ, 0, 6, u32::from(UDP)),
        load(libc::BPF_H, libc::BPF_ABS, 6),
        jump(libc::BPF_JSET, 4, 0, u32::from(FRAGMENT)),
        SockFilter::new(code(libc::BPF_LDX, libc::BPF_B, libc::BPF_MSH), 0, 0, 0),
        load(libc::BPF_H, libc::BPF_IND, 2),
        jump(libc::BPF_JEQ, 0, 1, u32::from(port)),
        give(u32::from(u16::MAX)),
        give(0),
    ]
}

/// Finds the datagram in an IP packet; `None` for anything but a whole UDP datagram to the port.
///
/// Its checksum is not looked at: programs of the same computer leave it to the network card, which these packets never meet.
fn datagram(packet: &[u8], port: u16) -> Option<Received> {
    let two = |place: usize| Some(u16::from_be_bytes([*packet.get(place)?, *packet.get(place + 1)?]));
    let four = |place: usize| packet.get(place..place + 4)?.try_into().ok().map(|four: [u8; 4]| Ipv4Addr::from(four));
    let first = *packet.first()?;
    let udp = usize::from(first & 0xf) * 4;
    let end = usize::from(two(2)?);
    let is_whole_udp = first >> 4 == 4 && udp >= IP_HEADER && *packet.get(9)? == UDP && two(6)? & FRAGMENT == 0;
    if !is_whole_udp || end > packet.len() || two(udp + 2)? != port {
        return None;
    }
    let payload = payload(udp, usize::from(two(udp + 4)?), end)?;
    Some(Received { payload, source: SocketAddrV4::new(four(12)?, two(udp)?), asked: four(16)? })
}

fn payload(udp: usize, length: usize, end: usize) -> Option<Range<usize>> {
    (length >= UDP_HEADER && udp + length <= end).then(|| udp + UDP_HEADER..udp + length)
}

/// Writes an IP packet that carries a datagram. The system fills in the IP header's checksum and identification.
fn packet(source: SocketAddrV4, destination: SocketAddrV4, payload: &[u8]) -> Option<Vec<u8>> {
    let udp_length = u16::try_from(UDP_HEADER + payload.len()).ok()?;
    let length = udp_length.checked_add(u16::try_from(IP_HEADER).ok()?)?;
    let mut bytes = Vec::with_capacity(usize::from(length));
    bytes.extend([0x45, 0]);
    bytes.extend(length.to_be_bytes());
    bytes.extend([0, 0, 0, 0, TIME_TO_LIVE, UDP, 0, 0]);
    bytes.extend(source.ip().octets());
    bytes.extend(destination.ip().octets());
    bytes.extend(source.port().to_be_bytes());
    bytes.extend(destination.port().to_be_bytes());
    bytes.extend(udp_length.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    // The sum covers the addresses, the protocol, the length and the datagram (RFC 768); zero would say that there is none.
    let sum = checksum(&bytes[12..], u32::from(UDP) + u32::from(udp_length));
    bytes[26..28].copy_from_slice(&(if sum == 0 { u16::MAX } else { sum }).to_be_bytes());
    Some(bytes)
}

/// The Internet checksum (RFC 1071), begun with a sum.
fn checksum(bytes: &[u8], begun: u32) -> u16 {
    let pairs = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])));
    let mut sum = pairs.fold(begun, u32::wrapping_add);
    while let Ok(high @ 1..) = u16::try_from(sum >> 16) {
        sum = (sum & 0xffff) + u32::from(high);
    }
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 67);
    const DESTINATION: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 1), 68);

    #[test]
    fn what_is_written_is_read_again() {
        for payload in [&b""[..], b"a", b"ab", &[0xff; 1000]] {
            let packet = packet(SOURCE, DESTINATION, payload).unwrap();
            let found = datagram(&packet, 68).unwrap();
            assert_eq!((found.source, found.asked, &packet[found.payload]), (SOURCE, *DESTINATION.ip(), payload));
            // A receiver sums up everything with the checksum in it, and gets all ones.
            let length = u32::try_from(8 + payload.len()).unwrap();
            assert_eq!(checksum(&packet[12..], 17 + length), 0, "{} bytes", payload.len());
        }
    }

    #[test]
    fn anything_but_a_whole_datagram_to_the_port_is_nothing() {
        let good = packet(SOURCE, DESTINATION, b"question").unwrap();
        assert!(datagram(&good, 67).is_none(), "another port");
        for (place, value, what) in [
            (0, 0x65, "IP version 6"),
            (0, 0x44, "a header that is too short"),
            (0, 0x4f, "a header that is longer than the packet"),
            (6, 0x20, "a first fragment"),
            (7, 0x01, "a later fragment"),
            (9, 6, "TCP"),
            (3, 200, "more bytes than came"),
            (25, 7, "a datagram without a header"),
            (25, 200, "a datagram that is longer than its packet"),
        ] {
            let mut bad = good.clone();
            bad[place] = value;
            assert!(datagram(&bad, 68).is_none(), "{what}");
        }
        for length in 0..good.len() {
            assert!(datagram(&good[..length], 68).is_none(), "only {length} bytes of it");
        }
    }

    #[test]
    fn options_before_a_datagram_and_padding_behind_it_do_no_harm() {
        let mut packet = packet(SOURCE, DESTINATION, b"question").unwrap();
        packet.splice(20..20, [1, 1, 1, 0]);
        packet[0] = 0x46;
        packet[3] += 4;
        packet.extend([0; 18]);
        assert_eq!(&packet[datagram(&packet, 68).unwrap().payload], b"question");
    }
}
