//! The answer file as the installer reads it (proxmox-installer-types `answer.rs`, 9.2), and the rules that it applies.
//!
//! Keys are kebab-case; the `snake_case` aliases are those that the installer's `legacy` feature still reads. Unknown keys are refused in
//! every table, as the installer does. What the installer would only notice half-way, or never, is refused here too.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{answer_rules, image::InstallerRelease};

/// The newest installer whose dialect we know.
pub const NEWEST_DIALECT: InstallerRelease = InstallerRelease { major: 9, minor: 2 };

/// A whole answer file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AnswerFile {
    /// `[global]`.
    pub global: Global,
    /// `[network]`.
    pub network: Network,
    /// `[disk-setup]`.
    #[serde(alias = "disk_setup")]
    pub disk_setup: DiskSetup,
    /// `[post-installation-webhook]`.
    #[serde(alias = "post_installation_webhook")]
    pub post_installation_webhook: Option<Webhook>,
    /// `[first-boot]`.
    #[serde(alias = "first_boot")]
    pub first_boot: Option<FirstBoot>,
}

/// `[global]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Global {
    /// Lower-case ISO country code.
    pub country: String,
    /// Full name, or from DHCP.
    pub fqdn: Fqdn,
    /// Keyboard layout.
    pub keyboard: String,
    /// Where root's mail goes.
    pub mailto: String,
    /// Time zone.
    pub timezone: String,
    /// Root's password in clear; one of the two.
    #[serde(alias = "root_password")]
    pub root_password: Option<String>,
    /// Root's password as crypt(3) hash; one of the two.
    #[serde(alias = "root_password_hashed")]
    pub root_password_hashed: Option<String>,
    /// Whether the installer reboots when it fails.
    #[serde(alias = "reboot_on_error")]
    pub reboot_on_error: Option<bool>,
    /// `reboot` or `power-off`.
    #[serde(alias = "reboot_mode")]
    pub reboot_mode: Option<String>,
    /// Public keys for root.
    #[serde(default, alias = "root_ssh_keys")]
    pub root_ssh_keys: Vec<String>,
    /// Subscription key.
    #[serde(alias = "subscription_key")]
    pub subscription_key: Option<String>,
}

/// `global.fqdn`.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "global.fqdn must be a full name, or a table of source = \"from-dhcp\" and, if DHCP's is not to be used, domain"
)]
pub enum Fqdn {
    /// A full name.
    Name(String),
    /// From the DHCP server.
    FromDhcp(FqdnFromDhcp),
}

/// `global.fqdn` as a table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FqdnFromDhcp {
    /// `from-dhcp`.
    pub source: String,
    /// The domain, if DHCP's is not to be used.
    pub domain: Option<String>,
}

/// `[network]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Network {
    /// `from-dhcp` or `from-answer`; required since 9.2.
    pub source: Option<String>,
    /// Address with mask.
    pub cidr: Option<String>,
    /// Name server.
    pub dns: Option<String>,
    /// Default gateway.
    pub gateway: Option<String>,
    /// udev key to glob.
    #[serde(default)]
    pub filter: BTreeMap<String, String>,
    /// Names of network cards.
    #[serde(alias = "interface_name_pinning")]
    pub interface_name_pinning: Option<Pinning>,
}

/// `[network.interface-name-pinning]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinning {
    /// Even `false` pins in 9.2.
    pub enabled: bool,
    /// MAC address to name.
    #[serde(default)]
    pub mapping: BTreeMap<String, String>,
}

/// `[disk-setup]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DiskSetup {
    /// `ext4`, `xfs`, `zfs`, `btrfs`.
    pub filesystem: String,
    /// Disks by name; one of the two.
    #[serde(default, alias = "disk_list")]
    pub disk_list: Vec<String>,
    /// Disks by udev key and glob; one of the two.
    #[serde(default)]
    pub filter: BTreeMap<String, String>,
    /// `any` or `all`.
    #[serde(alias = "filter_match")]
    pub filter_match: Option<String>,
    /// Options of ZFS.
    pub zfs: Option<ZfsOptions>,
    /// Options of LVM, for ext4 and XFS.
    pub lvm: Option<LvmOptions>,
    /// Options of BTRFS.
    pub btrfs: Option<BtrfsOptions>,
}

/// `[disk-setup.zfs]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ZfsOptions {
    /// RAID level; required.
    pub raid: Option<String>,
    /// Sector size exponent.
    pub ashift: Option<u32>,
    /// Cache in MiB.
    #[serde(alias = "arc_max")]
    pub arc_max: Option<u32>,
    /// Checksum.
    pub checksum: Option<String>,
    /// Compression.
    pub compress: Option<String>,
    /// Copies.
    pub copies: Option<u32>,
    /// Used size in GiB.
    pub hdsize: Option<f64>,
}

/// `[disk-setup.btrfs]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BtrfsOptions {
    /// RAID level; required.
    pub raid: Option<String>,
    /// Compression.
    pub compress: Option<String>,
    /// Used size in GiB.
    pub hdsize: Option<f64>,
}

/// `[disk-setup.lvm]`, sizes in GiB.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LvmOptions {
    /// Used size.
    pub hdsize: Option<f64>,
    /// Swap.
    pub swapsize: Option<f64>,
    /// Largest root volume.
    pub maxroot: Option<f64>,
    /// Largest data volume.
    pub maxvz: Option<f64>,
    /// Left free.
    pub minfree: Option<f64>,
}

/// `[post-installation-webhook]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Webhook {
    /// Where to.
    pub url: String,
    /// SHA-256 of the certificate.
    #[serde(alias = "cert_fingerprint")]
    pub cert_fingerprint: Option<String>,
    /// Sent as `token` in the body, since 9.2.
    #[serde(alias = "auth_token")]
    pub auth_token: Option<String>,
}

/// `[first-boot]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FirstBoot {
    /// `from-url` or `from-iso`.
    pub source: String,
    /// `before-network`, `network-online`, `fully-up`.
    pub ordering: Option<String>,
    /// Where from.
    pub url: Option<String>,
    /// SHA-256 of the certificate.
    #[serde(alias = "cert_fingerprint")]
    pub cert_fingerprint: Option<String>,
}

impl AnswerFile {
    /// Returns every rule that this file breaks for an installer of this release, one sentence each with its key.
    pub fn check(&self, release: InstallerRelease) -> Vec<String> {
        answer_rules::check(self, release)
    }

    /// Whether a problem that `check` returned goes away with a newer installer.
    pub fn is_of_the_release(problem: &str) -> bool {
        problem.contains(answer_rules::NEEDS_NEWER)
    }
}
