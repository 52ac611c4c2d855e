//! What went over a machine's network card, from the capture that QEMU itself writes: so that "it was offered nothing" is an observation.

use std::{fs, net::Ipv4Addr, path::Path};

/// Length of a pcap file's header, and of the header of each packet in it.
const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;
/// Lengths of an Ethernet header and of an IPv4 header without options.
const ETHERNET_HEADER: usize = 14;
const IPV4_HEADER: usize = 20;
const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const UDP: u8 = 17;
const DHCP_SERVER: u16 = 67;

/// When, in seconds of the Unix epoch, a DHCP packet from this server reached the machine.
pub(crate) fn dhcp_packets_from(server: Ipv4Addr, capture: &Path) -> Vec<u32> {
    let file = fs::read(capture).expect("a capture");
    let mut rest = file.get(FILE_HEADER..).unwrap_or_default();
    let mut times = Vec::new();
    while rest.len() >= PACKET_HEADER {
        let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("four bytes"));
        let (seconds, length) = (number(0), number(8) as usize);
        let Some(packet) = rest.get(PACKET_HEADER..PACKET_HEADER + length) else { break };
        if is_dhcp_from(server, packet) {
            times.push(seconds);
        }
        rest = &rest[PACKET_HEADER + length..];
    }
    times
}

fn is_dhcp_from(server: Ipv4Addr, packet: &[u8]) -> bool {
    let Some(ip) = packet.get(ETHERNET_HEADER..).filter(|ip| ip.len() >= IPV4_HEADER + 8) else { return false };
    packet[12..14] == ETHERTYPE_IPV4
        && ip[9] == UDP
        && ip[12..16] == server.octets()
        && u16::from_be_bytes([ip[IPV4_HEADER], ip[IPV4_HEADER + 1]]) == DHCP_SERVER
}
