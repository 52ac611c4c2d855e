//! What went over a machine's network card, from the capture that QEMU itself writes: so that "it was offered nothing" is an observation.

use std::{fs, net::Ipv4Addr, path::Path};

/// Length of a pcap file's header, and of the header of each packet in it.
const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;
/// Lengths of an Ethernet header and of an IPv4 header without options.
const ETHERNET_HEADER: usize = 14;
const IPV4_HEADER: usize = 20;
const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const UDP_HEADER: usize = 8;
const UDP: u8 = 17;
/// Where the machine's hardware address is in a DHCP message (RFC 2131, figure 1: `chaddr`), as an Ethernet address.
const CHADDR: std::ops::Range<usize> = 28..34;
const DHCP_SERVER: u16 = 67;

/// When, in seconds of the Unix epoch, a DHCP packet from this server to this machine came by. Answers to other machines are broadcast
/// on the same wire and do not count.
pub(crate) fn dhcp_packets_from(server: Ipv4Addr, mac: &str, capture: &Path) -> Vec<u32> {
    let mac: Vec<u8> = mac.split(':').map(|part| u8::from_str_radix(part, 16).expect("a MAC address")).collect();
    let file = fs::read(capture).expect("a capture");
    let mut rest = file.get(FILE_HEADER..).unwrap_or_default();
    let mut times = Vec::new();
    while rest.len() >= PACKET_HEADER {
        let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("four bytes"));
        let (seconds, length) = (number(0), number(8) as usize);
        let Some(packet) = rest.get(PACKET_HEADER..PACKET_HEADER + length) else { break };
        if is_dhcp_from(server, &mac, packet) {
            times.push(seconds);
        }
        rest = &rest[PACKET_HEADER + length..];
    }
    times
}

fn is_dhcp_from(server: Ipv4Addr, mac: &[u8], packet: &[u8]) -> bool {
    let Some(ip) = packet.get(ETHERNET_HEADER..) else { return false };
    let Some(message) = ip.get(IPV4_HEADER + UDP_HEADER..) else { return false };
    packet[12..14] == ETHERTYPE_IPV4
        && ip[9] == UDP
        && ip[12..16] == server.octets()
        && u16::from_be_bytes([ip[IPV4_HEADER], ip[IPV4_HEADER + 1]]) == DHCP_SERVER
        && message.get(CHADDR) == Some(mac)
}
