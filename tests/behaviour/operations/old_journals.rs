//! A database that an older or a newer program wrote: operations go on, or say why not, and never stop others.

use std::sync::Arc;

use rackseed::{
    domain::{
        host_lifecycle::HostState,
        identity::OperationId,
        operation::{Action, OperationStatus, StepStatus},
    },
    operations::OperationView,
    ports::{OperationJournal, RebuildLedger},
};

use super::assert_ready;
use crate::support::rebuild_world::RebuildWorld;

/// Writes to the database as another program would.
fn write(world: &RebuildWorld, sql: &str, parameters: impl rusqlite::Params) {
    let connection = rusqlite::Connection::open(world.folder.path().join("data/rackseed.db")).unwrap();
    assert!(connection.execute(sql, parameters).unwrap() > 0, "{sql}");
}

async fn view(world: &RebuildWorld, operation: &OperationId) -> OperationView {
    world.operations().view(operation).await.unwrap().unwrap()
}

fn offer(view: &OperationView, action: Action) -> (bool, &str) {
    let offer = view.actions.iter().find(|offer| offer.action == action).unwrap();
    (offer.possible, &offer.consequence)
}

#[tokio::test]
async fn a_plan_with_a_step_that_this_program_lacks_parks_before_the_disk_is_touched_and_others_go_on() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    let steps = r#"["power_on","await_network_boot","await_answer","await_installation","polish_bezel","finish"]"#;
    write(
        &world,
        "UPDATE operations SET steps = ?2, program = '0.9.0' WHERE id = ?1",
        rusqlite::params![operation.as_str(), steps],
    );
    world.run(&world.world, &host, &operation).await.unwrap();
    let seen = view(&world, &operation).await;
    assert_eq!(seen.progress.status, OperationStatus::NeedsAttention, "{seen:#?}");
    let reason = seen.progress.reason.clone().unwrap();
    assert!(reason.contains("`polish_bezel`") && reason.contains("rackseed 0.9.0"), "{reason}");
    let found = world.host(&host).await;
    assert_eq!(found.state, HostState::Failed);
    assert!(world.world.keeper.boot_table().armed(found.mac).is_none(), "nothing is armed any more");
    assert!(!offer(&seen, Action::Retry).0 && !offer(&seen, Action::Skip).0);

    let (other_host, other) = world.armed("pve-02", 2).await;
    world.run(&world.world, &other_host, &other).await.unwrap();
    assert_eq!(world.host(&other_host).await.state, HostState::Ready);

    let ended = world.operations().cancel(&operation).await.unwrap();
    assert_eq!(ended.progress.status, OperationStatus::Cancelled);
    assert_eq!(world.store.rebuild(&operation).await.unwrap().unwrap().sealed, None);
}

#[tokio::test]
async fn past_the_point_of_no_return_as_much_is_done_as_can_be_and_a_newer_program_goes_on_from_there() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    let whole = view(&world, &operation).await.operation.steps;
    let mut foreign = whole.clone();
    let place = foreign.iter().position(|step| step == "reach_node").unwrap();
    let set = |steps: &[String]| {
        let steps = serde_json::to_string(steps).unwrap();
        let sql = "UPDATE operations SET steps = ?2 WHERE id = ?1";
        write(&world, sql, rusqlite::params![operation.as_str(), steps]);
    };
    let engine = rackseed::operations::Engine::new(world.world.clone());
    while world.host(&host).await.state != HostState::Installing {
        if engine.advance(&operation).await.unwrap() != rackseed::operations::Advance::Again {
            world.machine_acts(&world.world, &host).await;
        }
    }
    while engine.advance(&operation).await.unwrap() == rackseed::operations::Advance::Again {}
    foreign.insert(place, "polish_bezel".into());
    set(&foreign);
    world.run(&world.world, &host, &operation).await.unwrap();
    let seen = view(&world, &operation).await;
    assert_eq!(seen.progress.status, OperationStatus::NeedsAttention);
    assert_eq!(seen.progress.step("await_first_boot").unwrap().status, StepStatus::Succeeded);
    assert!(!offer(&seen, Action::Retry).0, "{seen:#?}");
    // The program that knows the step: here it is one that has nothing to do for it.
    set(&whole);
    world.operations().retry(&operation).await.unwrap();
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_ready(&world, &host, &operation).await;
}

#[tokio::test]
async fn an_event_word_that_this_program_does_not_know_parks_with_step_word_and_version() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    for (place, event) in
        [r#"{"event":"delegated","to":"a robot"}"#, r#"{"event":"failed"}"#, "not JSON"].iter().enumerate()
    {
        write(
            &world,
            "INSERT INTO journal (operation, position, at, step, event, program) VALUES (?1, ?2, ?3, 'power_on', ?4, '0.9.0')",
            rusqlite::params![operation.as_str(), place as i64, "2026-09-21T14:13:20Z", event],
        );
    }
    world.run(&world.world, &host, &operation).await.unwrap();
    let seen = view(&world, &operation).await;
    assert_eq!(seen.progress.status, OperationStatus::NeedsAttention);
    let reason = seen.progress.reason.clone().unwrap();
    assert!(["`delegated`", "`power_on`", "rackseed 0.9.0"].iter().all(|part| reason.contains(part)), "{reason}");
    let refused = world.operations().retry(&operation).await.unwrap_err().to_string();
    assert!(refused.contains("`delegated`"), "{refused}");
    let ended = world.operations().cancel(&operation).await.unwrap();
    let reason = ended.progress.reason.unwrap();
    assert!(ended.progress.status == OperationStatus::Cancelled && reason.contains("cannot be told"), "{reason}");
    assert_eq!(world.store.open_operations().await.unwrap(), []);
}

#[tokio::test]
async fn a_step_that_this_program_cannot_undo_parks_the_unwinding_and_cancelling_ends_it() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    let steps = r#"["polish_bezel","await_answer"]"#;
    let sql = "UPDATE operations SET steps = ?2, program = NULL WHERE id = ?1";
    write(&world, sql, rusqlite::params![operation.as_str(), steps]);
    let events = [
        ("polish_bezel", r#"{"event":"started"}"#),
        ("polish_bezel", r#"{"event":"succeeded","output":null}"#),
        ("", r#"{"event":"unwinding","reason":"it broke"}"#),
    ];
    for (place, (step, event)) in events.iter().enumerate() {
        write(
            &world,
            "INSERT INTO journal (operation, position, at, step, event) VALUES (?1, ?2, ?3, ?4, ?5)",
            rusqlite::params![operation.as_str(), place as i64, "2026-09-21T14:13:20Z", step, event],
        );
    }
    world.run(&world.world, &host, &operation).await.unwrap();
    let seen = view(&world, &operation).await;
    assert_eq!(seen.progress.status, OperationStatus::NeedsAttention);
    let reason = seen.progress.reason.unwrap();
    assert!(reason.contains("cannot undo the step `polish_bezel`") && reason.contains("did not note"), "{reason}");
    let ended = world.operations().cancel(&operation).await.unwrap();
    assert_eq!(ended.progress.status, OperationStatus::Cancelled, "{ended:#?}");
}

#[tokio::test]
async fn operations_and_entries_note_the_version_that_wrote_them() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_eq!(view(&world, &operation).await.operation.program.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    let connection = rusqlite::Connection::open(world.folder.path().join("data/rackseed.db")).unwrap();
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let unnoted = count("SELECT count(*) FROM journal WHERE program IS NOT (SELECT program FROM operations)");
    assert_eq!((unnoted, count("SELECT count(*) > 10 FROM journal")), (0, 1));
    let _ = Arc::clone(&world.store);
}
