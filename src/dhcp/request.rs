//! Bytes → a question of a PXE or HTTP boot client, or the reason to ignore them.

use std::net::Ipv4Addr;

use dhcproto::v4::{OptionCode, borrowed::Message};

use crate::domain::{
    boot_request::BootRequest,
    firmware::{self, Transport},
    identity::MacAddress,
    ipxe::Ipxe,
};

/// The fixed part of a BOOTP packet and the magic cookie (RFC 2131 §2, §3).
const SHORTEST_PACKET: usize = 240;
/// Where the cookie stands.
const MAGIC: (usize, [u8; 4]) = (236, [99, 130, 83, 99]);
/// Longer ones, which come in several parts, cannot be echoed in one option.
const LONGEST_OPTION: usize = 255;

/// The port on which a packet came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// 67: DISCOVERs, broadcast or relayed.
    Server,
    /// 4011: the PXE boot server's port, unicast.
    Proxy,
}

/// Why a packet is not answered. None of these is an error: most packets on a network are not for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IgnoreReason {
    /// Shorter than any DHCP packet, or without its cookie.
    NotDhcp,
    /// Not a request over Ethernet (op, htype, hlen).
    NotEthernetRequest,
    /// Its sender's address is not that of one card.
    BadAddress,
    /// A message type that is for the DHCP server, or for nobody.
    NotForUs,
    /// Option 60 says neither `PXEClient` nor `HTTPClient`.
    NotPxe,
    /// Neither option 93 nor option 60 names an architecture; guessing one would hand a wrong file to the firmware.
    NoArchitecture,
}

/// A question, with everything that its answer must carry back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedRequest {
    /// What is asked.
    pub boot: BootRequest,
    /// The port on which it came.
    pub port: Port,
    /// Transaction id.
    pub xid: u32,
    /// Flags.
    pub flags: u16,
    /// The client's own address, on the proxy port.
    pub ciaddr: Ipv4Addr,
    /// The relay, if one passed it on.
    pub giaddr: Ipv4Addr,
    /// All sixteen bytes of the hardware address field.
    pub chaddr: [u8; 16],
    /// Option 97 as it came, whatever it holds: some cards send it malformed, or not at all.
    pub machine_id: Option<Vec<u8>>,
    /// Option 82 as it came: RFC 3046 wants it back byte for byte.
    pub relay_information: Option<Vec<u8>>,
    /// The boot item asked for (option 43, sub-option 71), on the proxy port.
    pub boot_item: Option<[u8; 4]>,
}

/// Reads what a booting machine says to a DHCP server, on port 67: who it is, and the server whose address it takes.
pub(super) fn read_request(bytes: &[u8]) -> Option<(MacAddress, Ipv4Addr)> {
    check_form(bytes).ok()?;
    let options = Options::read(bytes).ok()?;
    let is_request = options.message_type == Some(REQUEST) && options.transport().is_some();
    let server = options.server.filter(|_| is_request)?;
    Some((mac(bytes).ok()?, server))
}

/// The form that every packet for us has; what the decoder itself assumes is checked here first.
fn check_form(bytes: &[u8]) -> Result<(), IgnoreReason> {
    if bytes.len() < SHORTEST_PACKET || bytes[MAGIC.0..MAGIC.0 + 4] != MAGIC.1 {
        return Err(IgnoreReason::NotDhcp);
    }
    if bytes[0..3] != [1, 1, 6] { Err(IgnoreReason::NotEthernetRequest) } else { Ok(()) }
}

fn mac(bytes: &[u8]) -> Result<MacAddress, IgnoreReason> {
    let mut mac = [0; 6];
    mac.copy_from_slice(&bytes[28..34]);
    MacAddress::from_bytes(mac).map_err(|_| IgnoreReason::BadAddress)
}

/// Reads a packet. Never panics: what the decoder itself assumes is checked first (an `hlen` over 16 panics in dhcproto 0.15).
pub fn parse(bytes: &[u8], port: Port) -> Result<ReceivedRequest, IgnoreReason> {
    check_form(bytes)?;
    let options = Options::read(bytes)?;
    let message_type = options.message_type.ok_or(IgnoreReason::NotForUs)?;
    // REQUEST on 67 belongs to the DHCP server; relays copy it to us all the same. On the proxy port some firmware says INFORM.
    let is_for_us = match port {
        Port::Server => message_type == DISCOVER,
        Port::Proxy => matches!(message_type, REQUEST | INFORM),
    };
    if !is_for_us {
        return Err(IgnoreReason::NotForUs);
    }
    let transport = options.transport().ok_or(IgnoreReason::NotPxe)?;
    // UEFI HTTP boot knows no boot server.
    if transport == Transport::Http && port == Port::Proxy {
        return Err(IgnoreReason::NotForUs);
    }
    let architecture = options.architecture().ok_or(IgnoreReason::NoArchitecture)?;
    let mut chaddr = [0; 16];
    chaddr.copy_from_slice(&bytes[28..44]);
    let word = |place: usize| u16::from_be_bytes([bytes[place], bytes[place + 1]]);
    let mac = mac(bytes)?;
    let address = |place: usize| Ipv4Addr::new(bytes[place], bytes[place + 1], bytes[place + 2], bytes[place + 3]);
    let xid = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    let boot = BootRequest {
        mac,
        architecture,
        transport,
        ipxe: options.ipxe,
        to_boot_server: port == Port::Proxy,
        transaction: xid,
        seconds: word(8),
        uuid: options.machine_id.as_deref().and_then(uuid),
        vendor_class: printable(options.class.as_deref().unwrap_or_default()),
        user_class: options.user_class.as_deref().map(printable),
    };
    Ok(ReceivedRequest {
        boot,
        port,
        xid,
        flags: word(10),
        ciaddr: address(12),
        giaddr: address(24),
        chaddr,
        machine_id: options.machine_id,
        relay_information: options.relay_information,
        boot_item: options.boot_item,
    })
}

const DISCOVER: u8 = 1;
const REQUEST: u8 = 3;
const INFORM: u8 = 8;

/// The options that we read.
#[derive(Default)]
struct Options {
    message_type: Option<u8>,
    server: Option<Ipv4Addr>,
    class: Option<Vec<u8>>,
    architectures: Vec<u16>,
    user_class: Option<Vec<u8>>,
    ipxe: Option<Ipxe>,
    machine_id: Option<Vec<u8>>,
    relay_information: Option<Vec<u8>>,
    boot_item: Option<[u8; 4]>,
}

impl Options {
    /// The borrowed decoder keeps going where the owned one stops without a word (a host name that is not UTF-8 hides all that follows).
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library knows a hundred options that are nothing to us")]
    fn read(bytes: &[u8]) -> Result<Self, IgnoreReason> {
        let message = Message::new(bytes).map_err(|_| IgnoreReason::NotDhcp)?;
        let mut options = Self::default();
        for option in message.opts() {
            let data = option.data();
            match option.code() {
                OptionCode::MessageType => options.message_type = data.first().copied(),
                OptionCode::ServerIdentifier => {
                    options.server = <[u8; 4]>::try_from(data).ok().map(Ipv4Addr::from);
                }
                OptionCode::ClassIdentifier => options.class = Some(data.to_vec()),
                OptionCode::ClientSystemArchitecture => {
                    options.architectures =
                        data.chunks_exact(2).map(|code| u16::from_be_bytes([code[0], code[1]])).collect();
                }
                OptionCode::UserClass => {
                    // The four letters, or with the length byte of RFC 3004 before them.
                    if matches!(data, b"iPXE" | b"\x04iPXE") {
                        options.ipxe.get_or_insert_default();
                    }
                    options.user_class = Some(data.to_vec());
                }
                OptionCode::Unknown(175) => options.ipxe = Some(Ipxe::read(data)),
                OptionCode::ClientMachineIdentifier if data.len() <= LONGEST_OPTION => {
                    options.machine_id = Some(data.to_vec())
                }
                OptionCode::RelayAgentInformation if data.len() <= LONGEST_OPTION => {
                    options.relay_information = Some(data.to_vec())
                }
                OptionCode::VendorExtensions => options.boot_item = boot_item(data),
                _ => {}
            }
        }
        Ok(options)
    }

    fn transport(&self) -> Option<Transport> {
        let class = self.class.as_deref()?;
        if class.starts_with(b"HTTPClient") {
            return Some(Transport::Http);
        }
        class.starts_with(b"PXEClient").then_some(Transport::Tftp)
    }

    /// The first architecture that we know, else the first that is named: in option 93, or as `Arch:NNNNN` in option 60 (an EDK2 build whose
    /// option 93 could not be read was given a BIOS file by a peer).
    fn architecture(&self) -> Option<u16> {
        let known = self.architectures.iter().copied().find(|code| firmware::firmware(*code).is_some());
        known.or(self.architectures.first().copied()).or_else(|| {
            let class = String::from_utf8_lossy(self.class.as_deref()?).into_owned();
            class.split("Arch:").nth(1)?.get(..5)?.parse().ok()
        })
    }
}

/// The machine's UUID as its firmware shows it: the first three fields have their bytes swapped on the wire (RFC 4578 §2.3, SMBIOS 2.6).
/// `None` for another form, and for the zeros or ones of machines that have none.
fn uuid(machine_id: &[u8]) -> Option<String> {
    let [0, id @ ..] = machine_id else { return None };
    let id: [u8; 16] = id.try_into().ok()?;
    if id == [0; 16] || id == [255; 16] {
        return None;
    }
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let digits: Vec<_> = order.iter().map(|place| format!("{:02x}", id[*place])).collect();
    Some([&digits[..4], &digits[4..6], &digits[6..8], &digits[8..10], &digits[10..]].map(<[_]>::concat).join("-"))
}

/// Text of a packet for people: what is not printable ASCII becomes `?`.
fn printable(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '?' }).collect()
}

/// Sub-option 71 of option 43 (PXE 2.1, table 2-1).
fn boot_item(data: &[u8]) -> Option<[u8; 4]> {
    let mut rest = data;
    while let [code, length, tail @ ..] = rest {
        // A pad has no length (RFC 2132 §3.1); what follows the end is nobody's.
        match code {
            0 => {
                rest = &rest[1..];
                continue;
            }
            255 => return None,
            _ => {}
        }
        let value = tail.get(..usize::from(*length))?;
        if *code == 71 {
            return value.try_into().ok();
        }
        rest = &tail[usize::from(*length)..];
    }
    None
}
