//! The copy before a migration: that it is there, that it is whole, and that a migration that fails changes nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use refinery::{Migration, Runner, Target};
use rusqlite::Connection;

use super::{
    Store, StoreError,
    connection::{migrate, migrate_with, open_for_writing, runner},
};

/// A database of the first version with a row in it.
fn old_database(folder: &Path) -> Connection {
    let mut connection = open_for_writing(folder).unwrap();
    runner().set_target(Target::Version(1)).run(&mut connection).unwrap();
    connection.execute("INSERT INTO live_feed (at, topic, message) VALUES ('', '', 'old')", []).unwrap();
    connection
}

fn copies(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.file_name().unwrap().to_string_lossy().contains(".before-"));
    found.sort();
    found
}

#[test]
fn a_database_of_an_older_version_is_copied_before_its_tables_are_changed() {
    let folder = tempfile::tempdir().unwrap();
    drop(old_database(folder.path()));
    drop(Store::open(folder.path()).unwrap());
    let [copy] = &copies(folder.path())[..] else { panic!("{:?}", copies(folder.path())) };
    assert!(copy.to_string_lossy().contains("rackseed.db.before-V2-20"), "{copy:?}");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(copy).unwrap().permissions()) & 0o777, 0o600);
    let old = Connection::open(copy).unwrap();
    let message: String = old.query_row("SELECT message FROM live_feed", [], |row| row.get(0)).unwrap();
    let version: i32 = old.query_row("SELECT max(version) FROM refinery_schema_history", [], |row| row.get(0)).unwrap();
    assert_eq!((message.as_str(), version), ("old", 1));
    // Neither a new database nor one that is up to date is copied.
    drop(Store::open(folder.path()).unwrap());
    assert_eq!(copies(folder.path()).len(), 1);
    let fresh = tempfile::tempdir().unwrap();
    drop(Store::open(fresh.path()).unwrap());
    assert_eq!(copies(fresh.path()), [] as [PathBuf; 0]);
}

#[test]
fn the_three_newest_copies_stay() {
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=4 {
        let old = folder.path().join(format!("rackseed.db.before-V{number}-20200101T000000Z"));
        fs::write(&old, "").unwrap();
        let moment = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number);
        fs::File::options().write(true).open(&old).unwrap().set_modified(moment).unwrap();
    }
    drop(old_database(folder.path()));
    drop(Store::open(folder.path()).unwrap());
    let names: Vec<_> = copies(folder.path()).iter().map(|path| path.to_string_lossy().into_owned()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    for part in ["before-V2-20", "before-V3-2020", "before-V4-2020"] {
        assert!(names.iter().any(|name| name.contains(part)), "{part}: {names:?}");
    }
}

#[test]
fn a_migration_that_fails_leaves_the_old_tables_and_says_where_the_copy_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = old_database(folder.path());
    let mut migrations = runner().get_migrations().clone();
    let last = migrations.iter().map(Migration::version).max().unwrap();
    migrations.push(Migration::unapplied(&format!("V{}__broken", last + 1), "CREATE TABLE new (a); nonsense").unwrap());
    for _ in 0..2 {
        let broken = Runner::new(&migrations).set_grouped(true);
        let error = migrate_with(broken, &mut connection, folder.path()).unwrap_err();
        let StoreError::MigrationFailed { copy, .. } = &error else { panic!("{error}") };
        assert!(copy.exists() && error.to_string().contains(copy.to_str().unwrap()), "{error}");
        let applied: i32 =
            connection.query_row("SELECT count(*) FROM refinery_schema_history", [], |row| row.get(0)).unwrap();
        assert_eq!(applied, 1, "the migrations that would have worked are not there either");
    }
    assert_eq!(copies(folder.path()).len(), 1, "the same start again has the same copy");
    // The program that wrote it goes on with it.
    runner().set_target(Target::Version(1)).run(&mut connection).unwrap();
    let message: String = connection.query_row("SELECT message FROM live_feed", [], |row| row.get(0)).unwrap();
    assert_eq!(message, "old");
    migrate(&mut connection, folder.path()).unwrap();
}

/// Needs the right to mount.
#[test]
fn a_disk_without_room_for_the_copy_refuses_to_migrate() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path()).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("not checked on a real file system: no right to mount one");
        return;
    }
    let result = std::panic::catch_unwind(|| {
        drop(old_database(folder.path()));
        fs::write(folder.path().join("ballast"), vec![7; 700 * 1024]).unwrap();
        let error = Store::open(folder.path()).err().expect("it migrates without a copy");
        assert!(matches!(error, StoreError::NoRoomToMigrate { .. }), "{error}");
        assert!(error.to_string().contains("Nothing was changed"), "{error}");
        assert_eq!(copies(folder.path()), [] as [PathBuf; 0]);
        fs::remove_file(folder.path().join("ballast")).unwrap();
        drop(Store::open(folder.path()).unwrap());
    });
    assert!(Command::new("umount").arg("-l").arg(folder.path()).status().unwrap().success());
    result.unwrap();
}
