//! Asks the network as a booting machine would, and lists who answers: a rival PXE server, or no DHCP server at all, is found before a
//! machine stands there without a boot.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use dhcproto::{
    Encodable, Encoder,
    v4::{DhcpOption, Flags, HType, Message, MessageType, Opcode, OptionCode, borrowed},
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::domain::identity::MacAddress;

/// DHCP's ports (RFC 2131 §4.1).
const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
/// When the question is asked again; servers that ping an address first take a second to answer.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// How long answers are waited for.
const LISTEN: Duration = Duration::from_secs(4);

/// One server that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// Its address (option 54, else the packet's sender).
    pub server: Ipv4Addr,
    /// Whether it offered an address: a DHCP server.
    pub offers_address: bool,
    /// Whether it calls itself a PXE server (option 60).
    pub is_pxe: bool,
    /// The boot file that it offered, if any.
    pub boot_file: Option<String>,
}

/// Asks as a BIOS machine with this address, which must be nobody's (a locally administered one), and returns who answered.
/// Takes four seconds; needs the capabilities of the daemon. Nothing is requested, so no lease is used up.
pub fn probe(interface: &str, mac: MacAddress) -> io::Result<Vec<ProbeAnswer>> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    // The machine's own DHCP client may hold the port too; both then hear the broadcast answers.
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, CLIENT_PORT)).into())?;
    let socket = UdpSocket::from(socket);
    let question = discover(mac)?;
    let (began, mut asked, mut answers, mut buffer) = (Instant::now(), 0, Vec::new(), [0; 2048]);
    while began.elapsed() < LISTEN {
        if began.elapsed() >= ASK_AGAIN * asked {
            socket.send_to(&question, (Ipv4Addr::BROADCAST, SERVER_PORT))?;
            asked += 1;
        }
        match socket.recv_from(&mut buffer) {
            Ok((length, SocketAddr::V4(sender))) => {
                if let Some(answer) = read(&buffer[..length], *sender.ip(), mac)
                    && !answers.contains(&answer)
                {
                    answers.push(answer);
                }
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(answers)
}

/// The DISCOVER of a BIOS machine: it asks for an answer by broadcast, as it has no address.
fn discover(mac: MacAddress) -> io::Result<Vec<u8>> {
    let mut message = Message::default();
    let flags = Flags::default().set_broadcast();
    message.set_opcode(Opcode::BootRequest).set_htype(HType::Eth).set_chaddr(&mac.bytes()).set_flags(flags);
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(MessageType::Discover));
    options.insert(DhcpOption::ClassIdentifier(b"PXEClient:Arch:00000:UNDI:002001".to_vec()));
    options.insert(DhcpOption::ClientSystemArchitecture(0.into()));
    options.insert(DhcpOption::ParameterRequestList(vec![
        OptionCode::SubnetMask,
        OptionCode::Router,
        OptionCode::VendorExtensions,
        OptionCode::ClassIdentifier,
        OptionCode::TFTPServerName,
        OptionCode::BootfileName,
    ]));
    let mut bytes = Vec::new();
    message.encode(&mut Encoder::new(&mut bytes)).map_err(io::Error::other)?;
    Ok(bytes)
}

/// Reads an answer to our own question; anything else on the port is not for us.
fn read(bytes: &[u8], sender: Ipv4Addr, mac: MacAddress) -> Option<ProbeAnswer> {
    if bytes.len() < 240 || bytes[0..3] != [2, 1, 6] || bytes[28..34] != mac.bytes() {
        return None;
    }
    let message = borrowed::Message::new(bytes).ok()?;
    let mut answer = ProbeAnswer {
        server: sender,
        offers_address: bytes[16..20] != [0; 4],
        is_pxe: false,
        boot_file: text(&bytes[108..236]),
    };
    for option in message.opts() {
        let data = option.data();
        if option.code() == OptionCode::ServerIdentifier && data.len() == 4 {
            answer.server = Ipv4Addr::new(data[0], data[1], data[2], data[3]);
        } else if option.code() == OptionCode::ClassIdentifier {
            answer.is_pxe = data.starts_with(b"PXEClient");
        } else if option.code() == OptionCode::BootfileName {
            answer.boot_file = text(data).or(answer.boot_file);
        }
    }
    Some(answer)
}

/// The text before the first NUL, if there is any.
fn text(bytes: &[u8]) -> Option<String> {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::dhcp::{Port, parse};

    /// What a recorded server answers to the machine of the recordings.
    fn answer(name: &str) -> Option<ProbeAnswer> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/packets");
        let text = fs::read_to_string(folder.join(format!("{name}.hex"))).unwrap();
        let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
        let packet = data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap();
        read(&packet, Ipv4Addr::LOCALHOST, "52:54:00:f3:00:01".parse().unwrap())
    }

    #[test]
    fn the_question_is_one_that_a_pxe_server_answers() {
        let mac = "02:00:00:00:00:01".parse().unwrap();
        let request = parse(&discover(mac).unwrap(), Port::Server).unwrap();
        assert_eq!((request.boot.mac, request.boot.architecture, request.boot.ipxe), (mac, 0, None));
        assert_eq!(request.flags, 0x8000);
    }

    #[test]
    fn servers_are_told_apart_by_what_they_offer() {
        let (lan, rival) = (Ipv4Addr::new(10, 78, 0, 1), Ipv4Addr::new(10, 78, 0, 2));
        for (name, server, offers_address, is_pxe, boot_file) in [
            ("ref-lan-dhcp-offer", lan, true, false, None),
            ("ref-lan-dhcp-offer-with-filename", lan, true, false, Some("wrong.efi")),
            ("ref-lan-dhcp-offer-with-option60", lan, true, true, None),
            ("ref-dnsmasq-proxy-uefi-offer", rival, false, true, None),
            ("ref-proxy-offer-43-direct", rival, false, true, Some("snponly.efi")),
        ] {
            let boot_file = boot_file.map(str::to_owned);
            assert_eq!(answer(name), Some(ProbeAnswer { server, offers_address, is_pxe, boot_file }), "{name}");
        }
        assert_eq!(answer("ovmf-x64-pxe-discover"), None);
    }
}
