//! The disks of an answer: what template, server type and host say together, resolved to exact names.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{
    Notes, Purpose,
    merge::{is_for_host, section},
};
use crate::domain::{
    answer::AnswerValues,
    disk_selection::{self, DiskRequest, ExactDisks, Selection},
    disk_wish::{DiskWish, RaidLevel, is_device_name},
    hardware::Disk,
    server_type::Filesystem,
};

/// On a smaller disk the installer asks a question that nobody answers (`Proxmox/Sys/Block.pm`).
const SMALLEST_SYSTEM_DISK_BYTES: u64 = 8 << 30;

/// The disks that are wiped.
#[derive(Debug, Default)]
pub(in crate::catalog) struct Settled {
    /// As a person reads it.
    pub(in crate::catalog) sentence: String,
    /// As the machine reported them; empty before its first report.
    pub(in crate::catalog) disks: Vec<Disk>,
}

/// Puts the disks into the answer and returns them as a person reads it; `None` when they are not settled.
pub(super) fn merge(table: &mut Table, values: &AnswerValues, notes: &mut Notes) -> Option<Settled> {
    let disks = settle(section(table, "disk-setup", notes)?, values, notes);
    if disks.is_none() {
        // Why they are not settled has been said; that they are not there is no news.
        notes.leave_open("disk-setup.filter");
    }
    disks
}

fn settle(setup: &mut Table, values: &AnswerValues, notes: &mut Notes) -> Option<Settled> {
    let filesystem = filesystem(setup, values, notes)?;
    let request = request(setup, filesystem, values, notes);
    for key in ["disk-list", "filter", "filter-match"] {
        setup.remove(key);
    }
    setup.insert("filesystem".into(), filesystem.word().into());
    drop_other_options(setup, filesystem, values, notes);
    let selection = find(&request?, values, notes)?;
    raid(setup, filesystem, &selection, values, notes);
    sizes(filesystem, raid_level(setup, filesystem), &selection.disks, notes);
    match &selection.exact {
        ExactDisks::Paths(paths) => setup.insert("disk-list".into(), paths.clone().into()),
        ExactDisks::Filter(filter) => {
            let filter: Table = filter.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
            setup.insert("filter".into(), filter.into())
        }
    };
    if selection.disks.is_empty() {
        return Some(Settled { sentence: selection.exact.sentence(), disks: Vec::new() });
    }
    let sentence = selection.disks.iter().map(disk_selection::describe).collect::<Vec<_>>().join(", ");
    Some(Settled { sentence, disks: selection.disks })
}

/// The host's file system, else the server type's, else the template's, else ext4. `None` when that cannot be told.
fn filesystem(setup: &Table, values: &AnswerValues, notes: &mut Notes) -> Option<Filesystem> {
    let word = setup.get("filesystem").map(|word| word.as_str().unwrap_or_default());
    let of_template = word.map(Filesystem::parse);
    if of_template == Some(None) {
        let known = Filesystem::ALL.iter().map(|filesystem| filesystem.word()).collect::<Vec<_>>().join(", ");
        notes.rule(format!("disk-setup.filesystem is `{}`; known are {known}", word.unwrap_or_default()));
        return None;
    }
    let (of_host, of_type, of_template) =
        (values.options.disks.filesystem, values.server_type.filesystem, of_template.flatten());
    if let (None, Some(of_type), Some(of_template)) = (of_host, of_type, of_template)
        && of_type != of_template
    {
        notes.problem(format!(
            "disk-setup.filesystem is `{}` in the server type and `{}` in the template; keep one",
            of_type.word(),
            of_template.word()
        ));
    }
    Some(of_host.or(of_type).or(of_template).unwrap_or_default())
}

/// Options of the template's file system make no sense when the host has another one.
fn drop_other_options(setup: &mut Table, filesystem: Filesystem, values: &AnswerValues, notes: &mut Notes) {
    if values.options.disks.filesystem.is_none() {
        return;
    }
    let own = match filesystem {
        Filesystem::Ext4 | Filesystem::Xfs => "lvm",
        Filesystem::Zfs => "zfs",
        Filesystem::Btrfs => "btrfs",
    };
    for other in ["lvm", "zfs", "btrfs"].into_iter().filter(|name| *name != own) {
        if setup.remove(other).is_some() {
            notes
                .warning(format!("disk-setup.{other} of the template is left out: the host has {}", filesystem.word()));
        }
    }
}

/// Who names the disks: the host, else the server type or the template.
fn request(setup: &Table, filesystem: Filesystem, values: &AnswerValues, notes: &mut Notes) -> Option<DiskRequest> {
    let chosen = &values.options.disks.select;
    if !chosen.is_empty() {
        return Some(DiskRequest::Wishes(chosen.clone()));
    }
    let least = level(setup, filesystem, values).and_then(|level| level.least_disks(filesystem)).unwrap_or(1);
    let of_template = of_template(setup, least, notes);
    match (values.server_type.disk_request(), of_template) {
        (Some(_), Some(_)) => {
            notes.problem("disk-setup names disks in the template, and the server type names some too; keep one");
            None
        }
        (Some(request), None) | (None, Some(request)) => Some(request),
        (None, None) if notes.purpose == Purpose::Template => Some(stand_in(least)),
        (None, None) if notes.has_problems() => None,
        (None, None) => {
            notes.problem(
                "disk-setup names no disk: say `boot_disk`, `disk_filter` or `disks` in the server type, disk-list or filter in the template, or \
                 `answer.disks.select` of the host",
            );
            None
        }
    }
}

/// Disks of no machine, where only the rest of a template is looked at.
fn stand_in(count: usize) -> DiskRequest {
    DiskRequest::Wishes(
        ('a'..='z').take(count.max(1)).map(|letter| DiskWish::path(format!("/dev/sd{letter}"))).collect(),
    )
}

fn of_template(setup: &Table, count: usize, notes: &mut Notes) -> Option<DiskRequest> {
    let texts = |value: &Value| -> Option<Vec<String>> {
        value.as_array()?.iter().map(|entry| entry.as_str().map(str::to_owned)).collect()
    };
    let list = setup.get("disk-list").map(texts);
    let filter = setup.get("filter").map(|filter| -> Option<BTreeMap<String, String>> {
        filter.as_table()?.iter().map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    });
    match (list, filter) {
        (None, None) => None,
        (Some(_), Some(_)) => {
            notes.problem("disk-setup needs exactly one of disk-list and filter");
            None
        }
        (Some(Some(list)), None) if !list.is_empty() && list.iter().all(|name| is_device_name(name)) => {
            Some(DiskRequest::Wishes(list.into_iter().map(DiskWish::path).collect()))
        }
        (Some(_), None) => {
            notes.rule(
                "disk-setup.disk-list must have full names such as /dev/sda: `sda` also matches the end of others"
                    .to_owned(),
            );
            None
        }
        (None, Some(Some(keys))) if !keys.is_empty() => {
            let all = match setup.get("filter-match").map(|word| word.as_str()) {
                None | Some(Some("any")) => false,
                Some(Some("all")) => true,
                Some(_) => {
                    notes.rule("disk-setup.filter-match must be any or all".to_owned());
                    return None;
                }
            };
            Some(DiskRequest::Filter { keys, all, count })
        }
        (None, Some(_)) => {
            notes.rule("disk-setup.filter must have udev properties with texts".to_owned());
            None
        }
    }
}

/// Finds the disks. Where no host is asked for, only names can be found; the rest is left to the host.
fn find(request: &DiskRequest, values: &AnswerValues, notes: &mut Notes) -> Option<Selection> {
    let options = &values.options.disks;
    let known: &[Disk] = if options.ignore_report { &[] } else { &values.known_disks };
    match disk_selection::select(request, known, &options.data_disks) {
        Ok(selection) => {
            selection.warnings.iter().for_each(|warning| notes.warning(format!("disk-setup: {warning}")));
            Some(selection)
        }
        Err(problems) if is_for_host(notes) => {
            problems.into_iter().for_each(|problem| notes.problem(format!("disk-setup: {problem}")));
            None
        }
        Err(_) => {
            let count = match request {
                DiskRequest::Wishes(wishes) => wishes.iter().map(DiskWish::count).sum(),
                DiskRequest::Filter { count, .. } => *count,
            };
            notes.leave_open("disk-setup.filter");
            disk_selection::select(&stand_in(count), &[], &[]).ok()
        }
    }
}

/// The level that was asked for; a word that is none is left to the rules.
fn level(setup: &Table, filesystem: Filesystem, values: &AnswerValues) -> Option<RaidLevel> {
    values.options.disks.raid.or(values.server_type.raid).or_else(|| raid_level(setup, filesystem))
}

fn raid_level(setup: &Table, filesystem: Filesystem) -> Option<RaidLevel> {
    RaidLevel::parse(setup.get(filesystem.word())?.get("raid")?.as_str()?)
}

/// Writes the level, in lower case as every release reads it.
fn raid(setup: &mut Table, filesystem: Filesystem, selection: &Selection, values: &AnswerValues, notes: &mut Notes) {
    let key = format!("disk-setup.{}.raid", filesystem.word());
    if !filesystem.has_raid() {
        if selection.count != 1 {
            notes.problem(format!(
                "disk-setup.disk-list must have one disk for ext4 and xfs; {} are named",
                selection.count
            ));
        }
        return;
    }
    let wanted = level(setup, filesystem, values);
    let Some(options) = section(setup, filesystem.word(), notes) else { return };
    let level = match wanted {
        Some(level) => level,
        None if options.contains_key("raid") => return,
        None if selection.count == 1 => RaidLevel::Raid0,
        None => return notes.problem(format!("{key} is needed with {} disks", selection.count)),
    };
    options.insert("raid".into(), level.word().into());
    match level.least_disks(filesystem) {
        None => notes.problem(format!("{key} is `{}`, which {} does not have", level.word(), filesystem.word())),
        Some(least) if selection.count < least => {
            notes.problem(format!("{key} = {} needs at least {least} disks, got {}", level.word(), selection.count));
        }
        Some(_) if level == RaidLevel::Raid10 && !selection.count.is_multiple_of(2) => {
            notes.problem(format!("{key} = raid10 needs an even number of disks, got {}", selection.count));
        }
        Some(_) => {}
    }
}

/// What the low-level installer would stop at, with the disk already wiped (`Proxmox/Install.pm`, `Proxmox/Sys/Block.pm`).
fn sizes(filesystem: Filesystem, level: Option<RaidLevel>, disks: &[Disk], notes: &mut Notes) {
    for disk in disks {
        if disk.size_bytes.is_some_and(|bytes| bytes < SMALLEST_SYSTEM_DISK_BYTES) {
            notes.problem(format!("disk-setup: {} is smaller than 8 GiB", disk_selection::describe(disk)));
        }
    }
    let sizes: Option<Vec<u64>> = disks.iter().map(|disk| disk.size_bytes).collect();
    let is_mirror = filesystem.has_raid() && level.is_some_and(|level| level != RaidLevel::Raid0);
    let (Some(sizes), true) = (sizes, is_mirror) else { return };
    let (least, most) = (sizes.iter().min().copied().unwrap_or(0), sizes.iter().max().copied().unwrap_or(0));
    // The installer compares with the first disk: more than a tenth apart is refused.
    if most - least > least / 10 {
        notes.problem("disk-setup: the disks of a mirror must have the same size, give or take a tenth".to_owned());
    }
}
