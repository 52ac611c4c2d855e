//! Opens connections to the database, all with the same care, and brings its tables up to date.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{StoreError, before_migration::copy_before, folder, migrations};

/// The database's file in the data folder.
pub(super) const DATABASE_FILE: &str = "rackseed.db";
/// How long a connection waits for another process (a command, a backup). Longer than any transaction of ours.
pub(super) const BUSY_PATIENCE: Duration = Duration::from_secs(5);
/// How many prepared statements a connection keeps; more than the store has costs only memory.
const STATEMENTS_KEPT: usize = 64;

/// Opens the database for the writer; the file is made if there is none.
pub(super) fn open_for_writing(data_folder: &Path) -> Result<Connection, StoreError> {
    let path = data_folder.join(DATABASE_FILE);
    drop(folder::make_private_file(&path)?);
    let failed = |source| StoreError::Database { path: path.clone(), source };
    let connection = open(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        return Err(StoreError::NoWriteAheadLog { path });
    }
    set_up_writer(&connection).map_err(failed)?;
    Ok(connection)
}

fn set_up_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "foreign_keys", true)?;
    // FULL, not NORMAL: with NORMAL a power cut takes the last commits back, and with them the point of no return of an installation
    // or the intent of a step that is already done.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // ON, not FAST: what is deleted is overwritten also where that costs a write.
    connection.pragma_update_and_check(None, "secure_delete", "ON", |_| Ok(()))?;
    // Statement journals hold old pages; in memory they leave no file behind.
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// Opens a database that is there already, for a look or a copy, beside a daemon that may be running.
pub(super) fn open_existing(data_folder: &Path) -> Result<Connection, StoreError> {
    let path = data_folder.join(DATABASE_FILE);
    let look = || {
        let connection = open(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    look().map_err(|source| StoreError::Database { path: path.clone(), source })
}

/// Opens the database for questions alone.
pub(super) fn open_for_reading(data_folder: &Path) -> Result<Connection, StoreError> {
    let path = data_folder.join(DATABASE_FILE);
    let open_reader = || {
        let connection = open(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    open_reader().map_err(|source| StoreError::Database { path: path.clone(), source })
}

fn open(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_PATIENCE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(connection)
}

/// Whether every migration has been applied, and none that this program does not know.
pub(super) fn is_current(connection: &mut Connection, data_folder: &Path) -> Result<bool, StoreError> {
    let known = runner().get_migrations().len();
    // A database with more than we know is not current either: `migrate` then says so.
    Ok(applied(connection, data_folder)?.is_some_and(|applied| applied.len() == known))
}

/// The numbers of the migrations that were applied; `None` in a database that is new.
fn applied(connection: &mut Connection, data_folder: &Path) -> Result<Option<Vec<i32>>, StoreError> {
    let has_history = connection
        .table_exists(None, "refinery_schema_history")
        .map_err(|source| StoreError::Database { path: data_folder.join(DATABASE_FILE), source })?;
    if !has_history {
        return Ok(None);
    }
    let applied = runner().get_applied_migrations(connection).map_err(|error| unfit(data_folder, error))?;
    Ok(Some(applied.iter().map(refinery::Migration::version).collect()))
}

/// Applies the migrations that are missing, all in one transaction, after a copy of the database was made beside it. References are not
/// enforced meanwhile, so that a migration may rebuild a table, and are checked afterwards.
pub(super) fn migrate(connection: &mut Connection, data_folder: &Path) -> Result<(), StoreError> {
    migrate_with(runner(), connection, data_folder)
}

/// The same with a runner of the caller's.
pub(super) fn migrate_with(
    runner: refinery::Runner,
    connection: &mut Connection,
    data_folder: &Path,
) -> Result<(), StoreError> {
    let path: PathBuf = data_folder.join(DATABASE_FILE);
    let missing = applied(connection, data_folder)?.filter(|applied| !applied.is_empty()).and_then(|applied| {
        let known = runner.get_migrations().iter().map(refinery::Migration::version);
        known.filter(|version| !applied.contains(version)).min()
    });
    let copy = missing.map(|first| copy_before(connection, data_folder, first)).transpose()?;
    let failed = |source| StoreError::Database { path: path.clone(), source };
    connection.pragma_update(None, "foreign_keys", false).map_err(failed)?;
    runner.run(connection).map_err(|error| match copy {
        Some(copy) => StoreError::MigrationFailed { path: path.clone(), copy, source: Box::new(error) },
        None => unfit(data_folder, error),
    })?;
    let orphan = connection.query_row("PRAGMA foreign_key_check", [], |row| row.get::<_, String>(0));
    match orphan {
        Err(rusqlite::Error::QueryReturnedNoRows) => {}
        Ok(table) => return Err(StoreError::Damaged { path, table }),
        Err(source) => return Err(failed(source)),
    }
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)
}

/// Refuses a database that a newer program migrated, and one whose migrations were other ones.
pub(super) fn runner() -> refinery::Runner {
    migrations::migrations::runner().set_abort_missing(true).set_abort_divergent(true).set_grouped(true)
}

fn unfit(data_folder: &Path, error: refinery::Error) -> StoreError {
    StoreError::Migration { path: data_folder.join(DATABASE_FILE), source: Box::new(error) }
}
