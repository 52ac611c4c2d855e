//! What a machine on the wire asks, and what it is told, without a byte of DHCP.

use super::{firmware::Firmware, identity::MacAddress};

/// One question of a PXE client: a DISCOVER on port 67 or a REQUEST on the proxy port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootRequest {
    /// Who asks.
    pub mac: MacAddress,
    /// The first client architecture that we know, else the first that it names (DHCP option 93, or `Arch:` in option 60).
    pub architecture: u16,
    /// Whether the asker is already iPXE (option 77 says `iPXE`, or option 175 is there).
    pub is_ipxe: bool,
}

/// What the boot desk says to a [`BootRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootOffer {
    /// Nothing at all: the machine boots its own disk.
    Silence(SilenceReason),
    /// Firmware gets the iPXE binary of its row by TFTP.
    Loader(&'static Firmware),
    /// iPXE gets the URL of its script, at most 127 bytes.
    Script(String),
}

/// Why a machine is offered nothing; a word for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilenceReason {
    /// No rebuild is armed for this MAC address.
    NotArmed,
    /// Its rebuild was armed for too long.
    ArmingExpired,
    /// No row of the firmware table.
    UnknownArchitecture,
    /// The boot file of its row is not in the iPXE folder, or too old for it.
    NoBootFile,
    /// The script's URL does not fit into the boot file field.
    UrlTooLong,
}
