//! What a machine reported of its hardware, as facts of its page.

use crate::domain::{
    boot_trace::size,
    hardware::{Disk, Hardware, Nic},
};

/// The facts: name and text.
pub(super) fn facts(hardware: &Hardware) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut add = |name, text: Option<String>| facts.extend(text.map(|text| (name, text)));
    let serial = hardware.serial.as_ref().map(|serial| format!("serial {serial}"));
    add("Machine", joined([hardware.product.clone(), serial]));
    let cores = hardware.cpu_cores.map(|cores| format!("{cores} {}", if cores == 1 { "core" } else { "cores" }));
    add("Processor", joined([hardware.cpu_model.clone(), cores]));
    add("Memory", hardware.memory_bytes.map(size));
    let secure_boot = hardware.secure_boot.filter(|on| *on).map(|_| "Secure Boot".to_owned());
    add(
        "Firmware",
        joined([
            hardware.boot_mode.as_deref().map(|mode| if mode == "efi" { "UEFI" } else { "BIOS" }.to_owned()),
            secure_boot,
        ]),
    );
    facts.extend(hardware.disks.iter().map(|disk| ("Disk", told_disk(disk))));
    facts.extend(hardware.nics.iter().map(|nic| ("Network card", told_nic(nic))));
    facts
}

fn joined(parts: [Option<String>; 2]) -> Option<String> {
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn told_disk(disk: &Disk) -> String {
    let property = |key: &str| disk.properties.get(key).cloned();
    let model = property("ID_MODEL").map(|model| model.replace('_', " "));
    let serial = property("ID_SERIAL_SHORT").map(|serial| format!("serial {serial}"));
    let boot = disk.is_boot_disk.then(|| "the system is on it".to_owned());
    let parts = [Some(disk.path.clone()), disk.size_bytes.map(size), model, serial, boot];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn told_nic(nic: &Nic) -> String {
    let name = Some(nic.name.clone()).filter(|name| !name.is_empty());
    let driver = nic.properties.get("ID_NET_DRIVER").cloned();
    let management = nic.is_management.then(|| "management".to_owned());
    [name, Some(nic.mac.clone()), driver, management].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_told() {
        assert!(facts(&Hardware::default()).is_empty());
        let disk = Disk { path: "/dev/sda".into(), size_bytes: Some(480 << 30), is_boot_disk: true, ..Disk::default() };
        let nic = Nic { mac: "52:54:00:00:00:01".into(), is_management: true, ..Nic::default() };
        let hardware = Hardware {
            memory_bytes: Some(64 << 30),
            cpu_cores: Some(1),
            disks: vec![disk],
            nics: vec![nic],
            ..Hardware::default()
        };
        let told: Vec<_> = facts(&hardware).into_iter().map(|(name, text)| format!("{name}: {text}")).collect();
        assert_eq!(
            told,
            [
                "Processor: 1 core",
                "Memory: 64.0 GiB",
                "Disk: /dev/sda, 480.0 GiB, the system is on it",
                "Network card: 52:54:00:00:00:01, management"
            ]
        );
    }
}
