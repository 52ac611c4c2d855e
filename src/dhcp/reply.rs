//! An offer → the bytes of its packet, and where they go.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use dhcproto::{
    Encodable, Encoder,
    v4::{DhcpOption, Flags, HType, Message, MessageType, Opcode, OptionCode, UnknownOption},
};

use super::request::{Port, ReceivedRequest};
use crate::domain::{boot_options::Discovery, boot_request::BootOffer, firmware::Transport};

/// Where all sixteen bytes of the hardware address stand (RFC 2131 §2).
const HARDWARE_ADDRESS: std::ops::Range<usize> = 28..44;
/// The boot file field has 128 bytes; firmware wants the last of them to be NUL.
const LONGEST_FILE: usize = 127;
/// Relays drop shorter replies (the BOOTP minimum of RFC 951).
const SHORTEST_REPLY: usize = 300;
/// Option 43 with sub-option 6 = 8, use the offered file without asking a boot server, and its end (PXE 2.1, table 2-1).
const USE_OFFERED_FILE: &[u8] = &[6, 1, 8, 255];
/// Option 175 with sub-option 1 = 1: iPXE ranks our settings above those of the LAN's DHCP server (seen with iPXE of 2019 and 2.0).
const IPXE_PRIORITY: &[u8] = &[1, 1, 1];
/// DHCP's ports (RFC 2131 §4.1).
const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// A packet that leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where it goes; `None`: to the address and port from which the question came.
    pub destination: Option<SocketAddr>,
}

/// Writes the reply to a question, or nothing where silence was decided (or a name that does not fit into the boot file field).
pub fn reply(request: &ReceivedRequest, offer: &BootOffer, our: Ipv4Addr) -> Option<Reply> {
    let (file, discovery) = match offer {
        BootOffer::Silence(_) => return None,
        BootOffer::Loader(loader) => (&loader.file, loader.discovery),
        BootOffer::Script(url) => (url, Discovery::Direct),
    };
    if file.len() > LONGEST_FILE {
        return None;
    }
    let mut message = Message::default();
    let broadcast = Flags::new(request.flags).set_broadcast();
    message.set_opcode(Opcode::BootReply).set_htype(HType::Eth).set_xid(request.xid).set_flags(broadcast);
    // An offer promises no address at all; on the proxy port the machine hears the one that it has.
    if request.port == Port::Proxy {
        message.set_ciaddr(request.ciaddr);
    }
    message.set_siaddr(our).set_giaddr(request.giaddr).set_chaddr(&request.chaddr[..6]);
    message.set_fname_str(file);
    message.set_sname_str(our.to_string());
    let message_type = match request.port {
        Port::Server => MessageType::Offer,
        Port::Proxy => MessageType::Ack,
    };
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(message_type));
    options.insert(DhcpOption::ServerIdentifier(our));
    if let Some(machine_id) = &request.machine_id {
        options.insert(DhcpOption::ClientMachineIdentifier(machine_id.clone()));
    }
    match request.boot.transport {
        Transport::Http => {
            options.insert(DhcpOption::ClassIdentifier(b"HTTPClient".to_vec()));
            // EDK2 prefers the option and takes the field too.
            options.insert(DhcpOption::BootfileName(file.as_bytes().to_vec()));
        }
        Transport::Tftp => {
            options.insert(DhcpOption::ClassIdentifier(b"PXEClient".to_vec()));
            if let Some(vendor) = vendor_extensions(request, discovery) {
                options.insert(DhcpOption::VendorExtensions(vendor));
            }
        }
    }
    if request.boot.ipxe.is_some() {
        options.insert(DhcpOption::Unknown(UnknownOption::new(OptionCode::Unknown(175), IPXE_PRIORITY.to_vec())));
    }
    Some(Reply { bytes: encode(&message, request)?, destination: destination(request) })
}

/// Option 43: the boot item that was asked for, else the word to take the offered file; without it PXE asks the proxy port.
fn vendor_extensions(request: &ReceivedRequest, discovery: Discovery) -> Option<Vec<u8>> {
    match (request.boot_item, discovery) {
        (Some(item), _) => Some([&[71, 4], item.as_slice(), &[255]].concat()),
        (None, Discovery::Direct) => Some(USE_OFFERED_FILE.to_vec()),
        (None, Discovery::BootServer) => None,
    }
}

fn encode(message: &Message, request: &ReceivedRequest) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(SHORTEST_REPLY);
    message.encode(&mut Encoder::new(&mut bytes)).ok()?;
    bytes.get_mut(HARDWARE_ADDRESS)?.copy_from_slice(&request.chaddr);
    // The library would sort the relay's sub-options; they must go back byte for byte, and last (RFC 3046 §2.2).
    if let Some(information) = &request.relay_information {
        let end = bytes.iter().rposition(|byte| *byte == 255)?;
        let length = u8::try_from(information.len()).ok()?;
        let option = [&[82, length], information.as_slice()].concat();
        bytes.splice(end..end, option);
    }
    if bytes.len() < SHORTEST_REPLY {
        bytes.resize(SHORTEST_REPLY, 0);
    }
    Some(bytes)
}

/// A relayed question goes back to its relay. On port 67 a client has no address yet, so everybody hears the answer; on the proxy port it
/// goes back to where it came from.
fn destination(request: &ReceivedRequest) -> Option<SocketAddr> {
    match request.port {
        Port::Proxy => None,
        Port::Server if request.giaddr.is_unspecified() => {
            Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::BROADCAST), CLIENT_PORT))
        }
        Port::Server => Some(SocketAddr::new(IpAddr::V4(request.giaddr), SERVER_PORT)),
    }
}
