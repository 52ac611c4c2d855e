//! Journals and turns.

use rackseed::{
    domain::operation::{JournalEntry, JournalEvent},
    ports::{LedgerError, LiveFeed, OperationJournal},
    store::Store,
};

use super::fixture::*;

#[tokio::test]
async fn an_entry_for_a_journal_of_another_length_is_a_conflict_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    request_rebuild(&store, &register(&store, 1).await, 7).await;
    store.append(&operation_id(7), 0, &started("await_network_boot", 2), None).await.unwrap();
    let before = dump(folder.path());
    for length in [0, 2] {
        let told = line(1, "twice");
        let late = store.append(&operation_id(7), length, &started("finish", 3), Some(&told)).await;
        assert!(matches!(late, Err(LedgerError::Conflict)), "{length}");
    }
    assert!(matches!(store.append(&operation_id(9), 0, &started("finish", 3), None).await, Err(LedgerError::Conflict)));
    assert_eq!(dump(folder.path()), before);
}

#[tokio::test]
async fn of_many_that_append_at_once_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(Store::open(folder.path()).unwrap());
    request_rebuild(&store, &register(&store, 1).await, 7).await;
    let tasks = (0..20).map(|second| {
        let store = std::sync::Arc::clone(&store);
        tokio::spawn(async move { store.append(&operation_id(7), 0, &started("finish", second), None).await.is_ok() })
    });
    let mut winners = 0;
    for task in tasks.collect::<Vec<_>>() {
        winners += u32::from(task.await.unwrap());
    }
    assert_eq!(winners, 1);
    assert_eq!(store.operation(&operation_id(7)).await.unwrap().unwrap().1.len(), 1);
}

#[tokio::test]
async fn a_journal_with_every_kind_of_entry_survives_reopening_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    request_rebuild(&store, &register(&store, 1).await, 7).await;
    let reason = || "because".to_owned();
    let events = vec![
        JournalEvent::Started,
        JournalEvent::Succeeded { output: serde_json::json!({"address": "10.0.0.5", "parts": [1, 2]}) },
        JournalEvent::Failed { reason: reason(), retry_at: Some(at(5)) },
        JournalEvent::Failed { reason: reason(), retry_at: None },
        JournalEvent::Waiting { reason: reason(), until: at(6) },
        JournalEvent::UndoStarted,
        JournalEvent::Undone,
        JournalEvent::UndoFailed { reason: reason() },
        JournalEvent::Unwinding { reason: reason() },
        JournalEvent::Parked { reason: reason() },
        JournalEvent::Retried,
        JournalEvent::Cancelled { reason: reason() },
    ];
    let journal: Vec<_> =
        events.into_iter().map(|event| JournalEntry { at: at(2), step: "finish".into(), event }).collect();
    for (length, entry) in journal.iter().enumerate() {
        store.append(&operation_id(7), length, entry, Some(&line(1, "moved"))).await.unwrap();
    }
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.operation(&operation_id(7)).await.unwrap().unwrap().1, journal);
    let moved = store.events_after(0, 100).await.unwrap().into_iter().filter(|event| event.message == "moved");
    assert_eq!(moved.count(), journal.len());
}

#[tokio::test]
async fn a_turn_belongs_to_one_operation_and_survives_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    request_rebuild(&store, &register(&store, 1).await, 7).await;
    request_rebuild(&store, &register(&store, 2).await, 8).await;
    let (first, second) = (operation_id(7), operation_id(8));
    assert_eq!(store.take_turn("rackseed", &first).await.unwrap(), first);
    assert_eq!(store.take_turn("rackseed", &first).await.unwrap(), first);
    assert_eq!(store.take_turn("other", &second).await.unwrap(), second);
    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.take_turn("rackseed", &second).await.unwrap(), first);
    store.give_back_turn(&first).await.unwrap();
    store.give_back_turn(&first).await.unwrap();
    assert_eq!(store.take_turn("rackseed", &second).await.unwrap(), second);
}

#[tokio::test]
async fn a_closed_operation_gives_back_its_turn_and_can_take_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    request_rebuild(&store, &register(&store, 1).await, 7).await;
    request_rebuild(&store, &register(&store, 2).await, 8).await;
    store.take_turn("rackseed", &operation_id(7)).await.unwrap();
    store.close(&operation_id(7), at(5)).await.unwrap();
    assert_eq!(store.open_operations().await.unwrap(), [operation_id(8)]);
    assert!(matches!(store.take_turn("rackseed", &operation_id(7)).await, Err(LedgerError::Conflict)));
    assert_eq!(store.take_turn("rackseed", &operation_id(8)).await.unwrap(), operation_id(8));
}
