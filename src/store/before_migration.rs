//! The copy that is made of the database before its tables are changed, so that no update of the program can lose anything.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, tz::TimeZone};
use nix::sys::statvfs::statvfs;
use rusqlite::Connection;

use super::{
    StoreError,
    backup::{copy_to_file, is_full},
    connection::DATABASE_FILE,
};

/// How many copies are kept beside the database; more cost disk, fewer forget earlier versions sooner.
const COPIES_KEPT: usize = 3;
/// How many times the size of the database must be free: the copy, and what a migration that rebuilds every table writes.
const ROOM_FACTOR: u64 = 3;

/// Copies the database to `rackseed.db.before-V9-20261121T144230Z`: the first migration that is about to be applied, and when the old
/// tables were written last. A start that fails again and again has the same name every time, so it displaces no older copy.
pub(super) fn copy_before(connection: &Connection, data_folder: &Path, first: i32) -> Result<PathBuf, StoreError> {
    let path = data_folder.join(DATABASE_FILE);
    let unreadable = |source| StoreError::File { action: "look at", path: path.clone(), source };
    let metadata = fs::metadata(&path).map_err(unreadable)?;
    let written = metadata.modified().map_err(unreadable)?;
    let written = Timestamp::try_from(written).unwrap_or_default().to_zoned(TimeZone::UTC);
    let copy = data_folder.join(format!("{DATABASE_FILE}.before-V{first}-{}", written.strftime("%Y%m%dT%H%M%SZ")));
    let full = |needed_bytes| StoreError::NoRoomToMigrate { path: path.clone(), needed_bytes };
    let needed_bytes = metadata.len().saturating_mul(ROOM_FACTOR);
    let free = statvfs(data_folder).map(|space| space.blocks_available() * space.fragment_size());
    if free.is_ok_and(|free| free < needed_bytes) {
        return Err(full(needed_bytes));
    }
    // Under another name first: what bears the name is whole.
    let partial = copy.with_extension(format!("{}.partial", std::process::id()));
    copy_to_file(connection, &partial).map_err(|error| if is_full(&error) { full(needed_bytes) } else { error })?;
    fs::rename(&partial, &copy)
        .and_then(|()| fs::File::open(data_folder)?.sync_all())
        .map_err(|source| StoreError::File { action: "make", path: copy.clone(), source })?;
    forget_older(data_folder);
    Ok(copy)
}

/// Removes all but the newest copies. What cannot be removed costs only disk.
fn forget_older(data_folder: &Path) {
    let prefix = format!("{DATABASE_FILE}.before-V");
    let copies = fs::read_dir(data_folder).into_iter().flatten().flatten();
    let copies = copies.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    let mut copies: Vec<_> =
        copies.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
    copies.sort();
    for (_, path) in copies.iter().rev().skip(COPIES_KEPT) {
        if let Err(error) = fs::remove_file(path) {
            tracing::warn!(%error, "the old copy {} cannot be removed", path.display());
        }
    }
}
