//! Rebuilds of several hosts: the bound, the order, what pauses them, and that a restart at any write starts nobody twice.

mod killing_batches;

use std::{
    net::Ipv4Addr,
    sync::{Arc, atomic::Ordering},
};

use jiff::{SignedDuration, Timestamp};
use killing_batches::{Kill, KillingBatches};
use rackseed::{
    domain::{
        batch::{Batch, BatchState, TurnState},
        host_lifecycle::{HostEvent, HostState},
        identity::{BatchId, HostId},
    },
    operations::{Advance, BatchDesk, BatchRefusal, BatchWish, Engine},
    ports::{BatchLedger, Clock, Doorbell, HostLedger, LedgerError, OperationJournal},
};

use crate::support::rebuild_world::{RebuildWorld, image};

/// More rounds than any batch here needs.
const MOST_ROUNDS: usize = 4_000;

fn desk_on(world: &RebuildWorld, batches: Arc<dyn BatchLedger>, has_image: bool) -> BatchDesk {
    BatchDesk {
        world: world.world.clone(),
        batches,
        rebuild: Arc::new(world.rebuild_desk(has_image.then(image))),
        bell: Doorbell::default(),
        moving: tokio::sync::Mutex::default(),
    }
}

fn desk(world: &RebuildWorld) -> BatchDesk {
    desk_on(world, world.store.clone(), true)
}

/// Registers hosts `pve-01` and so on; their nodes will be at `10.0.0.1` and so on.
async fn hosts(world: &RebuildWorld, count: u8) -> Vec<HostId> {
    let mut all = Vec::new();
    for last in 1..=count {
        let name = format!("pve-{last:02}");
        let host = world.register(&name, &format!("52:54:00:00:00:{last:02x}")).await;
        world.nodes.add(Ipv4Addr::new(10, 0, 0, last), &name, None);
        all.push(host.id);
    }
    all
}

fn wish(hosts: &[HostId]) -> BatchWish {
    let confirm = Some(format!("rebuild {} hosts", hosts.len()));
    BatchWish { hosts: hosts.to_vec(), confirm, ..BatchWish::default() }
}

/// Lets everybody act once: the batch, every operation, and the machine behind it.
async fn round(world: &RebuildWorld, desk: &BatchDesk, id: &BatchId) -> Result<(), LedgerError> {
    desk.move_on(id).await?;
    let engine = Engine::new(world.world.clone());
    for operation in world.store.open_operations().await? {
        let (found, _) = world.store.operation(&operation).await?.unwrap();
        for _ in 0..20 {
            match engine.advance(&operation).await? {
                Advance::Again => {}
                Advance::Rest => break,
                Advance::NotBefore(_) => {
                    world.machine_acts(&world.world, &found.host).await;
                    break;
                }
            }
        }
    }
    world.clock.advance(SignedDuration::from_secs(2));
    Ok(())
}

/// Goes on until the batch is in one of these states.
async fn until(world: &RebuildWorld, desk: &BatchDesk, id: &BatchId, states: &[BatchState]) -> Batch {
    for _ in 0..MOST_ROUNDS {
        let batch = world.store.batch(id).await.unwrap().unwrap();
        if states.contains(&batch.state) {
            return batch;
        }
        round(world, desk, id).await.unwrap();
    }
    panic!("{:#?}", world.store.batch(id).await.unwrap())
}

fn states(batch: &Batch) -> Vec<TurnState> {
    batch.turns.iter().map(|turn| turn.state).collect()
}

/// When each rebuild of a host began and ended, from its history.
async fn rebuilds(world: &RebuildWorld, host: &HostId) -> Vec<(Timestamp, Timestamp)> {
    let mut history = world.store.history(host, 200).await.unwrap();
    history.reverse();
    let moments = |event: HostEvent| history.iter().filter(move |entry| entry.event == event).map(|entry| entry.at);
    moments(HostEvent::RebuildRequested).zip(moments(HostEvent::JoinVerified)).collect()
}

#[tokio::test]
async fn five_hosts_with_a_bound_of_two_are_rebuilt_once_each_and_never_three_at_a_time() {
    let world = RebuildWorld::new();
    let (hosts, desk) = (hosts(&world, 5).await, desk(&world));
    let batch = desk.open(BatchWish { at_most: Some(2), ..wish(&hosts) }).await.unwrap();
    let done = until(&world, &desk, &batch.id, &[BatchState::Done, BatchState::Paused]).await;
    assert_eq!((done.state, states(&done)), (BatchState::Done, vec![TurnState::Ready; 5]), "{done:#?}");
    let mut all = Vec::new();
    for host in &hosts {
        let of_host = rebuilds(&world, host).await;
        assert_eq!(of_host.len(), 1, "each is rebuilt once");
        all.extend(of_host);
        assert_eq!(world.host(host).await.state, HostState::Ready);
    }
    // At the moment at which one begins, how many have begun and not ended, itself included.
    let at_once =
        all.iter().map(|(begun, _)| all.iter().filter(|(other, ended)| other <= begun && begun < ended).count());
    assert_eq!(at_once.max(), Some(2), "{all:#?}");
}

#[tokio::test]
async fn a_rolling_batch_keeps_its_order_and_waits_for_the_one_before() {
    let world = RebuildWorld::new();
    let (hosts, desk) = (hosts(&world, 3).await, desk(&world));
    let turned: Vec<HostId> = [2, 0, 1].iter().map(|place| hosts[*place].clone()).collect();
    let batch = desk.open(BatchWish { rolling: true, ..wish(&turned) }).await.unwrap();
    let done = until(&world, &desk, &batch.id, &[BatchState::Done, BatchState::Paused]).await;
    assert_eq!(done.state, BatchState::Done, "{done:#?}");
    let mut last_end = Timestamp::MIN;
    for host in &turned {
        let [(begun, ended)] = rebuilds(&world, host).await[..] else { panic!("not once") };
        assert!(begun >= last_end, "it began before the one before had ended");
        last_end = ended;
    }
}

#[tokio::test]
async fn a_rolling_batch_waits_while_a_member_is_off_and_asks_for_a_person_when_it_stays_off() {
    let world = RebuildWorld::new();
    let (hosts, desk) = (hosts(&world, 2).await, desk(&world));
    let (first, other) = (world.ready_member("pve-07", 7).await, Ipv4Addr::new(10, 0, 0, 8));
    world.nodes.add(other, "pve-08", Some("rackseed"));
    world.nodes.add(Ipv4Addr::new(10, 0, 0, 9), "pve-09", Some("rackseed"));
    world.nodes.change(other, |node| node.online = false);
    let batch = desk.open(BatchWish { rolling: true, ..wish(&hosts) }).await.unwrap();
    for _ in 0..30 {
        round(&world, &desk, &batch.id).await.unwrap();
    }
    let waiting = world.store.batch(&batch.id).await.unwrap().unwrap();
    let note = waiting.note.clone().unwrap_or_default();
    assert!(note.contains("pve-01 waits: pve-08 of the cluster rackseed is not online"), "{waiting:#?}");
    assert_eq!((waiting.state, states(&waiting)), (BatchState::Running, vec![TurnState::Waiting; 2]));
    world.clock.advance(SignedDuration::from_mins(15));
    round(&world, &desk, &batch.id).await.unwrap();
    let paused = world.store.batch(&batch.id).await.unwrap().unwrap();
    assert_eq!(paused.state, BatchState::Paused);
    assert!(paused.note.unwrap().contains("not within 15 min"));
    world.nodes.change(other, |node| node.online = true);
    desk.resume(&batch.id).await.unwrap();
    let done = until(&world, &desk, &batch.id, &[BatchState::Done, BatchState::Paused]).await;
    assert_eq!(done.state, BatchState::Done, "{done:#?}");
    assert_eq!(world.host(&first).await.state, HostState::Ready);
}

#[tokio::test]
async fn one_that_fails_pauses_the_rest_until_it_is_tried_again_or_left_out() {
    let world = RebuildWorld::new();
    let (hosts, desk) = (hosts(&world, 3).await, desk(&world));
    let batch = desk.open(wish(&hosts)).await.unwrap();
    round(&world, &desk, &batch.id).await.unwrap();
    let operation = world.host(&hosts[0]).await.operation.unwrap();
    world.operations().cancel(&operation).await.unwrap();
    let paused = until(&world, &desk, &batch.id, &[BatchState::Paused]).await;
    assert_eq!(states(&paused), [TurnState::InTrouble, TurnState::Waiting, TurnState::Waiting]);
    assert!(paused.note.as_ref().unwrap().starts_with("pve-01: "), "{paused:#?}");
    for _ in 0..10 {
        round(&world, &desk, &batch.id).await.unwrap();
    }
    assert_eq!(world.host(&hosts[1]).await.operation, None, "nothing is started while it is paused");
    desk.resume(&batch.id).await.unwrap();
    round(&world, &desk, &batch.id).await.unwrap();
    let again = world.host(&hosts[0]).await.operation.unwrap();
    assert_ne!(again, operation, "it has its turn again");
    world.operations().cancel(&again).await.unwrap();
    until(&world, &desk, &batch.id, &[BatchState::Paused]).await;
    desk.skip(&batch.id, &hosts[0]).await.unwrap();
    desk.resume(&batch.id).await.unwrap();
    let done = until(&world, &desk, &batch.id, &[BatchState::Done, BatchState::Paused]).await;
    assert_eq!(states(&done), [TurnState::Skipped, TurnState::Ready, TurnState::Ready]);
}

#[tokio::test]
async fn a_host_that_needs_attention_is_decided_before_the_batch_goes_on() {
    let world = RebuildWorld::new();
    let (hosts, desk) = (hosts(&world, 2).await, desk(&world));
    world.nodes.change(Ipv4Addr::new(10, 0, 0, 1), |node| node.join_failure = Some("no join today".into()));
    let batch = desk.open(wish(&hosts)).await.unwrap();
    until(&world, &desk, &batch.id, &[BatchState::Paused]).await;
    let error = desk.resume(&batch.id).await.unwrap_err().to_string();
    assert!(error.contains("needs attention: retry or cancel it"), "{error}");
    desk.skip(&batch.id, &hosts[0]).await.unwrap();
    desk.resume(&batch.id).await.unwrap();
    assert!(world.store.batch(&batch.id).await.unwrap().unwrap().note.is_none());
}

#[tokio::test]
async fn a_host_that_cannot_be_rebuilt_at_its_turn_pauses_the_batch_and_is_left_as_it_was() {
    let world = RebuildWorld::new();
    let hosts = hosts(&world, 2).await;
    let without_image = desk_on(&world, world.store.clone(), false);
    let batch = without_image.open(wish(&hosts)).await.unwrap();
    let paused = until(&world, &without_image, &batch.id, &[BatchState::Paused]).await;
    assert!(paused.note.unwrap().starts_with("pve-01 was not started: "));
    assert_eq!(paused.turns[0].state, TurnState::Waiting);
    assert_eq!(world.host(&hosts[0]).await.state, HostState::Registered);
    let desk = desk(&world);
    desk.resume(&batch.id).await.unwrap();
    let done = until(&world, &desk, &batch.id, &[BatchState::Done, BatchState::Paused]).await;
    assert_eq!(done.state, BatchState::Done);
}

#[tokio::test]
async fn a_cancelled_batch_leaves_the_rest_untouched_and_lets_what_is_under_way_go_on() {
    let world = RebuildWorld::new();
    let (hosts, desk) = (hosts(&world, 3).await, desk(&world));
    let batch = desk.open(wish(&hosts)).await.unwrap();
    round(&world, &desk, &batch.id).await.unwrap();
    let cancelled = desk.cancel(&batch.id).await.unwrap();
    assert_eq!(states(&cancelled), [TurnState::UnderWay, TurnState::Untouched, TurnState::Untouched]);
    for _ in 0..200 {
        round(&world, &desk, &batch.id).await.unwrap();
    }
    assert_eq!(world.host(&hosts[0]).await.state, HostState::Ready);
    for host in &hosts[1..] {
        let found = world.host(host).await;
        assert_eq!((found.state, found.operation), (HostState::Registered, None));
    }
    assert!(desk.cancel(&batch.id).await.is_err());
}

#[tokio::test]
async fn killed_at_any_write_and_restarted_it_ends_and_has_started_nobody_twice() {
    for kill in [Kill::Before, Kill::After] {
        for at in 0.. {
            let world = RebuildWorld::new();
            let hosts = hosts(&world, 2).await;
            let batch = desk(&world).open(BatchWish { at_most: Some(2), ..wish(&hosts) }).await.unwrap();
            let killing = KillingBatches::new(world.store.clone(), kill, at);
            let mut restarts = 0;
            let mut running = desk_on(&world, killing.clone(), true);
            for _ in 0..MOST_ROUNDS {
                if world.store.batch(&batch.id).await.unwrap().unwrap().ended_at.is_some() {
                    break;
                }
                if round(&world, &running, &batch.id).await.is_err() {
                    restarts += 1;
                    running = desk_on(&world, killing.clone(), true);
                }
            }
            let done = world.store.batch(&batch.id).await.unwrap().unwrap();
            assert_eq!(states(&done), [TurnState::Ready; 2], "killed at write {at}: {done:#?}");
            for (host, turn) in hosts.iter().zip(&done.turns) {
                let operations = world.store.operations_of(host, 10).await.unwrap();
                assert_eq!(operations, [turn.operation.clone().unwrap()], "killed at write {at}");
            }
            if restarts == 0 {
                assert!(killing.saves.load(Ordering::SeqCst) >= 7, "intent and start and end of each, and the end");
                break;
            }
            assert_eq!(restarts, 1);
        }
    }
}

#[tokio::test]
async fn a_batch_is_confirmed_by_number_or_by_all_names_and_no_host_is_in_two() {
    let world = RebuildWorld::new();
    let (hosts, desk) = (hosts(&world, 3).await, desk(&world));
    for confirm in
        [None, Some("yes"), Some("rebuild 2 hosts"), Some("pve-01 pve-02"), Some("pve-01 pve-02 pve-03 pve-04")]
    {
        let wish = BatchWish { confirm: confirm.map(str::to_owned), ..wish(&hosts) };
        let refusal = desk.open(wish).await.unwrap_err();
        assert!(matches!(refusal, BatchRefusal::Invalid { field: "confirm", .. }), "{confirm:?}: {refusal}");
    }
    for (at_most, rolling) in [(Some(0), false), (Some(17), false), (Some(2), true)] {
        let refusal = desk.open(BatchWish { at_most, rolling, ..wish(&hosts) }).await.unwrap_err();
        assert!(matches!(refusal, BatchRefusal::Invalid { field: "at_most", .. }), "{refusal}");
    }
    assert_eq!(world.store.batches(None, 10).await.unwrap(), []);
    let named = BatchWish { confirm: Some("pve-03, pve-01 pve-02".into()), ..wish(&hosts) };
    desk.open(named).await.unwrap();
    let refusal = desk.open(wish(&hosts[2..])).await.unwrap_err();
    assert!(refusal.to_string().contains("pve-03 is in another batch"), "{refusal}");
    assert!(world.clock.now() > Timestamp::MIN);
}
