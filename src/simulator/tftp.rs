//! Loads a boot file by TFTP as firmware does it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{net::UdpSocket, time::timeout};

use super::SimulatedFirmware;

/// How long to wait for a packet; firmware waits longer, but loopback loses nothing.
const PACKET_WAIT: Duration = Duration::from_secs(2);
/// A boot file is smaller.
const LARGEST_FILE_BYTES: usize = 8 << 20;

const READ: u16 = 1;
const DATA: u16 = 3;
const ACKNOWLEDGE: u16 = 4;
const ERROR: u16 = 5;
const OPTIONS: u16 = 6;

/// Loads a file. UEFI first asks for its size alone and breaks off with error 8 (recorded from OVMF), then loads from another port.
pub(super) async fn load(
    source: Ipv4Addr,
    server: SocketAddr,
    name: &str,
    firmware: SimulatedFirmware,
) -> io::Result<Vec<u8>> {
    match firmware {
        SimulatedFirmware::Bios => transfer(source, server, name, &[("blksize", "1432"), ("tsize", "0")], false).await,
        SimulatedFirmware::Uefi => {
            let sizes = [("tsize", "0"), ("blksize", "1468"), ("windowsize", "4")];
            transfer(source, server, name, &sizes, true).await?;
            transfer(source, server, name, &[("blksize", "1468")], false).await
        }
    }
}

async fn transfer(
    source: Ipv4Addr,
    server: SocketAddr,
    name: &str,
    options: &[(&str, &str)],
    is_probe: bool,
) -> io::Result<Vec<u8>> {
    let socket = UdpSocket::bind((source, 0)).await?;
    let mut request = READ.to_be_bytes().to_vec();
    for text in [name, "octet"].into_iter().chain(options.iter().flat_map(|(key, value)| [*key, *value])) {
        request.extend_from_slice(text.as_bytes());
        request.push(0);
    }
    socket.send_to(&request, server).await?;
    let mut packet = vec![0; 2048];
    let (mut file, mut expected, mut block_bytes) = (Vec::new(), 1_u16, 512);
    loop {
        let (length, peer) = timeout(PACKET_WAIT, socket.recv_from(&mut packet)).await??;
        let packet = &packet[..length];
        let (Some(kind), Some(number)) = (word(packet, 0), word(packet, 2)) else { continue };
        match kind {
            OPTIONS if is_probe => {
                let abort = [&ERROR.to_be_bytes()[..], &8_u16.to_be_bytes(), b"User aborted the transfer\0"].concat();
                socket.send_to(&abort, peer).await?;
                return Ok(file);
            }
            OPTIONS => {
                block_bytes = granted_block_bytes(&packet[2..]).unwrap_or(block_bytes);
                acknowledge(&socket, peer, 0).await?;
            }
            DATA if number == expected => {
                let data = &packet[4..];
                file.extend_from_slice(data);
                acknowledge(&socket, peer, number).await?;
                if data.len() < block_bytes {
                    return Ok(file);
                }
                if file.len() > LARGEST_FILE_BYTES {
                    return Err(io::Error::other("the boot file does not end"));
                }
                expected = expected.wrapping_add(1);
            }
            // A repeat: its acknowledgement was lost.
            DATA => acknowledge(&socket, peer, number).await?,
            ERROR => {
                let words = String::from_utf8_lossy(packet.get(4..).unwrap_or_default()).into_owned();
                return Err(io::Error::other(format!("TFTP error {number}: {}", words.trim_end_matches('\0'))));
            }
            _ => {}
        }
    }
}

async fn acknowledge(socket: &UdpSocket, peer: SocketAddr, number: u16) -> io::Result<()> {
    let packet = [ACKNOWLEDGE.to_be_bytes(), number.to_be_bytes()].concat();
    socket.send_to(&packet, peer).await.map(drop)
}

/// Finds the block size in the options that the server granted (RFC 2347).
fn granted_block_bytes(options: &[u8]) -> Option<usize> {
    let mut texts = options.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    texts.find(|text| text.eq_ignore_ascii_case("blksize"))?;
    texts.next()?.parse().ok()
}

fn word(packet: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*packet.get(place)?, *packet.get(place + 1)?]))
}
