//! Killed at every write of its journal and started again, the daemon always brings the host to `ready`, with exactly one join.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt, stream};

use crate::{
    daemon::is_ready,
    journal::{self, JournalWatch},
    proof::{READY_LIMIT, Times, ends_ready_after, ends_ready_with_one_join},
    world::{HOSTNAME, Way, World},
};

/// How many worlds are rebuilt beside each other: they mostly wait.
const AT_ONCE: usize = 6;
/// A busy machine sees an entry too late now and then, when the next one is there already: so often is it tried.
const ROUNDS: usize = 3;
/// How long an entry may be waited for.
const ENTRY_LIMIT: Duration = Duration::from_secs(90);

/// Rebuilds a host without any trouble, and returns how many entries its journal has.
async fn undisturbed(way: Way) -> usize {
    let mut world = World::begin(way).await;
    world.operator.rebuild(&world.host, HOSTNAME).await.unwrap();
    world.switch_on();
    ends_ready_with_one_join(&world).await;
    journal::count(&world.data())
}

/// Kills the daemon as soon as there are so many entries, starts it again, and follows the host until it is ready. Returns how many entries
/// there were when it was dead; `None` when the operation was over before.
async fn killed_at(way: Way, entry: usize) -> Option<usize> {
    let mut world = World::begin(way).await;
    let (data, daemon) = (world.data(), world.take_daemon());
    let watching = tokio::task::spawn_blocking(move || {
        let entries = JournalWatch::start(&data, 1).wait_for(entry, ENTRY_LIMIT);
        daemon.kill();
        (entries.count >= entry).then(|| journal::count(&data))
    });
    // It may die over this request.
    let _ = world.operator.rebuild(&world.host, HOSTNAME).await;
    world.switch_on();
    let died_at = watching.await.unwrap();
    world.restart();
    world.operator.wait_until_served().await;
    ends_ready_with_one_join(&world).await;
    died_at
}

/// Kills the daemon at each of these entries, each in a world of its own.
async fn killed_at_each(way: Way, entries: impl Iterator<Item = usize>) -> Vec<Option<usize>> {
    stream::iter(entries).map(|entry| killed_at(way, entry)).buffered(AT_ONCE).collect().await
}

/// Every entry of an undisturbed rebuild, or every so many of them.
async fn dies_at(way: Way, every: usize) {
    let count = undisturbed(way).await;
    let mut missing: BTreeSet<_> = (1..=count).step_by(every).collect();
    let all = missing.len();
    for round in 1..=ROUNDS {
        let died_at = killed_at_each(way, missing.iter().copied()).await;
        println!("{way:?}, {count} entries, round {round}: killed when there were {died_at:?}");
        missing.retain(|entry| !died_at.contains(&Some(*entry)));
    }
    assert!(missing.len() * 4 < all, "never killed at {missing:?} of {count} entries");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_write_while_it_creates_the_cluster_it_ends_ready_with_one_join() {
    dies_at(Way::Create, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_write_while_it_joins_through_a_member_it_ends_ready_with_one_join() {
    dies_at(Way::AddByKey, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_joins_with_the_members_password_it_ends_ready_and_tells_the_password_nobody() {
    dies_at(Way::AddByPassword, 3).await;
}

/// No life of this daemon is longer than one entry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_write_one_after_the_other_it_ends_ready_with_one_join() {
    let mut world = World::begin(Way::AddByKey).await;
    let (mut entries, mut lives) = (0, 0);
    loop {
        let (data, daemon) = (world.data(), world.take_daemon());
        let watching = tokio::task::spawn_blocking(move || {
            let seen = JournalWatch::start(&data, 1).wait_for(entries + 1, ENTRY_LIMIT);
            daemon.kill();
            (seen.is_over, journal::count(&data))
        });
        if lives == 0 {
            let _ = world.operator.rebuild(&world.host, HOSTNAME).await;
            world.switch_on();
        }
        let (is_over, count) = watching.await.unwrap();
        (entries, lives) = (count, lives + 1);
        world.restart();
        if is_over {
            break;
        }
    }
    println!("{lives} lives for {entries} entries");
    world.operator.wait_until_served().await;
    ends_ready_with_one_join(&world).await;
}

/// What is true after the second rebuild of a host that the first one brought into the cluster.
const AGAIN: Times = Times { installed: 2, joined: 2, removed: 1 };

/// A world in which the host is a member, and its machine runs.
async fn member() -> World {
    let mut world = World::begin(Way::AddByKey).await;
    world.operator.rebuild(&world.host, HOSTNAME).await.unwrap();
    world.switch_on();
    world.operator.wait_for(&world.host, "is ready", READY_LIMIT, is_ready).await;
    world
}

/// The same death as in `killed_at`, while the host is rebuilt again: it must leave its cluster first. Entries are counted from the beginning
/// of that rebuild.
async fn killed_while_rebuilt_again(entry: usize) -> Option<usize> {
    let mut world = member().await;
    let (data, daemon) = (world.data(), world.take_daemon());
    let before = journal::count(&data);
    let watching = tokio::task::spawn_blocking(move || {
        let entries = JournalWatch::start(&data, 2).wait_for(before + entry, ENTRY_LIMIT);
        daemon.kill();
        (entries.count >= before + entry).then(|| journal::count(&data) - before)
    });
    let _ = world.operator.rebuild(&world.host, HOSTNAME).await;
    let died_at = watching.await.unwrap();
    world.restart();
    world.operator.wait_until_served().await;
    ends_ready_after(&world, AGAIN).await;
    died_at
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_rebuilds_a_member_it_ends_ready_with_one_removal_and_one_join() {
    let world = member().await;
    let before = journal::count(&world.data());
    world.operator.rebuild(&world.host, HOSTNAME).await.unwrap();
    ends_ready_after(&world, AGAIN).await;
    let count = journal::count(&world.data()) - before;
    drop(world);
    let entries: Vec<_> = (1..=count).step_by(2).collect();
    let died_at: Vec<_> = stream::iter(entries).map(killed_while_rebuilt_again).buffered(AT_ONCE).collect().await;
    println!("a member again, {count} entries: killed when there were {died_at:?}");
    assert!(died_at.iter().flatten().count() * 2 > died_at.len(), "{died_at:?}");
}
