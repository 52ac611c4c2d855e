//! The fold and what is left behind, as tables and as properties.

use proptest::prelude::*;

use super::*;

fn operation(steps: &[&str]) -> Operation {
    Operation {
        id: "aaaaaaaaaaaa".parse().unwrap(),
        host: "bbbbbbbbbbbb".parse().unwrap(),
        plan: "rebuild_host".into(),
        steps: steps.iter().map(|step| (*step).to_owned()).collect(),
        started_at: Timestamp::UNIX_EPOCH,
        program: Some("0.0.9".into()),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn journal(entries: &[(&str, JournalEvent)]) -> Vec<JournalEntry> {
    let entries = entries.iter().enumerate();
    entries
        .map(|(place, (step, event))| JournalEntry {
            at: at(10 * place as i64),
            step: (*step).to_owned(),
            event: event.clone(),
        })
        .collect()
}

fn failed(reason: &str) -> JournalEvent {
    JournalEvent::Failed { reason: reason.into(), retry_at: None }
}

fn because(reason: &str) -> String {
    reason.to_owned()
}

const DONE: JournalEvent = JournalEvent::Succeeded { output: serde_json::Value::Null };

#[test]
fn attempts_and_durations_are_counted_over_retries() {
    let entries = journal(&[
        ("a", JournalEvent::Started),
        ("a", failed("no")),
        ("", JournalEvent::Parked { reason: because("no") }),
        ("", JournalEvent::Retried),
        ("a", JournalEvent::Started),
        ("a", JournalEvent::Waiting { reason: because("for it"), until: at(1000) }),
        ("a", DONE),
    ]);
    let progress = fold(&operation(&["a"]), &entries);
    let step = &progress.steps[0];
    assert_eq!((step.attempts, step.total_attempts, step.spent_seconds), (1, 2, 30));
    assert_eq!((step.first_started_at, step.started_at), (Some(at(0)), Some(at(40))));
    assert_eq!(progress.status, OperationStatus::Succeeded);
}

#[test]
fn a_skipped_step_is_left_behind_and_says_what_that_means() {
    let entries = journal(&[
        ("a", JournalEvent::Started),
        ("a", failed("no")),
        ("", JournalEvent::Parked { reason: because("no") }),
        ("a", JournalEvent::Skipped { consequence: because("it is not told") }),
    ]);
    let progress = fold(&operation(&["a", "b"]), &entries);
    assert_eq!((progress.status, progress.next), (OperationStatus::Running, NextMove::Do(1)));
    assert_eq!(progress.steps[0].status, StepStatus::Skipped);
    assert_eq!(progress.steps[0].reason.as_deref(), Some("it is not told"));
}

#[test]
fn what_another_version_wrote_parks_and_names_step_word_and_version() {
    let unknown = JournalEvent::Unknown { word: "delegated".into(), program: Some("0.9.0".into()) };
    let mut entries = journal(&[("a", JournalEvent::Started), ("a", unknown)]);
    let progress = fold(&operation(&["a"]), &entries);
    assert_eq!(progress.next, NextMove::Park);
    let said = progress.not_understood.unwrap();
    for part in ["`a`", "`delegated`", "rackseed 0.9.0", PROGRAM] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    entries.push(JournalEntry { at: at(90), step: String::new(), event: JournalEvent::Parked { reason: said } });
    assert_eq!(fold(&operation(&["a"]), &entries).status, OperationStatus::NeedsAttention);
    let strange = fold(&operation(&["a"]), &journal(&[("z", JournalEvent::Started)]));
    assert_eq!(strange.next, NextMove::Park);
    assert!(strange.not_understood.unwrap().contains("rackseed 0.0.9"));
}

#[test]
fn a_cancelled_operation_is_visible_as_such_from_the_intent_to_the_end() {
    let mut entries = journal(&[
        ("a", JournalEvent::Started),
        ("a", DONE),
        ("b", JournalEvent::Started),
        ("", JournalEvent::Cancelling { reason: because("asked") }),
    ]);
    let look = |entries: &[JournalEntry]| {
        let progress = fold(&operation(&["a", "b"]), entries);
        (progress.status, progress.next)
    };
    let mut then = |step: &str, event: JournalEvent| {
        entries.push(JournalEntry { at: at(500), step: step.into(), event });
        look(&entries)
    };
    assert_eq!(
        then("", JournalEvent::Unwinding { reason: because("asked") }),
        (OperationStatus::Cancelling, NextMove::Undo(1))
    );
    assert_eq!(then("b", JournalEvent::Undone), (OperationStatus::Cancelling, NextMove::Undo(0)));
    let reason = because("busy");
    assert_eq!(then("a", JournalEvent::UndoFailed { reason }), (OperationStatus::Cancelling, NextMove::EndCancelled));
    assert_eq!(
        then("", JournalEvent::Cancelled { reason: because("asked") }),
        (OperationStatus::Cancelled, NextMove::Rest)
    );
    assert_eq!(then("", JournalEvent::Retried), (OperationStatus::Cancelled, NextMove::Rest), "it stays cancelled");
}

#[test]
fn what_is_left_behind_is_told_for_the_stretch_in_which_it_is_true() {
    let plan = [
        "await_network_boot",
        "await_answer",
        "await_installation",
        "join_cluster",
        "verify_membership",
        "remove_key",
        "register_host",
        "finish",
    ];
    let after = |done: usize, is_begun: bool| {
        let mut entries: Vec<_> = plan[..done].iter().map(|step| (*step, DONE)).collect();
        entries.extend(plan.get(done).filter(|_| is_begun).map(|step| (*step, JournalEvent::Started)));
        aftermath(&fold(&operation(&plan), &journal(&entries)), done > 1).join("; ")
    };
    assert_eq!(after(0, true), "");
    assert!(after(2, true).contains("half written") && !after(2, true).contains("public key"));
    assert!(after(3, false).contains("fresh Proxmox VE") && after(3, false).contains("public key"));
    assert!(after(3, true).contains("half-joined") && !after(3, true).contains("in no cluster"));
    assert!(after(5, true).contains("stays one") && after(5, true).contains("public key"));
    assert!(!after(6, true).contains("public key") && after(6, true).contains("inventory service"));
    assert_eq!(after(8, false), "");
}

fn any_event() -> impl Strategy<Value = (Option<usize>, JournalEvent)> {
    let step = |event: JournalEvent| (0..3_usize).prop_map(move |index| (Some(index), event.clone()));
    let whole = |event: JournalEvent| Just((None, event));
    prop_oneof![
        step(JournalEvent::Started),
        step(DONE),
        step(failed("no")),
        step(JournalEvent::Skipped { consequence: because("left out") }),
        step(JournalEvent::Undone),
        step(JournalEvent::UndoFailed { reason: because("no") }),
        whole(JournalEvent::Retried),
        whole(JournalEvent::Parked { reason: because("no") }),
        whole(JournalEvent::Unwinding { reason: because("no") }),
        whole(JournalEvent::Cancelling { reason: because("asked") }),
        whole(JournalEvent::Cancelled { reason: because("asked") }),
    ]
}

proptest! {
    /// Whatever is retried, skipped, parked and cancelled in whatever order: going back undoes, last first, every step that was begun and not
    /// undone, and only then it is over.
    #[test]
    fn no_order_of_decisions_loses_a_step_that_must_be_undone(events in proptest::collection::vec(any_event(), 0..24)) {
        let operation = operation(&["a", "b", "c"]);
        let mut entries: Vec<_> = events
            .into_iter()
            .enumerate()
            .map(|(place, (index, event))| JournalEntry {
                at: at(place as i64),
                step: index.map_or_else(String::new, |index| operation.steps[index].clone()),
                event,
            })
            .collect();
        let mut touched = [false; 3];
        for entry in &entries {
            let Some(index) = operation.steps.iter().position(|step| *step == entry.step) else { continue };
            if matches!(entry.event, JournalEvent::Started | JournalEvent::Succeeded { .. }) {
                touched[index] = true;
            } else if matches!(entry.event, JournalEvent::Undone) {
                touched[index] = false;
            }
        }
        let was_cancelled = fold(&operation, &entries).status == OperationStatus::Cancelled;
        entries.push(JournalEntry { at: at(900), step: String::new(), event: JournalEvent::Unwinding { reason: because("no") } });
        let mut undone = Vec::new();
        for _ in 0..10 {
            let progress = fold(&operation, &entries);
            for (index, is_touched) in touched.iter().enumerate() {
                prop_assert_eq!(progress.steps[index].is_touched && !undone.contains(&index), *is_touched && !undone.contains(&index));
            }
            let NextMove::Undo(index) = progress.next else { break };
            prop_assert!(undone.last().is_none_or(|last| index < *last), "last first");
            undone.push(index);
            entries.push(JournalEntry { at: at(901), step: operation.steps[index].clone(), event: JournalEvent::Undone });
        }
        let progress = fold(&operation, &entries);
        let gave_up = |index: usize| progress.steps[index].status == StepStatus::UndoFailed;
        if was_cancelled {
            prop_assert_eq!(progress.status, OperationStatus::Cancelled);
        } else {
            for (index, is_touched) in touched.into_iter().enumerate() {
                prop_assert!(!is_touched || undone.contains(&index) || gave_up(index), "step {index} was lost");
            }
            prop_assert!(matches!(progress.status, OperationStatus::Failed | OperationStatus::Cancelling));
        }
    }
}
