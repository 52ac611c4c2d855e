//! The node cannot be reached for a while.

use std::time::Duration;

use serde_json::Value;

use crate::{
    cable::State,
    proof::{READY_LIMIT, ends_ready_with_one_join},
    world::{HOSTNAME, Way, World},
};

/// Whether a step has begun, or is over.
pub(crate) fn has_begun(host: &Value, step: &str) -> bool {
    let steps = host["operation"]["steps"].as_array().cloned().unwrap_or_default();
    steps.iter().any(|row| row["name"] == step && row["status"] != "pending")
}

/// What the operation says while it does not go on.
fn says(host: &Value) -> &str {
    host["operation"]["reason"].as_str().unwrap_or_default()
}

/// Pulls the cable as soon as a step has begun, until the operation says that it cannot reach the node.
async fn pulled_at(step: &str, state: State) {
    let mut world = World::begin(Way::AddByKey).await;
    world.operator.rebuild(&world.host, HOSTNAME).await.unwrap();
    world.switch_on();
    let at = format!("is at {step}");
    world.operator.wait_for(&world.host, &at, READY_LIMIT, |host| has_begun(host, step)).await;
    world.cable.set(state);
    let address = world.slot.address(1).to_string();
    let is_told = |host: &Value| host["operation"]["status"] == "waiting" && says(host).contains(&address);
    let host = world.operator.wait_for(&world.host, "says what it cannot reach", READY_LIMIT, is_told).await;
    assert!(host["state"] == "joining" || host["state"] == "first_boot", "{host:#}");
    world.cable.set(State::Plugged);
    ends_ready_with_one_join(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_refuses_for_a_while_is_waited_for_and_joined_once() {
    tokio::join!(
        pulled_at("await_first_boot", State::Refusing),
        pulled_at("join_cluster", State::Refusing),
        pulled_at("verify_membership", State::Refusing),
        pulled_at("remove_key", State::Refusing),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_falls_silent_for_a_while_is_waited_for_and_joined_once() {
    tokio::join!(pulled_at("await_first_boot", State::Silent), pulled_at("join_cluster", State::Silent));
}

/// Long enough for several tries, each of which is bounded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_gone_during_the_join_and_a_daemon_that_dies_meanwhile_make_one_join() {
    let mut world = World::begin(Way::Create).await;
    world.operator.rebuild(&world.host, HOSTNAME).await.unwrap();
    world.switch_on();
    let is_joining = |host: &Value| has_begun(host, "join_cluster");
    world.operator.wait_for(&world.host, "joins", READY_LIMIT, is_joining).await;
    world.cable.set(State::Refusing);
    world.take_daemon().kill();
    world.restart();
    world.operator.wait_until_served().await;
    world.wait_for_log("retry_at: Some").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.cable.set(State::Plugged);
    ends_ready_with_one_join(&world).await;
}
