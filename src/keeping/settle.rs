//! Where the settings and the catalog of a backup go on this computer.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    KeepingError,
    archive::Checked,
    manifest::{CATALOG, SETTINGS},
    places::{beside, catalog_folders},
    restore::{RestoreWish, SettingsOutcome, write_file},
};
use crate::settings::Settings;

/// A larger file in a catalog's folder is not compared: it is another one than ours.
const LARGEST_COMPARED_BYTES: u64 = 16 << 20;

/// Where everything goes.
pub(super) struct Places {
    /// The settings that count here: those of this computer, else those of the backup.
    pub(super) settings: Settings,
    /// The text for the settings file.
    text: String,
    /// The data folder.
    pub(super) data_folder: PathBuf,
    /// Catalog folders that are there with something else in them, and may be moved aside.
    moved: Vec<PathBuf>,
}

impl Places {
    /// Finds the places, and refuses when something of the operator's is in the way.
    pub(super) fn find(wish: &RestoreWish, checked: &Checked) -> Result<Self, KeepingError> {
        let unusable = |problem: &str| KeepingError::Unusable { file: wish.file.clone(), problem: problem.to_owned() };
        let kept = checked.parts.get(SETTINGS).ok_or_else(|| unusable("it has no settings file"))?;
        let mut text = String::from_utf8(kept.clone()).map_err(|_| unusable("its settings file is not UTF-8"))?;
        // Absolute, because what is relative in the settings is relative to it.
        let absolute = |path: &Path| std::path::absolute(path).map_err(KeepingError::file("find", path));
        let settings_file = absolute(&wish.settings_file)?;
        let folder = settings_file.parent().unwrap_or(Path::new("/"));
        let is_there = settings_file.exists();
        if !is_there && let Some(data_folder) = &wish.data_folder {
            text = with_data_folder(&text, &absolute(data_folder)?);
        }
        let counting = match is_there {
            true => fs::read_to_string(&settings_file).map_err(KeepingError::file("read", &settings_file))?,
            false => text.clone(),
        };
        let settings = Settings::read_unchecked(&counting, folder)?;
        let data_folder = match &wish.data_folder {
            Some(data_folder) => absolute(data_folder)?,
            None => settings.data_folder.clone(),
        };
        let mut moved = Vec::new();
        for (name, target) in catalog_folders(&settings) {
            if !differs(target, &files_of(checked, name)).map_err(KeepingError::file("read", target))? {
                continue;
            }
            if !wish.force {
                return Err(KeepingError::Refused(format!(
                    "{} is there with other files than the backup has. `--force` moves it aside (nothing is deleted)",
                    target.display()
                )));
            }
            moved.push(target.to_owned());
        }
        Ok(Self { settings, text, data_folder, moved })
    }
}

/// Puts the settings file into place; one that is there and another one stays.
pub(super) fn settle_settings(places: &Places, wish: &RestoreWish) -> Result<SettingsOutcome, KeepingError> {
    let file = &wish.settings_file;
    let other = beside(file, ".from-backup");
    let target = match fs::read(file) {
        Ok(bytes) if bytes == places.text.as_bytes() => return Ok(SettingsOutcome::Same),
        Ok(_) => &other,
        Err(error) if error.kind() == io::ErrorKind::NotFound => file,
        Err(error) => return Err(KeepingError::file("read", file)(error)),
    };
    if let Some(folder) = target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(KeepingError::file("make", folder))?;
    }
    let _ = fs::remove_file(&other);
    // It holds the hash of a password.
    write_file(target, &mut places.text.as_bytes(), 0o600).map_err(KeepingError::file("write", target))?;
    Ok(if target == file { SettingsOutcome::Written } else { SettingsOutcome::Beside(other) })
}

/// Puts the catalog's folders into place, each whole. Returns where those are now that were there before.
pub(super) fn settle_catalog(places: &Places, checked: &Checked, moment: &str) -> Result<Vec<PathBuf>, KeepingError> {
    let mut aside = Vec::new();
    for (name, target) in catalog_folders(&places.settings) {
        let files = files_of(checked, name);
        let failed = || KeepingError::file("put the catalog into", target);
        if places.moved.iter().any(|folder| folder == target) {
            let old = beside(target, &format!(".before-restore-{moment}"));
            fs::rename(target, &old).map_err(failed())?;
            aside.push(old);
        } else if is_filled(target) {
            continue;
        }
        put(&files, checked, name, target).map_err(failed())?;
    }
    Ok(aside)
}

fn put(files: &BTreeMap<PathBuf, &[u8]>, checked: &Checked, name: &str, target: &Path) -> io::Result<()> {
    let ready = beside(target, ".restore-partial");
    match fs::remove_dir_all(&ready) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::create_dir_all(&ready)?;
    for (path, bytes) in files {
        let place = ready.join(path);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        let in_archive = format!("{CATALOG}/{name}/{}", path.display());
        let mode = checked.manifest.parts.iter().find(|part| part.path == in_archive).map_or(0o644, |part| part.mode);
        write_file(&place, &mut &**bytes, mode)?;
    }
    // An empty folder may be replaced.
    if target.exists() {
        fs::remove_dir(target)?;
    }
    fs::rename(&ready, target)
}

/// The files of one catalog folder in the backup.
fn files_of<'a>(checked: &'a Checked, name: &str) -> BTreeMap<PathBuf, &'a [u8]> {
    let prefix = format!("{CATALOG}/{name}/");
    let files = checked.parts.iter();
    files.filter_map(|(path, bytes)| Some((PathBuf::from(path.strip_prefix(&prefix)?), bytes.as_slice()))).collect()
}

fn is_filled(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// Whether a folder is there with something in it that is not what the backup has.
fn differs(folder: &Path, wanted: &BTreeMap<PathBuf, &[u8]>) -> io::Result<bool> {
    if !is_filled(folder) {
        return Ok(false);
    }
    let mut folders = vec![folder.to_owned()];
    let mut count = 0;
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            count += 1;
            let relative = path.strip_prefix(folder).map_err(io::Error::other)?;
            let is_small = fs::metadata(&path)?.len() <= LARGEST_COMPARED_BYTES;
            let is_same =
                is_small && wanted.get(relative).is_some_and(|bytes| fs::read(&path).is_ok_and(|it| it == *bytes));
            if !is_same {
                return Ok(true);
            }
        }
    }
    Ok(count != wanted.len())
}

/// The settings with another data folder.
fn with_data_folder(text: &str, data_folder: &Path) -> String {
    let line = format!("data_folder: {}", serde_json::Value::from(data_folder.to_string_lossy()));
    let is_key = |line: &str| line.starts_with("data_folder:");
    let mut lines: Vec<String> =
        text.lines().map(|old| if is_key(old) { line.clone() } else { old.to_owned() }).collect();
    if !text.lines().any(is_key) {
        lines.insert(0, line);
    }
    lines.join("\n") + "\n"
}
