//! What the Proxmox installer tells us: the system report of the answer fetch and the post-installation webhook.
//!
//! Unknown fields are ignored and nearly everything is optional: releases differ, DMI keys are missing on some boards, and a refused
//! webhook parks the machine. Schemas: proxmox-installer-types `answer.rs`, `lib.rs`, `post_hook.rs`; versions 1.0 to 1.2.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

use super::{identity::MacAddress, image::InstallerRelease};

/// The body of `POST /api/boot/answer`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct SystemReport {
    /// Which installer asks.
    #[serde(default)]
    pub iso: IsoReport,
    /// What SMBIOS says.
    #[serde(default, deserialize_with = "or_nothing")]
    pub dmi: DmiReport,
    /// Every network interface but `lo`.
    #[serde(default)]
    pub network_interfaces: Vec<InterfaceReport>,
}

/// The installer's own version.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct IsoReport {
    /// Such as `9.2`.
    #[serde(default)]
    pub release: String,
    /// Such as `1`.
    #[serde(default)]
    pub isorelease: String,
}

/// SMBIOS strings; a key is missing when the board does not have it, and a value may be vendor junk.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct DmiReport {
    /// `serial`, `sku`, `uuid`, `name`.
    #[serde(default)]
    pub system: BTreeMap<String, String>,
}

/// One network interface.
#[derive(Debug, Clone, Deserialize)]
pub struct InterfaceReport {
    /// Such as `enp2s0`; the webhook calls it `name` since schema 1.2.
    #[serde(default, alias = "name")]
    pub link: String,
    /// Upper case since 9.2, lower case before, and not an Ethernet address for odd links.
    #[serde(default)]
    pub mac: String,
}

impl SystemReport {
    /// Whether one of the machine's network cards has this address.
    pub fn has_mac(&self, mac: MacAddress) -> bool {
        self.network_interfaces.iter().any(|interface| interface.mac.parse() == Ok(mac))
    }

    /// The release of the asking installer, if it can be read.
    pub fn release(&self) -> Option<InstallerRelease> {
        InstallerRelease::parse(&self.iso.release)
    }

    /// What distinguishes this machine from another that claims the same rebuild: its SMBIOS system UUID and serial and its MAC
    /// addresses in order. Two fetches of one machine give the same text, though the report's key order is random.
    pub fn fingerprint(&self) -> String {
        let mut parts: Vec<String> = ["uuid", "serial"]
            .iter()
            .map(|key| self.dmi.system.get(*key).map(|value| value.trim().to_lowercase()).unwrap_or_default())
            .collect();
        let mut macs: Vec<_> = self.network_interfaces.iter().map(|interface| interface.mac.to_lowercase()).collect();
        macs.sort();
        parts.extend(macs);
        parts.join("|")
    }
}

/// The body of `POST /api/hosts/{id}/installed`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct InstallReport {
    /// The public host keys of the installed system.
    #[serde(default)]
    pub ssh_public_host_keys: HostKeysReport,
    /// The installed version.
    #[serde(default)]
    pub product: ProductReport,
    /// The installed name.
    #[serde(default)]
    pub fqdn: String,
    /// What SMBIOS says.
    #[serde(default, deserialize_with = "or_nothing")]
    pub dmi: DmiReport,
    /// `model`, `cores`, …; like the three below of any form, because a webhook that is refused parks the machine.
    #[serde(default)]
    pub cpu_info: Value,
    /// `mode`, `secureboot`.
    #[serde(default)]
    pub boot_info: Value,
    /// Every disk, with its udev properties.
    #[serde(default)]
    pub disks: Value,
    /// Every network card, with its udev properties.
    #[serde(default)]
    pub network_interfaces: Value,
}

/// Takes what cannot be understood for nothing.
fn or_nothing<'de, D: Deserializer<'de>, T: Default + DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// Public host keys as OpenSSH lines; `unknown` when the installer could not read one (pve-installer 9.2.5 and newer).
#[derive(Debug, Clone, Default, Deserialize)]
pub struct HostKeysReport {
    /// The Ed25519 key: the one that we pin.
    #[serde(default)]
    pub ed25519: String,
}

/// The installed product.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ProductReport {
    /// Version of `pve-manager`, such as `9.2.2`.
    #[serde(default)]
    pub version: String,
}

impl InstallReport {
    /// The Ed25519 host key as `ssh-ed25519 BASE64`, without its comment; `None` if the installer could not read it. Never pin `unknown`.
    pub fn ed25519_host_key(&self) -> Option<String> {
        let mut words = self.ssh_public_host_keys.ed25519.split_whitespace();
        let (kind, key) = (words.next()?, words.next()?);
        (kind == "ssh-ed25519" && key.starts_with("AAAAC3NzaC1lZDI1NTE5")).then(|| format!("{kind} {key}"))
    }
}

/// The body of `POST /api/hosts/{id}/phone-home`, sent by our own first-boot script.
#[derive(Debug, Clone, Deserialize)]
pub struct PhoneHomeReport {
    /// The IPv4 address of the management network.
    pub address: std::net::Ipv4Addr,
    /// The SMBIOS system UUID, or what the script found in its place.
    #[serde(default)]
    pub hardware_id: String,
    /// The node's own name.
    #[serde(default)]
    pub hostname: String,
    /// `MemTotal`, in bytes.
    #[serde(default)]
    pub memory_bytes: Value,
    /// What `lsblk -J` says.
    #[serde(default)]
    pub disks: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_or_missing_host_key_is_no_key() {
        for body in [
            r#"{}"#,
            r#"{"ssh-public-host-keys":{"ed25519":"unknown"}}"#,
            r#"{"ssh-public-host-keys":{"ed25519":"ssh-rsa AAAAB3 x"}}"#,
        ] {
            assert_eq!(serde_json::from_str::<InstallReport>(body).unwrap().ed25519_host_key(), None, "{body}");
        }
        let body = r#"{"ssh-public-host-keys":{"ed25519":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIabc root@pve","rsa":"unknown"},"new":1}"#;
        let key = serde_json::from_str::<InstallReport>(body).unwrap().ed25519_host_key();
        assert_eq!(key.as_deref(), Some("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIabc"));
    }

    #[test]
    fn a_mac_is_found_in_any_case_and_odd_links_are_passed_over() {
        let body = r#"{"network_interfaces":[{"link":"ib0","mac":"80:00:02:08:fe:80"},{"link":"eno1","mac":"B4:2E:99:AC:AD:B4"}]}"#;
        let report: SystemReport = serde_json::from_str(body).unwrap();
        assert!(report.has_mac("b4:2e:99:ac:ad:b4".parse().unwrap()));
        assert!(!report.has_mac("b4:2e:99:ac:ad:b5".parse().unwrap()));
    }
}
