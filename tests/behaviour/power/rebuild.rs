//! What a rebuild does with a host that has a power driver, and what it says when the driver fails.

use std::time::Duration;

use rackseed::{
    domain::{
        host_lifecycle::HostEvent,
        operation::{OperationStatus, StepStatus},
    },
    operations::{Advance, Engine},
    ports::{HostLedger, PowerError},
    provisioning::Move,
};
use serde_json::json;

use crate::support::rebuild_world::{RebuildWorld, image};

/// Moves an operation until it waits.
async fn until_it_waits(world: &RebuildWorld, operation: &rackseed::domain::identity::OperationId) -> String {
    let engine = Engine::new(world.world.clone());
    while matches!(engine.advance(operation).await.unwrap(), Advance::Again) {}
    let view = world.operations().view(operation).await.unwrap().unwrap();
    view.progress.current_step().unwrap().reason.clone().unwrap_or_default()
}

fn calls(world: &RebuildWorld) -> usize {
    world.power.calls.lock().unwrap().len()
}

fn away() -> PowerError {
    PowerError::Unreachable { whom: "the BMC".into(), reason: "no answer".into() }
}

fn wrong_password() -> PowerError {
    PowerError::WrongCredentials { whom: "the BMC".into(), user: String::new(), hostname: "pve-01".into() }
}

#[tokio::test]
async fn the_machine_is_started_once_and_then_waited_for() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    let reason = until_it_waits(&world, &operation).await;
    assert_eq!(reason, "its BMC has started it from the network; waiting for it to ask for its script");
    assert_eq!(*world.power.calls.lock().unwrap(), [("boot_from_network", "pve-01".to_owned())]);
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_eq!(calls(&world), 1);
}

#[tokio::test]
async fn a_host_without_a_driver_is_rebuilt_without_the_step() {
    let world = RebuildWorld::new();
    let host = world.register("pve-01", "52:54:00:00:00:01").await;
    let view = world.rebuild_desk(Some(image())).request(&host.id, Some("pve-01"), None).await.unwrap();
    assert!(view.progress.steps.iter().all(|step| step.name != "power_on"), "{view:#?}");
    let reason = until_it_waits(&world, &view.operation.id).await;
    assert_eq!(reason, "waiting for the machine to boot from the network; switch it on");
    assert_eq!(calls(&world), 0);
}

#[tokio::test]
async fn a_wrong_password_is_sent_once_and_the_rebuild_goes_on_when_a_person_starts_the_machine() {
    let world = RebuildWorld::new();
    world.power.failures.lock().unwrap().push(wrong_password());
    let (host, operation) = world.armed("pve-01", 1).await;
    let reason = until_it_waits(&world, &operation).await;
    assert!(
        reason.starts_with("switch it on by hand and let it boot from the network: the BMC refused the login"),
        "{reason}"
    );
    for _ in 0..5 {
        world.clock.advance(jiff::SignedDuration::from_secs(60));
        assert_eq!(until_it_waits(&world, &operation).await, reason);
    }
    // Also after a restart.
    let restarted = Engine::new(world.restarted(world.store.clone()));
    restarted.advance(&operation).await.unwrap();
    assert_eq!(calls(&world), 1, "a BMC locks users out");
    world.run(&world.world, &host, &operation).await.unwrap();
    let view = world.operations().view(&operation).await.unwrap().unwrap();
    assert_eq!(view.progress.status, OperationStatus::Succeeded, "{view:#?}");
}

#[tokio::test]
async fn a_bmc_that_is_away_is_tried_again_for_two_minutes() {
    let world = RebuildWorld::new();
    world.power.failures.lock().unwrap().extend(vec![away(); 100]);
    let (_, operation) = world.armed("pve-01", 1).await;
    assert_eq!(until_it_waits(&world, &operation).await, "trying again: the BMC cannot be reached: no answer");
    world.clock.advance(jiff::SignedDuration::from_secs(60));
    assert!(until_it_waits(&world, &operation).await.starts_with("trying again"));
    world.clock.advance(jiff::SignedDuration::from_secs(61));
    assert!(until_it_waits(&world, &operation).await.starts_with("switch it on by hand"));
    let tried = calls(&world);
    world.clock.advance(jiff::SignedDuration::from_secs(60));
    until_it_waits(&world, &operation).await;
    assert_eq!(calls(&world), tried);
}

#[tokio::test]
async fn a_bmc_that_comes_back_in_time_starts_the_machine() {
    let world = RebuildWorld::new();
    world.power.failures.lock().unwrap().extend([away(), away()]);
    let (_, operation) = world.armed("pve-01", 1).await;
    for _ in 0..3 {
        until_it_waits(&world, &operation).await;
        world.clock.advance(jiff::SignedDuration::from_secs(1));
    }
    let view = world.operations().view(&operation).await.unwrap().unwrap();
    assert_eq!(view.progress.steps[0].status, StepStatus::Succeeded, "{view:#?}");
}

#[tokio::test]
async fn a_machine_that_a_person_started_first_is_not_reset() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    world.machine_acts(&world.world, &host).await;
    until_it_waits(&world, &operation).await;
    assert_eq!(calls(&world), 0, "it has its script");
}

#[tokio::test]
async fn a_rebuild_that_was_cancelled_starts_nothing() {
    let world = RebuildWorld::new();
    let (_, operation) = world.armed("pve-01", 1).await;
    world.operations().cancel(&operation).await.unwrap();
    let engine = Engine::new(world.world.clone());
    while matches!(engine.advance(&operation).await.unwrap(), Advance::Again) {}
    assert_eq!(calls(&world), 0);
}

#[tokio::test]
async fn a_host_that_was_given_up_in_the_meantime_is_not_started() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    let host = world.host(&host).await;
    world.world.keeper.apply(&host, HostEvent::OperationFailed, Move::failing("it took too long")).await.unwrap();
    let engine = Engine::new(world.world.clone());
    while matches!(engine.advance(&operation).await.unwrap(), Advance::Again) {}
    let view = world.operations().view(&operation).await.unwrap().unwrap();
    assert_eq!((calls(&world), view.progress.status), (0, OperationStatus::Failed), "{view:#?}");
}

#[tokio::test]
async fn an_operation_of_an_older_program_goes_on_without_the_step() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed_without_driver("pve-01", 1).await;
    // The driver was chosen after the operation had begun: its plan is what was saved.
    let options = world.host(&host).await.options.patched(&json!({ "power": { "driver": "wake_on_lan" } })).unwrap();
    let feed = rackseed::domain::live_event::NewLiveEvent {
        topic: rackseed::domain::live_event::Topic::Host,
        host: None,
        operation: None,
        message: String::new(),
    };
    let now = rackseed::ports::Clock::now(world.clock.as_ref());
    HostLedger::set_options(world.store.as_ref(), &host, &options, &feed, now).await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), world.run(&world.world, &host, &operation)).await.unwrap().unwrap();
    assert_eq!(calls(&world), 0);
}
