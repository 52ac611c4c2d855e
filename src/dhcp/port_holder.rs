//! Which program has a UDP port that we want, so that nobody has to search for it.

use std::{fs, net::Ipv4Addr};

/// The sockets of this network namespace; the process's own folder would show those of another one where threads differ.
const SOCKET_TABLES: [&str; 2] = ["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"];

/// Names the other program that holds a UDP port on an address, such as `dnsmasq (process 812)`. A socket on all addresses holds it too.
///
/// The processes of other users are seen by root only, and those outside of a container not at all: then it is `None`.
pub fn port_holder(address: Ipv4Addr, port: u16) -> Option<String> {
    holder_except(std::process::id(), address, port)
}

/// The same for a sentence that needs a subject.
pub(super) fn named_port_holder(address: Ipv4Addr, port: u16) -> String {
    port_holder(address, port).unwrap_or_else(|| {
        "another program that cannot be seen from here (`ss -ulpn` as root, outside of any container, names it)".into()
    })
}

fn holder_except(own: u32, address: Ipv4Addr, port: u16) -> Option<String> {
    let sockets: Vec<String> = SOCKET_TABLES
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| {
            let inodes = table.lines().filter_map(|line| holds(line, address, port));
            inodes.map(|inode| format!("socket:[{inode}]")).collect::<Vec<_>>()
        })
        .collect();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let ids = processes.filter_map(|process| process.file_name().to_string_lossy().parse::<u32>().ok());
    let holder = ids.filter(|id| *id != own).find(|id| has_one_of(*id, &sockets))?;
    let name = fs::read_to_string(format!("/proc/{holder}/comm")).unwrap_or_default();
    Some(format!("{} (process {holder})", name.trim()))
}

/// The inode of the socket in a line of the table, if it has the port on this address.
fn holds(line: &str, address: Ipv4Addr, port: u16) -> Option<&str> {
    let words: Vec<_> = line.split_whitespace().collect();
    let (bound, bound_port) = words.get(1)?.split_once(':')?;
    if u16::from_str_radix(bound_port, 16).ok()? != port {
        return None;
    }
    // The table writes the bytes of an address as numbers of this computer; those of one that takes everything are zero either way.
    let takes_everything = bound.bytes().all(|digit| digit == b'0');
    let in_ipv4 = format!("{:08X}", u32::from_ne_bytes(address.octets()));
    let in_ipv6: String = address
        .to_ipv6_mapped()
        .octets()
        .chunks_exact(4)
        .map(|four| format!("{:08X}", u32::from_ne_bytes([four[0], four[1], four[2], four[3]])))
        .collect();
    let is_meant = takes_everything || address.is_unspecified() || bound == in_ipv4 || bound == in_ipv6;
    words.get(9).copied().filter(|inode| is_meant && *inode != "0")
}

fn has_one_of(process: u32, sockets: &[String]) -> bool {
    let files = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| fs::read_link(file.path()).ok()).any(|target| {
        let target = target.to_string_lossy();
        sockets.iter().any(|socket| *socket == target)
    })
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn the_program_that_has_a_port_is_named_with_its_process() {
        let name = fs::read_to_string("/proc/self/comm").unwrap();
        let ours = Some(format!("{} (process {})", name.trim(), std::process::id()));
        for (bound, has_all) in
            [("127.0.0.1:0", false), ("0.0.0.0:0", true), ("[::]:0", true), ("[::ffff:127.0.0.1]:0", false)]
        {
            let socket = UdpSocket::bind(bound).unwrap();
            let port = socket.local_addr().unwrap().port();
            assert_eq!(holder_except(0, Ipv4Addr::LOCALHOST, port), ours, "{bound}");
            assert_eq!(holder_except(0, Ipv4Addr::UNSPECIFIED, port), ours, "{bound}");
            let elsewhere = holder_except(0, Ipv4Addr::new(127, 0, 0, 2), port);
            assert_eq!(elsewhere.is_some(), has_all, "{bound}");
            assert_eq!(port_holder(Ipv4Addr::LOCALHOST, port), None, "{bound}: we are not in our own way");
        }
    }
}
