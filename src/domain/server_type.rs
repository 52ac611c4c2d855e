//! A kind of server as its YAML says it; `check` returns every problem at once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::identity::{ServerTypeName, TemplateName};

/// Kernel words that every installer boot gets. Any word that does not begin with `proxmox-` (and is not one that the installer
/// filters, as these are) ends up on the installed node (pve-installer `Proxmox/Install/Config.pm`).
pub const KERNEL_WORDS: &str = "ramdisk_size=16777216 rw quiet splash=silent proxmox-start-auto-installer";

/// The udev keys by which exactly one disk can be named: its serial number or its world wide name.
const UNIQUE_DISK_KEYS: &[&str] = &["ID_SERIAL", "ID_SERIAL_SHORT", "ID_WWN", "ID_WWN_WITH_EXTENSION"];

/// One kind of server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerType {
    /// The key below `server_types:`; filled in by the reader.
    #[serde(skip_deserializing, default = "unnamed")]
    pub name: ServerTypeName,
    /// What a person reads.
    pub display_name: String,
    /// The disk that the system goes to: a full device name such as `/dev/nvme0n1`. Exactly one of `boot_disk` and `disk_filter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_disk: Option<String>,
    /// The disk that the system goes to, by exactly one of its unique udev properties.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub disk_filter: BTreeMap<String, String>,
    /// The file system of the root disk, `ext4`, `xfs`, or `zfs` on one disk.
    #[serde(default)]
    pub filesystem: Filesystem,
    /// The network interface of the management bridge, such as `enp2s0`; absent: the one with the default route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_nic: Option<String>,
    /// What graphics it has, for whoever places guests; we do not use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
    /// How names of such hosts begin; the registration form offers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname_prefix: Option<String>,
    /// The answer template, a file name in `answer-templates/` without `.toml`.
    #[serde(default = "default_template")]
    pub answer_template: TemplateName,
    /// The image to install, an id of `rackseed image list`; absent: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// More words for the installer's kernel; only `proxmox-…` and `console=…`, as all others would end up on the node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kernel_arguments: Vec<String>,
}

/// The file system that the installer makes on the boot disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filesystem {
    /// ext4 on LVM.
    #[default]
    Ext4,
    /// XFS on LVM.
    Xfs,
    /// ZFS as `raid0` on one disk.
    Zfs,
}

impl Filesystem {
    /// The installer's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Zfs => "zfs",
        }
    }
}

fn unnamed() -> ServerTypeName {
    // A constant that the reader replaces; it is a valid name, so the parse cannot fail.
    match "unnamed".parse() {
        Ok(name) => name,
        Err(_) => unreachable!("a constant name"),
    }
}

fn default_template() -> TemplateName {
    match "default".parse() {
        Ok(name) => name,
        Err(_) => unreachable!("a constant name"),
    }
}

impl ServerType {
    /// Returns every rule that this server type breaks, one sentence each; none means that it may be used.
    ///
    /// No disk is chosen on a guess: the installer's `ends with` match makes `sda` also mean `/dev/xsda`, and its
    /// `filter-match = "all"` selects every disk when a key is absent (proxmox-auto-installer `utils.rs`), so only a full device
    /// name or one unique key is accepted.
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.display_name.trim().is_empty() {
            problems.push("`display_name` is empty; say what kind of machine this is".to_owned());
        }
        match (&self.boot_disk, self.disk_filter.len()) {
            (Some(disk), 0) => problems.extend(check_boot_disk(disk)),
            (None, 1) => {
                problems.extend(self.disk_filter.iter().filter_map(|(key, value)| check_disk_filter(key, value)))
            }
            (None, 0) => problems.push(
                "name the disk to install on: `boot_disk: /dev/…`, or `disk_filter:` with one serial or WWN".to_owned(),
            ),
            (Some(_), _) => problems.push("`boot_disk` and `disk_filter` exclude each other; keep one".to_owned()),
            (None, _) => problems.push(
                "`disk_filter` must have exactly one key: the installer takes any disk that matches any key".to_owned(),
            ),
        }
        for word in &self.kernel_arguments {
            let allowed = word.starts_with("proxmox-") || word.starts_with("console=");
            if !allowed || !is_one_plain_word(word) {
                problems.push(format!(
                    "kernel argument `{word}` is not allowed; only `proxmox-…` and `console=…`, one word each"
                ));
            }
        }
        if let Some(nic) = self.management_nic.as_deref().filter(|nic| !is_interface_name(nic)) {
            problems.push(format!("`management_nic: {nic}` is not the name of a network interface"));
        }
        problems
    }

    /// A server type that keeps every rule, to check templates with.
    pub fn sample() -> Self {
        Self {
            name: unnamed(),
            display_name: "sample".into(),
            boot_disk: Some("/dev/sda".into()),
            disk_filter: BTreeMap::new(),
            filesystem: Filesystem::Ext4,
            management_nic: None,
            gpu: None,
            hostname_prefix: None,
            answer_template: default_template(),
            image: None,
            kernel_arguments: Vec::new(),
        }
    }

    /// The rule by which the disk is chosen, as a person reads it before saying yes.
    pub fn disk_rule(&self) -> String {
        match (&self.boot_disk, self.disk_filter.iter().next()) {
            (Some(disk), _) => disk.clone(),
            (None, Some((key, value))) => format!("the disk with {key} = {value}"),
            (None, None) => "no disk".to_owned(),
        }
    }

    /// The whole kernel command line of the installer.
    pub fn kernel_command_line(&self) -> String {
        std::iter::once(KERNEL_WORDS)
            .chain(self.kernel_arguments.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

fn check_boot_disk(disk: &str) -> Option<String> {
    let name = disk.strip_prefix("/dev/").unwrap_or_default();
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Some(format!(
            "`boot_disk: {disk}` must be a full device name such as /dev/nvme0n1 (links below /dev/disk do not work in the installer)"
        ));
    }
    None
}

fn check_disk_filter(key: &str, value: &str) -> Option<String> {
    if !UNIQUE_DISK_KEYS.contains(&key) {
        return Some(format!(
            "`disk_filter` key `{key}` does not name one disk; use one of {}",
            UNIQUE_DISK_KEYS.join(", ")
        ));
    }
    if value.trim().is_empty() || value.contains(['*', '?', '[']) {
        return Some(format!("`disk_filter` value `{value}` must be the whole serial or WWN, without wildcards"));
    }
    None
}

fn is_one_plain_word(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=' | ',' | '.' | ':' | '/'))
}

fn is_interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_type(disk: Option<&str>, filter: &[(&str, &str)]) -> ServerType {
        ServerType {
            boot_disk: disk.map(str::to_owned),
            disk_filter: filter.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            ..ServerType::sample()
        }
    }

    #[test]
    fn a_disk_is_named_and_never_guessed() {
        assert_eq!(server_type(Some("/dev/sda"), &[]).check(), Vec::<String>::new());
        assert_eq!(server_type(None, &[("ID_SERIAL", "S3Z")]).check(), Vec::<String>::new());
        for bad in [
            server_type(None, &[]),
            server_type(Some("sda"), &[]),
            server_type(Some("/dev/disk/by-id/x"), &[]),
            server_type(Some("/dev/sda"), &[("ID_SERIAL", "S3Z")]),
            server_type(None, &[("ID_SERIAL", "*")]),
            server_type(None, &[("ID_MODEL", "x")]),
            server_type(None, &[("ID_SERIAL", "a"), ("ID_WWN", "b")]),
        ] {
            assert_eq!(bad.check().len(), 1, "{bad:?}");
        }
    }

    #[test]
    fn kernel_words_that_would_end_up_on_the_node_are_refused() {
        let mut kind = server_type(Some("/dev/sda"), &[]);
        kind.kernel_arguments = vec!["console=ttyS0,115200".into(), "proxmox-debug".into()];
        assert!(kind.check().is_empty());
        kind.kernel_arguments = vec!["ip=dhcp".into(), "proxmox-x root=/dev/sda".into()];
        assert_eq!(kind.check().len(), 2);
    }
}
