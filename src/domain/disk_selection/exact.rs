//! Names chosen disks so that the installer takes them and no others.

use std::collections::BTreeMap;

use crate::domain::{hardware::Disk, udev_glob};

/// The udev properties by which one disk can be named, best first: model with serial number, WWN, and the bare serial number.
pub const UNIQUE_KEYS: &[&str] = &["ID_SERIAL", "ID_WWN_WITH_EXTENSION", "ID_WWN", "ID_SERIAL_SHORT"];

/// What the installer is told: it takes exactly these disks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExactDisks {
    /// Full device names, for `disk-list`.
    Paths(Vec<String>),
    /// Unique properties, for `filter` with `any`: each is one disk.
    Filter(BTreeMap<String, String>),
}

impl ExactDisks {
    /// The disk with this value of a property.
    pub(super) fn named(key: &str, value: &str) -> Self {
        Self::Filter(BTreeMap::from([(key.to_owned(), udev_glob::escape(value.trim()))]))
    }

    /// As a person reads it.
    pub fn sentence(&self) -> String {
        match self {
            Self::Paths(paths) => paths.join(", "),
            Self::Filter(filter) => filter
                .iter()
                .map(|(key, value)| format!("the disk with {key} = {value}"))
                .collect::<Vec<_>>()
                .join(" and "),
        }
    }

    /// Which of these disks the installer would take: names match the end of a path, and of a filter any property suffices.
    pub fn taken<'a>(&self, disks: &'a [Disk]) -> Vec<&'a Disk> {
        let is_taken = |disk: &&Disk| match self {
            Self::Paths(paths) => paths.iter().any(|path| disk.path.ends_with(path.as_str())),
            Self::Filter(filter) => filter
                .iter()
                .any(|(key, glob)| disk.properties.get(key).is_some_and(|value| udev_glob::matches(glob, value))),
        };
        disks.iter().filter(is_taken).collect()
    }
}

/// Names the chosen ones of the known disks. Device names change when a controller answers late, so they are the last resort, and the first
/// choice only where there is no other disk to be mistaken for.
pub(super) fn name(chosen: &[&Disk], known: &[Disk]) -> ExactDisks {
    let by_path = ExactDisks::Paths(chosen.iter().map(|disk| disk.path.clone()).collect());
    if chosen.len() == known.len() && chosen.len() == 1 {
        return by_path;
    }
    let mut filter = BTreeMap::new();
    let exact = if assign(chosen, known, &mut filter) {
        ExactDisks::Filter(filter)
    } else if let Some(merged) = merged(chosen) {
        merged
    } else {
        return by_path;
    };
    let taken = exact.taken(known);
    let is_right =
        taken.len() == chosen.len() && taken.iter().all(|disk| chosen.iter().any(|it| std::ptr::eq(*it, *disk)));
    if is_right { exact } else { by_path }
}

/// Gives each disk a property of its own: a filter can hold every property only once.
fn assign(chosen: &[&Disk], known: &[Disk], filter: &mut BTreeMap<String, String>) -> bool {
    let Some((disk, rest)) = chosen.split_first() else { return true };
    for key in UNIQUE_KEYS {
        let Some(value) = unique(disk, key, known) else { continue };
        if filter.contains_key(*key) {
            continue;
        }
        filter.insert((*key).to_owned(), udev_glob::escape(value));
        if assign(rest, known, filter) {
            return true;
        }
        filter.remove(*key);
    }
    false
}

/// The value of a property that no other disk has.
fn unique<'a>(disk: &'a Disk, key: &str, known: &[Disk]) -> Option<&'a str> {
    let value = disk.properties.get(key).filter(|value| !value.trim().is_empty())?;
    let owners = known.iter().filter(|other| other.properties.get(key) == Some(value)).count();
    (owners == 1).then_some(value)
}

/// One pattern for more disks than there are properties, when their serial numbers are equally long: a class wherever they differ. Numbers
/// of one delivery usually differ in few places.
fn merged(chosen: &[&Disk]) -> Option<ExactDisks> {
    UNIQUE_KEYS.iter().find_map(|key| {
        let values: Option<Vec<Vec<char>>> =
            chosen.iter().map(|disk| disk.properties.get(*key).map(|value| value.chars().collect())).collect();
        let values = values?;
        let length = values.first()?.len();
        if values.iter().any(|value| value.len() != length || !value.iter().all(|c| is_plain(*c))) {
            return None;
        }
        let pattern = (0..length).map(|place| {
            let mut here: Vec<char> = values.iter().map(|value| value[place]).collect();
            here.sort_unstable();
            here.dedup();
            match here[..] {
                [one] => one.to_string(),
                _ => format!("[{}]", here.iter().collect::<String>()),
            }
        });
        Some(ExactDisks::Filter(BTreeMap::from([((*key).to_owned(), pattern.collect())])))
    })
}

/// Whether a character stands for itself in a pattern and in a class.
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | ':')
}
