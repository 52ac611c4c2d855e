//! The answer file, as far as the stand-in installer needs it, with the checks of the real one: what that refuses is refused here.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::machine::Disk;

/// An answer file. Tables reject unknown keys, as in proxmox-installer-types.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Answer {
    pub(crate) global: Global,
    network: Network,
    disk_setup: DiskSetup,
    pub(crate) post_installation_webhook: Option<Webhook>,
    pub(crate) first_boot: Option<FirstBoot>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Global {
    pub(crate) fqdn: String,
    country: String,
    keyboard: String,
    mailto: String,
    timezone: String,
    #[serde(alias = "root_password")]
    root_password: Option<String>,
    #[serde(alias = "root_password_hashed")]
    root_password_hashed: Option<String>,
    #[serde(default, alias = "root_ssh_keys")]
    root_ssh_keys: Vec<String>,
    #[serde(default, alias = "reboot_on_error", rename = "reboot-on-error")]
    _reboot_on_error: bool,
    #[serde(default, alias = "reboot_mode")]
    reboot_mode: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Network {
    source: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct DiskSetup {
    filesystem: String,
    #[serde(default, alias = "disk_list")]
    disk_list: Vec<String>,
    #[serde(default)]
    filter: BTreeMap<String, String>,
    #[serde(default, alias = "filter_match", rename = "filter-match")]
    _filter_match: Option<String>,
    #[serde(default, rename = "lvm")]
    _lvm: Option<toml::Table>,
    #[serde(default, rename = "zfs")]
    _zfs: Option<toml::Table>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    #[serde(alias = "cert_fingerprint")]
    pub(crate) cert_fingerprint: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct FirstBoot {
    source: String,
    #[serde(default)]
    ordering: Option<String>,
    url: Option<String>,
    #[serde(alias = "cert_fingerprint")]
    pub(crate) cert_fingerprint: Option<String>,
}

/// What is to be done to this machine.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) disk: PathBuf,
    pub(crate) fqdn: String,
    pub(crate) root_password_hash: String,
    pub(crate) root_ssh_keys: Vec<String>,
}

impl FirstBoot {
    /// Where the script is.
    pub(crate) fn url(&self) -> anyhow::Result<&str> {
        if self.source != "from-url" || self.ordering.as_deref().is_some_and(|ordering| ordering != "fully-up") {
            bail!("this installer only knows first-boot scripts from-url that run fully-up");
        }
        self.url.as_deref().context("first-boot: `url` is required for from-url")
    }
}

impl Answer {
    /// Reads an answer file.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        toml::from_str(text).context("the answer is not an answer file")
    }

    /// Checks the answer against this machine.
    pub(crate) fn check(&self, disks: &[Disk]) -> anyhow::Result<Plan> {
        let global = &self.global;
        check_fqdn(&global.fqdn)?;
        if global.country.len() != 2 || global.country.chars().any(|letter| !letter.is_ascii_lowercase()) {
            bail!("country `{}` is no lower-case ISO code", global.country);
        }
        if !global.mailto.contains('@') || global.keyboard.is_empty() || global.timezone.is_empty() {
            bail!("mailto, keyboard and timezone are required");
        }
        if global.reboot_mode.as_deref().is_some_and(|mode| mode != "reboot") {
            bail!("this installer only knows to reboot");
        }
        let root_password_hash = match (&global.root_password, &global.root_password_hashed) {
            (None, Some(hash)) if hash.starts_with('$') => hash.clone(),
            (None, Some(_)) => bail!("root-password-hashed is no crypt(3) hash"),
            (Some(_), None) => bail!("this installer only takes root-password-hashed"),
            _ => bail!("exactly one of root-password and root-password-hashed is required"),
        };
        if self.network.source != "from-dhcp" {
            bail!("this installer only knows network source from-dhcp");
        }
        Ok(Plan {
            disk: self.disk_setup.choose(disks)?,
            fqdn: global.fqdn.clone(),
            root_password_hash,
            root_ssh_keys: global.root_ssh_keys.clone(),
        })
    }
}

impl DiskSetup {
    /// The disk that is wiped: the one of the list, or the first that matches any key of the filter.
    fn choose(&self, disks: &[Disk]) -> anyhow::Result<PathBuf> {
        if !["ext4", "xfs", "zfs", "btrfs"].contains(&self.filesystem.as_str()) {
            bail!("filesystem `{}` is unknown", self.filesystem);
        }
        if self.disk_list.is_empty() == self.filter.is_empty() {
            bail!("exactly one of disk-list and filter is required");
        }
        let is_listed = |disk: &&Disk| self.disk_list.iter().any(|name| ends_with(&disk.path, name));
        let is_filtered = |disk: &&Disk| {
            self.filter.iter().any(|(key, glob)| disk.properties.get(key).is_some_and(|value| matches(glob, value)))
        };
        let chosen = disks.iter().find(|disk| is_listed(disk) || is_filtered(disk));
        let names: Vec<_> = disks.iter().map(|disk| disk.path.display().to_string()).collect();
        chosen
            .map(|disk| disk.path.clone())
            .with_context(|| format!("no disk matches; this machine has {}", names.join(", ")))
    }
}

fn ends_with(path: &Path, name: &str) -> bool {
    path.to_string_lossy().ends_with(name)
}

/// Globs as far as a test needs them: `*` at the ends.
fn matches(glob: &str, value: &str) -> bool {
    match (glob.strip_prefix('*'), glob.strip_suffix('*')) {
        (Some(_), Some(_)) => value.contains(glob.trim_matches('*')),
        (Some(end), None) => value.ends_with(end),
        (None, Some(start)) => value.starts_with(start),
        (None, None) => value == glob,
    }
}

fn check_fqdn(fqdn: &str) -> anyhow::Result<()> {
    let labels: Vec<_> = fqdn.split('.').collect();
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if labels.len() < 2 || !labels.iter().all(is_label) || labels[0].chars().all(|c| c.is_ascii_digit()) {
        bail!("fqdn `{fqdn}` is refused");
    }
    Ok(())
}
