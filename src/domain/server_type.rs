//! A kind of server as its YAML says it; `check` returns every problem at once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    disk_selection::DiskRequest,
    disk_wish::{DiskWish, RaidLevel, is_device_name},
    identity::{ServerTypeName, TemplateName},
};

/// Kernel words that every installer boot gets. Any word that does not begin with `proxmox-` (and is not one that the installer
/// filters, as these are) ends up on the installed node (pve-installer `Proxmox/Install/Config.pm`).
pub const KERNEL_WORDS: &str = "ramdisk_size=16777216 rw quiet splash=silent proxmox-start-auto-installer";

use super::disk_selection::UNIQUE_KEYS as UNIQUE_DISK_KEYS;

/// One kind of server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerType {
    /// The key below `server_types:`; filled in by the reader.
    #[serde(skip_deserializing, default = "unnamed")]
    pub name: ServerTypeName,
    /// What a person reads.
    pub display_name: String,
    /// The disk that the system goes to: a full device name such as `/dev/nvme0n1`. At most one of `boot_disk`, `disk_filter` and `disks`; with
    /// none of them the answer template must name disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_disk: Option<String>,
    /// The disk that the system goes to, by exactly one of its unique udev properties.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub disk_filter: BTreeMap<String, String>,
    /// The disks that the system goes to, by path, serial, WWN, model or size; those by model or size can be found only among the disks that
    /// the machine has reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<DiskWish>,
    /// The file system of the system: `ext4`, `xfs`, `zfs` or `btrfs`; absent: that of the answer template, else `ext4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<Filesystem>,
    /// The RAID level of ZFS and BTRFS; absent: that of the answer template, else `raid0` of one disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raid: Option<RaidLevel>,
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
    /// ZFS on one disk or several.
    Zfs,
    /// BTRFS on one disk or several.
    Btrfs,
}

impl Filesystem {
    /// Every file system.
    pub const ALL: &[Self] = &[Self::Ext4, Self::Xfs, Self::Zfs, Self::Btrfs];

    /// Reads the installer's word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|filesystem| filesystem.word() == text)
    }

    /// Whether it may lie on several disks.
    pub fn has_raid(self) -> bool {
        match self {
            Self::Ext4 | Self::Xfs => false,
            Self::Zfs | Self::Btrfs => true,
        }
    }

    /// The installer's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Zfs => "zfs",
            Self::Btrfs => "btrfs",
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
        let ways = [self.boot_disk.is_some(), !self.disk_filter.is_empty(), !self.disks.is_empty()];
        if ways.iter().filter(|way| **way).count() > 1 {
            problems.push("`boot_disk`, `disk_filter` and `disks` exclude each other; keep one".to_owned());
        }
        problems.extend(self.boot_disk.as_deref().and_then(check_boot_disk));
        problems.extend(self.disk_filter.iter().filter_map(|(key, value)| check_disk_filter(key, value)));
        if self.disk_filter.len() > 1 {
            problems.push(
                "`disk_filter` must have exactly one key: the installer takes any disk that matches any key".to_owned(),
            );
        }
        for (number, wish) in self.disks.iter().enumerate() {
            let found = wish.check(&format!("disks[{number}]"));
            problems.extend(found.into_iter().map(|problem| format!("`{}` {}", problem.path, problem.rule)));
        }
        if self.raid.is_some() && self.filesystem.is_some_and(|filesystem| !filesystem.has_raid()) {
            problems.push("`raid` belongs to zfs and btrfs".to_owned());
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
            disks: Vec::new(),
            filesystem: None,
            raid: None,
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
            (None, None) if self.disks.is_empty() => format!("as the answer template `{}` says", self.answer_template),
            (None, None) => self.disks.iter().map(DiskWish::sentence).collect::<Vec<_>>().join(", "),
        }
    }

    /// What it says about the disks; `None` leaves them to the answer template.
    pub fn disk_request(&self) -> Option<DiskRequest> {
        if let Some(disk) = &self.boot_disk {
            return Some(DiskRequest::Wishes(vec![DiskWish::path(disk)]));
        }
        if !self.disk_filter.is_empty() {
            return Some(DiskRequest::Filter { keys: self.disk_filter.clone(), all: false, count: 1 });
        }
        (!self.disks.is_empty()).then(|| DiskRequest::Wishes(self.disks.clone()))
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
    (!is_device_name(disk)).then(|| {
        format!(
            "`boot_disk: {disk}` must be a full device name such as /dev/nvme0n1 (links below /dev/disk do not work in the installer)"
        )
    })
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
        assert_eq!(server_type(None, &[]).disk_request(), None, "the template must name disks");
        for bad in [
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
