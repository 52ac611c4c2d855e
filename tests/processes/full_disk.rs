//! The disk with the database becomes full in the middle of a rebuild, and is made free later.

use std::time::{Duration, Instant};

use reqwest::Method;

use crate::{
    daemon::{LOOK_AGAIN, is_ready, serve},
    proof::{READY_LIMIT, ends_ready_with_one_join},
    small_disk::SmallDisk,
    unreachable::has_begun,
    webhook::rebuilt_by_courier,
    world::{HOSTNAME, Way, World},
};

/// How long the daemon may take to notice.
const NOTICE_LIMIT: Duration = Duration::from_secs(30);

/// A world whose database is on a small disk.
async fn begin() -> (World, SmallDisk) {
    let mut world = World::set(Way::AddByKey).await;
    let disk = SmallDisk::under(&world.data());
    start(&mut world, &disk);
    world.operator.wait_until_served().await;
    disk.copy_token();
    world.serve_and_register().await;
    (world, disk)
}

fn start(world: &mut World, disk: &SmallDisk) {
    let command = serve(&world.stage.settings_file);
    world.start(&mut disk.inside(&command));
}

/// Waits until the health check says so.
async fn health_becomes(world: &World, wanted: u16) -> String {
    let end = Instant::now() + NOTICE_LIMIT;
    loop {
        let health = world.operator.ask(Method::GET, "/healthz", None).await;
        if let Ok((status, said)) = &health
            && *status == wanted
        {
            return said.to_string();
        }
        assert!(Instant::now() < end, "/healthz does not become {wanted}: {health:?}\n{}", world.tell());
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn ends_well(world: &World, disk: &SmallDisk) {
    world.operator.wait_for(&world.host, "is ready", READY_LIMIT, is_ready).await;
    disk.copy_database();
    ends_ready_with_one_join(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_during_the_installation_refuses_the_webhook_says_so_and_loses_nothing() {
    let (mut world, disk) = begin().await;
    let webhook = rebuilt_by_courier(&mut world).await;
    disk.fill();
    let said = health_becomes(&world, 503).await;
    assert!(said.contains("full"), "{said}");
    let refused = webhook.deliver().await.unwrap_err().to_string();
    assert!(refused.contains("full"), "the person at the machine is not told: {refused}");
    assert_eq!(world.operator.host(&world.host).await["state"], "installing");
    disk.free();
    health_becomes(&world, 200).await;
    webhook.deliver().await.unwrap();
    ends_well(&world, &disk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_during_the_join_stops_the_operation_where_it_is_and_it_goes_on_by_itself() {
    let (mut world, disk) = begin().await;
    world.operator.rebuild(&world.host, HOSTNAME).await.unwrap();
    world.switch_on();
    world.operator.wait_for(&world.host, "joins", READY_LIMIT, |host| has_begun(host, "join_cluster")).await;
    disk.fill();
    health_becomes(&world, 503).await;
    world.wait_for_log("the disk of the data folder is full").await;
    let host = world.operator.host(&world.host).await;
    assert_ne!(host["operation"]["status"], "needs_attention", "{host:#}");
    disk.free();
    ends_well(&world, &disk).await;
}

/// Whoever starts daemons starts it again until it stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_dies_on_a_full_disk_goes_on_when_there_is_room() {
    let (mut world, disk) = begin().await;
    let webhook = rebuilt_by_courier(&mut world).await;
    disk.fill();
    health_becomes(&world, 503).await;
    world.take_daemon().kill();
    let said_before = world.operator.daemon_log().len();
    start(&mut world, &disk);
    let end = Instant::now() + NOTICE_LIMIT;
    while !world.operator.daemon_log()[said_before..].contains("full") {
        assert!(Instant::now() < end, "nothing is said of the full disk\n{}", world.tell());
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    disk.free();
    world.take_daemon().kill();
    start(&mut world, &disk);
    world.operator.wait_until_served().await;
    webhook.deliver().await.unwrap();
    ends_well(&world, &disk).await;
}
