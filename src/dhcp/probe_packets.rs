//! The questions of a probe, as bytes, and what is read from the answers.

use std::{io, net::Ipv4Addr};

use dhcproto::{
    Encodable, Encoder,
    v4::{DhcpOption, Flags, HType, Message, MessageType, Opcode, OptionCode, UnknownOption, borrowed},
};

use crate::domain::{
    identity::MacAddress,
    network_probe::{ProbeAnswer, ProbeClient},
};

/// What begins the transaction id of a probe; its last byte tells the kind of client.
const TRANSACTION: u32 = 0x5261_6300;
/// iPXE's own option, as 2.0 sends it: it can load over HTTP, boot a bzImage, and is an EFI build.
const IPXE_FEATURES: &[u8] = &[0xeb, 3, 2, 0, 0, 0x13, 1, 1, 0x18, 1, 1, 0x24, 1, 1];

/// What was read from a packet.
pub(super) struct Answer {
    pub(super) offer: ProbeAnswer,
    /// Whether it acknowledges a request (option 53 = 5), else it is an offer.
    pub(super) is_acknowledgement: bool,
}

/// What a client kind says of itself: option 60, and its architecture (option 93).
fn identity(client: ProbeClient) -> (&'static [u8], u16) {
    match client {
        ProbeClient::Bios | ProbeClient::Ipxe => (b"PXEClient:Arch:00000:UNDI:002001", 0),
        ProbeClient::Uefi => (b"PXEClient:Arch:00007:UNDI:003000", 7),
        ProbeClient::HttpBoot => (b"HTTPClient:Arch:00016:UNDI:003000", 16),
    }
}

/// The DISCOVER of a client: it asks for an answer by broadcast, as it has no address.
pub(super) fn discover(client: ProbeClient, mac: MacAddress) -> io::Result<Vec<u8>> {
    let mut message = question(client, mac, MessageType::Discover);
    message.set_flags(Flags::default().set_broadcast());
    bytes(&message)
}

/// The REQUEST of a client to a boot server's own port, from an address that it has.
pub(super) fn boot_server_request(client: ProbeClient, mac: MacAddress, our: Ipv4Addr) -> io::Result<Vec<u8>> {
    let mut message = question(client, mac, MessageType::Request);
    message.set_ciaddr(our);
    bytes(&message)
}

fn question(client: ProbeClient, mac: MacAddress, kind: MessageType) -> Message {
    let (class, architecture) = identity(client);
    let mut message = Message::default();
    message.set_opcode(Opcode::BootRequest).set_htype(HType::Eth).set_chaddr(&mac.bytes());
    message.set_xid(TRANSACTION + client as u32);
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    options.insert(DhcpOption::ClassIdentifier(class.to_vec()));
    options.insert(DhcpOption::ClientSystemArchitecture(architecture.into()));
    options.insert(DhcpOption::ParameterRequestList(vec![
        OptionCode::SubnetMask,
        OptionCode::Router,
        OptionCode::VendorExtensions,
        OptionCode::ClassIdentifier,
        OptionCode::TFTPServerName,
        OptionCode::BootfileName,
    ]));
    if client == ProbeClient::Ipxe {
        options.insert(DhcpOption::UserClass(b"iPXE".to_vec()));
        options.insert(DhcpOption::Unknown(UnknownOption::new(OptionCode::Unknown(175), IPXE_FEATURES.to_vec())));
    }
    message
}

fn bytes(message: &Message) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    message.encode(&mut Encoder::new(&mut bytes)).map_err(io::Error::other)?;
    Ok(bytes)
}

/// Reads an answer to one of our own questions.
pub(super) fn read(packet: &[u8], sender: Ipv4Addr, mac: MacAddress) -> Option<Answer> {
    if packet.len() < 240 || packet[0..3] != [2, 1, 6] || packet[28..34] != mac.bytes() {
        return None;
    }
    let transaction = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
    let client = *ProbeClient::ALL.iter().find(|client| TRANSACTION + **client as u32 == transaction)?;
    let message = borrowed::Message::new(packet).ok()?;
    let mut offer = ProbeAnswer {
        client,
        server: sender,
        offers_address: packet[16..20] != [0; 4],
        is_pxe: false,
        has_discovery_control: false,
        boot_file: text(&packet[108..236]),
        boot_server: None,
    };
    let mut is_acknowledgement = false;
    for option in message.opts() {
        let data = option.data();
        if option.code() == OptionCode::MessageType {
            is_acknowledgement = data == [5];
        } else if option.code() == OptionCode::ServerIdentifier && data.len() == 4 {
            offer.server = Ipv4Addr::new(data[0], data[1], data[2], data[3]);
        } else if option.code() == OptionCode::ClassIdentifier {
            offer.is_pxe = data.starts_with(b"PXEClient") || data.starts_with(b"HTTPClient");
        } else if option.code() == OptionCode::VendorExtensions {
            offer.has_discovery_control = true;
        } else if option.code() == OptionCode::BootfileName {
            offer.boot_file = text(data).or(offer.boot_file);
        }
    }
    Some(Answer { offer, is_acknowledgement })
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

    const MAC: &str = "52:54:00:f3:00:01";

    /// What a recorded server answers to the machine of the recordings, as if our probe had asked as this client.
    fn answer(name: &str, client: ProbeClient) -> Option<ProbeAnswer> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/packets");
        let text = fs::read_to_string(folder.join(format!("{name}.hex"))).unwrap();
        let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
        let mut packet = data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap();
        packet[4..8].copy_from_slice(&(TRANSACTION + client as u32).to_be_bytes());
        packet[28..34].copy_from_slice(&MAC.parse::<MacAddress>().unwrap().bytes());
        read(&packet, Ipv4Addr::LOCALHOST, MAC.parse().unwrap()).map(|answer| answer.offer)
    }

    #[test]
    fn every_question_is_one_that_a_pxe_server_answers() {
        let mac = "02:00:00:00:00:01".parse().unwrap();
        for (client, architecture) in
            [(ProbeClient::Bios, 0), (ProbeClient::Uefi, 7), (ProbeClient::HttpBoot, 16), (ProbeClient::Ipxe, 0)]
        {
            let request = parse(&discover(client, mac).unwrap(), Port::Server).unwrap();
            assert_eq!((request.boot.mac, request.boot.architecture), (mac, architecture), "{client:?}");
            assert_eq!(request.boot.ipxe.is_some(), client == ProbeClient::Ipxe);
            assert_eq!(request.flags, 0x8000);
        }
        let request = parse(&boot_server_request(ProbeClient::Uefi, mac, Ipv4Addr::LOCALHOST).unwrap(), Port::Proxy);
        assert_eq!(request.unwrap().ciaddr, Ipv4Addr::LOCALHOST);
    }

    #[test]
    fn servers_are_told_apart_by_what_they_offer() {
        let (lan, rival) = (Ipv4Addr::new(10, 78, 0, 1), Ipv4Addr::new(10, 78, 0, 2));
        for (name, server, offers_address, is_pxe, has_discovery_control, boot_file) in [
            ("ref-lan-dhcp-offer", lan, true, false, false, None),
            ("ref-lan-dhcp-offer-with-filename", lan, true, false, false, Some("wrong.efi")),
            ("ref-lan-dhcp-offer-with-option60", lan, true, true, false, None),
            ("ref-dnsmasq-proxy-uefi-offer", rival, false, true, false, None),
            ("ref-proxy-offer-43-direct", rival, false, true, true, Some("snponly.efi")),
        ] {
            let (client, boot_file) = (ProbeClient::Uefi, boot_file.map(str::to_owned));
            let expected = ProbeAnswer {
                client,
                server,
                offers_address,
                is_pxe,
                has_discovery_control,
                boot_file,
                boot_server: None,
            };
            assert_eq!(answer(name, client), Some(expected), "{name}");
        }
        assert_eq!(answer("ovmf-x64-pxe-discover", ProbeClient::Uefi), None);
    }
}
