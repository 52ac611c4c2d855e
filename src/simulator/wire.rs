//! The DHCP packets of a booting machine: options as recorded from real firmware, and the reading of what comes back.
//!
//! Written by hand and not with the daemon's own codec, so that a mistake there is not made twice and missed.

use std::net::Ipv4Addr;

use crate::domain::identity::MacAddress;

/// The fixed part of a DHCP packet with its cookie (RFC 2131 §2, §3).
const HEADER_BYTES: usize = 240;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Where the parts that we read or write stand.
const XID: usize = 4;
const FLAGS: usize = 10;
const CLIENT_ADDRESS: usize = 12;
const OUR_ADDRESS: usize = 16;
const NEXT_SERVER: usize = 20;
const HARDWARE_ADDRESS: usize = 28;
const BOOT_FILE: std::ops::Range<usize> = 108..236;

const DISCOVER: u8 = 1;
const REQUEST: u8 = 3;

/// What kind of firmware a simulated machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimulatedFirmware {
    /// Legacy BIOS with a vendor's PXE ROM.
    Bios,
    /// UEFI on x86-64.
    Uefi,
}

impl SimulatedFirmware {
    /// What iPXE calls it in `${platform}`.
    pub(super) fn platform(self) -> &'static str {
        match self {
            Self::Bios => "pcbios",
            Self::Uefi => "efi",
        }
    }

    /// A word for a person.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Bios => "BIOS",
            Self::Uefi => "UEFI",
        }
    }

    fn architecture(self) -> u8 {
        match self {
            Self::Bios => 0,
            Self::Uefi => 7,
        }
    }

    /// Option 60: `SeaBIOS` with QEMU's ROM says UNDI 2.1, OVMF 2022.11 says UNDI 3.0.
    fn class(self) -> &'static [u8] {
        match self {
            Self::Bios => b"PXEClient:Arch:00000:UNDI:002001",
            Self::Uefi => b"PXEClient:Arch:00007:UNDI:003000",
        }
    }

    fn ipxe_features(self) -> &'static [u8] {
        match self {
            Self::Bios => BIOS_IPXE_FEATURES,
            Self::Uefi => UEFI_IPXE_FEATURES,
        }
    }

    fn network_interface(self) -> [u8; 3] {
        match self {
            Self::Bios => [1, 2, 1],
            Self::Uefi => [1, 3, 0],
        }
    }
}

/// The first question of the firmware.
pub(super) fn firmware_discover(mac: MacAddress, firmware: SimulatedFirmware, xid: u32) -> Vec<u8> {
    let mut packet = header(mac, xid);
    // OVMF asks for a broadcast answer, SeaBIOS' ROM does not.
    packet[FLAGS] = if firmware == SimulatedFirmware::Uefi { 0x80 } else { 0 };
    firmware_options(&mut packet, DISCOVER, firmware);
    packet
}

/// What UEFI asks the boot server on the proxy port after an offer without option 43: a new transaction, with its own address.
pub(super) fn proxy_request(mac: MacAddress, firmware: SimulatedFirmware, xid: u32, address: Ipv4Addr) -> Vec<u8> {
    let mut packet = header(mac, xid);
    packet[CLIENT_ADDRESS..OUR_ADDRESS].copy_from_slice(&address.octets());
    firmware_options(&mut packet, REQUEST, firmware);
    packet
}

/// The question of iPXE 2.0 once it was chain-loaded. Its option 60 is only `PXEClient`: it repeats what our own offer said.
pub(super) fn ipxe_discover(mac: MacAddress, firmware: SimulatedFirmware, xid: u32) -> Vec<u8> {
    let mut packet = header(mac, xid);
    packet[FLAGS] = 0x80;
    option(&mut packet, 53, &[DISCOVER]);
    option(&mut packet, 57, &[0x05, 0xc0]);
    option(&mut packet, 93, &[0, firmware.architecture()]);
    option(&mut packet, 94, &firmware.network_interface());
    option(&mut packet, 60, b"PXEClient");
    option(&mut packet, 77, b"iPXE");
    option(&mut packet, 55, IPXE_WISHES);
    option(&mut packet, 175, firmware.ipxe_features());
    option(&mut packet, 61, &[&[1], mac.bytes().as_slice()].concat());
    option(&mut packet, 97, &[0; 17]);
    packet.push(255);
    packet
}

/// The options that iPXE 2.0 asks for (recorded: `undionly.kpxe`, g0ab22).
const IPXE_WISHES: &[u8] =
    &[1, 3, 6, 7, 12, 15, 17, 26, 42, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135, 175, 203];
/// Option 175 as recorded from `undionly.kpxe` of 2.0: bus id, version 2.0.0, and the flags of its features.
const BIOS_IPXE_FEATURES: &[u8] = &[
    0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0, 0xeb, 3, 2, 0, 0, 0x17, 1, 1, 0x27, 1, 1, 0x22, 1, 1, 0x13, 1, 1, 0x11, 1, 1,
    0x19, 1, 1, 0x10, 1, 1, 0x21, 1, 1, 0x15, 1, 1, 0x18, 1, 1, 0x12, 1, 1,
];
/// The same from `snponly.efi` of 2.0.
const UEFI_IPXE_FEATURES: &[u8] = &[
    0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0, 0xeb, 3, 2, 0, 0, 0x17, 1, 1, 0x27, 1, 1, 0x24, 1, 1, 0x13, 1, 1, 0x14, 1, 1,
    0x11, 1, 1, 0x15, 1, 1, 0x26, 1, 1, 0x12, 1, 1,
];
/// The options that firmware asks for (recorded: OVMF 2022.11, shortened).
const FIRMWARE_WISHES: &[u8] =
    &[1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 43, 54, 60, 66, 67, 97, 128, 129, 130, 131, 132, 133, 134, 135];

fn firmware_options(packet: &mut Vec<u8>, message_type: u8, firmware: SimulatedFirmware) {
    option(packet, 53, &[message_type]);
    option(packet, 57, &[0x05, 0xc0]);
    option(packet, 55, FIRMWARE_WISHES);
    // A machine id of zeros, as virtual machines without a UUID send it.
    option(packet, 97, &[0; 17]);
    option(packet, 94, &firmware.network_interface());
    option(packet, 93, &[0, firmware.architecture()]);
    option(packet, 60, firmware.class());
    packet.push(255);
}

fn header(mac: MacAddress, xid: u32) -> Vec<u8> {
    let mut packet = vec![0; HEADER_BYTES];
    packet[..3].copy_from_slice(&[1, 1, 6]);
    packet[XID..XID + 4].copy_from_slice(&xid.to_be_bytes());
    packet[HARDWARE_ADDRESS..HARDWARE_ADDRESS + 6].copy_from_slice(&mac.bytes());
    packet[HEADER_BYTES - 4..].copy_from_slice(&COOKIE);
    packet
}

fn option(packet: &mut Vec<u8>, code: u8, data: &[u8]) {
    packet.push(code);
    // Every option above is a short constant.
    packet.push(u8::try_from(data.len()).unwrap_or(u8::MAX));
    packet.extend_from_slice(data);
}

/// What a boot server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BootReply {
    /// Header field `file`.
    pub(super) file: String,
    /// Where the file is (`siaddr`).
    pub(super) server: Ipv4Addr,
    /// Whether option 43 says to take the file at once instead of asking the proxy port.
    pub(super) takes_file: bool,
}

/// Reads the reply to a question as firmware does; `None` when firmware would drop it.
///
/// Firmware ignores an offer without `PXEClient` in option 60, and one that brings an address is a DHCP server's and not ours.
pub(super) fn read_reply(bytes: &[u8], mac: MacAddress, xid: u32) -> Option<BootReply> {
    let is_reply = bytes.len() >= 300 && bytes[0] == 2 && bytes[HEADER_BYTES - 4..HEADER_BYTES] == COOKIE;
    if !is_reply
        || bytes[XID..XID + 4] != xid.to_be_bytes()
        || bytes[HARDWARE_ADDRESS..HARDWARE_ADDRESS + 6] != mac.bytes()
        || bytes[OUR_ADDRESS..NEXT_SERVER] != [0; 4]
    {
        return None;
    }
    let (mut is_pxe, mut has_server, mut takes_file) = (false, false, false);
    let mut rest = &bytes[HEADER_BYTES..];
    while let [code, length, tail @ ..] = rest {
        if *code == 255 {
            break;
        }
        if *code == 0 {
            rest = &rest[1..];
            continue;
        }
        let data = tail.get(..usize::from(*length))?;
        match code {
            43 => takes_file = data.starts_with(&[6, 1, 8]),
            54 => has_server = true,
            60 => is_pxe = data == b"PXEClient",
            _ => {}
        }
        rest = &tail[usize::from(*length)..];
    }
    let file = bytes[BOOT_FILE].split(|byte| *byte == 0).next()?;
    let file = String::from_utf8(file.to_vec()).ok()?;
    let server =
        Ipv4Addr::new(bytes[NEXT_SERVER], bytes[NEXT_SERVER + 1], bytes[NEXT_SERVER + 2], bytes[NEXT_SERVER + 3]);
    (is_pxe && has_server).then_some(BootReply { file, server, takes_file })
}
