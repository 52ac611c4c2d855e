//! Being told: what leaves for webhooks, ntfy and mail, when it is tried again, and that nothing is lost or told twice.

mod channels;
mod daemon;
mod mail;
mod moments;

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc};

use jiff::SignedDuration;
use rackseed::{
    domain::{
        delivery::{Delivery, DeliveryState, MOST_ATTEMPTS},
        identity::{HostId, OperationId},
        live_event::{NewLiveEvent, Topic},
        notification::MomentKind,
        operation::{JournalEntry, JournalEvent},
    },
    notifications::{Carried, Channel, Courier, Notifications, Ntfy, Place, Target, Webhook},
    ports::{Clock, LiveFeed, NotificationLedger, OperationJournal},
    settings::read_private_file,
};

use crate::support::{
    post_office::{PostOffice, Reply},
    rebuild_world::RebuildWorld,
};

/// A file that holds a secret.
fn secret_file(folder: &std::path::Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn place(url: &str) -> Place {
    Place { url: url.to_owned(), url_file: None, token_file: None, ca_file: None, read_secret: read_private_file }
}

fn webhook(url: &str) -> Channel {
    Channel::Webhook(Webhook { place: place(url), signature_key_file: None })
}

fn ntfy(url: &str) -> Channel {
    Channel::Ntfy(Ntfy { place: place(url) })
}

/// A world in which rebuilds go wrong, and one target that is told of it.
struct Town {
    world: RebuildWorld,
    office: PostOffice,
    host: HostId,
    operation: OperationId,
}

impl Town {
    async fn new() -> Self {
        let (world, office) = (RebuildWorld::new(), PostOffice::open().await);
        world.store.keep_targets(&["phone".to_owned()], world.clock.now()).await.unwrap();
        let (host, operation) = world.armed("pve-01", 1).await;
        Self { world, office, host, operation }
    }

    /// The courier of the one target; made anew, it is the one after a restart.
    fn courier(&self, events: &[MomentKind], per_hour: u32) -> Courier {
        let channel = webhook(&self.office.url("/hook"));
        let target = Target { name: "phone".to_owned(), events: events.to_vec(), channel };
        let url = Some("https://rackseed.example/".to_owned());
        let notifications = Notifications::new(vec![target], url, self.world.clock.clone());
        let (ledger, feed): (Arc<dyn NotificationLedger>, Arc<dyn LiveFeed>) =
            (self.world.store.clone(), self.world.store.clone());
        notifications.couriers(&ledger, &feed, per_hour).remove(0)
    }

    /// The operation needs attention once more.
    async fn park(&self, reason: &str) {
        let length = self.world.store.operation(&self.operation).await.unwrap().unwrap().1.len();
        let event = JournalEvent::Parked { reason: reason.to_owned() };
        let entry = JournalEntry { at: self.world.clock.now(), step: String::new(), event };
        let (host, operation) = (Some(self.host.clone()), Some(self.operation.clone()));
        let event = NewLiveEvent { topic: Topic::Operation, host, operation, message: reason.to_owned() };
        self.world.store.append(&self.operation, length, &entry, Some(&event)).await.unwrap();
    }

    fn pass(&self, seconds: i64) {
        self.world.clock.advance(SignedDuration::from_secs(seconds));
    }

    async fn deliveries(&self) -> Vec<Delivery> {
        self.world.store.latest_deliveries(1_000).await.unwrap()
    }

    /// The reasons that arrived, message by message.
    fn told(&self) -> Vec<Vec<String>> {
        let reasons = |letter: crate::support::post_office::Letter| {
            let moments = letter.json()["moments"].as_array().unwrap().clone();
            moments.iter().map(|moment| moment["reason"].as_str().unwrap().to_owned()).collect()
        };
        self.office.letters().into_iter().map(reasons).collect()
    }
}

/// Carries until there is nothing to do now.
async fn carry_all(courier: &Courier) -> Carried {
    for _ in 0..2_000 {
        match courier.carry().await.unwrap() {
            Carried::Sent => {}
            rest @ (Carried::NotTaken | Carried::NotBefore(_) | Carried::Nothing) => return rest,
        }
    }
    panic!("the courier never rests");
}

#[tokio::test]
async fn what_failed_is_tried_again_after_growing_pauses_until_it_is_taken_and_then_never_again() {
    let town = Town::new().await;
    let courier = town.courier(MomentKind::ALL, 20);
    town.park("the node's disk is full").await;
    for pause in [15, 30, 60] {
        town.office.answer_next(Reply::Status(503, "busy".to_owned()));
        assert_eq!(courier.carry().await.unwrap(), Carried::NotTaken);
        let due = town.world.clock.now() + SignedDuration::from_secs(pause);
        assert_eq!(courier.carry().await.unwrap(), Carried::NotBefore(due));
        town.pass(pause);
    }
    let waiting = &town.deliveries().await[0];
    assert_eq!((waiting.attempts, waiting.state), (3, DeliveryState::Waiting));
    assert!(waiting.problem.as_ref().unwrap().ends_with("503 Service Unavailable: busy"), "{waiting:?}");
    assert_eq!(carry_all(&courier).await, Carried::Nothing);
    town.pass(100_000);
    assert_eq!(carry_all(&courier).await, Carried::Nothing);
    assert_eq!(town.office.letters().len(), 4);
    let sent = &town.deliveries().await[0];
    assert_eq!((sent.attempts, sent.state, sent.problem.as_deref()), (4, DeliveryState::Sent, None));
    let numbers: Vec<_> =
        town.office.letters().iter().map(|letter| letter.header("x-rackseed-delivery").to_owned()).collect();
    assert!(
        numbers.iter().all(|number| *number == numbers[0]),
        "a repeat has the number of the first try: {numbers:?}"
    );
}

#[tokio::test]
async fn a_target_that_says_when_is_asked_then() {
    let town = Town::new().await;
    let courier = town.courier(MomentKind::ALL, 20);
    town.park("busy").await;
    town.office.answer_next(Reply::TooMany(300));
    courier.carry().await.unwrap();
    let due = town.world.clock.now() + SignedDuration::from_secs(300);
    assert_eq!(courier.carry().await.unwrap(), Carried::NotBefore(due));
}

#[tokio::test]
async fn a_dead_target_is_given_up_after_about_a_day_and_that_is_shown() {
    let town = Town::new().await;
    let courier = town.courier(MomentKind::ALL, 20);
    town.park("nobody hears this").await;
    for _ in 0..MOST_ATTEMPTS {
        town.office.answer_next(Reply::Status(500, String::new()));
        assert_eq!(courier.carry().await.unwrap(), Carried::NotTaken);
        town.pass(3600);
    }
    assert_eq!(courier.carry().await.unwrap(), Carried::Nothing);
    let given_up = &town.deliveries().await[0];
    assert_eq!((given_up.state, given_up.attempts), (DeliveryState::GivenUp, MOST_ATTEMPTS));
    town.park("but this").await;
    carry_all(&courier).await;
    assert_eq!(town.told().last().unwrap(), &["but this"]);
}

#[tokio::test]
async fn when_a_target_is_back_the_first_success_brings_everything_that_waited() {
    let town = Town::new().await;
    let courier = town.courier(MomentKind::ALL, 20);
    for reason in ["one", "two", "three"] {
        town.park(reason).await;
        town.office.answer_next(Reply::Status(502, String::new()));
        assert_eq!(courier.carry().await.unwrap(), Carried::NotTaken);
    }
    town.park("four").await;
    assert_eq!(carry_all(&courier).await, Carried::Nothing);
    let told = town.told();
    assert_eq!(told[3..], [["four"], ["one"], ["two"], ["three"]], "{told:?}");
}

#[tokio::test]
async fn nothing_is_lost_or_told_twice_over_a_restart() {
    let town = Town::new().await;
    town.park("before").await;
    carry_all(&town.courier(MomentKind::ALL, 20)).await;
    town.park("while nobody carried").await;
    // The daemon starts again: targets are noted, couriers made anew.
    town.world.store.keep_targets(&["phone".to_owned()], town.world.clock.now()).await.unwrap();
    carry_all(&town.courier(MomentKind::ALL, 20)).await;
    carry_all(&town.courier(MomentKind::ALL, 20)).await;
    assert_eq!(town.told(), [["before"], ["while nobody carried"]]);
}

#[tokio::test]
async fn a_new_target_is_not_told_old_news_and_one_that_is_gone_keeps_nothing_waiting() {
    let town = Town::new().await;
    town.park("old news").await;
    let courier = town.courier(MomentKind::ALL, 20);
    courier.ledger.outbox("phone", MomentKind::ALL).await.unwrap();
    town.world.store.keep_targets(&["chat".to_owned()], town.world.clock.now()).await.unwrap();
    assert!(town.world.store.outbox("chat", MomentKind::ALL).await.unwrap().waiting.is_empty());
    let gone = &town.deliveries().await[0];
    assert_eq!(gone.state, DeliveryState::GivenUp);
    assert!(gone.problem.as_ref().unwrap().contains("not in the settings"), "{gone:?}");
    town.park("news").await;
    let waiting = town.world.store.outbox("chat", MomentKind::ALL).await.unwrap().waiting;
    assert_eq!(waiting.iter().map(|delivery| delivery.moment.detail.as_str()).collect::<Vec<_>>(), ["news"]);
}

#[tokio::test]
async fn a_burst_becomes_a_few_messages_and_one_digest_and_the_next_hour_has_places_again() {
    let town = Town::new().await;
    let courier = town.courier(MomentKind::ALL, 4);
    for number in 0..50 {
        town.park(&format!("reason {number}")).await;
    }
    assert!(matches!(carry_all(&courier).await, Carried::Nothing));
    let sizes: Vec<_> = town.told().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 1, 1, 47]);
    let digest = town.office.letters()[3].json();
    assert_eq!((digest["event"].as_str(), digest["title"].as_str()), (Some("digest"), Some("Rackseed: 47 messages")));
    for number in 50..60 {
        town.park(&format!("reason {number}")).await;
    }
    assert!(matches!(carry_all(&courier).await, Carried::NotBefore(_)));
    assert_eq!(town.office.letters().len(), 4, "the hour is full");
    town.pass(3600);
    carry_all(&courier).await;
    let sizes: Vec<_> = town.told().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 1, 1, 47, 1, 1, 1, 7]);
    let all: Vec<_> = town.told().concat();
    assert_eq!(all, (0..60).map(|number| format!("reason {number}")).collect::<Vec<_>>(), "each once, in order");
}

#[tokio::test]
async fn a_target_is_told_only_what_it_wants() {
    let town = Town::new().await;
    town.park("attention").await;
    assert_eq!(carry_all(&town.courier(&[MomentKind::Ready], 20)).await, Carried::Nothing);
    assert!(town.office.letters().is_empty());
    assert!(town.deliveries().await.is_empty());
}

#[tokio::test]
async fn a_target_that_hangs_holds_up_no_other() {
    let town = Town::new().await;
    let slow = PostOffice::open().await;
    slow.answer_next(Reply::Never);
    let names = ["slow".to_owned(), "phone".to_owned()];
    town.world.store.keep_targets(&names, town.world.clock.now()).await.unwrap();
    let target = |name: &str, url: String| Target {
        name: name.to_owned(),
        events: MomentKind::ALL.to_vec(),
        channel: webhook(&url),
    };
    let targets = vec![target("slow", slow.url("/")), target("phone", town.office.url("/"))];
    let notifications = Notifications::new(targets, None, town.world.clock.clone());
    let (ledger, feed): (Arc<dyn NotificationLedger>, Arc<dyn LiveFeed>) =
        (town.world.store.clone(), town.world.store.clone());
    let stop = tokio_util::sync::CancellationToken::new();
    let running: Vec<_> = notifications
        .couriers(&ledger, &feed, 20)
        .into_iter()
        .map(|courier| tokio::spawn(courier.run(stop.clone())))
        .collect();
    town.park("quick").await;
    slow.wait_for(1).await;
    town.office.wait_for(1).await;
    stop.cancel();
    for courier in running {
        tokio::time::timeout(std::time::Duration::from_secs(2), courier).await.expect("stops at once").unwrap();
    }
}
