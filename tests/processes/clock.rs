//! The clock is moved by hours in the middle of a rebuild. Only the daemon's clock: `libfaketime` lies to it, and reads anew what to say
//! whenever the daemon asks for the time.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    cable::State,
    daemon::serve,
    proof::{READY_LIMIT, ends_ready_with_one_join},
    unreachable::has_begun,
    webhook::rebuilt_by_courier,
    world::{HOSTNAME, Way, World},
};

const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// A world whose daemon believes another clock.
struct Lied {
    world: World,
    file: PathBuf,
}

impl Lied {
    async fn begin(way: Way) -> Self {
        assert!(Path::new(LIBRARY).exists(), "this test needs the package faketime: `sudo .ci/install-packages`");
        let world = World::set(way).await;
        let mut lied = Self { file: world.stage.path("clock"), world };
        lied.set_clock("+0");
        lied.start();
        lied.world.serve_and_register().await;
        lied
    }

    fn start(&mut self) {
        let mut command = serve(&self.world.stage.settings_file.clone());
        lie(&mut command, &self.file);
        self.world.start(&mut command);
    }

    /// `+3h`, `-3h`: from the true time.
    fn set_clock(&self, offset: &str) {
        // In one piece: half of it would be another time.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{offset}\n")).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    async fn ask(&self, path: &str) {
        let (status, answer) = self.world.operator.ask(Method::POST, path, Some(&json!({}))).await.unwrap();
        assert_eq!(status, 200, "{answer:#}");
    }
}

fn lie(command: &mut Command, file: &Path) {
    command.env("LD_PRELOAD", LIBRARY).env("FAKETIME_TIMESTAMP_FILE", file);
    // Only the clock on the wall is moved: as on a real machine, waiting takes as long as ever.
    command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
}

fn status(host: &Value) -> &str {
    host["operation"]["status"].as_str().unwrap_or_default()
}

/// Ready, or parked with a reason until a person has looked; never silent.
fn has_stopped_or_is_ready(host: &Value) -> bool {
    let says_why = !host["operation"]["reason"].as_str().unwrap_or_default().is_empty();
    host["state"] == "ready" || (status(host) == "needs_attention" && says_why)
}

/// Retries as the person who has set the clock, if the operation has parked.
async fn retried_if_parked(lied: &Lied) {
    let world = &lied.world;
    let host = world.operator.wait_for(&world.host, "rests", READY_LIMIT, has_stopped_or_is_ready).await;
    if status(&host) == "needs_attention" {
        lied.ask(&format!("/api/operations/{}/retry", host["operation"]["id"].as_str().unwrap())).await;
    }
}

/// An armed host is disarmed by a jump in either direction, says so, and wipes nothing; the next rebuild is an ordinary one.
async fn armed_host_is_disarmed(offset: &str) {
    let mut lied = Lied::begin(Way::Create).await;
    let world = &lied.world;
    world.operator.rebuild(&world.host, HOSTNAME).await.unwrap();
    world.operator.wait_for(&world.host, "is armed", READY_LIMIT, |host| host["state"] == "pxe_ready").await;
    lied.set_clock(offset);
    lied.world.switch_on();
    let world = &lied.world;
    let host = world.operator.wait_for(&world.host, "has failed", READY_LIMIT, |host| host["state"] == "failed").await;
    assert!(!host["reason"].as_str().unwrap_or_default().is_empty(), "{host:#}");
    world.operator.wait_for(&world.host, "is unwound", READY_LIMIT, |host| status(host) == "failed").await;
    assert!(world.node_log().lines().is_empty(), "a disarmed host was installed\n{}", world.tell());

    world.operator.rebuild(&world.host, HOSTNAME).await.unwrap();
    ends_ready_with_one_join(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_while_a_host_is_armed_disarms_it_in_either_direction() {
    tokio::join!(armed_host_is_disarmed("+3h"), armed_host_is_disarmed("-3h"));
}

/// While the installer works, the webhook still counts, whatever the watchdog thinks of the time.
async fn installing_host_is_not_lost(offset: &str) {
    let mut lied = Lied::begin(Way::Create).await;
    let webhook = rebuilt_by_courier(&mut lied.world).await;
    let world = &lied.world;
    world.operator.wait_for(&world.host, "installs", READY_LIMIT, |host| has_begun(host, "await_installation")).await;
    lied.set_clock(offset);
    world.wait_for_log("before its turn").await;
    webhook.deliver().await.unwrap();
    retried_if_parked(&lied).await;
    ends_ready_with_one_join(&lied.world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_during_the_installation_does_not_lose_the_rebuild() {
    tokio::join!(installing_host_is_not_lost("+3h"), installing_host_is_not_lost("-3h"));
}

/// Also while the operation pauses before it tries again: the pause is seconds long, and not hours.
async fn joining_host_is_joined_once(offset: &str) {
    let mut lied = Lied::begin(Way::AddByKey).await;
    lied.world.operator.rebuild(&lied.world.host, HOSTNAME).await.unwrap();
    lied.world.switch_on();
    let world = &lied.world;
    world.operator.wait_for(&world.host, "joins", READY_LIMIT, |host| has_begun(host, "join_cluster")).await;
    world.cable.set(State::Refusing);
    world.wait_for_log("retry_at: Some").await;
    lied.set_clock(offset);
    world.cable.set(State::Plugged);
    retried_if_parked(&lied).await;
    ends_ready_with_one_join(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_during_the_join_makes_no_second_one() {
    tokio::join!(joining_host_is_joined_once("+3h"), joining_host_is_joined_once("-3h"));
}
