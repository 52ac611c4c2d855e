//! The rules of `[disk-setup]`. Where the installer would take a disk that nobody named, ours are stricter.

use std::collections::BTreeSet;

use super::Rules;
use crate::domain::{
    answer_file::{DiskSetup, LvmOptions, ZfsOptions},
    disk_selection::UNIQUE_KEYS,
    udev_glob,
};

/// RAID levels with the fewest disks of each.
type Levels = &'static [(&'static str, usize)];

const ZFS_LEVELS: Levels = &[("raid0", 1), ("raid1", 2), ("raid10", 4), ("raidz-1", 3), ("raidz-2", 4), ("raidz-3", 5)];
const BTRFS_LEVELS: Levels = &[("raid0", 1), ("raid1", 2), ("raid10", 4)];

/// `zfs_arc_max` below this is disregarded (openzfs `zfs.4`).
const SMALLEST_ARC_MIB: u32 = 64;

impl Rules {
    pub(super) fn disk_setup(&mut self, disks: &DiskSetup) {
        let filesystem = disks.filesystem.as_str();
        self.one_of("disk-setup.filesystem", filesystem, &["ext4", "xfs", "zfs", "btrfs"]);
        self.selection(disks);
        let is_lvm = matches!(filesystem, "ext4" | "xfs");
        self.holds(disks.lvm.is_none() || is_lvm, "disk-setup.lvm", "belongs to ext4 and xfs");
        self.holds(disks.zfs.is_none() || filesystem == "zfs", "disk-setup.zfs", "belongs to zfs");
        self.holds(disks.btrfs.is_none() || filesystem == "btrfs", "disk-setup.btrfs", "belongs to btrfs");
        self.holds(
            !is_lvm || disks.disk_list.len() <= 1,
            "disk-setup.disk-list",
            "must have one disk for ext4 and xfs",
        );
        if let Some(lvm) = &disks.lvm {
            self.lvm(lvm);
        }
        let count = disks.disk_list.len();
        match filesystem {
            "zfs" => {
                self.raid("disk-setup.zfs", disks.zfs.as_ref().and_then(|zfs| zfs.raid.as_deref()), count, ZFS_LEVELS);
            }
            "btrfs" => {
                let level = disks.btrfs.as_ref().and_then(|btrfs| btrfs.raid.as_deref());
                self.raid("disk-setup.btrfs", level, count, BTRFS_LEVELS);
            }
            _ => {}
        }
        if let Some(zfs) = &disks.zfs {
            self.zfs(zfs);
        }
        self.size("disk-setup.btrfs.hdsize", disks.btrfs.as_ref().and_then(|btrfs| btrfs.hdsize), false);
        if let Some(compress) = disks.btrfs.as_ref().and_then(|btrfs| btrfs.compress.as_deref()) {
            self.one_of("disk-setup.btrfs.compress", compress, &["on", "off", "zlib", "lzo", "zstd"]);
        }
    }

    /// Which disks are wiped.
    fn selection(&mut self, disks: &DiskSetup) {
        self.holds(
            disks.disk_list.is_empty() != disks.filter.is_empty(),
            "disk-setup",
            "needs exactly one of disk-list and filter",
        );
        match disks.filter_match.as_deref() {
            None | Some("any") => {}
            Some("all") => self.holds(
                false,
                "disk-setup.filter-match",
                "= \"all\" selects every disk when a key is absent; name one disk",
            ),
            Some(other) => self.one_of("disk-setup.filter-match", other, &["any"]),
        }
        let is_union = matches!(disks.filesystem.as_str(), "zfs" | "btrfs")
            && disks.filter.iter().all(|(key, glob)| UNIQUE_KEYS.contains(&key.as_str()) && !udev_glob::is_open(glob));
        self.holds(
            disks.filter.len() <= 1 || is_union,
            "disk-setup.filter",
            "has several keys, and the installer takes any disk that matches any of them; keep one",
        );
        for glob in disks.filter.values() {
            self.holds(udev_glob::is_valid(glob), "disk-setup.filter", &format!("has `{glob}`, which is no pattern"));
        }
        self.holds(
            disks.filter.values().all(|glob| !glob.trim_matches(['*', '?']).is_empty()),
            "disk-setup.filter",
            "matches every disk",
        );
        let unique: BTreeSet<_> = disks.disk_list.iter().collect();
        self.holds(unique.len() == disks.disk_list.len(), "disk-setup.disk-list", "has a disk twice");
        self.holds(
            disks.disk_list.iter().all(|disk| disk.starts_with("/dev/")),
            "disk-setup.disk-list",
            "must have full names: `sda` also matches the end of others",
        );
    }

    fn lvm(&mut self, lvm: &LvmOptions) {
        let sizes = [
            ("hdsize", lvm.hdsize),
            ("swapsize", lvm.swapsize),
            ("maxroot", lvm.maxroot),
            ("maxvz", lvm.maxvz),
            ("minfree", lvm.minfree),
        ];
        for (name, size) in sizes {
            // No swap and no data volume are said by 0.
            self.size(&format!("disk-setup.lvm.{name}"), size, name != "hdsize" && name != "maxroot");
        }
        if let (Some(swap), Some(size)) = (lvm.swapsize, lvm.hdsize) {
            self.holds(swap <= size / 2.0, "disk-setup.lvm.swapsize", "is more than half of hdsize");
        }
    }

    /// A size in GiB.
    fn size(&mut self, key: &str, size: Option<f64>, may_be_zero: bool) {
        let is_size = |size: f64| size.is_finite() && (size > 0.0 || (may_be_zero && size == 0.0));
        self.holds(size.is_none_or(is_size), key, "is not a size in GiB");
    }

    /// The installer does not look at the numbers: ZFS itself would refuse them, with the disk already wiped.
    fn zfs(&mut self, zfs: &ZfsOptions) {
        self.size("disk-setup.zfs.hdsize", zfs.hdsize, false);
        self.holds(
            zfs.arc_max.is_none_or(|mebibytes| mebibytes >= SMALLEST_ARC_MIB),
            "disk-setup.zfs.arc-max",
            "is less than 64 MiB, the least that ZFS takes",
        );
        let (ashift, copies) = (zfs.ashift.unwrap_or(12), zfs.copies.unwrap_or(1));
        self.holds((9..=13).contains(&ashift), "disk-setup.zfs.ashift", "must be between 9 and 13");
        self.holds((1..=3).contains(&copies), "disk-setup.zfs.copies", "must be between 1 and 3");
        if let Some(checksum) = &zfs.checksum {
            self.one_of("disk-setup.zfs.checksum", checksum, &["on", "fletcher4", "sha256"]);
        }
        if let Some(compress) = &zfs.compress {
            let known = ["on", "off", "lzjb", "lz4", "zle", "gzip", "zstd"];
            self.one_of("disk-setup.zfs.compress", compress, &known);
        }
    }

    fn raid(&mut self, key: &str, level: Option<&str>, disks: usize, levels: Levels) {
        let Some(level) = level else {
            return self.holds(false, key, "needs raid");
        };
        let lower = level.to_ascii_lowercase();
        let is_one_case = level == lower || level == level.to_ascii_uppercase();
        let Some((_, least)) = levels.iter().find(|(name, _)| *name == lower).filter(|_| is_one_case) else {
            let known: Vec<_> = levels.iter().map(|(name, _)| *name).collect();
            return self.one_of(&format!("{key}.raid"), level, &known);
        };
        self.holds(
            disks == 0 || disks >= *least,
            &format!("{key}.raid"),
            &format!("= {level} needs at least {least} disks, got {disks}"),
        );
        self.holds(
            lower != "raid10" || disks.is_multiple_of(2),
            &format!("{key}.raid"),
            "= raid10 needs an even number of disks",
        );
    }
}
