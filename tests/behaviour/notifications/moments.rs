//! At which moments people are told, and that each is told once.

use rackseed::{
    domain::{
        host_lifecycle::HostEvent,
        live_event::{NewLiveEvent, Topic},
        notification::{Moment, MomentKind},
        rebuild::RebuildMarks,
    },
    operations::{BatchDesk, BatchWish},
    ports::{Clock, Doorbell, HostLedger, NotificationLedger},
    provisioning::Move,
};
use rusqlite::Connection;

use crate::support::rebuild_world::RebuildWorld;

async fn world() -> RebuildWorld {
    let world = RebuildWorld::new();
    world.store.keep_targets(&["phone".to_owned()], world.clock.now()).await.unwrap();
    world
}

async fn moments(world: &RebuildWorld) -> Vec<Moment> {
    let waiting = world.store.outbox("phone", MomentKind::ALL).await.unwrap().waiting;
    waiting.into_iter().map(|delivery| delivery.moment).collect()
}

#[tokio::test]
async fn a_rebuild_that_succeeds_tells_once_that_the_host_is_ready() {
    let world = world().await;
    let (host, operation) = world.armed("pve-01", 1).await;
    world.run(&world.world, &host, &operation).await.unwrap();
    let told = moments(&world).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].kind, told[0].title().as_str()), (MomentKind::Ready, "pve-01 is ready"));
    assert_eq!((&told[0].host, &told[0].operation), (&Some(host), &Some(operation)));
}

#[tokio::test]
async fn a_rebuild_that_fails_before_a_disk_was_touched_is_told_as_failed() {
    let world = world().await;
    let (host, operation) = world.armed("pve-01", 1).await;
    let why = Move::failing("the machine did not boot");
    world.world.keeper.apply(&world.host(&host).await, HostEvent::Overdue, why).await.unwrap();
    world.run(&world.world, &host, &operation).await.unwrap();
    let told = moments(&world).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].kind, told[0].title().as_str()), (MomentKind::Failed, "pve-01 could not be rebuilt"));
    assert!(!told[0].reason().is_empty());
}

#[tokio::test]
async fn a_rebuild_that_two_machines_claimed_is_told_as_refused() {
    let world = world().await;
    let (host, operation) = world.armed("pve-01", 1).await;
    let refused = Some("two machines claimed this rebuild".to_owned());
    let marks = RebuildMarks { refused, ..RebuildMarks::default() };
    world.world.keeper.mark(&operation, &marks, None, None).await.unwrap();
    world.run(&world.world, &host, &operation).await.unwrap();
    let told = moments(&world).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].kind, told[0].reason().as_str()), (MomentKind::Refused, "two machines claimed this rebuild"));
}

#[tokio::test]
async fn what_takes_long_is_told_once_as_overdue() {
    let world = world().await;
    let (host, operation) = world.armed("pve-01", 1).await;
    let (host, topic) = (world.host(&host).await, Topic::Overdue);
    let message = "waits for its machine; is it switched on?".to_owned();
    let feed = NewLiveEvent { topic, host: Some(host.id.clone()), operation: Some(operation.clone()), message };
    for _ in 0..3 {
        world.store.tell_overdue(&host, &feed, world.clock.now()).await.unwrap();
    }
    let told = moments(&world).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].kind, told[0].title().as_str()), (MomentKind::Overdue, "pve-01 takes longer than it should"));
    assert_eq!((told[0].operation.as_ref(), told[0].reason()), (Some(&operation), feed.message.clone()));
}

#[tokio::test]
async fn what_the_operator_cancels_himself_is_not_told() {
    let world = world().await;
    let (_, operation) = world.armed("pve-01", 1).await;
    world.operations().cancel(&operation).await.unwrap();
    assert!(moments(&world).await.is_empty());
}

#[tokio::test]
async fn a_moment_is_written_with_what_happened_or_not_at_all() {
    let world = world().await;
    let (host, operation) = world.armed("pve-01", 1).await;
    let raw = Connection::open(world.folder.path().join("data/rackseed.db")).unwrap();
    raw.execute_batch("CREATE TRIGGER no_moments BEFORE INSERT ON moments BEGIN SELECT RAISE(ABORT, 'no'); END")
        .unwrap();
    let _ = world.run(&world.world, &host, &operation).await;
    assert_ne!(world.host(&host).await.state.word(), "ready", "the host is not ready while nobody can be told");
    raw.execute_batch("DROP TRIGGER no_moments").unwrap();
    assert!(moments(&world).await.is_empty());
    world.run(&world.world, &host, &operation).await.unwrap();
    let told = moments(&world).await;
    assert_eq!(told.len(), 1, "{told:?}");
    let status = world.operations().view(&operation).await.unwrap().unwrap().progress.status;
    assert_eq!((status.word(), told[0].kind.word()), ("needs_attention", "needs_attention"));
}

#[tokio::test]
async fn a_batch_that_pauses_is_told_once_for_each_pause() {
    let world = world().await;
    let host = world.register("pve-01", "52:54:00:00:00:01").await;
    let desk = BatchDesk {
        world: world.world.clone(),
        batches: world.store.clone(),
        rebuild: std::sync::Arc::new(world.rebuild_desk(None)),
        bell: Doorbell::default(),
        moving: tokio::sync::Mutex::default(),
    };
    let confirm = Some("rebuild 1 hosts".to_owned());
    let batch = desk.open(BatchWish { hosts: vec![host.id], confirm, ..BatchWish::default() }).await.unwrap();
    for _ in 0..3 {
        desk.move_on(&batch.id).await.unwrap();
    }
    let told = moments(&world).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].kind, &told[0].batch), (MomentKind::Paused, &Some(batch.id.clone())));
    assert_eq!(told[0].title(), "a batch of rebuilds is paused until a person decides");
    assert!(told[0].reason().starts_with("pve-01 was not started: "), "{}", told[0].reason());
    assert_eq!(told[0].link(Some("http://rack")).unwrap(), format!("http://rack/batches/{}", batch.id));
    desk.resume(&batch.id).await.unwrap();
    desk.move_on(&batch.id).await.unwrap();
    assert_eq!(moments(&world).await.len(), 2, "it paused again");
}
