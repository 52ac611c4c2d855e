//! What a machine on the wire asks, and what it is told, without a byte of DHCP.

use std::net::Ipv4Addr;

use super::{
    boot_options::Discovery,
    firmware::{self, Firmware, Transport},
    identity::MacAddress,
    ipxe::Ipxe,
};

/// One question of a PXE or HTTP boot client: a DISCOVER on port 67 or a REQUEST on the proxy port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootRequest {
    /// Who asks.
    pub mac: MacAddress,
    /// The first client architecture that we know, else the first that it names (DHCP option 93, or `Arch:` in option 60).
    pub architecture: u16,
    /// How it loads: option 60 says `PXEClient` or `HTTPClient`.
    pub transport: Transport,
    /// What it says of itself if it is iPXE already (option 77 says `iPXE`, or option 175 is there).
    pub ipxe: Option<Ipxe>,
    /// Whether it asks on the proxy port: it took our offer, and wants the file.
    pub to_boot_server: bool,
    /// The transaction (`xid`). Not unique: iPXE of 2019 repeats them from boot to boot.
    pub transaction: u32,
    /// Seconds since it began to ask; many clients begin again from 0 with each cycle.
    pub seconds: u16,
    /// The SMBIOS system UUID (option 97); absent where it is missing, malformed or empty, as in many virtual machines: no identity.
    pub uuid: Option<String>,
    /// Option 60 as text, printable ASCII only.
    pub vendor_class: String,
    /// Option 77 as text, printable ASCII only.
    pub user_class: Option<String>,
}

impl BootRequest {
    /// The first question of a PXE firmware.
    pub fn new(mac: MacAddress, architecture: u16) -> Self {
        Self {
            mac,
            architecture,
            transport: Transport::Tftp,
            ipxe: None,
            to_boot_server: false,
            transaction: 0,
            seconds: 0,
            uuid: None,
            vendor_class: format!("PXEClient:Arch:{architecture:05}"),
            user_class: None,
        }
    }

    /// The row of the firmware table for it.
    pub fn firmware(&self) -> Option<&'static Firmware> {
        firmware::firmware_by(self.architecture, self.transport)
    }

    /// What asks, for a person: `UEFI x86-64`, `iPXE 2.0.0 on BIOS`.
    pub fn client(&self) -> String {
        let machine = firmware::architecture_label(self.firmware().map_or(self.architecture, |row| row.architecture));
        match &self.ipxe {
            Some(ipxe) => format!("{ipxe} on {machine}"),
            None => machine,
        }
    }
}

super::words::words!(
    /// What a registered host gets that asks without a rebuild that waits for it.
    Unarmed, "way with unarmed hosts" {
        /// Nothing: its firmware gives up after a while and starts the disk.
        Silence = "silence",
        /// iPXE, with a script that starts the disk in the way of its firmware.
        LocalDisk = "local_disk",
    }
);

/// What the boot desk says to a [`BootRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootOffer {
    /// Nothing at all: the machine boots its own disk.
    Silence(SilenceReason),
    /// Our iPXE.
    Loader(Loader),
    /// iPXE gets the URL of its script, at most 127 bytes.
    Script(String),
}

/// A booting machine took its address from a DHCP server of the LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenAddress {
    /// The machine.
    pub mac: MacAddress,
    /// The server.
    pub server: Ipv4Addr,
}

/// An iPXE binary for one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loader {
    /// The row of the machine's firmware.
    pub firmware: &'static Firmware,
    /// What the machine loads: a name on TFTP, or a URL for HTTP boot; at most 127 bytes.
    pub file: String,
    /// Whether PXE takes the file of the offer or asks the boot server's port for it.
    pub discovery: Discovery,
}

/// Why a machine is offered nothing; a word for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilenceReason {
    /// No host is registered with this MAC address.
    NotRegistered,
    /// No rebuild is armed for this host.
    NotArmed,
    /// Its rebuild was armed for too long.
    ArmingExpired,
    /// No row of the firmware table.
    UnknownArchitecture,
    /// The boot file for it is not in the iPXE folder, or too old for it.
    NoBootFile,
    /// The script's or the loader's URL does not fit into the boot file field.
    UrlTooLong,
    /// It loaded iPXE again and again and never came for its script.
    LoaderLoop,
}

impl SilenceReason {
    /// The sentence for a person: what is the matter with this machine, and what to do.
    pub fn sentence(self, request: &BootRequest) -> String {
        match self {
            Self::NotRegistered => "this MAC address is not registered; register the host first".into(),
            Self::NotArmed => "no rebuild waits for it, so it boots its own disk; press Rebuild first".into(),
            Self::ArmingExpired => {
                "its rebuild waited too long, or our clock jumped, and is no longer armed; rebuild it again".into()
            }
            Self::UnknownArchitecture => firmware::why_unserved(request.architecture),
            Self::NoBootFile => no_boot_file(request),
            Self::UrlTooLong => {
                "the URL has more than 127 bytes and does not fit into the offer; shorten server.public_url".into()
            }
            Self::LoaderLoop => "it loaded iPXE three times within five minutes and never came for its script, so it is left alone for a \
                 while; see what its console says: Secure Boot may refuse iPXE, port 8081 may be blocked, or this iPXE \
                 may hang on its network card (choose another boot.boot_file)"
                .into(),
        }
    }
}

fn no_boot_file(request: &BootRequest) -> String {
    let Some(row) = request.firmware() else { return firmware::why_unserved(request.architecture) };
    match row.kind.cannot_install() {
        Some(why) => {
            format!("{why}; there is not even an iPXE for it ({}) that could say so on its console", row.boot_file)
        }
        None => format!(
            "the boot file for {} ({}, or what boot.boot_file says) is not in the iPXE folder or is too old; see `rackseed doctor`",
            row.kind.label(),
            row.boot_file
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_for_silence_names_the_machine_and_what_to_do() {
        let mac = "52:54:00:00:00:01".parse().unwrap();
        let about = |architecture, reason: SilenceReason| reason.sentence(&BootRequest::new(mac, architecture));
        assert!(about(27, SilenceReason::UnknownArchitecture).contains("RISC-V"));
        assert!(about(7, SilenceReason::NoBootFile).contains("snponly.efi"));
        assert!(about(11, SilenceReason::NoBootFile).contains("x86-64 only"));
        assert!(about(0, SilenceReason::LoaderLoop).contains("Secure Boot"));
    }

    #[test]
    fn a_client_is_named_by_its_firmware_and_its_ipxe() {
        let mut request = BootRequest::new("52:54:00:00:00:01".parse().unwrap(), 7);
        assert_eq!(request.client(), "UEFI x86-64");
        request.transport = Transport::Http;
        assert_eq!(request.client(), "UEFI x86-64 HTTP boot");
        request.transport = Transport::Tftp;
        request.ipxe = Some(Ipxe::read(&[0xeb, 3, 2, 0, 0]));
        assert_eq!(request.client(), "iPXE 2.0.0 on UEFI x86-64");
    }
}
