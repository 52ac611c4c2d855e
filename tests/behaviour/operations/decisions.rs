//! What a person decides about an operation: retry, skip, cancel; and what stops it by itself: a full disk, a panic.

use std::{
    net::Ipv4Addr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use jiff::SignedDuration;
use rackseed::{
    domain::{
        host_lifecycle::HostState,
        identity::{HostId, OperationId},
        operation::{Action, OperationStatus, StepStatus},
    },
    operations::{OperationDesk, OperationView, World},
    ports::{Command, Doorbell, Login, OperationJournal, Output, RebuildLedger, RemoteShell, RemoteShellError},
};
use tokio_util::sync::CancellationToken;

use super::{
    assert_ready, fail_at,
    killing_journal::{Kill, KillingJournal},
    run_with_kills,
};
use crate::support::rebuild_world::RebuildWorld;

async fn view(world: &RebuildWorld, operation: &OperationId) -> OperationView {
    world.operations().view(operation).await.unwrap().unwrap()
}

fn offer(view: &OperationView, action: Action) -> (bool, &str) {
    let offer = view.actions.iter().find(|offer| offer.action == action).unwrap();
    (offer.possible, &offer.consequence)
}

async fn assert_nothing_is_left(world: &RebuildWorld, operation: &OperationId) {
    assert_eq!(world.store.rebuild(operation).await.unwrap().unwrap().sealed, None, "the secrets are erased");
    assert_eq!(world.store.open_operations().await.unwrap(), []);
    let other = world.register("pve-99", "52:54:00:00:00:99").await;
    assert_eq!(other.state, HostState::Registered);
}

#[tokio::test]
async fn a_parked_join_offers_retry_and_cancel_in_words_and_no_way_around_it() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    world.nodes.change(Ipv4Addr::new(10, 0, 0, 1), |node| node.join_failure = Some("401 Unauthorized".into()));
    world.run(&world.world, &host, &operation).await.unwrap();
    let seen = view(&world, &operation).await;
    let (may_retry, retry) = offer(&seen, Action::Retry);
    assert!(may_retry && retry.contains("`join_cluster`"), "{retry}");
    let (may_skip, skip) = offer(&seen, Action::Skip);
    assert!(!may_skip && skip.contains("cannot be left out"), "{skip}");
    assert!(world.operations().skip(&operation).await.is_err());
    let (may_cancel, cancel) = offer(&seen, Action::Cancel);
    assert!(may_cancel && cancel.contains("half-joined") && cancel.contains("authorized_keys2"), "{cancel}");
    let ended = world.operations().cancel(&operation).await.unwrap();
    let reason = ended.progress.reason.clone().unwrap();
    assert_eq!(ended.progress.status, OperationStatus::Cancelled);
    assert!(reason.contains("half-joined") && !reason.contains("nothing was written"), "{reason}");
    assert!(ended.actions.iter().all(|offer| !offer.possible), "it is over");
    assert_nothing_is_left(&world, &operation).await;
    let (_, second) = world.armed("pve-02", 2).await;
    let holder = world.store.take_turn("rackseed", &second).await.unwrap();
    assert_eq!(holder, second, "the turn was given back");
}

#[tokio::test]
async fn a_registration_that_fails_may_be_left_out_and_the_host_becomes_ready_without_it() {
    let world = RebuildWorld::new();
    *world.inventory.failures.lock().unwrap() = 1000;
    let (host, operation) = world.armed("pve-01", 1).await;
    world.run(&world.world, &host, &operation).await.unwrap();
    let seen = view(&world, &operation).await;
    assert_eq!(seen.progress.status, OperationStatus::NeedsAttention, "{seen:#?}");
    let (may_skip, skip) = offer(&seen, Action::Skip);
    assert!(may_skip && skip.contains("not told"), "{skip}");
    world.operations().skip(&operation).await.unwrap();
    world.run(&world.world, &host, &operation).await.unwrap();
    let seen = view(&world, &operation).await;
    assert_eq!(seen.progress.status, OperationStatus::Succeeded, "{seen:#?}");
    assert_eq!(seen.progress.step("register_host").unwrap().status, StepStatus::Skipped);
    assert_eq!(world.host(&host).await.state, HostState::Ready);
    assert!(world.inventory.records.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_start_that_a_person_makes_by_hand_may_be_left_out() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    world.operations().skip(&operation).await.unwrap();
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_ready(&world, &host, &operation).await;
    assert_eq!(view(&world, &operation).await.progress.steps[0].status, StepStatus::Skipped);
}

#[tokio::test]
async fn a_cancellation_that_is_killed_at_any_write_goes_on_after_the_restart_and_puts_the_host_back() {
    for kill in [Kill::After, Kill::Before] {
        for at in 0..12 {
            let world = RebuildWorld::new();
            let (host, operation) = world.armed("pve-01", 1).await;
            let engine = rackseed::operations::Engine::new(world.world.clone());
            while engine.advance(&operation).await.unwrap() == rackseed::operations::Advance::Again {}
            let journal = KillingJournal::new(world.store.clone(), kill, at, false);
            let desk = OperationDesk { world: world.restarted(journal.clone()), doorbell: Arc::default() };
            if desk.cancel(&operation).await.is_err() {
                let _ = world.operations().cancel(&operation).await;
            }
            assert!(!matches!(
                view(&world, &operation).await.progress.status,
                OperationStatus::Running | OperationStatus::Waiting
            ));
            run_with_kills(&world, &journal, &host, &operation).await;
            let seen = view(&world, &operation).await;
            assert_eq!(seen.progress.status, OperationStatus::Cancelled, "{at}: {seen:#?}");
            assert!(seen.progress.steps.iter().all(|step| !step.is_touched), "{at}: {seen:#?}");
            assert!(seen.progress.reason.unwrap().contains("nothing was written to its disk"));
            assert_eq!(world.host(&host).await.state, HostState::Registered, "{at}");
            assert_nothing_is_left(&world, &operation).await;
        }
    }
}

#[tokio::test]
async fn cancelling_at_each_step_ends_with_what_a_person_must_know_there() {
    let told = [
        ("await_network_boot", "nothing was written"),
        ("await_installation", "half written"),
        ("reach_node", "fresh Proxmox VE"),
        ("verify_membership", "half-joined"),
        ("remove_key", "stays one"),
    ];
    for (step, sentence) in told {
        let world = RebuildWorld::new();
        let (host, operation) = world.armed("pve-01", 1).await;
        if step == "await_network_boot" {
            let engine = rackseed::operations::Engine::new(world.world.clone());
            while engine.advance(&operation).await.unwrap() == rackseed::operations::Advance::Again {}
        } else {
            fail_at(&world, step, &host, &operation).await;
        }
        let promised = view(&world, &operation).await;
        assert!(offer(&promised, Action::Cancel).1.contains(sentence), "{step}: {:?}", promised.actions);
        let ended = world.operations().cancel(&operation).await.unwrap();
        let reason = ended.progress.reason.unwrap();
        assert!(ended.progress.status == OperationStatus::Cancelled && reason.contains(sentence), "{step}: {reason}");
        assert_eq!(reason.contains("nothing was written"), step == "await_network_boot", "{step}: {reason}");
        assert_nothing_is_left(&world, &operation).await;
    }
}

#[tokio::test]
async fn a_full_disk_pauses_an_operation_says_so_and_it_goes_on_when_there_is_space() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    let journal = KillingJournal::new(world.store.clone(), Kill::After, usize::MAX, false);
    journal.is_full.store(true, Ordering::SeqCst);
    let restarted = world.restarted(journal.clone());
    let (doorbell, stop) = (Arc::new(Doorbell::default()), CancellationToken::new());
    let runner = tokio::spawn(rackseed::operations::run_runner(restarted.clone(), doorbell.clone(), stop.clone()));
    let desk = OperationDesk { world: restarted.clone(), doorbell: doorbell.clone() };
    until(|| async { !restarted.pauses.all().is_empty() }).await;
    let pause = desk.view(&operation).await.unwrap().unwrap().pause.unwrap();
    assert!(pause.reason.contains("disk of the data folder is full"), "{pause:?}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(view(&world, &operation).await.progress.steps[0].status, StepStatus::Pending, "nothing was written");
    journal.is_full.store(false, Ordering::SeqCst);
    until(|| async {
        doorbell.ring();
        world.machine_acts(&restarted, &host).await;
        world.clock.advance(SignedDuration::from_secs(2));
        world.store.open_operations().await.unwrap().is_empty()
    })
    .await;
    assert!(restarted.pauses.all().is_empty());
    assert_ready(&world, &host, &operation).await;
    stop.cancel();
    runner.await.unwrap();
}

/// A shell that is broken.
struct Panics;

#[async_trait]
impl RemoteShell for Panics {
    async fn run(&self, _: &Login, _: &Command) -> Result<Output, RemoteShellError> {
        panic!("the index is 7 and the length is 3")
    }
}

#[tokio::test]
async fn a_step_that_panics_is_tried_three_times_and_then_a_person_is_asked() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    let broken = Arc::new(World { shell: Arc::new(Panics), ..(*world.world).clone() });
    let (doorbell, stop) = (Arc::new(Doorbell::default()), CancellationToken::new());
    let runner = tokio::spawn(rackseed::operations::run_runner(broken.clone(), doorbell.clone(), stop.clone()));
    until(|| async {
        doorbell.ring();
        world.machine_acts(&broken, &host).await;
        world.clock.advance(SignedDuration::from_secs(5));
        view(&world, &operation).await.progress.status == OperationStatus::NeedsAttention
    })
    .await;
    stop.cancel();
    runner.await.unwrap();
    let seen = view(&world, &operation).await;
    let step = seen.progress.step("reach_node").unwrap();
    assert_eq!(step.total_attempts, 3, "{seen:#?}");
    assert!(seen.progress.reason.as_deref().unwrap().contains("the index is 7"), "{seen:#?}");
    world.operations().retry(&operation).await.unwrap();
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_ready(&world, &host, &operation).await;
}

#[tokio::test]
async fn a_clock_that_jumps_by_hours_ends_no_operation() {
    for jump in [SignedDuration::from_hours(7), SignedDuration::from_hours(-7)] {
        let world = RebuildWorld::new();
        let (host, operation) = world.armed("pve-01", 1).await;
        run_to(&world, HostState::Installing, &host, &operation).await;
        let engine = rackseed::operations::Engine::new(world.world.clone());
        while engine.advance(&operation).await.unwrap() == rackseed::operations::Advance::Again {}
        world.clock.jump(jump);
        for _ in 0..5 {
            engine.advance(&operation).await.unwrap();
            world.clock.advance(SignedDuration::from_secs(2));
        }
        assert_eq!(view(&world, &operation).await.progress.status, OperationStatus::Waiting, "{jump}");
        world.run(&world.world, &host, &operation).await.unwrap();
        assert_ready(&world, &host, &operation).await;
    }
}

async fn run_to(world: &RebuildWorld, state: HostState, host: &HostId, operation: &OperationId) {
    let engine = rackseed::operations::Engine::new(world.world.clone());
    while world.host(host).await.state != state {
        if engine.advance(operation).await.unwrap() != rackseed::operations::Advance::Again {
            world.machine_acts(&world.world, host).await;
        }
    }
}

async fn until<F: Future<Output = bool>>(is_true: impl Fn() -> F) {
    for _ in 0..1500 {
        if is_true().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never came to that");
}

#[tokio::test]
async fn a_member_whose_rebuild_is_cancelled_before_it_left_is_ready_again_and_can_be_joined_through() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed_member().await;
    let key = world.host(&host).await.ssh_host_key;
    world.operations().cancel(&operation).await.unwrap();
    let found = world.host(&host).await;
    assert_eq!((found.state, found.is_member, found.ssh_host_key), (HostState::Ready, true, key));
    assert_eq!(world.nodes.node(Ipv4Addr::new(10, 0, 0, 2)).removals, 0);
    assert_eq!(view(&world, &operation).await.progress.status, OperationStatus::Cancelled);
}
