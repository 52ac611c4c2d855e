//! What only the inside can show: migrations, panics, and a database that may not grow.

use std::path::Path;

use refinery::Target;
use rusqlite::Connection;

use super::{
    Store, StoreError,
    columns::execute,
    connection::{migrate, open_for_writing, runner},
    sealed::SEALED,
};
use crate::ports::{LedgerError, LiveFeed};

#[test]
fn every_migration_applies_to_an_empty_database_and_to_one_of_each_earlier_version() {
    let fresh = {
        let folder = tempfile::tempdir().unwrap();
        schema_after(folder.path(), None)
    };
    for migration in runner().get_migrations() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            schema_after(folder.path(), Some(migration.version())),
            fresh,
            "from version {}",
            migration.version()
        );
    }
}

#[test]
fn a_database_that_a_newer_program_migrated_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path()).unwrap());
    let connection = open_for_writing(folder.path()).unwrap();
    let newer = "INSERT INTO refinery_schema_history SELECT 9999, 'later', applied_on, '1' FROM refinery_schema_history LIMIT 1";
    assert_eq!(connection.execute(newer, []).unwrap(), 1);
    for result in [Store::open(folder.path()), Store::open_shared(folder.path())] {
        let error = result.err().unwrap();
        assert!(matches!(error, StoreError::Migration { .. }), "{error}");
        assert!(error.to_string().contains("rackseed.db"), "{error}");
    }
}

#[test]
fn a_command_of_a_newer_version_does_not_change_the_tables_under_a_running_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let _daemon = Store::open(folder.path()).unwrap();
    open_for_writing(folder.path()).unwrap().execute("DELETE FROM refinery_schema_history", []).unwrap();
    let error = Store::open_shared(folder.path()).err().unwrap();
    assert!(matches!(error, StoreError::DaemonIsOlder { .. }), "{error}");
}

#[tokio::test]
async fn a_panic_in_a_change_takes_back_that_change_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let result: Result<(), _> = store
        .write(|write| {
            execute(write, "INSERT INTO live_feed (at, topic, message) VALUES ('', '', '')", [])?;
            panic!("on purpose")
        })
        .await;
    assert!(matches!(result, Err(LedgerError::Database(_))), "{result:?}");
    assert_eq!(store.newest_event().await.unwrap(), 0);
    for _ in 0..10 {
        let result: Result<(), _> = store.read(|_| panic!("on purpose")).await;
        assert!(result.is_err());
    }
    store.write(|write| execute(write, "DELETE FROM hosts", [])).await.unwrap();
    assert_eq!(store.newest_event().await.unwrap(), 0);
}

#[tokio::test]
async fn a_database_that_cannot_grow_is_a_full_disk_and_nothing_of_the_change_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    store.write(|write| Ok(write.pragma_update_and_check(None, "max_page_count", 1, |_| Ok(()))?)).await.unwrap();
    let result = store
        .write(|write| {
            execute(write, "INSERT INTO live_feed (at, topic, message) VALUES ('', '', 'small')", [])?;
            execute(write, "INSERT INTO live_feed (at, topic, message) VALUES ('', '', hex(zeroblob(99999)))", [])
        })
        .await;
    assert!(matches!(result, Err(LedgerError::DiskFull)), "{result:?}");
    assert_eq!(store.newest_event().await.unwrap(), 0);
}

/// Migrates to a version first, if one is given, then to the newest; returns the tables and indexes.
fn schema_after(folder: &Path, version: Option<i32>) -> Vec<String> {
    let mut connection = open_for_writing(folder).unwrap();
    if let Some(version) = version {
        runner().set_target(Target::Version(version)).run(&mut connection).unwrap();
    }
    migrate(&mut connection, folder).unwrap();
    schema(&connection)
}

fn schema(connection: &Connection) -> Vec<String> {
    let mut statement =
        connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn every_column_that_the_key_file_seals_is_known_to_whoever_renews_the_key() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path()).unwrap());
    let connection = open_for_writing(folder.path()).unwrap();
    let sql = "SELECT DISTINCT tables.name FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
               WHERE tables.type = 'table' AND columns.type = 'BLOB' ORDER BY 1";
    let mut statement = connection.prepare(sql).unwrap();
    let found: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    // Hashes of tokens, sessions and repeated requests, and the row by which another key is noticed.
    let mut known: Vec<_> = SEALED
        .iter()
        .map(|(table, _)| *table)
        .chain(["tokens", "key_check", "sessions", "api_tokens", "repeats"])
        .collect();
    known.sort_unstable();
    assert_eq!(found, known, "a table with sealed secrets belongs into SEALED; one with other bytes here");
}
