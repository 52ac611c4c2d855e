//! The post-installation webhook is lost, late, repeated, out of order, or of another time.

use std::time::Duration;

use rackseed::simulator::{Habits, HeldWebhook};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    daemon::is_ready,
    proof::{READY_LIMIT, Times, ends_ready_after, ends_ready_with_one_join},
    world::{HOSTNAME, Way, World},
};

/// How long a machine may take until its installer has something to say.
const INSTALLED_LIMIT: Duration = Duration::from_secs(60);

/// Rebuilds the host; its webhook comes to us instead of to the daemon.
pub(crate) async fn rebuilt_by_courier(world: &mut World) -> HeldWebhook {
    let (courier, mut held) = mpsc::unbounded_channel();
    world.operator.rebuild(&world.host, HOSTNAME).await.unwrap();
    world.switch_on_with(Habits { courier: Some(courier), ..World::patient() });
    let webhook = tokio::time::timeout(INSTALLED_LIMIT, held.recv()).await;
    webhook.unwrap_or_else(|_| panic!("nothing was installed\n{}", world.tell())).unwrap()
}

fn waits_for_webhook(host: &Value) -> bool {
    let operation = &host["operation"];
    let says = operation["reason"].as_str().unwrap_or_default();
    host["state"] == "installing" && operation["status"] == "waiting" && says.contains("report the end")
}

/// The node boots and phones home meanwhile, which is refused: without the webhook nobody knows its host key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_webhook_is_lost_the_operation_says_what_it_waits_for_and_a_late_one_is_as_good() {
    let mut world = World::begin(Way::Create).await;
    let webhook = rebuilt_by_courier(&mut world).await;
    world.operator.wait_for(&world.host, "waits for the webhook", READY_LIMIT, waits_for_webhook).await;
    world.wait_for_log("before its turn").await;
    assert_eq!(world.operator.host(&world.host).await["address"], Value::Null);
    assert!(world.node_log().noted("login accepted").is_empty(), "{}", world.tell());

    webhook.deliver().await.unwrap();
    ends_ready_with_one_join(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_comes_three_times_and_once_more_after_the_end_counts_once() {
    let mut world = World::begin(Way::Create).await;
    let webhook = rebuilt_by_courier(&mut world).await;
    for _ in 0..3 {
        webhook.deliver().await.unwrap();
    }
    ends_ready_with_one_join(&world).await;
    let before = world.operator.host(&world.host).await;
    webhook.deliver().await.unwrap();
    assert_eq!(world.operator.host(&world.host).await, before);
    let installed: Vec<_> =
        before["history"].as_array().unwrap().iter().filter(|row| row["to"] == "installed").collect();
    assert_eq!(installed.len(), 1, "{before:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_webhook_of_an_older_rebuild_is_refused_and_changes_nothing() {
    let mut world = World::begin(Way::Create).await;
    let old = rebuilt_by_courier(&mut world).await;
    let host = world.operator.wait_for(&world.host, "waits", READY_LIMIT, waits_for_webhook).await;
    let cancel = format!("/api/operations/{}/cancel", host["operation"]["id"].as_str().unwrap());
    let (status, answer) = world.operator.ask(Method::POST, &cancel, Some(&json!({}))).await.unwrap();
    assert_eq!(status, 200, "{answer:#}");
    world.operator.wait_for(&world.host, "has failed", READY_LIMIT, |host| host["state"] == "failed").await;
    world.switch_off().await;

    let new = rebuilt_by_courier(&mut world).await;
    let waiting = world.operator.wait_for(&world.host, "waits again", READY_LIMIT, waits_for_webhook).await;
    let refused = old.deliver().await.unwrap_err().to_string();
    assert!(refused.contains("403"), "{refused}");
    let now = world.operator.host(&world.host).await;
    assert_eq!((&now["state"], &now["ssh_host_key"]), (&waiting["state"], &waiting["ssh_host_key"]));

    new.deliver().await.unwrap();
    world.operator.wait_for(&world.host, "is ready", READY_LIMIT, is_ready).await;
    ends_ready_after(&world, Times { installed: 2, ..Times::FIRST }).await;
}
