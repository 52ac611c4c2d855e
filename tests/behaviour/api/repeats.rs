//! A request that is sent again with the same `Idempotency-Key` is not done again, whatever happened in between.

use rackseed::{
    domain::repeat::{KeptAnswer, KeyedRequest, Repeat},
    ports::{Clock, RepeatLedger},
    store::Store,
};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::house::{Answer, House};

const MAC: &str = "52:54:00:00:00:01";

async fn post(house: &House, path: &str, key: &str, body: &Value) -> Answer {
    Answer::of(house.client.post(house.operator(path)).header("Idempotency-Key", key).json(body)).await
}

/// Whether it was said that nothing was done, and the answer is otherwise the same.
fn is_repeat(first: &Answer, again: &Answer) -> bool {
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert_eq!(first.header("idempotency-replayed"), "");
    again.header("idempotency-replayed") == "true"
}

/// As if the daemon had been killed before it wrote an answer down.
fn forget_answers(house: &House) {
    let database = Connection::open(house.database()).unwrap();
    let changed = database.execute("UPDATE repeats SET status = NULL, place = NULL, kind = NULL, body = NULL", []);
    assert!(changed.unwrap() > 0);
}

async fn count(house: &House, list: &str) -> usize {
    house.get(list).await.json().as_array().unwrap().len()
}

#[tokio::test]
async fn a_repeated_rebuild_starts_nothing_and_is_answered_as_the_first_also_after_a_restart() {
    let house = House::furnished().await;
    let id = house.register("pve-01", MAC).await;
    let (place, body) = (format!("/api/hosts/{id}/rebuild"), json!({ "confirm": "pve-01" }));
    let first = post(&house, &place, "monday", &body).await;
    assert_eq!(first.status, 202, "{}", first.text);
    assert!(is_repeat(&first, &post(&house, &place, "monday", &body).await));
    let house = house.restarted().await;
    assert!(is_repeat(&first, &post(&house, &place, "monday", &body).await));
    let operation = first.json()["id"].as_str().unwrap().to_owned();
    house.post(&format!("/api/operations/{operation}/cancel"), &Value::Null).await;
    assert!(is_repeat(&first, &post(&house, &place, "monday", &body).await), "not done again, though it could be");
    assert_eq!(house.state(&id).await, "registered");
    let next = post(&house, &place, "tuesday", &body).await;
    assert_eq!(next.status, 202, "another key is another rebuild: {}", next.text);
    assert_ne!(next.json()["id"], first.json()["id"]);
    let log = house.get("/api/audit").await.text;
    assert_eq!(log.matches("reinstall a host; wipes its disk [pve-01]: begun").count(), 2);
    assert_eq!(log.matches("a repeat, answered as before").count(), 3);
}

#[tokio::test]
async fn a_rebuild_whose_answer_was_lost_in_a_crash_is_found_again_and_never_started_twice() {
    let house = House::furnished().await;
    let id = house.register("pve-01", MAC).await;
    let (place, body) = (format!("/api/hosts/{id}/rebuild"), json!({ "confirm": "pve-01" }));
    let first = post(&house, &place, "key", &body).await;
    let operation = first.json()["id"].clone();
    house.post(&format!("/api/operations/{}/cancel", operation.as_str().unwrap()), &Value::Null).await;
    forget_answers(&house);
    let house = house.restarted().await;
    let again = post(&house, &place, "key", &body).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (202, "true"), "{}", again.text);
    assert_eq!((&again.json()["id"], &again.json()["status"]), (&operation, &json!("cancelled")), "as it is by now");
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(house.state(&id).await, "registered");
}

#[tokio::test]
async fn a_request_that_was_lost_before_anything_was_done_is_done_by_its_repeat() {
    let house = House::furnished().await;
    let id = house.register("pve-01", MAC).await;
    let (place, body) = (format!("/api/hosts/{id}/rebuild"), json!({ "confirm": "pve-01", "image": "pve-9.2-1" }));
    let image = house.get("/api/images").await.json()["images"][0]["id"].as_str().unwrap().to_owned();
    let body = if image == "pve-9.2-1" { body } else { json!({ "confirm": "pve-01", "image": image }) };
    // Refused, because somebody else was faster; the answer to that is what gets lost.
    let other = house.rebuild(&id, "pve-01").await;
    post(&house, &place, "key", &body).await.problem(409);
    forget_answers(&house);
    house.post(&format!("/api/operations/{other}/cancel"), &Value::Null).await;
    let house = house.restarted().await;
    let again = post(&house, &place, "key", &body).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (202, ""), "{}", again.text);
    assert_eq!(house.state(&id).await, "pxe_ready");
}

#[tokio::test]
async fn hosts_and_batches_are_made_once_too_also_when_their_answer_was_lost() {
    let house = House::furnished().await;
    let host = json!({ "hostname": "pve-01", "mac": MAC, "server_type": "generic-sata" });
    let first = post(&house, "/api/hosts", "key", &host).await;
    assert_eq!(first.status, 201, "{}", first.text);
    assert!(is_repeat(&first, &post(&house, "/api/hosts", "key", &host).await));
    let batch = json!({ "hosts": ["pve-01"], "confirm": "pve-01" });
    let made = post(&house, "/api/batches", "key", &batch).await;
    assert_eq!(made.status, 201, "one key may be used on two routes: {}", made.text);
    assert!(is_repeat(&made, &post(&house, "/api/batches", "key", &batch).await));
    forget_answers(&house);
    for (list, first, body) in [("/api/hosts", &first, &host), ("/api/batches", &made, &batch)] {
        let again = post(&house, list, "key", body).await;
        assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (201, "true"), "{}", again.text);
        assert_eq!((&again.json()["id"], again.header("location")), (&first.json()["id"], first.header("location")));
        assert_eq!(count(&house, list).await, 1);
    }
}

#[tokio::test]
async fn the_same_key_with_another_request_is_refused_and_a_refusal_is_repeated_too() {
    let house = House::furnished().await;
    let (id, other) = (house.register("pve-01", MAC).await, house.register("pve-02", "52:54:00:00:00:02").await);
    let place = format!("/api/hosts/{id}/rebuild");
    let refused = post(&house, &place, "key", &json!({ "confirm": "pve-1" })).await;
    refused.problem(422);
    assert!(is_repeat(&refused, &post(&house, &place, "key", &json!({ "confirm": "pve-1" })).await));
    for (path, body) in [
        (place.clone(), json!({ "confirm": "pve-01" })),
        (format!("/api/hosts/{other}/rebuild"), json!({ "confirm": "pve-1" })),
    ] {
        let answer = post(&house, &path, "key", &body).await;
        assert!(answer.problem(422).contains("new key"), "{}", answer.text);
        assert_eq!(answer.json()["code"], "key_used_differently");
    }
    assert_eq!(house.state(&id).await, "registered");
}

#[tokio::test]
async fn a_key_that_cannot_be_is_refused_and_one_where_it_means_nothing_is_left_alone() {
    let house = House::empty().await;
    let host = json!({ "hostname": "pve-01", "mac": MAC, "server_type": "generic-sata" });
    for key in ["", "two words", "ümlaut", &"k".repeat(256)] {
        let answer = post(&house, "/api/hosts", key, &host).await;
        assert!(answer.problem(400).contains("255"), "{key}: {}", answer.text);
        assert_eq!(answer.json()["code"], "header_invalid");
    }
    let request = house.client.post(house.operator("/api/hosts")).json(&host);
    Answer::of(request.header("Idempotency-Key", "one").header("Idempotency-Key", "two")).await.problem(400);
    assert_eq!(post(&house, "/api/hosts", &"k".repeat(255), &host).await.status, 201);
    let list = Answer::of(house.client.get(house.operator("/api/hosts")).header("Idempotency-Key", "")).await;
    assert_eq!(list.status, 200);
}

#[tokio::test]
async fn a_repeat_while_the_first_is_under_way_is_told_to_wait() {
    let house = House::furnished().await;
    let id = house.register("pve-01", MAC).await;
    let (place, body) = (format!("/api/hosts/{id}/rebuild"), json!({ "confirm": "pve-01" }));
    // Nobody can write while this one does, so the first request stands still.
    let mut database = Connection::open(house.database()).unwrap();
    let writing = database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let first = post(&house, &place, "key", &body);
    let again = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        post(&house, &place, "key", &body).await
    };
    // The audit log waits for its turn too.
    let release = async {
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        writing.rollback().unwrap();
    };
    let (first, again, ()) = tokio::join!(first, again, release);
    again.problem(409);
    assert_eq!((&again.json()["code"], again.header("retry-after")), (&json!("request_under_way"), "2"));
    assert_eq!(first.status, 202, "{}", first.text);
    assert!(is_repeat(&first, &post(&house, &place, "key", &body).await));
}

#[tokio::test]
async fn only_fingerprints_are_kept_and_the_old_and_the_many_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let now = rackseed::daemon::SystemClock.now();
    let hour = jiff::SignedDuration::from_hours(1);
    let request = |number: u8| KeyedRequest { key: [number; 32], request: [7; 32], intended: [number; 8] };
    let begin = async |number, at, most| store.begin(&request(number), at, at - 24 * hour, most).await.unwrap();
    assert_eq!(begin(1, now, 10).await, Repeat::First);
    assert_eq!(begin(1, now, 10).await, Repeat::Unfinished([1; 8]));
    let answer = KeptAnswer { status: 202, place: None, kind: "application/json".into(), body: b"{}".to_vec() };
    store.finish(&[1; 32], &answer).await.unwrap();
    assert_eq!(begin(1, now + 23 * hour, 10).await, Repeat::Answered(answer));
    let other = KeyedRequest { request: [8; 32], ..request(1) };
    assert_eq!(store.begin(&other, now, now - hour, 10).await.unwrap(), Repeat::Different);
    assert_eq!(begin(1, now + 25 * hour, 10).await, Repeat::First, "after a day it is a new one");
    for number in 2..=4 {
        assert_eq!(begin(number, now + 25 * hour, 3).await, Repeat::First);
    }
    assert_eq!(begin(4, now + 25 * hour, 3).await, Repeat::Unfinished([4; 8]));
    assert_eq!(begin(1, now + 25 * hour, 3).await, Repeat::First, "the oldest has gone");
    let house = House::empty().await;
    let host = json!({ "hostname": "pve-01", "mac": MAC, "server_type": "generic-sata" });
    post(&house, "/api/hosts", "a-key-that-might-be-a-secret", &host).await;
    let database = std::fs::read(house.database()).unwrap();
    let log = std::fs::read(house.database().with_extension("db-wal")).unwrap_or_default();
    let needle = b"a-key-that-might-be-a-secret";
    assert!(![database, log].concat().windows(needle.len()).any(|window| window == needle));
}
