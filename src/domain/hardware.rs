//! What is known of a machine's hardware: from the installer's reports and from its first boot.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The hardware of one machine as it was reported last. Whatever was not reported, or was junk, is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hardware {
    /// The product's name (SMBIOS system `name`).
    pub product: Option<String>,
    /// The system's serial number.
    pub serial: Option<String>,
    /// The SMBIOS system UUID.
    pub uuid: Option<String>,
    /// Memory in bytes, as the installed system counts it.
    pub memory_bytes: Option<u64>,
    /// The processor's name.
    pub cpu_model: Option<String>,
    /// Physical cores in all sockets.
    pub cpu_cores: Option<u32>,
    /// `efi` or `bios`, as the installer was booted.
    pub boot_mode: Option<String>,
    /// Whether Secure Boot was on.
    pub secure_boot: Option<bool>,
    /// Its disks.
    pub disks: Vec<Disk>,
    /// Its network cards.
    pub nics: Vec<Nic>,
}

/// One disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Disk {
    /// The device, such as `/dev/sda`.
    pub path: String,
    /// Its real size in bytes; the webhook's own figure is the configured size of the root disk and is not kept here.
    pub size_bytes: Option<u64>,
    /// Whether the system was installed on it.
    pub is_boot_disk: bool,
    /// Its udev properties (`ID_SERIAL`, `ID_SERIAL_SHORT`, `ID_WWN`, `ID_MODEL`, …): what the installer's filters compare.
    pub properties: BTreeMap<String, String>,
}

/// One network card.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Nic {
    /// The interface's name in the installer.
    pub name: String,
    /// Its address, lower case with colons.
    pub mac: String,
    /// Whether the management bridge is on it.
    pub is_management: bool,
    /// Its udev properties.
    pub properties: BTreeMap<String, String>,
}
