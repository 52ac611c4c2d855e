//! How keys are spelled for each release of the installer, and which it does not know.

use toml::{Table, Value};

use super::{KEBAB_CASE_SINCE, Notes};
use crate::domain::{answer_file::AnswerFile, image::InstallerRelease};

/// What came after 8.2: the key, and the first release that reads it. Anything else is refused as unknown.
const SINCE: &[(&str, InstallerRelease)] = &[
    ("global.root-password-hashed", InstallerRelease { major: 8, minor: 3 }),
    ("disk-setup.btrfs.compress", InstallerRelease { major: 8, minor: 3 }),
    ("post-installation-webhook", InstallerRelease { major: 8, minor: 3 }),
    ("first-boot", InstallerRelease { major: 8, minor: 3 }),
    ("global.fqdn.source", InstallerRelease { major: 8, minor: 4 }),
    ("global.reboot-mode", InstallerRelease { major: 8, minor: 4 }),
    ("network.interface-name-pinning", InstallerRelease { major: 9, minor: 1 }),
    ("global.subscription-key", InstallerRelease { major: 9, minor: 2 }),
    ("post-installation-webhook.auth-token", InstallerRelease { major: 9, minor: 2 }),
];
/// Where `network.source` became required.
const SOURCE_NEEDED_SINCE: InstallerRelease = InstallerRelease { major: 9, minor: 2 };
/// RAID levels in upper case (8.3.3).
const UPPER_CASE_SINCE: InstallerRelease = InstallerRelease { major: 8, minor: 3 };
const SUBSCRIPTION_SINCE: InstallerRelease = InstallerRelease { major: 9, minor: 2 };

/// Leaves out what this release does not know and what the node can do without.
pub(super) fn leave_out(table: &mut Table, release: InstallerRelease, notes: &mut Notes) {
    let global = table.get_mut("global").and_then(Value::as_table_mut);
    if let Some(global) = global
        && release < SUBSCRIPTION_SINCE
        && global.remove("subscription-key").is_some()
    {
        notes.warning(format!(
            "global.subscription-key is left out: the installer {release} does not know it ({SUBSCRIPTION_SINCE} does); set the key on the node"
        ));
    }
}

/// Spells every key of ours in kebab-case; udev keys in filters and MAC addresses in mappings stay as they are.
pub(super) fn to_kebab_case(table: &mut Table) -> Result<(), String> {
    rename_keys(table, &|key| key.replace('_', "-"))
}

/// 8.3 reads `snake_case` in `[global]` and `[disk-setup]` and for the webhook's fingerprint, and kebab-case in `[first-boot]`.
pub(super) fn to_old_dialect(table: &mut Table) -> Result<(), String> {
    for section in ["global", "disk-setup", "post-installation-webhook"] {
        if let Some(Value::Table(section)) = table.get_mut(section) {
            rename_keys(section, &|key| key.replace('-', "_"))?;
        }
    }
    Ok(())
}

fn rename_keys(table: &mut Table, rename: &impl Fn(&str) -> String) -> Result<(), String> {
    let entries: Vec<_> = std::mem::take(table).into_iter().collect();
    for (key, mut value) in entries {
        if let Value::Table(inner) = &mut value
            && !matches!(key.as_str(), "filter" | "mapping")
        {
            rename_keys(inner, rename)?;
        }
        if table.insert(rename(&key), value).is_some() {
            return Err(format!("`{key}` is there twice, once with dashes and once with underscores; keep one"));
        }
    }
    Ok(())
}

/// Returns why the reader of this release would not take this text; the rules that come after reading are `AnswerFile::check`'s.
pub fn check_dialect(text: &str, release: InstallerRelease) -> Vec<String> {
    let table = match text.parse::<Table>() {
        Ok(table) => table,
        Err(error) => return vec![error.message().to_owned()],
    };
    let mut problems = Vec::new();
    if let Err(error) = toml::from_str::<AnswerFile>(text) {
        problems.push(error.message().to_owned());
    }
    let mut keys = Vec::new();
    list_keys("", &table, &mut keys);
    for (path, value) in &keys {
        let (section, key) = path.split_once('.').unwrap_or((path, ""));
        let spelled = path.replace('_', "-");
        if let Some((_, since)) = SINCE.iter().find(|(known, since)| *known == spelled && release < *since) {
            problems.push(format!("{path} needs an installer of {since} or newer"));
        }
        let is_old = release < KEBAB_CASE_SINCE;
        if is_old && key.contains('-') && matches!(section, "global" | "disk-setup" | "post-installation-webhook") {
            problems.push(format!("{path} must be spelled with underscores for {release}"));
        }
        if is_old && key.contains('_') && section == "first-boot" {
            problems.push(format!("{path} must be spelled with dashes for {release}"));
        }
        let is_upper = key.ends_with("raid") && value.as_str().is_some_and(|level| level.contains(char::is_uppercase));
        if is_upper && release < UPPER_CASE_SINCE {
            problems.push(format!("{path} must be in lower case for {release}"));
        }
    }
    if release >= SOURCE_NEEDED_SINCE && !keys.iter().any(|(path, _)| path == "network.source") {
        problems.push(format!("network.source is needed since {SOURCE_NEEDED_SINCE}"));
    }
    problems
}

fn list_keys<'a>(path: &str, table: &'a Table, keys: &mut Vec<(String, &'a Value)>) {
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if let Value::Table(inner) = value
            && !matches!(key.as_str(), "filter" | "mapping")
        {
            list_keys(&path, inner, keys);
        }
        keys.push((path, value));
    }
}
