//! What an operator says about the disks that the system goes to: by path, or better by serial, WWN, model or size.

use serde::{Deserialize, Serialize};

use super::{host_options::OptionProblem, server_type::Filesystem};

/// What is to be wiped: one disk, or several of one kind. Exactly one of `path`, `serial`, `wwn`, and `model` with or without sizes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskWish {
    /// A full device name such as `/dev/nvme0n1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The whole serial number, as it stands on the disk (`ID_SERIAL_SHORT`) or with its model (`ID_SERIAL`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The whole world wide name (`ID_WWN`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wwn: Option<String>,
    /// The model, with wildcards where they help: `INTEL SSDSC2KB240G8*`. Spaces and underscores are the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Not smaller than this, in GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_size_gib: Option<u32>,
    /// Not larger than this, in GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size_gib: Option<u32>,
    /// How many disks are meant; 1 when absent. A machine with more or fewer such disks is not installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// More disks than any installer puts together.
const MOST_DISKS: u32 = 64;

impl DiskWish {
    /// The disk with this device name.
    pub fn path(path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..Self::default() }
    }

    /// Whether it names one disk and no other, whatever the machine has.
    pub fn is_by_name(&self) -> bool {
        self.path.is_some() || self.serial.is_some() || self.wwn.is_some()
    }

    /// How many disks it means.
    pub fn count(&self) -> usize {
        self.count.unwrap_or(1) as usize
    }

    /// As a person reads it.
    pub fn sentence(&self) -> String {
        let named = [
            ("", &self.path),
            ("the disk with the serial number ", &self.serial),
            ("the disk with the WWN ", &self.wwn),
        ];
        if let Some((words, Some(name))) = named.iter().find(|(_, name)| name.is_some()) {
            return format!("{words}{name}");
        }
        let model = self.model.as_ref().map(|model| format!(" of model {model}")).unwrap_or_default();
        let size = match (self.min_size_gib, self.max_size_gib) {
            (Some(least), Some(most)) => format!(" of {least} to {most} GiB"),
            (Some(least), None) => format!(" of at least {least} GiB"),
            (None, Some(most)) => format!(" of at most {most} GiB"),
            (None, None) => String::new(),
        };
        let disks = if self.count() == 1 { "disk" } else { "disks" };
        format!("{} {disks}{model}{size}", self.count())
    }

    /// Returns every rule that it breaks; `path` is its own place.
    pub fn check(&self, path: &str) -> Vec<OptionProblem> {
        let mut problems = Vec::new();
        let mut holds = |holds: bool, field: &str, rule: &str| {
            if !holds {
                let dot = if field.is_empty() { "" } else { "." };
                problems.push(OptionProblem::new(format!("{path}{dot}{field}"), rule));
            }
        };
        let is_by_kind = self.model.is_some() || self.min_size_gib.is_some() || self.max_size_gib.is_some();
        let named = [&self.path, &self.serial, &self.wwn].into_iter().flatten().count();
        holds(named + usize::from(is_by_kind) == 1, "", "needs exactly one of path, serial, wwn, and model or sizes");
        holds(
            self.path.as_deref().is_none_or(is_device_name),
            "path",
            "must be a full device name such as /dev/nvme0n1 (links below /dev/disk do not work in the installer)",
        );
        for (field, text) in [("serial", &self.serial), ("wwn", &self.wwn), ("model", &self.model)] {
            let is_text = text
                .as_ref()
                .is_none_or(|text| !text.trim().is_empty() && text.len() <= 256 && !text.chars().any(char::is_control));
            holds(is_text, field, "must be one line of text");
        }
        for (field, text) in [("serial", &self.serial), ("wwn", &self.wwn)] {
            let is_whole = text.as_ref().is_none_or(|text| !text.contains(['*', '?', '[']));
            holds(is_whole, field, "must be the whole one, without wildcards");
        }
        let model = self.model.as_deref().unwrap_or("x");
        holds(
            super::udev_glob::is_valid(model) && !model.trim_matches(['*', '?']).is_empty(),
            "model",
            "must be a model, at most with the wildcards *, ? and [..]",
        );
        holds(self.count.is_none_or(|count| (1..=MOST_DISKS).contains(&count)), "count", "must be between 1 and 64");
        holds(self.count() == 1 || is_by_kind, "count", "belongs to a model or a size; a name is one disk");
        let (least, most) = (self.min_size_gib.unwrap_or(0), self.max_size_gib.unwrap_or(u32::MAX));
        holds(least <= most, "max_size_gib", "is less than min_size_gib");
        problems
    }
}

/// Whether a text is a device name that the installer can find, not a link to one.
pub fn is_device_name(text: &str) -> bool {
    text.strip_prefix("/dev/").is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// The disks of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskOptions {
    /// The file system of the system; absent: that of the server type, else of the template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<Filesystem>,
    /// The RAID level of ZFS or BTRFS; absent: that of the server type, else of the template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raid: Option<RaidLevel>,
    /// The disks that the system goes to, in place of those of the server type and the template. They are wiped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub select: Vec<DiskWish>,
    /// Serial numbers or WWNs of disks with data: an answer that would touch one of them is never given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data_disks: Vec<String>,
    /// Whether to disregard the disks that the machine reported last, after disks were replaced.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore_report: bool,
}

impl DiskOptions {
    /// Returns every rule that they break; `path` is their own place.
    pub fn check(&self, path: &str) -> Vec<OptionProblem> {
        let mut problems: Vec<_> = self
            .select
            .iter()
            .enumerate()
            .flat_map(|(number, wish)| wish.check(&format!("{path}.select[{number}]")))
            .collect();
        for (number, disk) in self.data_disks.iter().enumerate() {
            if disk.trim().is_empty() || disk.contains(['*', '?', '[']) || disk.starts_with("/dev/") {
                let rule = "must be a whole serial number or WWN: device names change";
                problems.push(OptionProblem::new(format!("{path}.data_disks[{number}]"), rule));
            }
        }
        let has_raid = self.filesystem.is_none_or(Filesystem::has_raid);
        if self.raid.is_some() && !has_raid {
            problems.push(OptionProblem::new(format!("{path}.raid"), "belongs to zfs and btrfs"));
        }
        if let (Some(level), Some(filesystem)) = (self.raid, self.filesystem)
            && level.least_disks(filesystem).is_none()
            && has_raid
        {
            problems.push(OptionProblem::new(format!("{path}.raid"), "is a level that btrfs does not have"));
        }
        problems
    }
}

/// RAID levels of the installer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RaidLevel {
    /// Striped, or one disk alone.
    #[serde(rename = "raid0")]
    Raid0,
    /// Mirrored.
    #[serde(rename = "raid1")]
    Raid1,
    /// Striped mirrors.
    #[serde(rename = "raid10")]
    Raid10,
    /// ZFS with one disk of parity.
    #[serde(rename = "raidz-1")]
    RaidZ1,
    /// ZFS with two.
    #[serde(rename = "raidz-2")]
    RaidZ2,
    /// ZFS with three.
    #[serde(rename = "raidz-3")]
    RaidZ3,
}

impl RaidLevel {
    /// Every level.
    pub const ALL: &[Self] = &[Self::Raid0, Self::Raid1, Self::Raid10, Self::RaidZ1, Self::RaidZ2, Self::RaidZ3];

    /// Reads the installer's word, which may be all upper or all lower case.
    pub fn parse(text: &str) -> Option<Self> {
        let is_one_case = text == text.to_ascii_lowercase() || text == text.to_ascii_uppercase();
        Self::ALL.iter().copied().find(|level| is_one_case && level.word() == text.to_ascii_lowercase())
    }

    /// The installer's word, in lower case, which every release reads.
    pub fn word(self) -> &'static str {
        match self {
            Self::Raid0 => "raid0",
            Self::Raid1 => "raid1",
            Self::Raid10 => "raid10",
            Self::RaidZ1 => "raidz-1",
            Self::RaidZ2 => "raidz-2",
            Self::RaidZ3 => "raidz-3",
        }
    }

    /// The fewest disks that the installer makes this level of; `None` when the file system does not have it.
    pub fn least_disks(self, filesystem: Filesystem) -> Option<usize> {
        let least = match self {
            Self::Raid0 => 1,
            Self::Raid1 => 2,
            Self::Raid10 => 4,
            Self::RaidZ1 => 3,
            Self::RaidZ2 => 4,
            Self::RaidZ3 => 5,
        };
        let is_of_zfs_alone = matches!(self, Self::RaidZ1 | Self::RaidZ2 | Self::RaidZ3);
        match filesystem {
            Filesystem::Zfs => Some(least),
            Filesystem::Btrfs => (!is_of_zfs_alone).then_some(least),
            Filesystem::Ext4 | Filesystem::Xfs => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(wish: serde_json::Value) -> Vec<String> {
        let wish: DiskWish = serde_json::from_value(wish).unwrap();
        wish.check("w").into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn a_wish_names_a_disk_in_one_way_and_says_how_many_it_means() {
        for good in [
            json!({"path": "/dev/sda"}),
            json!({"serial": "S2HRNX0J403419"}),
            json!({"wwn": "0x5002538c40b1d2a3"}),
            json!({"model": "INTEL*", "count": 2}),
            json!({"min_size_gib": 100, "max_size_gib": 300}),
        ] {
            assert_eq!(problems(good.clone()), Vec::<String>::new(), "{good}");
        }
        for (bad, path) in [
            (json!({}), "w"),
            (json!({"path": "/dev/sda", "serial": "x"}), "w"),
            (json!({"serial": "x", "model": "y"}), "w"),
            (json!({"path": "sda"}), "w.path"),
            (json!({"path": "/dev/disk/by-id/x"}), "w.path"),
            (json!({"serial": "S2*"}), "w.serial"),
            (json!({"serial": " "}), "w.serial"),
            (json!({"wwn": "0x?"}), "w.wwn"),
            (json!({"model": "*"}), "w.model"),
            (json!({"model": "a[b"}), "w.model"),
            (json!({"serial": "x", "count": 2}), "w.count"),
            (json!({"model": "x", "count": 0}), "w.count"),
            (json!({"min_size_gib": 9, "max_size_gib": 8}), "w.max_size_gib"),
        ] {
            assert_eq!(problems(bad.clone()), [path], "{bad}");
        }
    }

    #[test]
    fn options_say_which_place_is_wrong() {
        let options: DiskOptions = serde_json::from_value(json!({
            "filesystem": "btrfs", "raid": "raidz-1", "select": [{"path": "/dev/sda"}, {}], "data_disks": ["ok", "/dev/sdb"]
        }))
        .unwrap();
        let paths: Vec<_> = options.check("answer.disks").into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, ["answer.disks.select[1]", "answer.disks.data_disks[1]", "answer.disks.raid"]);
    }
}
