//! Copies of the database: taken while others write to it, and looked at as closely as a database can be.

use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::{
    Connection, MAIN_DB,
    backup::{Backup, StepResult},
};

use super::{
    StoreError,
    columns::all,
    connection::{BUSY_PATIENCE, DATABASE_FILE, open_existing, runner},
    folder,
};

/// How long to pause when somebody has the database locked.
const LOCKED_PAUSE: Duration = Duration::from_millis(50);
/// Where the header of a database says in which journal mode it is written and read; 1 is without a write-ahead log.
const JOURNAL_MODE_BYTES: std::ops::Range<usize> = 18..20;
/// The shortest database: its header.
const HEADER_BYTES: usize = 100;
/// The table in which the migrations that were applied are noted.
const MIGRATIONS: &str = "refinery_schema_history";

/// What a copy of a database is, found by reading all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFacts {
    /// The number of the last migration that was applied.
    pub schema: i32,
    /// How many hosts it has.
    pub hosts: u64,
    /// The images of its library: id, the name of the file that was added, and that file's SHA-256.
    pub images: Vec<(String, String, String)>,
}

/// The number of the newest migration that this program knows.
pub fn newest_schema() -> i32 {
    runner().get_migrations().iter().map(refinery::Migration::version).max().unwrap_or_default()
}

/// Copies the database of a data folder as it is at one moment, also while a daemon writes to it. The copy needs no companions.
pub fn copy_database(data_folder: &Path) -> Result<Vec<u8>, StoreError> {
    let path = data_folder.join(DATABASE_FILE);
    let failed = |source| StoreError::Database { path: path.clone(), source };
    let source = open_existing(data_folder)?;
    let mut memory = Connection::open_in_memory().map_err(failed)?;
    copy(&source, &mut memory).map_err(failed)?;
    let mut bytes = memory.serialize(MAIN_DB).map_err(failed)?.to_vec();
    // Else whoever opens the copy looks for a write-ahead log beside it; SQLite's own documents name this way out.
    if let Some(modes) = bytes.get_mut(JOURNAL_MODE_BYTES) {
        modes.fill(1);
    }
    Ok(bytes)
}

/// Copies the database into a new file beside it, for its owner alone, and waits until the disk has it.
pub(super) fn copy_to_file(source: &Connection, target: &Path) -> Result<(), StoreError> {
    drop(folder::make_private_file(target)?);
    let failed = |source| StoreError::Database { path: target.to_owned(), source };
    let copied = (|| {
        let mut copy_connection = Connection::open(target)?;
        copy(source, &mut copy_connection)?;
        copy_connection.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
    })();
    let synced = copied.map_err(failed).and_then(|()| {
        let sync = || fs::File::open(target)?.sync_all();
        sync().map_err(|source| StoreError::File { action: "write", path: target.to_owned(), source })
    });
    if synced.is_err() {
        let _ = fs::remove_file(target);
    }
    synced
}

/// Copies all pages in one step, so that all are of one moment.
fn copy(source: &Connection, target: &mut Connection) -> rusqlite::Result<()> {
    let backup = Backup::new(source, target)?;
    let given_up = Instant::now() + BUSY_PATIENCE;
    loop {
        if backup.step(-1)? == StepResult::Done {
            return Ok(());
        }
        if Instant::now() >= given_up {
            let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
            return Err(rusqlite::Error::SqliteFailure(busy, Some("it is locked by another program".into())));
        }
        std::thread::sleep(LOCKED_PAUSE);
    }
}

/// Reads all of a copy: whether it is a database of ours, whole, and what is in it. The problem is a sentence.
pub fn check_copy(bytes: &[u8]) -> Result<CopyFacts, String> {
    if bytes.len() < HEADER_BYTES {
        return Err(format!("the copy of the database has {} bytes, which is not even a header", bytes.len()));
    }
    let unreadable = |error: &dyn std::fmt::Display| format!("the copy of the database cannot be read: {error}");
    let mut connection = Connection::open_in_memory().map_err(|error| unreadable(&error))?;
    let size = bytes.len();
    connection.deserialize_read_exact(MAIN_DB, bytes, size, true).map_err(|error| unreadable(&error))?;
    let verdicts = all(&connection, "PRAGMA integrity_check", [], |row| Ok(row.get::<_, String>(0)?))
        .map_err(|error| unreadable(&error))?;
    if verdicts != ["ok"] {
        return Err(format!("the copy of the database is damaged: {}", verdicts.join("; ")));
    }
    read_facts(&connection).map_err(|error| unreadable(&error))
}

fn read_facts(connection: &Connection) -> rusqlite::Result<CopyFacts> {
    let schema = format!("SELECT coalesce(max(version), 0) FROM {MIGRATIONS}");
    let mut images = connection.prepare("SELECT id, source_name, source_sha256 FROM images ORDER BY number")?;
    let images = images.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let hosts: i64 = connection.query_row("SELECT count(*) FROM hosts", [], |row| row.get(0))?;
    Ok(CopyFacts {
        schema: connection.query_row(&schema, [], |row| row.get(0))?,
        hosts: u64::try_from(hosts).unwrap_or_default(),
        images: images.collect::<rusqlite::Result<_>>()?,
    })
}

/// Whether a data folder has a database.
pub fn has_database(data_folder: &Path) -> bool {
    data_folder.join(DATABASE_FILE).exists()
}

/// Whether SQLite says that a disk is full.
pub(super) fn is_full(error: &StoreError) -> bool {
    if let StoreError::File { source, .. } = error {
        return source.kind() == io::ErrorKind::StorageFull;
    }
    matches!(error, StoreError::Database { source, .. } if source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
}
