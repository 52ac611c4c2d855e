//! What the reports of a machine teach about its hardware: the installer's system report, its webhook, and the first boot's call.
//!
//! Everything in a report may be missing, junk or hostile: nothing here fails, whatever cannot be used is left out, and every list and
//! text has a bound. A later report replaces what an earlier one said, and never erases what it does not mention.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    hardware::{Disk, Hardware, Nic},
    identity::MacAddress,
    installer::{DmiReport, InstallReport, PhoneHomeReport, SystemReport},
};

/// How many disks, and how many network cards, are kept. Larger machines lose the rest of their list; nothing else depends on it.
const MOST_PARTS: usize = 64;
/// How many udev properties of a part are kept, the first by name.
const MOST_PROPERTIES: usize = 64;
/// The longest text that is kept; longer ones are cut.
const LONGEST_TEXT: usize = 160;
/// The longest udev property that is kept; a longer one is left out, because half of it would match other filters. `DEVLINKS` is long.
const LONGEST_PROPERTY: usize = 1024;

/// What boards say where nobody filled the field in (seen in the field reports of MAAS, fwupd and LVFS), in lower case.
const JUNK: &[&str] = &[
    "to be filled by o.e.m.",
    "to be filled by oem",
    "default string",
    "system product name",
    "system manufacturer",
    "system serial number",
    "system version",
    "chassis serial number",
    "base board serial number",
    "sku number",
    "serial number",
    "product name",
    "not specified",
    "not applicable",
    "not available",
    "undefined",
    "unknown",
    "invalid",
    "empty",
    "none",
    "null",
    "n/a",
    "na",
    "oem",
    "o.e.m.",
    "0123456789",
    "123456789",
    "1234567890",
];

/// SMBIOS UUIDs that many boards share: AMI's sample, and what a cleared flash holds.
const JUNK_UUIDS: &[&str] = &["03000200-0400-0500-0006-000700080009", "12345678-1234-5678-90ab-cddeefaabbcc"];

/// Cleans a text that a firmware or a device says of itself: `None` where it says nothing.
pub(super) fn meant(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_TEXT).collect();
    let text = text.trim();
    let lower = text.to_lowercase();
    let mut letters = lower.chars().filter(|c| c.is_alphanumeric());
    let first = letters.next()?;
    // `00000000`, `xxxxxxx`, `ffffffff-ffff-…`.
    let is_one_letter = lower.len() > 1 && letters.all(|letter| letter == first);
    (!is_one_letter && !JUNK.contains(&lower.as_str())).then(|| text.to_owned())
}

impl Hardware {
    /// Learns from the installer's first question.
    pub fn learn_from_installer(&mut self, report: &SystemReport) {
        self.learn_dmi(&report.dmi);
        for interface in report.network_interfaces.iter().take(MOST_PARTS) {
            // Bridges and tunnels have addresses too; only those of one card are kept.
            let Ok(mac) = interface.mac.parse::<MacAddress>() else { continue };
            let mac = mac.to_string();
            if let Some(known) = self.nics.iter_mut().find(|nic| nic.mac == mac) {
                known.name = short(&interface.link);
            } else if self.nics.len() < MOST_PARTS {
                self.nics.push(Nic { name: short(&interface.link), mac, ..Nic::default() });
            }
        }
    }

    /// Learns from the post-installation webhook.
    pub fn learn_from_webhook(&mut self, report: &InstallReport) {
        self.learn_dmi(&report.dmi);
        replace(&mut self.cpu_model, report.cpu_info["model"].as_str().and_then(meant));
        replace(&mut self.cpu_cores, report.cpu_info["cores"].as_u64().and_then(|cores| cores.try_into().ok()));
        let mode = report.boot_info["mode"].as_str().filter(|mode| matches!(*mode, "efi" | "bios"));
        if let Some(mode) = mode {
            self.boot_mode = Some(mode.to_owned());
            // The installer leaves `secureboot` out where it is off.
            self.secure_boot = Some(report.boot_info["secureboot"] == Value::Bool(true));
        }
        let disks: Vec<_> = list(&report.disks).filter_map(|disk| self.reported_disk(disk)).collect();
        if !disks.is_empty() {
            self.disks = disks;
        }
        let nics: Vec<_> = list(&report.network_interfaces).filter_map(|nic| self.reported_nic(nic)).collect();
        if !nics.is_empty() {
            self.nics = nics;
        }
    }

    /// Learns from the first boot's call: the memory, and the true sizes of the disks.
    pub fn learn_from_first_boot(&mut self, report: &PhoneHomeReport) {
        let memory = match &report.memory_bytes {
            Value::Number(number) => number.as_u64().filter(|bytes| *bytes > 0),
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
        };
        replace(&mut self.memory_bytes, memory);
        replace(&mut self.uuid, real_uuid(&report.hardware_id));
        for row in list(&report.disks["blockdevices"]) {
            self.learn_block_device(row);
        }
    }

    fn learn_dmi(&mut self, dmi: &DmiReport) {
        let system = |key: &str| dmi.system.get(key).map(String::as_str);
        replace(&mut self.product, system("name").and_then(meant));
        replace(&mut self.serial, system("serial").and_then(meant));
        replace(&mut self.uuid, system("uuid").and_then(real_uuid));
    }

    /// The `size` of the webhook is the configured size of the root disk, for every disk (proxmox-post-hook 9.2): it is not kept.
    fn reported_disk(&self, report: &Value) -> Option<Disk> {
        let properties = properties(&report["udev-properties"]);
        let path = properties.get("DEVNAME").cloned()?;
        let mut disk =
            Disk { path, size_bytes: None, is_boot_disk: report["is-bootdisk"] == Value::Bool(true), properties };
        disk.size_bytes = self.disks.iter().find(|known| is_same(known, &disk)).and_then(|known| known.size_bytes);
        Some(disk)
    }

    fn reported_nic(&self, report: &Value) -> Option<Nic> {
        let mac = report["mac"].as_str()?.parse::<MacAddress>().ok()?.to_string();
        let known = self.nics.iter().find(|nic| nic.mac == mac).map(|nic| nic.name.clone());
        // Schemas before 1.2 have no name.
        let name = report["name"].as_str().map(short).filter(|name| !name.is_empty()).or(known);
        Some(Nic {
            name: name.unwrap_or_default(),
            mac,
            is_management: report["is-management"] == Value::Bool(true),
            properties: properties(&report["udev-properties"]),
        })
    }

    /// One row of `lsblk -J -b -d -o NAME,SIZE,MODEL,SERIAL,WWN,TYPE`. The kernel's names may differ between installer and system, so the
    /// device's own numbers go first.
    fn learn_block_device(&mut self, row: &Value) {
        let text = |key: &str| row[key].as_str().and_then(meant);
        let size = row["size"].as_u64().or_else(|| row["size"].as_str()?.parse().ok());
        let (Some(name), Some(size), Some("disk")) = (text("name"), size, row["type"].as_str()) else { return };
        if size == 0 || NOT_DISKS.iter().any(|prefix| name.starts_with(prefix)) {
            return;
        }
        let has = |disk: &Disk, keys: &[&str], wanted: &Option<String>| {
            wanted.as_ref().is_some_and(|wanted| keys.iter().any(|key| disk.properties.get(*key) == Some(wanted)))
        };
        let (serial, wwn, path) = (text("serial"), text("wwn"), format!("/dev/{}", short(&name)));
        let place = self
            .disks
            .iter()
            .position(|disk| has(disk, &["ID_SERIAL_SHORT", "ID_SCSI_SERIAL", "ID_SERIAL"], &serial))
            .or_else(|| self.disks.iter().position(|disk| has(disk, &["ID_WWN", "ID_WWN_WITH_EXTENSION"], &wwn)))
            .or_else(|| self.disks.iter().position(|disk| disk.path == path));
        match place {
            Some(place) => self.disks[place].size_bytes = Some(size),
            // A disk that the installer did not report has no udev properties here: lsblk spells them differently, and no filter may match
            // what only resembles them.
            None if self.disks.len() < MOST_PARTS => {
                self.disks.push(Disk { path, size_bytes: Some(size), ..Disk::default() });
            }
            None => {}
        }
    }
}

/// Block devices that lsblk calls disks and nobody installs on.
const NOT_DISKS: &[&str] = &["zd", "nbd", "rbd", "loop", "ram", "zram", "fd", "sr", "drbd"];

/// Whether two reports are of one disk: by its own number, else by its path.
fn is_same(one: &Disk, other: &Disk) -> bool {
    for key in ["ID_SERIAL", "ID_WWN", "ID_SERIAL_SHORT"] {
        if let (Some(one), Some(other)) = (one.properties.get(key), other.properties.get(key)) {
            return one == other;
        }
    }
    one.path == other.path
}

fn real_uuid(text: &str) -> Option<String> {
    let uuid = meant(text)?.to_lowercase();
    let is_uuid = uuid.len() == 36 && uuid.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
    (is_uuid && !JUNK_UUIDS.contains(&uuid.as_str())).then_some(uuid)
}

fn replace<T>(kept: &mut Option<T>, said: Option<T>) {
    if said.is_some() {
        *kept = said;
    }
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_TEXT).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter().take(MOST_PARTS)
}

fn properties(value: &Value) -> BTreeMap<String, String> {
    let all = value.as_object().into_iter().flatten();
    all.filter_map(|(key, value)| Some((key, value.as_str()?)))
        .filter(|(key, value)| key.len() <= LONGEST_TEXT && value.len() <= LONGEST_PROPERTY)
        .take(MOST_PROPERTIES)
        .map(|(key, value)| (key.clone(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: serde::de::DeserializeOwned>(body: Value) -> T {
        serde_json::from_value(body).unwrap()
    }

    fn webhook() -> InstallReport {
        read(serde_json::json!({
            "boot-info": { "mode": "efi", "secureboot": true },
            "cpu-info": { "cores": 16, "model": "Xeon" },
            "dmi": { "system": { "name": "PowerEdge R640", "serial": "To be filled by O.E.M.", "uuid": "4C4C4544-0035-3310-8054-B2C04F4E3132" } },
            "disks": [
                { "size": 5, "is-bootdisk": true, "udev-properties": { "DEVNAME": "/dev/sda", "ID_SERIAL": "INTEL_A", "ID_SERIAL_SHORT": "A" } },
                { "size": 5, "udev-properties": { "DEVNAME": "/dev/sdb", "ID_WWN": "0x5000c500a", "ID_SERIAL": "WDC_B" } },
                { "size": 5, "udev-properties": { "DEVNAME": "/dev/nvme0n1" } },
            ],
            "network-interfaces": [{ "mac": "b4:2e:99:ac:ad:b4", "is-management": true, "udev-properties": { "ID_NET_DRIVER": "igb" } }, { "mac": "ib" }],
        }))
    }

    #[test]
    fn vendor_junk_says_nothing() {
        for junk in [
            "",
            " ",
            "To Be Filled By O.E.M.",
            "Default string",
            "00000000",
            "xxxx",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "..",
            "N/A",
        ] {
            assert_eq!(meant(junk), None, "{junk}");
        }
        for (said, is_kept) in
            [(" PowerEdge R640 ", "PowerEdge R640"), ("A", "A"), ("S12\n3", "S123"), ("0RGP26", "0RGP26")]
        {
            assert_eq!(meant(said).as_deref(), Some(is_kept));
        }
        assert_eq!(real_uuid("03000200-0400-0500-0006-000700080009"), None);
        assert_eq!(meant(&"long ".repeat(1000)).map(|text| text.len() <= LONGEST_TEXT), Some(true));
    }

    #[test]
    fn the_webhook_tells_disks_and_cards_and_the_first_boot_their_true_sizes() {
        let mut hardware = Hardware::default();
        hardware.learn_from_installer(&read(serde_json::json!({
            "dmi": { "system": { "serial": "S1" } },
            "network_interfaces": [{ "link": "eno1", "mac": "B4:2E:99:AC:AD:B4" }, { "link": "ib0", "mac": "80:00" }],
        })));
        hardware.learn_from_webhook(&webhook());
        assert_eq!((hardware.product.as_deref(), hardware.serial.as_deref()), (Some("PowerEdge R640"), Some("S1")));
        assert_eq!(
            (hardware.boot_mode.as_deref(), hardware.secure_boot, hardware.cpu_cores),
            (Some("efi"), Some(true), Some(16))
        );
        assert_eq!(hardware.uuid.as_deref(), Some("4c4c4544-0035-3310-8054-b2c04f4e3132"));
        assert_eq!(hardware.nics.len(), 1);
        assert_eq!((hardware.nics[0].name.as_str(), hardware.nics[0].is_management), ("eno1", true));
        assert!(hardware.disks.iter().all(|disk| disk.size_bytes.is_none()), "the webhook's size is not the disk's");
        hardware.learn_from_first_boot(&read(serde_json::json!({
            "address": "10.0.0.5", "hardware_id": "unknown", "memory_bytes": 68_000_000_000_u64,
            "disks": { "blockdevices": [
                { "name": "sdb", "size": 240, "serial": "A", "type": "disk" },
                { "name": "sda", "size": "4000", "wwn": "0x5000c500a", "type": "disk" },
                { "name": "nvme0n1", "size": 960, "type": "disk" },
                { "name": "sdz", "size": 1, "type": "disk" },
                { "name": "zd0", "size": 9, "type": "disk" },
                { "name": "sr0", "size": 9, "type": "rom" },
            ] },
        })));
        let sizes: Vec<_> = hardware.disks.iter().map(|disk| (disk.path.as_str(), disk.size_bytes)).collect();
        let wanted =
            [("/dev/sda", Some(240)), ("/dev/sdb", Some(4000)), ("/dev/nvme0n1", Some(960)), ("/dev/sdz", Some(1))];
        assert_eq!(sizes, wanted);
        assert_eq!(hardware.memory_bytes, Some(68_000_000_000));
        assert_eq!(hardware.uuid.as_deref(), Some("4c4c4544-0035-3310-8054-b2c04f4e3132"), "`unknown` erases nothing");
        hardware.learn_from_webhook(&webhook());
        assert_eq!(hardware.disks[0].size_bytes, Some(240), "the next installation keeps what is known of a disk");
        assert!(hardware.disks[0].is_boot_disk);
    }

    #[test]
    fn a_report_of_any_shape_is_taken_and_bounded() {
        let disk = |number: usize| {
            let many: serde_json::Map<_, _> =
                (0..100).map(|key| (format!("K{key}"), "x".repeat(1500).into())).collect();
            let mut disk = serde_json::json!({ "udev-properties": many });
            disk["udev-properties"]["DEVNAME"] = format!("/dev/sd{number}").into();
            disk
        };
        let disks: Vec<_> = (0..100).map(disk).collect();
        let mut hardware = Hardware::default();
        hardware.learn_from_webhook(&read(
            serde_json::json!({ "disks": disks, "cpu-info": [1], "boot-info": "x", "dmi": 7 }),
        ));
        assert_eq!(hardware.disks.len(), MOST_PARTS);
        assert!(serde_json::to_string(&hardware).unwrap().len() < 32_000);
        for odd in [
            serde_json::json!({ "disks": 1, "network-interfaces": { "a": 1 }, "cpu-info": null }),
            serde_json::json!({}),
        ] {
            hardware.learn_from_webhook(&read(odd));
        }
        hardware.learn_from_first_boot(&read(
            serde_json::json!({ "address": "10.0.0.5", "memory_bytes": "lots", "disks": [1] }),
        ));
        assert_eq!(hardware.disks.len(), MOST_PARTS);
    }
}
