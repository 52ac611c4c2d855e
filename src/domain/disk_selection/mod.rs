//! Turns what was said about disks into a selection that the installer cannot misread, or refuses with the reason.
//!
//! What the installer is given is always exact: full device names, or unique udev properties. It is never given `filter-match = "all"`,
//! under which a property that a disk lacks excludes nothing, nor several properties for ext4 and XFS, of which any one suffices
//! (proxmox-auto-installer `utils.rs`). When the machine has reported its disks, a wish is looked up among them; before that only a name
//! will do.

mod exact;

use std::collections::BTreeMap;

pub use exact::{ExactDisks, UNIQUE_KEYS};

use super::{disk_wish::DiskWish, hardware::Disk, udev_glob};

/// What was said about the disks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskRequest {
    /// Wishes of ours; together they are all disks that are meant.
    Wishes(Vec<DiskWish>),
    /// A filter as the installer has it, read as its author means it: with `all`, every property must be there and match.
    Filter {
        /// udev property to pattern.
        keys: BTreeMap<String, String>,
        /// Whether all must match, or any.
        all: bool,
        /// How many disks are meant.
        count: usize,
    },
}

/// A selection that may be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// What the installer is told.
    pub exact: ExactDisks,
    /// How many disks it takes.
    pub count: usize,
    /// The disks, when the machine has reported them.
    pub disks: Vec<Disk>,
    /// What a person should know of it.
    pub warnings: Vec<String>,
}

const UNKNOWN: &str =
    "the machine has not reported its disks yet, so only a full device name, or one serial number or WWN, names a disk";

/// Finds the disks. `known` is what the machine reported last, empty before its first report; `data_disks` are never taken.
///
/// # Errors
/// Every reason why nothing may be selected, one sentence each.
pub fn select(request: &DiskRequest, known: &[Disk], data_disks: &[String]) -> Result<Selection, Vec<String>> {
    if known.is_empty() {
        return select_unknown(request, data_disks).map_err(|problem| vec![problem]);
    }
    let mut problems = Vec::new();
    let chosen = match request {
        DiskRequest::Wishes(wishes) => chosen_by_wishes(wishes, known, data_disks, &mut problems),
        DiskRequest::Filter { keys, all, count } => {
            let found: Vec<_> = known.iter().filter(|disk| filter_takes(disk, keys, *all)).collect();
            let what = format!("the filter {}", spell(keys));
            expect_count(&what, *count, &found, known, &mut problems);
            found
        }
    };
    for disk in &chosen {
        if let Some(name) = data_disks.iter().find(|name| is_named(disk, name)) {
            problems.push(format!("{} is declared as a data disk ({name}) and is not touched", describe(disk)));
        }
    }
    let mut warnings: Vec<_> = data_disks
        .iter()
        .filter(|name| !known.iter().any(|disk| is_named(disk, name)))
        .map(|name| {
            format!("no disk that the machine reported has the serial number or WWN `{name}` of a declared data disk")
        })
        .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let exact = exact::name(&chosen, known);
    if let ExactDisks::Paths(_) = exact
        && known.len() > chosen.len()
    {
        let sentence = "no serial number or WWN tells the chosen disks from the others, so they are named by device names, which may change";
        if !data_disks.is_empty() {
            return Err(vec![format!("{sentence}; with declared data disks that is not good enough")]);
        }
        warnings.push(sentence.to_owned());
    }
    if known.iter().any(|disk| disk.is_boot_disk) {
        warnings.extend(chosen.iter().filter(|disk| !disk.is_boot_disk).map(|disk| {
            format!("{} did not hold the system at the last report; what is on it is lost", describe(disk))
        }));
    }
    let disks = chosen.into_iter().cloned().collect::<Vec<_>>();
    Ok(Selection { exact, count: disks.len(), disks, warnings })
}

/// A disk as a person knows it.
pub fn describe(disk: &Disk) -> String {
    let property = |key: &str| disk.properties.get(key).cloned();
    let size = disk.size_bytes.map(|bytes| format!("{} GiB", bytes >> 30));
    let serial = property("ID_SERIAL_SHORT").or_else(|| property("ID_SERIAL")).map(|serial| format!("serial {serial}"));
    let known: Vec<_> = [property("ID_MODEL"), serial, size].into_iter().flatten().collect();
    if known.is_empty() { disk.path.clone() } else { format!("{} ({})", disk.path, known.join(", ")) }
}

fn select_unknown(request: &DiskRequest, data_disks: &[String]) -> Result<Selection, String> {
    let (exact, count) = match request {
        DiskRequest::Wishes(wishes) if wishes.iter().all(|wish| wish.path.is_some()) => {
            let paths: Vec<_> = wishes.iter().filter_map(|wish| wish.path.clone()).collect();
            if !data_disks.is_empty() {
                return Err("data disks are declared and the machine has not reported its disks yet, so a device name might be one of them; \
                            name the system's disk by its serial number or WWN"
                    .to_owned());
            }
            let count = paths.len();
            (ExactDisks::Paths(paths), count)
        }
        DiskRequest::Wishes(wishes) => match &wishes[..] {
            [DiskWish { serial: Some(serial), .. }] => (ExactDisks::named("ID_SERIAL_SHORT", serial), 1),
            [DiskWish { wwn: Some(wwn), .. }] => (ExactDisks::named("ID_WWN", wwn), 1),
            _ => {
                let said: Vec<_> = wishes.iter().map(DiskWish::sentence).collect();
                return Err(format!("{UNKNOWN}; said was: {}", said.join(", ")));
            }
        },
        DiskRequest::Filter { keys, .. } => match keys.iter().next() {
            Some((key, value))
                if keys.len() == 1 && UNIQUE_KEYS.contains(&key.as_str()) && udev_glob::is_exact(value) =>
            {
                (ExactDisks::Filter(keys.clone()), 1)
            }
            Some(_) | None => return Err(format!("{UNKNOWN}; said was the filter {}", spell(keys))),
        },
    };
    if let ExactDisks::Filter(filter) = &exact
        && filter.values().any(|value| data_disks.iter().any(|name| udev_glob::matches(value, name)))
    {
        return Err("the disk of the system is also declared as a data disk".to_owned());
    }
    Ok(Selection { exact, count, disks: Vec::new(), warnings: Vec::new() })
}

fn chosen_by_wishes<'a>(
    wishes: &[DiskWish],
    known: &'a [Disk],
    data_disks: &[String],
    problems: &mut Vec<String>,
) -> Vec<&'a Disk> {
    let mut chosen: Vec<&Disk> = Vec::new();
    for wish in wishes {
        let is_data = |disk: &Disk| data_disks.iter().any(|name| is_named(disk, name));
        let of_unknown_size = known.iter().find(|disk| {
            disk.size_bytes.is_none()
                && (wish.min_size_gib.is_some() || wish.max_size_gib.is_some())
                && is_of_model(disk, wish)
        });
        if let Some(disk) = of_unknown_size {
            problems.push(format!(
                "the size of {} is not known, so {} cannot be found",
                describe(disk),
                wish.sentence()
            ));
            continue;
        }
        // By kind, data disks are passed over; by name they are found, and refused.
        let found: Vec<_> =
            known.iter().filter(|disk| grants(disk, wish) && (wish.is_by_name() || !is_data(disk))).collect();
        expect_count(&wish.sentence(), wish.count(), &found, known, problems);
        for disk in found {
            if chosen.iter().any(|other| std::ptr::eq(*other, disk)) {
                problems.push(format!("{} is meant twice", describe(disk)));
            } else {
                chosen.push(disk);
            }
        }
    }
    chosen
}

fn expect_count(what: &str, count: usize, found: &[&Disk], known: &[Disk], problems: &mut Vec<String>) {
    let list = |disks: &mut dyn Iterator<Item = &Disk>| disks.map(describe).collect::<Vec<_>>().join(", ");
    if found.is_empty() {
        let reported = list(&mut known.iter());
        problems.push(format!(
            "{what}: there is no such disk; the machine reported {reported} (after a change of disks: `answer.disks.ignore_report=true`)"
        ));
    } else if found.len() != count {
        let found_list = list(&mut found.iter().copied());
        problems.push(format!(
            "{what}: {} of the machine's disks are like that where {count} is meant: {found_list}; name them by serial number, or declare how many",
            found.len()
        ));
    }
}

/// Whether a disk is what a wish means.
fn grants(disk: &Disk, wish: &DiskWish) -> bool {
    let has = |keys: &[&str], wanted: &Option<String>| {
        wanted.as_ref().is_none_or(|wanted| {
            keys.iter().any(|key| {
                disk.properties.get(*key).is_some_and(|value| value.trim().eq_ignore_ascii_case(wanted.trim()))
            })
        })
    };
    let gib = |size: u32| u64::from(size) << 30;
    wish.path.as_ref().is_none_or(|path| *path == disk.path)
        && has(&["ID_SERIAL_SHORT", "ID_SERIAL"], &wish.serial)
        && has(&["ID_WWN", "ID_WWN_WITH_EXTENSION"], &wish.wwn)
        && is_of_model(disk, wish)
        && wish.min_size_gib.is_none_or(|least| disk.size_bytes.is_some_and(|bytes| bytes >= gib(least)))
        && wish.max_size_gib.is_none_or(|most| disk.size_bytes.is_some_and(|bytes| bytes <= gib(most)))
}

fn is_of_model(disk: &Disk, wish: &DiskWish) -> bool {
    let plain = |text: &str| text.trim().replace(' ', "_").to_lowercase();
    wish.model.as_ref().is_none_or(|model| {
        disk.properties.get("ID_MODEL").is_some_and(|value| udev_glob::matches(&plain(model), &plain(value)))
    })
}

fn is_named(disk: &Disk, name: &str) -> bool {
    UNIQUE_KEYS
        .iter()
        .any(|key| disk.properties.get(*key).is_some_and(|value| value.trim().eq_ignore_ascii_case(name.trim())))
}

/// What the author of a filter means by it.
fn filter_takes(disk: &Disk, keys: &BTreeMap<String, String>, all: bool) -> bool {
    let is_match =
        |(key, glob): (&String, &String)| disk.properties.get(key).is_some_and(|value| udev_glob::matches(glob, value));
    if all { keys.iter().all(is_match) } else { keys.iter().any(is_match) }
}

fn spell(keys: &BTreeMap<String, String>) -> String {
    keys.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
