//! The way back: everything is checked and made ready beside its place first, and the database comes last.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::{Timestamp, tz::TimeZone};

use super::{
    KeepingError,
    archive::{Checked, check, each_image_part},
    manifest::{DATA_FILES, ListedImage, Manifest},
    settle::{Places, settle_catalog, settle_settings},
};
use crate::{
    domain::{
        host::Host,
        identity::ImageId,
        image::{Image, ImagePart},
    },
    images::ImageFolder,
    ports::{ImageKeeper, ImageLedger, LedgerError},
    store::{FolderLock, Store, has_database, newest_schema},
};

/// Where a restore is made ready, in the data folder. One that was interrupted is removed by the next.
const STAGE: &str = "restore.partial";
/// What belongs to a database: what is moved aside with it.
const DATABASE_FILES: &[&str] = &["rackseed.db", "rackseed.db-wal", "rackseed.db-shm"];

/// What is wanted.
#[derive(Debug, Clone)]
pub struct RestoreWish {
    /// The backup.
    pub file: PathBuf,
    /// The settings file of this computer; the one in the backup is written there when there is none.
    pub settings_file: PathBuf,
    /// Another data folder than the settings say.
    pub data_folder: Option<PathBuf>,
    /// Whether what is there already is moved aside.
    pub force: bool,
    /// Now.
    pub now: Timestamp,
}

/// What became of the settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingsOutcome {
    /// It was written.
    Written,
    /// There was the same one.
    Same,
    /// There was another one, which stays; the backup's is at this place.
    Beside(PathBuf),
}

/// What was done.
#[derive(Debug)]
pub struct Restored {
    /// What the backup says of itself.
    pub manifest: Manifest,
    /// The data folder.
    pub data_folder: PathBuf,
    /// Whether the settings name another data folder.
    pub settings_name_another: bool,
    /// What became of the settings file.
    pub settings: SettingsOutcome,
    /// Where what was there before is now.
    pub aside: Vec<PathBuf>,
    /// The hosts whose rebuild was under way in the backup, and was ended.
    pub disarmed: Vec<Host>,
    /// Images that must be added again.
    pub missing_images: Vec<ListedImage>,
    /// Files that the settings name and that are not on this computer.
    pub missing_files: Vec<PathBuf>,
}

/// Restores a backup. Nothing in place is touched before everything was checked and made ready; the database is put into place last.
pub async fn restore(wish: RestoreWish) -> Result<Restored, KeepingError> {
    let file = wish.file.clone();
    let checked = tokio::task::spawn_blocking(move || check(&file)).await.unwrap_or_else(|error| {
        Err(KeepingError::Unusable { file: wish.file.clone(), problem: format!("it could not be read: {error}") })
    })?;
    let manifest = &checked.manifest;
    if manifest.schema > newest_schema() {
        return Err(KeepingError::Refused(format!(
            "Rackseed {} wrote this backup, with tables of version {}; this is {} and knows them up to {}. Use that version or a later one",
            manifest.program,
            manifest.schema,
            env!("CARGO_PKG_VERSION"),
            newest_schema()
        )));
    }
    let places = Places::find(&wish, &checked)?;
    let data = &places.data_folder;
    // Kept to the end: no daemon may start in between.
    let _lock = FolderLock::take(data)?;
    if has_database(data) && !wish.force {
        return Err(KeepingError::Refused(format!(
            "{} has a database already. `--force` moves it aside (nothing is deleted), or name another folder with `--data`",
            data.display()
        )));
    }
    let stage = data.join(STAGE);
    let ready = make_ready(&wish, &checked, data, &stage).await;
    let restored = match ready {
        Ok(ready) => put_in_place(&wish, checked, places, &stage, ready),
        Err(error) => Err(error),
    };
    let _ = fs::remove_dir_all(&stage);
    restored
}

/// What was found while making ready.
struct Ready {
    disarmed: Vec<Host>,
    missing: Vec<ListedImage>,
}

async fn make_ready(wish: &RestoreWish, checked: &Checked, data: &Path, stage: &Path) -> Result<Ready, KeepingError> {
    let failed = || KeepingError::file("make ready", stage);
    match fs::remove_dir_all(stage) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed()(error)),
        Ok(()) | Err(_) => {}
    }
    fs::DirBuilder::new().mode(0o700).create(stage).map_err(failed())?;
    for part in &checked.manifest.parts {
        let Some(name) = part.path.strip_prefix("data/").filter(|name| !name.contains('/')) else { continue };
        let bytes = checked.parts.get(&part.path).map(Vec::as_slice).unwrap_or_default();
        // Whatever rights it had: nothing in a data folder is for others, but the certificate.
        let mode = if name == "certificate.pem" { part.mode } else { part.mode & 0o700 };
        write_file(&stage.join(name), &mut &*bytes, mode).map_err(failed())?;
    }
    take_images_out(&wish.file, &checked.manifest, stage)?;
    let store = Arc::new(Store::open(stage)?);
    drop(store.open_key(stage).await?);
    let written = checked.manifest.written_at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string();
    let reason = format!(
        "Rackseed was restored from its backup of {written}; what became of this rebuild since then is not known. Look at the machine; if \
         it is not what it should be, rebuild it"
    );
    let disarmed = store.disarm(&reason, wish.now).await?;
    let missing = missing_images(&checked.manifest, &store, data, stage).await?;
    let ids: Vec<ImageId> = missing.iter().filter_map(|image| image.id.parse().ok()).collect();
    store.forget_images(&ids).await?;
    // Closed, so that all of it is in the one file.
    let closed = tokio::task::spawn_blocking(move || Arc::into_inner(store).map(drop)).await;
    match closed {
        Ok(Some(())) => Ok(Ready { disarmed, missing }),
        Ok(None) | Err(_) => Err(LedgerError::Database("the restored database could not be closed".into()).into()),
    }
}

fn take_images_out(file: &Path, manifest: &Manifest, stage: &Path) -> Result<(), KeepingError> {
    if !manifest.images.iter().any(|image| image.included) {
        return Ok(());
    }
    each_image_part(file, manifest, |part, reader| {
        let path = stage.join(part.path.trim_start_matches("data/"));
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        write_file(&path, reader, part.mode)
    })
}

/// The images whose files are neither in the backup nor, whole, in the data folder.
async fn missing_images(
    manifest: &Manifest,
    store: &Arc<Store>,
    data: &Path,
    stage: &Path,
) -> Result<Vec<ListedImage>, KeepingError> {
    let mut missing = Vec::new();
    let rows = ImageLedger::list(store.as_ref()).await?;
    for listed in &manifest.images {
        let Some(image) = rows.iter().find(|image| image.id.as_str() == listed.id) else { continue };
        let library = if listed.included { stage } else { data };
        if !is_whole(image, store, &library.join("images")).await? {
            missing.push(listed.clone());
        }
    }
    Ok(missing)
}

/// Whether the files of an image are what its row says; their new times are noted then, so that they are not taken for altered ones.
async fn is_whole(image: &Image, store: &Arc<Store>, library: &Path) -> Result<bool, KeepingError> {
    let folder = library.join(image.id.as_str());
    if !ImagePart::ALL.iter().all(|part| folder.join(part.file_name()).is_file()) {
        return Ok(false);
    }
    // A version without checksums added it: that the files are there is all that can be known.
    if image.files.is_none() {
        return Ok(true);
    }
    let checks = ImageFolder::new(library, store.clone()).check(&image.id).await?;
    Ok(checks.iter().all(|check| check.problem.is_none()))
}

fn put_in_place(
    wish: &RestoreWish,
    checked: Checked,
    places: Places,
    stage: &Path,
    ready: Ready,
) -> Result<Restored, KeepingError> {
    let moment = wish.now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut aside = settle_catalog(&places, &checked, &moment)?;
    let settings = settle_settings(&places, wish)?;
    let data = &places.data_folder;
    let failed = || KeepingError::file("put the restored files into", data);
    let old = data.join(format!("before-restore-{moment}"));
    if move_aside(data, stage, &old, &checked.manifest, &ready).map_err(failed())? {
        aside.push(old);
    }
    for name in DATA_FILES {
        move_if_there(&stage.join(name), &data.join(name)).map_err(failed())?;
    }
    for image in checked.manifest.images.iter().filter(|image| checked.manifest.has_image(&image.id)) {
        let name = Path::new("images").join(&image.id);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(data.join("images")).map_err(failed())?;
        move_if_there(&stage.join(&name), &data.join(&name)).map_err(failed())?;
    }
    move_if_there(&stage.join(DATABASE_FILES[0]), &data.join(DATABASE_FILES[0])).map_err(failed())?;
    File::open(data).and_then(|folder| folder.sync_all()).map_err(failed())?;
    Ok(Restored {
        settings_name_another: places.settings.data_folder != *data && settings != SettingsOutcome::Written,
        missing_files: checked_files(&places),
        data_folder: places.data_folder,
        settings,
        aside,
        disarmed: ready.disarmed,
        missing_images: ready.missing,
        manifest: checked.manifest,
    })
}

fn checked_files(places: &Places) -> Vec<PathBuf> {
    super::places::operators_files(&places.settings).into_iter().filter(|path| !path.exists()).collect()
}

/// Moves the old database with its keys aside, and the images that the restored one does not know: at the next start they would be
/// removed as nobody's.
fn move_aside(data: &Path, stage: &Path, old: &Path, manifest: &Manifest, ready: &Ready) -> io::Result<bool> {
    let mut moves: Vec<PathBuf> = DATABASE_FILES.iter().chain(DATA_FILES).map(PathBuf::from).collect();
    for entry in fs::read_dir(data.join("images")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let listed = manifest.images.iter().find(|image| image.id == name);
        let stays = listed.is_some_and(|image| !image.included) && ready.missing.iter().all(|image| image.id != name);
        let is_replaced = stage.join("images").join(&name).exists();
        if name.parse::<ImageId>().is_ok() && (!stays || is_replaced) {
            moves.push(Path::new("images").join(name));
        }
    }
    moves.retain(|name| data.join(name).exists());
    for name in &moves {
        let target = old.join(name);
        if let Some(folder) = target.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        fs::rename(data.join(name), target)?;
    }
    Ok(!moves.is_empty())
}

fn move_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a new file with its rights and waits until the disk has it.
pub(super) fn write_file(path: &Path, reader: &mut dyn Read, mode: u32) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    io::copy(reader, &mut file)?;
    file.flush()?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()
}
