//! What every plan promises, proved by one harness, and what an operator sees of operations.

mod decisions;
mod joining;
mod killing_journal;
mod leaving;
mod old_journals;
mod outputs;
mod removing;

use std::{
    net::Ipv4Addr,
    sync::{Arc, atomic::Ordering},
};

use killing_journal::{Kill, KillingJournal};
use rackseed::{
    domain::{
        host_lifecycle::HostState,
        identity::{HostId, OperationId},
        operation::{OperationStatus, StepStatus},
        preflight::Objection,
        rebuild::RebuildMarks,
    },
    operations::{Engine, OperationView, RebuildRefusal, StepKind, plans::PLANS, steps},
    ports::{OperationJournal, RebuildLedger},
};

use crate::support::rebuild_world::{RebuildWorld, image};

/// Runs with a killing journal, restarting after every kill, until the operation rests.
async fn run_with_kills(world: &RebuildWorld, journal: &Arc<KillingJournal>, host: &HostId, operation: &OperationId) {
    for _ in 0..400 {
        if world.run(&world.restarted(journal.clone()), host, operation).await.is_ok() {
            return;
        }
    }
    panic!("the operation never rests");
}

async fn assert_ready(world: &RebuildWorld, host: &HostId, operation: &OperationId) {
    let (found, view) = (world.host(host).await, world.operations().view(operation).await.unwrap().unwrap());
    assert_eq!(view.progress.status, OperationStatus::Succeeded, "{view:#?}");
    assert_eq!((found.state, found.is_member), (HostState::Ready, true));
    let node = world.nodes.node(found.address.unwrap());
    assert_eq!((node.cluster.as_deref(), node.has_key, node.joins_started), (Some("rackseed"), false, 1));
    assert_eq!(world.store.rebuild(operation).await.unwrap().unwrap().sealed, None, "the secrets are erased");
    assert!(world.inventory.records.lock().unwrap().iter().any(|record| record.hostname == found.hostname));
    assert_eq!(world.store.open_operations().await.unwrap(), []);
}

#[tokio::test]
async fn a_rebuild_succeeds_and_the_next_host_joins_through_the_first() {
    let world = RebuildWorld::new();
    for (name, last) in [("pve-01", 1), ("pve-02", 2)] {
        let (host, operation) = world.armed(name, last).await;
        world.run(&world.world, &host, &operation).await.unwrap();
        assert_ready(&world, &host, &operation).await;
    }
}

#[tokio::test]
async fn every_plan_names_steps_that_exist_and_nothing_reversible_follows_its_first_point_of_no_return() {
    for plan in PLANS {
        let kinds: Vec<_> = plan
            .steps
            .iter()
            .map(|name| steps::step(name).unwrap_or_else(|| panic!("no step {name}")).kind())
            .collect();
        let points: Vec<_> = kinds
            .iter()
            .enumerate()
            .filter(|(_, kind)| **kind == StepKind::PointOfNoReturn)
            .map(|(at, _)| at)
            .collect();
        for (place, kind) in kinds.iter().enumerate() {
            let (first, last) = (points.first().copied(), points.last().copied());
            let is_in_place = match kind {
                StepKind::Reversible => first.is_none_or(|first| place < first),
                StepKind::PointOfNoReturn => true,
                StepKind::ForwardOnly => last.is_some_and(|last| last < place),
            };
            assert!(is_in_place, "{}: {}", plan.name, plan.steps[place]);
        }
    }
}

#[tokio::test]
async fn a_rebuild_that_runs_every_step_twice_ends_in_the_same_state() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    let journal = KillingJournal::new(world.store.clone(), Kill::Before, 0, true);
    run_with_kills(&world, &journal, &host, &operation).await;
    assert_ready(&world, &host, &operation).await;
    assert!(journal.appends.load(Ordering::SeqCst) > 2 * PLANS[0].steps.len());
}

#[tokio::test]
async fn a_rebuild_that_is_killed_at_any_journal_write_and_restarted_ends_in_the_same_state() {
    for kill in [Kill::After, Kill::Before] {
        for at in 0.. {
            let world = RebuildWorld::new();
            let (host, operation) = world.armed("pve-01", 1).await;
            let journal = KillingJournal::new(world.store.clone(), kill, at, false);
            run_with_kills(&world, &journal, &host, &operation).await;
            assert_ready(&world, &host, &operation).await;
            if journal.appends.load(Ordering::SeqCst) <= at {
                assert!(at >= PLANS[0].steps.len(), "the journal is shorter than the plan");
                break;
            }
        }
    }
}

/// Lets the rebuild go on to a step and refuses it there.
async fn fail_at(world: &RebuildWorld, step: &str, host: &HostId, operation: &OperationId) {
    let engine = Engine::new(world.world.clone());
    for _ in 0..600 {
        let view = world.operations().view(operation).await.unwrap().unwrap();
        if view.progress.current_step().is_some_and(|current| current.name == step) {
            let marks =
                RebuildMarks { refused: Some("two machines claimed this rebuild".into()), ..RebuildMarks::default() };
            world.world.keeper.mark(operation, &marks, None, None).await.unwrap();
            return world.run(&world.world, host, operation).await.unwrap();
        }
        if matches!(engine.advance(operation).await.unwrap(), rackseed::operations::Advance::NotBefore(_)) {
            world.machine_acts(&world.world, host).await;
            world.clock.advance(jiff::SignedDuration::from_secs(2));
        }
    }
    panic!("the rebuild never comes to {step}");
}

#[tokio::test]
async fn a_failure_before_the_point_of_no_return_unwinds_and_after_it_parks() {
    let mut is_past = false;
    for step in PLANS[0].steps.iter().filter(|step| **step != "leave_cluster") {
        let world = RebuildWorld::new();
        let (host, operation) = world.armed("pve-01", 1).await;
        fail_at(&world, step, &host, &operation).await;
        let (found, view) = (world.host(&host).await, world.operations().view(&operation).await.unwrap().unwrap());
        assert_eq!(found.state, HostState::Failed, "{step}");
        assert_eq!(found.reason.as_deref(), Some("two machines claimed this rebuild"), "{step}");
        assert_eq!(
            world
                .world
                .keeper
                .boot_table()
                .known(found.mac)
                .filter(|known| known.armed.is_some())
                .map(|known| known.host),
            None,
            "{step}: nothing is armed any more"
        );
        let sealed = world.store.rebuild(&operation).await.unwrap().unwrap().sealed;
        if is_past {
            assert_eq!(view.progress.status, OperationStatus::NeedsAttention, "{step}");
            assert!(sealed.is_some(), "{step}: a retry still needs the key");
        } else {
            assert_eq!(view.progress.status, OperationStatus::Failed, "{step}");
            assert_eq!(sealed, None, "{step}: the secrets are erased");
            let touched = view.progress.steps.iter().filter(|it| it.status != StepStatus::Pending);
            assert!(touched.into_iter().all(|it| it.status == StepStatus::Undone), "{step}: {view:#?}");
        }
        is_past |= steps::step(step).unwrap().kind() == StepKind::PointOfNoReturn;
    }
}

#[tokio::test]
async fn an_unwinding_that_is_killed_at_any_write_ends_in_the_same_state() {
    for kill in [Kill::After, Kill::Before] {
        for at in 0..12 {
            let world = RebuildWorld::new();
            let (host, operation) = world.armed("pve-01", 1).await;
            let marks = RebuildMarks { refused: Some("refused".into()), ..RebuildMarks::default() };
            world.world.keeper.mark(&operation, &marks, None, None).await.unwrap();
            let journal = KillingJournal::new(world.store.clone(), kill, at, false);
            run_with_kills(&world, &journal, &host, &operation).await;
            let view = world.operations().view(&operation).await.unwrap().unwrap();
            assert_eq!(
                (view.progress.status, view.progress.steps[0].status),
                (OperationStatus::Failed, StepStatus::Undone)
            );
            assert_eq!(world.store.rebuild(&operation).await.unwrap().unwrap().sealed, None);
        }
    }
}

#[tokio::test]
async fn a_join_that_a_person_must_mend_parks_with_the_reason_and_goes_on_after_a_retry() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    let address = Ipv4Addr::new(10, 0, 0, 1);
    world.nodes.change(address, |node| node.join_failure = Some("401 Unauthorized".into()));
    world.run(&world.world, &host, &operation).await.unwrap();
    let view = world.operations().view(&operation).await.unwrap().unwrap();
    assert_eq!(view.progress.status, OperationStatus::NeedsAttention);
    assert!(view.progress.reason.as_deref().unwrap_or_default().contains("root_password_file"), "{view:#?}");
    assert_eq!(world.host(&host).await.state, HostState::Failed);
    world.nodes.change(address, |node| (node.join_failure, node.joins_started) = (None, 0));
    world.operations().retry(&operation).await.unwrap();
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_ready(&world, &host, &operation).await;
}

#[tokio::test]
async fn a_failing_inventory_service_delays_ready_and_is_asked_again() {
    let world = RebuildWorld::new();
    *world.inventory.failures.lock().unwrap() = 3;
    let (host, operation) = world.armed("pve-01", 1).await;
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_ready(&world, &host, &operation).await;
    let step = world.operations().view(&operation).await.unwrap().unwrap().progress.steps;
    assert_eq!(step.iter().find(|step| step.name == "register_host").unwrap().attempts, 4);
}

#[tokio::test]
async fn joins_are_made_one_at_a_time() {
    let world = RebuildWorld::new();
    let (first, second) = (world.armed("pve-01", 1).await, world.armed("pve-02", 2).await);
    fail_at(&world, "join_cluster", &first.0, &first.1).await;
    let engine = Engine::new(world.world.clone());
    for _ in 0..60 {
        if matches!(engine.advance(&second.1).await.unwrap(), rackseed::operations::Advance::NotBefore(_)) {
            world.machine_acts(&world.world, &second.0).await;
        }
    }
    let view = world.operations().view(&second.1).await.unwrap().unwrap();
    assert!(
        view.progress.reason.as_deref().unwrap_or_default().contains(first.1.as_str()),
        "it waits for the parked one: {view:#?}"
    );
    world.operations().cancel(&first.1).await.unwrap();
    world.run(&world.world, &second.0, &second.1).await.unwrap();
    assert_ready(&world, &second.0, &second.1).await;
}

#[tokio::test]
async fn nobody_joins_before_the_first_node_of_a_cluster_is_ready() {
    let world = RebuildWorld::new();
    let (first, second) = (world.armed("pve-01", 1).await, world.armed("pve-02", 2).await);
    // The first one is verified, but the inventory service keeps it from being ready: no member could be found yet.
    *world.inventory.failures.lock().unwrap() = 1000;
    let engine = Engine::new(world.world.clone());
    for _ in 0..60 {
        for (host, operation) in [&first, &second] {
            if matches!(engine.advance(operation).await.unwrap(), rackseed::operations::Advance::NotBefore(_)) {
                world.machine_acts(&world.world, host).await;
                world.clock.advance(jiff::SignedDuration::from_secs(2));
            }
        }
    }
    let joins = [1, 2].map(|last| world.nodes.node(std::net::Ipv4Addr::new(10, 0, 0, last)).joins_started);
    assert_eq!(joins, [1, 0], "the second one would have created a second cluster");
    *world.inventory.failures.lock().unwrap() = 0;
    world.run(&world.world, &first.0, &first.1).await.unwrap();
    world.run(&world.world, &second.0, &second.1).await.unwrap();
    assert_ready(&world, &second.0, &second.1).await;
}

#[tokio::test]
async fn a_waiting_operation_costs_one_look_a_second_and_moves_at_once_when_the_bell_rings() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    let journal = KillingJournal::new(world.store.clone(), Kill::After, usize::MAX, false);
    let (doorbell, stop) = (Arc::new(rackseed::ports::Doorbell::default()), tokio_util::sync::CancellationToken::new());
    let runner = tokio::spawn(rackseed::operations::run_runner(
        world.restarted(journal.clone()),
        doorbell.clone(),
        stop.clone(),
    ));
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert!(
        journal.looks.load(Ordering::SeqCst) <= 6,
        "the runner spins: {} looks",
        journal.looks.load(Ordering::SeqCst)
    );
    world.machine_acts(&world.world, &host).await;
    doorbell.ring();
    let boot_was_heard = || async {
        let view = world.operations().view(&operation).await.unwrap().unwrap();
        let mut steps = view.progress.steps.iter();
        steps.any(|step| step.name == "await_network_boot" && step.status == StepStatus::Succeeded)
    };
    let began = std::time::Instant::now();
    while !boot_was_heard().await {
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "the bell was not heard");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    stop.cancel();
    runner.await.unwrap();
}

#[tokio::test]
async fn a_first_member_whose_operation_is_cancelled_still_counts_so_that_no_second_cluster_is_made() {
    let world = RebuildWorld::new();
    let (first, operation) = world.armed("pve-01", 1).await;
    fail_at(&world, "remove_key", &first, &operation).await;
    world.operations().cancel(&operation).await.unwrap();
    let second = world.register("pve-02", "52:54:00:00:00:02").await;
    let refused = world.rebuild_desk(Some(image())).request(&second.id, Some("pve-02"), None).await;
    assert_eq!(blocked_by(refused), ["cluster_unreachable"]);
}

#[tokio::test]
async fn a_rebuild_that_is_cancelled_in_time_puts_the_host_back_disarms_it_and_erases_its_secrets() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    let found = world.host(&host).await;
    assert!(world.world.keeper.boot_table().armed(found.mac).is_some());
    world.operations().cancel(&operation).await.unwrap();
    assert_eq!(world.host(&host).await.state, HostState::Registered, "nothing was touched");
    assert!(world.world.keeper.boot_table().armed(found.mac).is_none());
    assert_eq!(world.store.rebuild(&operation).await.unwrap().unwrap().sealed, None);
    assert!(world.operations().cancel(&operation).await.is_err(), "it is over");
}

/// The blockers that stood in the way.
fn blocked_by(refused: Result<OperationView, RebuildRefusal>) -> Vec<&'static str> {
    match refused {
        Err(RebuildRefusal::Objection { objection: Objection::Blocked(ids), .. }) => ids,
        other => panic!("not blocked: {other:?}"),
    }
}

#[tokio::test]
async fn nothing_is_armed_when_a_check_fails() {
    let world = RebuildWorld::new();
    let host = world.register("pve-01", "52:54:00:00:00:01").await;
    let desk = world.rebuild_desk(Some(image()));
    assert!(matches!(desk.request(&host.id, None, None).await, Err(RebuildRefusal::Confirmation { .. })));
    assert!(matches!(desk.request(&host.id, Some("pve-02"), None).await, Err(RebuildRefusal::Confirmation { .. })));
    assert!(matches!(desk.request(&host.id, Some("pve-01"), Some("nope")).await, Err(RebuildRefusal::UnknownImage(_))));
    assert_eq!(blocked_by(world.rebuild_desk(None).request(&host.id, Some("pve-01"), None).await), ["no_image"]);
    assert_eq!(world.host(&host.id).await.state, HostState::Registered);
    assert!(world.world.keeper.boot_table().armed(host.mac).is_none());
    desk.request(&host.id, Some("pve-01"), None).await.unwrap();
    assert!(matches!(desk.request(&host.id, Some("pve-01"), None).await, Err(RebuildRefusal::UnderWay { .. })));
}
