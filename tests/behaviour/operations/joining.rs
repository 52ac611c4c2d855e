//! Every way in which a join can go wrong ends in one sentence that says what to do, before anything is started where it can be known before.

use std::net::Ipv4Addr;

use rackseed::{
    domain::{
        host_lifecycle::HostState,
        identity::{HostId, OperationId},
        operation::OperationStatus,
    },
    operations::{Advance, ClusterSettings, Engine, MemberCredential},
};

use super::assert_ready;
use crate::support::{nodes::Node, rebuild_world::RebuildWorld};

const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);

/// One member, and `pve-02` that is about to join it.
async fn about_to_join() -> (RebuildWorld, HostId, OperationId) {
    let world = RebuildWorld::new();
    world.ready_member("pve-01", 1).await;
    let (host, operation) = world.armed("pve-02", 2).await;
    until_join(&world, &host, &operation).await;
    (world, host, operation)
}

async fn until_join(world: &RebuildWorld, host: &HostId, operation: &OperationId) {
    let engine = Engine::new(world.world.clone());
    for _ in 0..200 {
        let progress = world.operations().view(operation).await.unwrap().unwrap().progress;
        if progress.current_step().is_some_and(|step| step.name == "join_cluster") {
            return;
        }
        if matches!(engine.advance(operation).await.unwrap(), Advance::NotBefore(_)) {
            world.machine_acts(&world.world, host).await;
        }
    }
    panic!("it never joins");
}

/// Runs until it rests, and returns why it needs attention; nothing must have been started on the node.
async fn parked(world: &RebuildWorld, host: &HostId, operation: &OperationId) -> String {
    world.run(&world.world, host, operation).await.unwrap();
    let progress = world.operations().view(operation).await.unwrap().unwrap().progress;
    assert_eq!(progress.status, OperationStatus::NeedsAttention, "{progress:#?}");
    assert_eq!(world.nodes.node(SECOND).joins_started, 0, "nothing may be started");
    progress.reason.unwrap()
}

async fn retried(world: &RebuildWorld, host: &HostId, operation: &OperationId) {
    world.operations().retry(operation).await.unwrap();
    world.run(&world.world, host, operation).await.unwrap();
    assert_ready(world, host, operation).await;
}

#[tokio::test]
async fn what_a_join_of_the_same_node_left_is_removed_before_it_joins_again() {
    let (world, host, operation) = about_to_join().await;
    world.nodes.change(SECOND, |node| (node.cluster, node.half_joined) = (Some("rackseed".into()), true));
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_ready(&world, &host, &operation).await;
    assert_eq!(world.nodes.node(SECOND).removals, 1);
}

#[tokio::test]
async fn another_node_of_the_same_name_is_never_removed() {
    for (online, why) in [(true, "another machine has its name"), (false, "not an address of this node")] {
        let (world, host, operation) = about_to_join().await;
        world.nodes.add(OTHER, "pve-02", Some("rackseed"));
        world.nodes.change(OTHER, |node| node.online = online);
        let reason = parked(&world, &host, &operation).await;
        assert!(reason.contains(why) && reason.contains("10.0.0.9"), "{reason}");
        assert_eq!(world.nodes.node(OTHER).removals, 0);
    }
}

#[tokio::test]
async fn a_node_that_cannot_join_is_told_why_before_anything_is_started() {
    type Oddity = fn(&mut Node);
    let oddities: [(Ipv4Addr, Oddity, Oddity, &str); 2] = [
        (SECOND, |node| node.is_loopback = true, |node| node.is_loopback = false, "correct its /etc/hosts"),
        (FIRST, |node| node.more_links = 1, |node| node.more_links = 0, "add it as entry 1"),
    ];
    for (place, breaks, mends, why) in oddities {
        let (world, host, operation) = about_to_join().await;
        world.nodes.change(place, breaks);
        let reason = parked(&world, &host, &operation).await;
        assert!(reason.contains(why), "{reason}");
        world.nodes.change(place, mends);
        retried(&world, &host, &operation).await;
    }
}

#[tokio::test]
async fn clocks_that_are_apart_are_waited_for() {
    let (world, host, operation) = about_to_join().await;
    world.nodes.change(SECOND, |node| node.clock += 61);
    let engine = Engine::new(world.world.clone());
    for _ in 0..20 {
        engine.advance(&operation).await.unwrap();
        world.clock.advance(jiff::SignedDuration::from_secs(1));
    }
    let reason = world.operations().view(&operation).await.unwrap().unwrap().progress.reason.unwrap();
    assert!(reason.contains("61 s apart") && reason.contains("NTP"), "{reason}");
    assert_eq!(world.nodes.node(SECOND).joins_started, 0);
    world.nodes.change(SECOND, |node| node.clock -= 1);
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_ready(&world, &host, &operation).await;
}

fn by_password(world: &RebuildWorld, fingerprint: Option<&str>) -> ClusterSettings {
    ClusterSettings {
        credential: Some(MemberCredential::Password("secret".to_owned().into())),
        join_fingerprint: fingerprint.map(str::to_owned),
        ..world.world.cluster.clone()
    }
}

#[tokio::test]
async fn a_certificate_that_changed_since_it_was_seen_first_stops_the_join_and_both_are_shown() {
    let mut world = RebuildWorld::new();
    world.ready_member("pve-01", 1).await;
    let settings = by_password(&world, None);
    world.use_nodes(world.nodes.clone(), settings);
    let (third, operation) = world.armed("pve-03", 3).await;
    world.run(&world.world, &third, &operation).await.unwrap();
    assert_ready(&world, &third, &operation).await;
    // A node with a gate is asked first; the one of which a certificate is known is meant here.
    world.world.gates.forget_gate(Ipv4Addr::new(10, 0, 0, 3)).await.unwrap();
    let (old, new) = (["AB"; 32].join(":"), ["CD"; 32].join(":"));
    world.nodes.change(FIRST, |node| node.fingerprint = new.clone());
    let (host, operation) = world.armed("pve-02", 2).await;
    let reason = parked(&world, &host, &operation).await;
    assert!(reason.contains(&old) && reason.contains(&new) && reason.contains("join_fingerprint"), "{reason}");
    let settings = by_password(&world, Some(&new.to_lowercase()));
    world.use_nodes(world.nodes.clone(), settings);
    retried(&world, &host, &operation).await;
    // Accepted once, it counts from then on.
    let settings = by_password(&world, None);
    world.use_nodes(world.nodes.clone(), settings);
    let pinned =
        world.world.certificates.pin(FIRST, "x", rackseed::ports::Clock::now(world.clock.as_ref())).await.unwrap();
    assert_eq!(pinned, new);
}

#[tokio::test]
async fn a_dead_member_is_passed_over_and_another_one_is_joined_through() {
    let world = RebuildWorld::new();
    for (name, last) in [("pve-01", 1), ("pve-05", 5), ("pve-06", 6)] {
        world.ready_member(name, last).await;
    }
    let (host, operation) = world.armed("pve-02", 2).await;
    until_join(&world, &host, &operation).await;
    world.nodes.change(FIRST, |node| node.online = false);
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_ready(&world, &host, &operation).await;
    let asked = world.nodes.node(Ipv4Addr::new(10, 0, 0, 5)).asked;
    assert!(asked.iter().any(|words| words.starts_with("authorise")), "{asked:?}");
    // With all of them dead it says which were tried.
    let world = RebuildWorld::new();
    world.ready_member("pve-01", 1).await;
    let (host, operation) = world.armed("pve-02", 2).await;
    until_join(&world, &host, &operation).await;
    world.nodes.change(FIRST, |node| node.online = false);
    let reason = parked(&world, &host, &operation).await;
    assert!(reason.contains("no member of the cluster answers") && reason.contains("10.0.0.1"), "{reason}");
}

#[tokio::test]
async fn the_joining_key_is_taken_back_after_a_join_that_succeeded_and_after_one_that_failed() {
    let (world, host, operation) = about_to_join().await;
    world.nodes.change(SECOND, |node| node.join_failure = Some("unable to copy ssh ID".into()));
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_eq!(world.host(&host).await.state, HostState::Failed);
    let words = |world: &RebuildWorld| -> Vec<String> {
        let asked = world.nodes.node(FIRST).asked.into_iter();
        asked.filter_map(|words| words.split(' ').next().map(str::to_owned)).collect()
    };
    let count = |world: &RebuildWorld, verb: &str| words(world).iter().filter(|word| *word == verb).count();
    assert_eq!((count(&world, "authorise"), count(&world, "withdraw")), (1, 1), "{:?}", words(&world));
    world.nodes.change(SECOND, |node| (node.join_failure, node.joins_started) = (None, 0));
    retried(&world, &host, &operation).await;
    assert_eq!((count(&world, "authorise"), count(&world, "withdraw")), (2, 2), "{:?}", words(&world));
}
