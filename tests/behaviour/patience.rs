//! How long hosts may take: what is usual is learned, overdue is told before a host is given up, and no jump of the clock gives one up.
//! And what machines say of their own failures and of rebuilds that are over.

use std::{net::Ipv4Addr, sync::Arc};

use jiff::SignedDuration;
use rackseed::{
    domain::{
        host::Host,
        host_lifecycle::{HostEvent, HostState},
        identity::{HostId, OperationId},
        live_event::Topic,
        operation::OperationStatus,
        rebuild::TokenPurpose,
    },
    operations::{Advance, Engine},
    ports::{HostLedger, LiveFeed, RebuildLedger},
    provisioning::{Patience, PatienceDesk, Refusal, Watchdog},
};
use serde_json::json;

use crate::support::{
    house::{Answer, House},
    rebuild_world::RebuildWorld,
};

const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn desk(world: &RebuildWorld) -> Arc<PatienceDesk> {
    Arc::new(PatienceDesk::new(world.store.clone(), world.clock.clone(), Patience::default()))
}

fn watchdog(world: &RebuildWorld, patience: &Arc<PatienceDesk>) -> Watchdog {
    Watchdog {
        keeper: world.world.keeper.clone(),
        hosts: world.store.clone(),
        clock: world.clock.clone(),
        patience: patience.clone(),
    }
}

/// Moves a host on until it is in this state.
async fn bring(world: &RebuildWorld, state: HostState, host: &HostId, operation: &OperationId) -> Host {
    let engine = Engine::new(world.world.clone());
    for _ in 0..200 {
        let found = world.host(host).await;
        if found.state == state {
            return found;
        }
        if engine.advance(operation).await.unwrap() != Advance::Again {
            world.machine_acts(&world.world, host).await;
        }
    }
    panic!("the host never is {state}");
}

/// Lets a host take this long to install, and ends its rebuild.
async fn installs_within(world: &RebuildWorld, name: &str, last: u8, minutes: i64) {
    let (host, operation) = world.armed(name, last).await;
    bring(world, HostState::Installing, &host, &operation).await;
    world.clock.advance(SignedDuration::from_mins(minutes));
    world.machine_acts(&world.world, &host).await;
    world.operations().cancel(&operation).await.unwrap();
}

async fn told(world: &RebuildWorld, topic: Topic) -> Vec<String> {
    let events = world.store.events_after(0, 1000).await.unwrap();
    events.into_iter().filter(|event| event.topic == topic).map(|event| event.message).collect()
}

#[tokio::test]
async fn what_is_usual_is_learned_and_overdue_is_told_once_before_the_host_is_given_up() {
    let world = RebuildWorld::new();
    for (last, minutes) in [(1, 6), (2, 5), (3, 7)] {
        installs_within(&world, &format!("pve-0{last}"), last, minutes).await;
    }
    let (host, operation) = world.armed("pve-09", 9).await;
    let found = bring(&world, HostState::Installing, &host, &operation).await;
    let (patience, minute) = (desk(&world), SignedDuration::from_mins(1));
    let dog = watchdog(&world, &patience);
    let look = || async { patience.look(&found).await.unwrap().unwrap() };
    look().await;
    for passed in 1..=60 {
        world.clock.advance(minute);
        dog.look().await.unwrap();
        let seen = look().await;
        assert_eq!(seen.is_overdue, passed > 12, "after {passed} min: {seen:?}");
        assert_eq!(told(&world, Topic::Overdue).await.len(), usize::from(passed > 12), "after {passed} min");
        assert_eq!(world.host(&host).await.state, HostState::Installing, "after {passed} min");
        if passed == 10 {
            assert_eq!(seen.sentence, "installing 10 min, usually 6");
        }
        if passed == 14 {
            assert_eq!(seen.sentence, "installing 14 min, usually 6: overdue, given up after 60 min");
        }
    }
    // After a restart nothing is told twice, and machines are heard for a while before one is given up.
    let restarted = desk(&world);
    let dog = watchdog(&world, &restarted);
    world.clock.advance(minute);
    dog.look().await.unwrap();
    assert_eq!(world.host(&host).await.state, HostState::Installing);
    world.clock.advance(minute * 3);
    dog.look().await.unwrap();
    let given_up = world.host(&host).await;
    assert_eq!(given_up.state, HostState::Failed);
    assert!(given_up.reason.unwrap().contains("more than 60 min"));
    assert_eq!(told(&world, Topic::Overdue).await.len(), 1);
    let history = world.store.history(&host, 1).await.unwrap();
    assert_eq!(history[0].event, HostEvent::Overdue, "the history says who gave it up");
}

#[tokio::test]
async fn a_server_type_that_is_slow_gets_more_time_than_the_settings_say_and_that_is_said() {
    let world = RebuildWorld::new();
    for last in 1..=3 {
        installs_within(&world, &format!("pve-0{last}"), last, 70).await;
    }
    let (host, operation) = world.armed("pve-09", 9).await;
    let found = bring(&world, HostState::Installing, &host, &operation).await;
    let seen = desk(&world).look(&found).await.unwrap().unwrap();
    assert_eq!(seen.expectation.limit.as_secs(), 105 * 60);
    assert!(seen.sentence.contains("more than the 60 min of the settings"), "{}", seen.sentence);
}

#[tokio::test]
async fn a_clock_that_jumps_by_hours_gives_nobody_up() {
    for jump in [SignedDuration::from_hours(9), SignedDuration::from_hours(-9)] {
        let world = RebuildWorld::new();
        let (host, operation) = world.armed("pve-01", 1).await;
        bring(&world, HostState::Installing, &host, &operation).await;
        let patience = desk(&world);
        let dog = watchdog(&world, &patience);
        dog.look().await.unwrap();
        world.clock.jump(jump);
        for _ in 0..20 {
            world.clock.advance(SignedDuration::from_mins(1));
            dog.look().await.unwrap();
        }
        assert_eq!(world.host(&host).await.state, HostState::Installing, "{jump}");
        assert!(told(&world, Topic::Overdue).await.is_empty(), "{jump}");
        for _ in 0..41 {
            world.clock.advance(SignedDuration::from_mins(1));
            dog.look().await.unwrap();
        }
        assert_eq!(world.host(&host).await.state, HostState::Failed, "{jump}: an hour was watched");
    }
}

#[tokio::test]
async fn a_first_boot_that_fails_says_so_and_the_operation_stops_at_once_and_may_be_retried() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    bring(&world, HostState::Installed, &host, &operation).await;
    let token = world.token(&operation, TokenPurpose::PhoneHome).await;
    let log = format!("noise\n\u{1b}[31mtoken={token}\nfirst boot: cannot write authorized_keys2\n");
    for _ in 0..3 {
        world.check_in().failed(&host, &token, &log, PEER).await.unwrap();
    }
    let engine = Engine::new(world.world.clone());
    while engine.advance(&operation).await.unwrap() == Advance::Again {}
    let view = world.operations().view(&operation).await.unwrap().unwrap();
    assert_eq!(view.progress.status, OperationStatus::NeedsAttention);
    let reason = view.progress.reason.unwrap();
    assert!(reason.contains("cannot write authorized_keys2") && !reason.contains(&token), "{reason}");
    let warnings = told(&world, Topic::Warning).await;
    assert_eq!(warnings.len(), 1, "a repeat is not told again: {warnings:?}");
    assert!(!warnings[0].contains(&token) && !warnings[0].contains('\u{1b}'), "{warnings:?}");
    // The machine is mended, phones home, and goes on.
    world.clock.advance(SignedDuration::from_secs(10));
    world.operations().retry(&operation).await.unwrap();
    let report = serde_json::from_value(json!({ "address": "10.0.0.1", "hardware_id": "x", "hostname": "pve-01" }));
    world.check_in().phone_home(&host, &token, &report.unwrap(), PEER).await.unwrap();
    world.check_in().failed(&host, &token, "too late", PEER).await.unwrap();
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_eq!(world.host(&host).await.state, HostState::Ready);
}

#[tokio::test]
async fn reports_of_a_rebuild_that_is_over_are_recorded_and_change_nothing() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    bring(&world, HostState::Installing, &host, &operation).await;
    let tokens = [
        world.token(&operation, TokenPurpose::Installed).await,
        world.token(&operation, TokenPurpose::PhoneHome).await,
    ];
    world.operations().cancel(&operation).await.unwrap();
    let before = world.host(&host).await;
    let report = json!({ "fqdn": "pve-01.home.arpa", "ssh-public-host-keys": { "ed25519": "ssh-ed25519 AAAA" } });
    for _ in 0..2 {
        let report = serde_json::from_value(report.clone()).unwrap();
        world.check_in().installed(&host, &tokens[0], &report, PEER).await.unwrap();
        world.check_in().failed(&host, &tokens[1], "it broke", PEER).await.unwrap();
    }
    assert_eq!(world.host(&host).await, before);
    let marks = world.store.rebuild(&operation).await.unwrap().unwrap().marks;
    assert!(marks.installed_at.is_some() && marks.reported_failure.is_some());
    let late = told(&world, Topic::Host).await;
    assert_eq!(late.iter().filter(|message| message.contains("after its rebuild had ended")).count(), 1, "{late:?}");
    let other = world.register("pve-02", "52:54:00:00:00:02").await;
    let refused = world.check_in().failed(&other.id, &tokens[1], "it broke", PEER).await;
    assert!(matches!(refused, Err(Refusal::Forbidden(_))), "{refused:?}");
}

#[tokio::test]
async fn a_failure_before_the_installer_had_its_answer_is_refused() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    let token = world.token(&operation, TokenPurpose::PhoneHome).await;
    let refused = world.check_in().failed(&host, &token, "it broke", PEER).await;
    assert!(matches!(refused, Err(Refusal::Forbidden(_))), "{refused:?}");
}

#[tokio::test]
async fn a_host_that_takes_long_is_shown_so_on_list_page_and_api() {
    let house = House::furnished().await;
    let host = house.register("pve-01", "52:54:00:00:00:01").await;
    // As three hosts of this type would have left it, and this one begun an hour ago.
    let database = rusqlite::Connection::open(house.folder.path().join("data/rackseed.db")).unwrap();
    for day in 1..=3 {
        for (clock, event, from, to) in [
            ("10:00:00", "answer_served", "pxe_booted", "installing"),
            ("10:06:00", "install_reported", "installing", "installed"),
        ] {
            let sql =
                "INSERT INTO history (host, at, event, from_state, to_state, because) VALUES (?1, ?2, ?3, ?4, ?5, '')";
            let at = format!("2026-01-0{day}T{clock}Z");
            database.execute(sql, rusqlite::params![host, at, event, from, to]).unwrap();
        }
    }
    let operation = house.rebuild(&host, "pve-01").await;
    let shown = house.get(&format!("/api/hosts/{host}")).await.json();
    assert_eq!((&shown["limit_seconds"], &shown["overdue"]), (&json!(3600), &json!(false)), "{shown}");
    assert!(shown["patience"].as_str().unwrap().starts_with("armed for"), "{shown}");
    house.boot_machine("52:54:00:00:00:01", &operation).await;
    let token = house.token(&operation, TokenPurpose::Answer).await;
    let report = json!({ "network_interfaces": [{ "link": "eno1", "mac": "52:54:00:00:00:01" }] });
    let asked = house.installer().post(house.machine(&format!("/api/boot/answer?t={token}"))).json(&report);
    assert_eq!(Answer::of(asked).await.status, 200);
    let since = "strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-14 minutes')";
    database.execute(&format!("UPDATE hosts SET state_since = {since} WHERE id = ?1"), [&host]).unwrap();
    let shown = house.get(&format!("/api/hosts/{host}")).await.json();
    assert_eq!((&shown["usual_seconds"], &shown["overdue"]), (&json!(360), &json!(true)), "{shown}");
    assert_eq!(shown["state"], "installing");
    let list = house.get("/").await.text;
    assert!(list.contains("14 min</time> <b>overdue</b>") && list.contains("usually 6 min; overdue"), "{list}");
    let page = house.get(&format!("/hosts/{host}")).await.text;
    assert!(page.contains("installing 14 min, usually 6: overdue"), "{page}");
    let token = house.token(&operation, TokenPurpose::Installed).await;
    let failed = house.machine(&format!("/api/hosts/{host}/failed?t={token}"));
    let answer = Answer::of(house.installer().post(&failed).body("the disk /dev/sda said no")).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "heard\n"));
    let wrong = house.machine(&format!("/api/hosts/{host}/failed?t=wrong"));
    assert_eq!(Answer::of(house.installer().post(&wrong).body("x")).await.status, 403);
    let long = Answer::of(house.installer().post(&failed).body("x".repeat(100_000))).await;
    assert_eq!(long.status, 413, "{}", long.text);
    for _ in 0..100 {
        let operation = house.get(&format!("/api/operations/{operation}")).await.json();
        if operation["status"] == "needs_attention" {
            assert!(operation["reason"].as_str().unwrap().contains("/dev/sda said no"), "{operation}");
            let cancel = operation["actions"].as_array().unwrap().iter().find(|it| it["action"] == "cancel").unwrap();
            assert!(cancel["possible"] == true && cancel["consequence"].as_str().unwrap().contains("half written"));
            let page = house.get(&format!("/operations/{}", operation["id"].as_str().unwrap())).await.text;
            assert!(page.contains("half written") && page.contains("Skip this step"), "{page}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the operation did not stop at once");
}
