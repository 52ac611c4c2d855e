//! Tokens, and what a rebuild leaves behind when it has ended.

use std::time::{Duration, Instant};

use rackseed::{
    domain::{
        change::Change,
        host::Host,
        host_lifecycle::HostEvent,
        operation::{JournalEvent, OperationStatus, fold},
        rebuild::{RebuildMarks, TokenPurpose},
    },
    ports::{HostLedger, ImageLedger, LedgerError, LiveFeed, OperationJournal, RebuildLedger},
    provisioning::RebuildTokens,
    store::Store,
};

use super::fixture::*;

#[tokio::test]
async fn an_ended_rebuild_leaves_no_secret_byte_in_any_file_while_the_store_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let id = operation_id(7);
    request_rebuild(&store, &register(&store, 1).await, 7).await;
    for column in ["token_secret", "private_key"] {
        assert!(!files_with(folder.path(), &sealed_bytes(&id, column)).is_empty(), "the look itself must work");
    }
    store.end(&id, at(9)).await.unwrap();
    store.end(&id, at(10)).await.unwrap();
    for column in ["token_secret", "private_key"] {
        assert_eq!(files_with(folder.path(), &sealed_bytes(&id, column)), [""; 0], "{column}");
    }
    let ended = store.rebuild(&id).await.unwrap().unwrap();
    assert_eq!((ended.sealed, ended.ended_at), (None, Some(at(9))));
}

/// Many at once make SQLite split and merge its pages, which copies rows about.
#[tokio::test]
async fn many_rebuilds_that_end_in_any_order_leave_no_secret_byte() {
    const REBUILDS: u8 = 120;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut ended = vec![];
    for number in 0..REBUILDS {
        request_rebuild(&store, &register(&store, number).await, u64::from(number)).await;
    }
    // 47 has no divisor in common with 120, so this walks through all of them in a scattered order.
    for turn in 0..REBUILDS {
        let id = operation_id(u64::from(turn) * 47 % u64::from(REBUILDS));
        store.end(&id, at(9)).await.unwrap();
        ended.push(id);
        if turn % 30 == 29 {
            for id in &ended {
                assert_eq!(files_with(folder.path(), &sealed_bytes(id, "private_key")), [""; 0], "{id} after {turn}");
            }
        }
    }
}

#[tokio::test]
async fn a_reader_that_looks_at_the_past_puts_the_forgetting_off_and_does_not_stop_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    request_rebuild(&store, &register(&store, 1).await, 7).await;
    let reader = raw(folder.path());
    reader.execute_batch("BEGIN; SELECT count(*) FROM hosts;").unwrap();
    let begin = Instant::now();
    store.end(&operation_id(7), at(9)).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    let left = || files_with(folder.path(), &sealed_bytes(&operation_id(7), "private_key"));
    assert!(!left().is_empty(), "the reader must hold the past");
    reader.execute_batch("COMMIT").unwrap();
    while !left().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_removed_host_leaves_no_secret_byte_either() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let host = request_rebuild(&store, &register(&store, 1).await, 7).await;
    store.record(&change(&host, HostEvent::OperationFailed, 2)).await.unwrap();
    assert!(remove_host(&store, &host, 3).await.unwrap());
    assert_eq!(files_with(folder.path(), &sealed_bytes(&operation_id(7), "private_key")), [""; 0]);
}

#[tokio::test]
async fn a_token_is_found_by_its_hash_and_its_text_is_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let host = register(&store, 1).await;
    let tokens = RebuildTokens::new(vec![42; 32].into());
    let mut opened = rebuild(&host, 7);
    opened.tokens = tokens.hashes();
    store.insert(&image(opened.rebuild.image.as_str(), 9, 2, "1")).await.unwrap();
    let opens = Some(Box::new(opened.clone()));
    store.record(&Change { opens, ..change(&host, HostEvent::RebuildRequested, 1) }).await.unwrap();
    for (purpose, hash) in opened.tokens {
        let record = store.token(&hash).await.unwrap().unwrap();
        assert_eq!((record.operation, record.host, record.purpose), (operation_id(7), host.id.clone(), purpose));
        assert_eq!(record.spent_at, None);
        assert_eq!(files_with(folder.path(), tokens.token(purpose).as_bytes()), [""; 0]);
    }
    assert_eq!(store.token(&[0; 32]).await.unwrap(), None);
}

#[tokio::test]
async fn a_token_is_spent_with_its_event_proves_repeats_of_it_and_no_other_event() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let host = request_rebuild(&store, &register(&store, 1).await, 7).await;
    let stranger = request_rebuild(&store, &register(&store, 2).await, 8).await;
    let boot = token_hash(7, TokenPurpose::Boot);
    let with = |host: &Host, event, token, seconds| Change { spends: Some(token), ..change(host, event, seconds) };
    let foreign = with(&stranger, HostEvent::BootScriptServed, boot, 2);
    assert!(matches!(store.record(&foreign).await, Err(LedgerError::Conflict)));
    let unknown = with(&host, HostEvent::BootScriptServed, [0; 32], 2);
    assert!(matches!(store.record(&unknown).await, Err(LedgerError::Conflict)));
    let booted = store.record(&with(&host, HostEvent::BootScriptServed, boot, 3)).await.unwrap();
    store.record(&with(&booted, HostEvent::BootScriptServed, boot, 4)).await.unwrap();
    assert_eq!(store.token(&boot).await.unwrap().unwrap().spent_at, Some(at(3)));
    let other_event = with(&booted, HostEvent::AnswerServed, boot, 5);
    assert!(matches!(store.record(&other_event).await, Err(LedgerError::Conflict)));
    let answered = with(&booted, HostEvent::AnswerServed, token_hash(7, TokenPurpose::Answer), 5);
    store.record(&answered).await.unwrap();
}

#[tokio::test]
async fn a_mark_is_written_once_with_the_token_that_proves_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let host = register(&store, 1).await;
    request_rebuild(&store, &host, 7).await;
    let (id, token) = (operation_id(7), token_hash(7, TokenPurpose::Installed));
    let marks = |seconds, address: &str| RebuildMarks {
        script_address: Some(address.parse().unwrap()),
        installed_at: Some(at(seconds)),
        ..RebuildMarks::default()
    };
    let first = store.mark(&id, &marks(3, "10.0.0.5"), Some((&token, at(3))), None, at(3)).await.unwrap();
    let told = line(1, "again");
    let again = store.mark(&id, &marks(4, "10.0.0.6"), Some((&token, at(4))), Some(&told), at(4)).await.unwrap();
    assert_eq!(first.marks, marks(3, "10.0.0.5"));
    assert_eq!(again, first);
    assert_eq!(store.token(&token).await.unwrap().unwrap().spent_at, Some(at(3)));
    let before = dump(folder.path());
    let stranger = token_hash(8, TokenPurpose::Installed);
    let refused = RebuildMarks { refused: Some("two machines".into()), ..RebuildMarks::default() };
    let conflict = store.mark(&id, &refused, Some((&stranger, at(5))), Some(&told), at(5)).await;
    assert!(matches!(conflict, Err(LedgerError::Conflict)));
    assert!(matches!(store.mark(&operation_id(9), &refused, None, None, at(5)).await, Err(LedgerError::Conflict)));
    assert_eq!(dump(folder.path()), before);
}

#[tokio::test]
async fn a_newer_rebuild_ends_the_earlier_one_and_everything_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let host = request_rebuild(&store, &register(&store, 1).await, 7).await;
    store.append(&operation_id(7), 0, &started("await_network_boot", 2), None).await.unwrap();
    store.take_turn("rackseed", &operation_id(7)).await.unwrap();
    let failed = store.record(&change(&host, HostEvent::OperationFailed, 3)).await.unwrap();
    request_rebuild(&store, &failed, 8).await;
    let (operation, journal) = store.operation(&operation_id(7)).await.unwrap().unwrap();
    assert_eq!(fold(&operation, &journal).status, OperationStatus::Cancelled);
    assert!(matches!(journal.last().unwrap().event, JournalEvent::Cancelled { .. }));
    assert_eq!(store.open_operations().await.unwrap(), [operation_id(8)]);
    assert_eq!(store.operations_of(&host.id, 9).await.unwrap(), [operation_id(8), operation_id(7)]);
    assert_eq!(store.latest_rebuild(&host.id).await.unwrap().unwrap().operation, operation_id(8));
    assert!(store.rebuild(&operation_id(7)).await.unwrap().unwrap().ended_at.is_some());
    assert_eq!(files_with(folder.path(), &sealed_bytes(&operation_id(7), "private_key")), [""; 0]);
    assert_eq!(store.token(&token_hash(7, TokenPurpose::Installed)).await.unwrap(), None);
    assert!(store.token(&token_hash(8, TokenPurpose::Installed)).await.unwrap().is_some());
    assert_eq!(store.take_turn("rackseed", &operation_id(8)).await.unwrap(), operation_id(8));
    let told = store.events_after(0, 100).await.unwrap();
    assert!(told.iter().any(|event| event.operation == Some(operation_id(7)) && event.message.contains("cancelled")));
}
