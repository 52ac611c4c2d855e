//! The database: what is promised is still there after a restart, and what was erased is nowhere.

mod erasing;
mod fixture;
mod journal;
mod keys;

use std::{os::unix::fs::PermissionsExt, process::Command, time::Duration};

use rackseed::{
    domain::{
        change::Change,
        host::HostFacts,
        host_lifecycle::{HostEvent, HostState},
        identity::{Hostname, ImageId},
        rebuild::{RebuildMarks, TokenPurpose},
    },
    ports::{HostLedger, ImageLedger, LedgerError, LiveFeed, OperationJournal, RebuildLedger, RegisterError, Removal},
    store::{Store, StoreError},
};

use fixture::*;

#[tokio::test]
async fn a_second_daemon_on_the_same_data_folder_is_refused_with_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let first = Store::open(folder.path()).unwrap();
    let refused = Store::open(folder.path()).err().unwrap();
    assert!(matches!(refused, StoreError::InUse { .. }));
    let sentence = refused.to_string();
    assert!(sentence.contains(&folder.path().display().to_string()), "{sentence}");
    assert!(sentence.contains(&format!("process {}", std::process::id())), "{sentence}");
    drop(first);
    Store::open(folder.path()).unwrap();
}

#[tokio::test]
async fn a_command_works_beside_the_daemon_and_the_daemon_hears_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Store::open(folder.path()).unwrap();
    let mut bell = daemon.bell();
    let command = Store::open_shared(folder.path()).unwrap();
    command.insert(&image("pve-9.2-1", 9, 2, "1")).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), bell.changed()).await.unwrap().unwrap();
    let events = daemon.events_after(0, 10).await.unwrap();
    assert_eq!(events[0].message, "the image pve-9.2-1 (Proxmox VE 9.2-1) was added");
    assert_eq!(daemon.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_host_with_its_rebuild_survives_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let host = request_rebuild(&store, &register(&store, 1).await, 7).await;
    let opened = rebuild(&host, 7);
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(host.state, HostState::PxeReady);
    assert_eq!(host.operation, Some(operation_id(7)));
    assert_eq!(store.host(&host.id).await.unwrap(), Some(host.clone()));
    assert_eq!(store.host_by_mac(host.mac).await.unwrap(), Some(host.clone()));
    assert_eq!(store.hosts().await.unwrap(), std::slice::from_ref(&host));
    assert_eq!(store.rebuild(&operation_id(7)).await.unwrap(), Some(opened.rebuild.clone()));
    assert_eq!(store.latest_rebuild(&host.id).await.unwrap(), Some(opened.rebuild));
    assert_eq!(store.operation(&operation_id(7)).await.unwrap(), Some((opened.operation, vec![])));
    assert_eq!(store.open_operations().await.unwrap(), [operation_id(7)]);
}

#[tokio::test]
async fn a_taken_address_or_name_names_the_other_host_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let first = register(&store, 1).await;
    let before = dump(folder.path());
    let mut same_mac = new_host(2);
    same_mac.mac = first.mac;
    let refused = store.register(&same_mac, &line(2, "registered")).await.unwrap_err();
    assert!(matches!(refused, RegisterError::DuplicateMac { ref other, .. } if *other == first.hostname), "{refused}");
    let mut same_name = new_host(2);
    same_name.hostname = first.hostname.clone();
    let refused = store.register(&same_name, &line(2, "registered")).await.unwrap_err();
    assert!(matches!(refused, RegisterError::DuplicateHostname { other, .. } if other == first.mac), "{refused}");
    assert_eq!(dump(folder.path()), before);
}

#[tokio::test]
async fn a_lost_race_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let registered = register(&store, 1).await;
    request_rebuild(&store, &registered, 7).await;
    let before = dump(folder.path());
    let opens = Some(Box::new(rebuild(&registered, 8)));
    let late = Change { opens, ..change(&registered, HostEvent::RebuildRequested, 2) };
    assert!(matches!(store.record(&late).await, Err(LedgerError::Conflict)));
    assert_eq!(dump(folder.path()), before);
}

#[tokio::test]
async fn every_part_of_a_change_is_written_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let host = request_rebuild(&store, &register(&store, 1).await, 7).await;
    let host = store.record(&change(&host, HostEvent::Cancelled, 2)).await.unwrap();
    let whole = Change {
        opens: Some(Box::new(rebuild(&host, 8))),
        marks: Some((operation_id(7), RebuildMarks { answered_at: Some(at(3)), ..RebuildMarks::default() })),
        spends: Some(token_hash(7, TokenPurpose::Installed)),
        ends: Some(operation_id(7)),
        ..change(&host, HostEvent::RebuildRequested, 3)
    };
    let before = dump(folder.path());
    let writes = [
        "UPDATE ON hosts",
        "INSERT ON history",
        "UPDATE ON tokens",
        "UPDATE ON rebuilds",
        "INSERT ON journal",
        "UPDATE ON operations",
        "DELETE ON sealed_secrets",
        "DELETE ON tokens",
        "INSERT ON operations",
        "INSERT ON rebuilds",
        "INSERT ON sealed_secrets",
        "INSERT ON tokens",
        "INSERT ON live_feed",
    ];
    for write in writes {
        let trap = format!("CREATE TRIGGER trap BEFORE {write} BEGIN SELECT raise(ABORT, 'trapped'); END");
        raw(folder.path()).execute_batch(&trap).unwrap();
        let error = store.record(&whole).await.unwrap_err();
        assert!(error.to_string().contains("trapped"), "{write}: {error}");
        raw(folder.path()).execute_batch("DROP TRIGGER trap").unwrap();
        assert_eq!(dump(folder.path()), before, "{write}");
    }
    store.record(&whole).await.unwrap();
    assert_ne!(dump(folder.path()), before);
}

#[tokio::test]
async fn a_change_teaches_facts_and_keeps_what_it_does_not_mention() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let host = request_rebuild(&store, &register(&store, 1).await, 7).await;
    let facts = HostFacts {
        reason: Some("it went wrong".into()),
        address: Some("10.0.0.5".parse().unwrap()),
        hardware_id: Some("4c4c4544".into()),
        ssh_host_key: Some("ssh-ed25519 AAAA".into()),
        installed_at: Some(at(2)),
        is_member: Some(true),
    };
    let failed = store.record(&Change { facts, ..change(&host, HostEvent::Overdue, 9) }).await.unwrap();
    assert_eq!(failed.reason.as_deref(), Some("it went wrong"));
    assert!(failed.is_member && failed.state_since == at(9));
    let again = request_rebuild(&store, &failed, 8).await;
    assert_eq!(again.reason, None);
    assert_eq!((again.address, again.installed_at), (failed.address, Some(at(2))));
    // The old system is there until the installer may write over it.
    assert!(again.ssh_host_key.is_some() && again.is_member);
    let booted = store.record(&change(&again, HostEvent::BootScriptServed, 10)).await.unwrap();
    let installing = store.record(&change(&booted, HostEvent::AnswerServed, 11)).await.unwrap();
    assert_eq!((installing.ssh_host_key, installing.is_member), (None, false));
    let history = store.history(&host.id, 4).await.unwrap();
    let events: Vec<_> = history.iter().skip(2).map(|entry| (entry.event, entry.from, entry.to)).collect();
    assert_eq!(
        events,
        [
            (HostEvent::RebuildRequested, HostState::Failed, HostState::PxeReady),
            (HostEvent::Overdue, HostState::PxeReady, HostState::Failed),
        ]
    );
}

#[tokio::test]
async fn a_repeat_keeps_the_moment_since_when_the_host_is_in_its_state() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let host = request_rebuild(&store, &register(&store, 1).await, 7).await;
    let booted = store.record(&change(&host, HostEvent::BootScriptServed, 10)).await.unwrap();
    let again = store.record(&change(&booted, HostEvent::BootScriptServed, 20)).await.unwrap();
    assert_eq!(again.state_since, at(10));
}

#[tokio::test]
async fn an_unknown_state_word_is_an_error_and_not_a_default() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let host = register(&store, 1).await;
    raw(folder.path()).execute("UPDATE hosts SET state = 'asleep'", []).unwrap();
    for result in [store.host(&host.id).await.map(|_| ()), store.hosts().await.map(|_| ())] {
        let error = result.unwrap_err();
        assert!(matches!(error, LedgerError::Unreadable(ref why) if why.contains("asleep")), "{error}");
    }
    assert!(matches!(remove_host(&store, &host, 1).await, Err(LedgerError::Unreadable(_))));
}

#[tokio::test]
async fn only_a_host_at_rest_is_removed_and_then_with_all_that_belongs_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let host = request_rebuild(&store, &register(&store, 1).await, 7).await;
    assert!(matches!(remove_host(&store, &host, 3).await, Err(LedgerError::Conflict)));
    store.record(&change(&host, HostEvent::Cancelled, 4)).await.unwrap();
    store.take_turn("rackseed", &operation_id(7)).await.unwrap();
    assert!(remove_host(&store, &host, 5).await.unwrap());
    assert!(!remove_host(&store, &host, 5).await.unwrap());
    let left: Vec<_> = dump(folder.path()).into_iter().filter(|row| !row.starts_with("refinery")).collect();
    assert!(left.iter().all(|row| row.starts_with("live_feed") || row.starts_with("images")), "{left:#?}");
}

#[tokio::test]
async fn the_live_feed_is_resumed_by_id_and_keeps_its_newest_ten_thousand_rows() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let bell = store.bell();
    for number in 1..=3 {
        store.publish(&line(1, &format!("row {number}")), at(number)).await.unwrap();
        assert_eq!((*bell.borrow(), store.newest_event().await.unwrap()), (number, number));
    }
    let rows = store.events_after(1, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.message.as_str()).collect::<Vec<_>>(), ["row 2", "row 3"]);
    assert_eq!(store.events_after(0, 1).await.unwrap()[0].id, 1);
    raw(folder.path())
        .execute("INSERT INTO live_feed (id, at, topic, message) SELECT 10001, at, topic, 'late' FROM live_feed WHERE id = 1", [])
        .unwrap();
    store.publish(&line(1, "latest"), at(9)).await.unwrap();
    let ids: Vec<i64> = store.events_after(0, 10).await.unwrap().iter().map(|row| row.id).collect();
    assert_eq!(ids, [3, 10_001, 10_002]);
}

#[tokio::test]
async fn images_are_listed_newest_release_first_and_an_id_is_taken_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    for (name, major, minor, iso) in [("a", 8, 4, "1"), ("b", 9, 2, "2"), ("c", 9, 2, "10"), ("d", 9, 10, "1")] {
        store.insert(&image(name, major, minor, iso)).await.unwrap();
    }
    let names: Vec<String> = store.list().await.unwrap().iter().map(|image| image.id.to_string()).collect();
    assert_eq!(names, ["d", "c", "b", "a"]);
    let b: ImageId = "b".parse().unwrap();
    assert!(matches!(store.insert(&image("b", 9, 3, "1")).await, Err(LedgerError::Conflict)));
    assert_eq!(store.get(&b).await.unwrap(), Some(image("b", 9, 2, "2")));
    assert_eq!(ImageLedger::remove(&store, &b, &[], at(1)).await.unwrap(), Removal::Removed);
    assert_eq!(ImageLedger::remove(&store, &b, &[], at(1)).await.unwrap(), Removal::Unknown);
}

#[tokio::test]
async fn every_file_is_private_also_in_a_folder_that_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    for data_folder in [folder.path(), &made] {
        let store = Store::open(data_folder).unwrap();
        register(&store, 1).await;
        for entry in std::fs::read_dir(data_folder).unwrap().map(Result::unwrap) {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o077;
            assert_eq!(mode, 0, "{:?}", entry.path());
        }
    }
    assert_eq!(std::fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o700);
}

/// Needs the right to mount; elsewhere `store::tests` still fills the database to a bound of SQLite's own.
#[tokio::test]
async fn a_full_disk_is_called_by_its_name_and_writing_goes_on_when_there_is_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path()).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("not checked on a real file system: no right to mount one");
        return;
    }
    let result = tokio::spawn(fill_disk(folder.path().to_owned())).await;
    let unmounted = Command::new("umount").arg("-l").arg(folder.path()).status().unwrap();
    assert!(unmounted.success());
    result.unwrap();
}

async fn fill_disk(folder: std::path::PathBuf) {
    let store = Store::open(&folder).unwrap();
    let host = register(&store, 1).await;
    let ballast = folder.join("ballast");
    std::fs::write(&ballast, vec![7; 256 * 1024]).unwrap();
    let error = loop {
        if let Err(error) = store.publish(&line(1, &"long ".repeat(2_000)), at(1)).await {
            break error;
        }
    };
    assert!(matches!(error, LedgerError::DiskFull), "{error}");
    assert!(matches!(
        store.register(&new_host(2), &line(2, &"long ".repeat(9_000))).await,
        Err(RegisterError::Ledger(LedgerError::DiskFull))
    ));
    assert_eq!(store.hosts().await.unwrap(), [host]);
    std::fs::remove_file(&ballast).unwrap();
    register(&store, 2).await;
    assert_names(&store, &["pve-01", "pve-02"]).await;
}

async fn assert_names(store: &Store, names: &[&str]) {
    let hosts = store.hosts().await.unwrap();
    let found: Vec<&str> = hosts.iter().map(|host| Hostname::as_str(&host.hostname)).collect();
    assert_eq!(found, names);
}
