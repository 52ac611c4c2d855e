//! What this machine is: SMBIOS, network cards, disks, and the lease that its RAM disk got.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::Context;
use rackseed::simulator::installer_client::{Dmi, Machine};

/// A disk that may be installed to, with the udev properties that filters use.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) path: PathBuf,
    pub(crate) properties: BTreeMap<String, String>,
}

/// The lease of the management card.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) interface: String,
    pub(crate) address: String,
    pub(crate) prefix: String,
    pub(crate) gateway: String,
    pub(crate) dns: String,
}

/// Reads SMBIOS and network cards.
pub(crate) fn read() -> anyhow::Result<Machine> {
    let dmi = Dmi {
        system: dmi_part("product", &["serial", "sku", "uuid", "name"]),
        baseboard: dmi_part("board", &["asset_tag", "serial", "name"]),
        chassis: dmi_part("chassis", &["serial", "sku", "asset_tag", "name"]),
    };
    let mut interfaces = Vec::new();
    for entry in fs::read_dir("/sys/class/net")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "lo" {
            let mac = fs::read_to_string(format!("/sys/class/net/{name}/address"))?;
            interfaces.push((name, mac.trim().to_owned()));
        }
    }
    Ok(Machine { dmi, interfaces })
}

/// A key is missing when the kernel has no such file, as in the real report.
fn dmi_part(prefix: &str, keys: &[&str]) -> BTreeMap<String, String> {
    let read = |key: &&str| {
        let value = fs::read_to_string(format!("/sys/class/dmi/id/{prefix}_{key}")).ok()?;
        Some(((*key).to_owned(), value.trim().to_owned()))
    };
    keys.iter().filter_map(read).collect()
}

/// Every disk but loop devices and the like, in order of their names.
pub(crate) fn disks() -> anyhow::Result<Vec<Disk>> {
    let mut disks = Vec::new();
    for entry in fs::read_dir("/sys/block")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if ["ram", "loop", "md", "dm-", "fd", "sr"].iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let path = PathBuf::from(format!("/dev/{name}"));
        let mut properties = BTreeMap::from([("DEVNAME".to_owned(), path.display().to_string())]);
        if let Ok(serial) = fs::read_to_string(format!("/sys/block/{name}/serial")) {
            properties.insert("ID_SERIAL".into(), serial.trim().to_owned());
            properties.insert("ID_SERIAL_SHORT".into(), serial.trim().to_owned());
        }
        disks.push(Disk { path, properties });
    }
    disks.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(disks)
}

/// Reads what the DHCP client's script wrote.
pub(crate) fn lease() -> anyhow::Result<Lease> {
    let text = fs::read_to_string("/run/lease").context("there is no lease")?;
    let value = |key: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.map(str::to_owned).with_context(|| format!("the lease has no {key}"))
    };
    Ok(Lease {
        interface: value("interface")?,
        address: value("address")?,
        prefix: value("prefix")?,
        gateway: value("gateway")?,
        dns: value("dns")?,
    })
}
