//! What a machine reported of its hardware, as tables of its page and of its hand-over sheet.

use std::collections::BTreeMap;

use crate::domain::{
    boot_trace::size,
    hardware::{Disk, Hardware, Nic},
    host::Host,
};

/// What is known of the machine; empty lists are what it has not reported.
#[derive(Default)]
pub(super) struct HardwarePart {
    pub(super) is_known: bool,
    /// Machine, processor, memory, firmware: name and text.
    pub(super) summary: Vec<(&'static str, String)>,
    pub(super) disks: Vec<DiskRow>,
    pub(super) cards: Vec<CardRow>,
}

/// One disk.
pub(super) struct DiskRow {
    pub(super) path: String,
    pub(super) model: String,
    pub(super) serial: String,
    pub(super) size: String,
    pub(super) holds_system: bool,
    pub(super) properties: Vec<(String, String)>,
}

/// One network card.
pub(super) struct CardRow {
    pub(super) name: String,
    pub(super) mac: String,
    pub(super) driver: String,
    pub(super) is_management: bool,
    /// Whether the host boots from it.
    pub(super) boots: bool,
    pub(super) properties: Vec<(String, String)>,
}

impl HardwarePart {
    /// Reads what a host reported.
    pub(super) fn new(host: &Host) -> Self {
        let Some(hardware) = &host.hardware else { return Self::default() };
        Self {
            is_known: true,
            summary: summary(hardware),
            disks: hardware.disks.iter().map(DiskRow::new).collect(),
            cards: hardware.nics.iter().map(|nic| CardRow::new(nic, &host.mac.to_string())).collect(),
        }
    }
}

fn summary(hardware: &Hardware) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut add = |name, text: Option<String>| facts.extend(text.map(|text| (name, text)));
    add("Machine", hardware.product.clone());
    add("Serial number", hardware.serial.clone());
    add("System UUID", hardware.uuid.clone());
    let cores = hardware.cpu_cores.map(|cores| format!("{cores} {}", if cores == 1 { "core" } else { "cores" }));
    add("Processor", joined([hardware.cpu_model.clone(), cores]));
    add("Memory", hardware.memory_bytes.map(size));
    let secure_boot =
        hardware.secure_boot.map(|on| if on { "Secure Boot is on" } else { "Secure Boot is off" }.to_owned());
    let mode = hardware.boot_mode.as_deref().map(|mode| if mode == "efi" { "UEFI" } else { "BIOS" }.to_owned());
    add("Firmware", joined([mode, secure_boot]));
    facts
}

fn joined(parts: [Option<String>; 2]) -> Option<String> {
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

impl DiskRow {
    /// Spells a disk as it was reported.
    pub(super) fn new(disk: &Disk) -> Self {
        let property = |key: &str| disk.properties.get(key).cloned();
        Self {
            path: disk.path.clone(),
            model: property("ID_MODEL").map(|model| model.replace('_', " ")).unwrap_or_default(),
            serial: property("ID_SERIAL_SHORT").or_else(|| property("ID_SERIAL")).unwrap_or_default(),
            size: disk.size_bytes.map(size).unwrap_or_default(),
            holds_system: disk.is_boot_disk,
            properties: listed(&disk.properties),
        }
    }
}

impl CardRow {
    fn new(nic: &Nic, boot_mac: &str) -> Self {
        Self {
            name: nic.name.clone(),
            boots: nic.mac.eq_ignore_ascii_case(boot_mac),
            mac: nic.mac.clone(),
            driver: nic.properties.get("ID_NET_DRIVER").cloned().unwrap_or_default(),
            is_management: nic.is_management,
            properties: listed(&nic.properties),
        }
    }
}

fn listed(properties: &BTreeMap<String, String>) -> Vec<(String, String)> {
    properties.iter().map(|(name, text)| (name.clone(), text.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_told() {
        assert!(summary(&Hardware::default()).is_empty());
        let hardware = Hardware {
            memory_bytes: Some(64 << 30),
            cpu_cores: Some(1),
            secure_boot: Some(false),
            ..Hardware::default()
        };
        let told: Vec<_> = summary(&hardware).into_iter().map(|(name, text)| format!("{name}: {text}")).collect();
        assert_eq!(told, ["Processor: 1 core", "Memory: 64.0 GiB", "Firmware: Secure Boot is off"]);
        let disk = DiskRow::new(&Disk { path: "/dev/sda".into(), size_bytes: Some(480 << 30), ..Disk::default() });
        assert_eq!((disk.size.as_str(), disk.model.as_str(), disk.serial.as_str()), ("480.0 GiB", "", ""));
    }

    #[test]
    fn the_card_that_the_host_boots_from_is_marked_however_it_is_spelled() {
        let nic = Nic { mac: "52:54:00:00:00:0A".into(), ..Nic::default() };
        assert!(CardRow::new(&nic, "52:54:00:00:00:0a").boots && !CardRow::new(&nic, "52:54:00:00:00:0b").boots);
    }
}
