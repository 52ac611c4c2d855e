//! Who did what: everything that may change something leaves one row, which nobody changes or removes.

use rackseed::{
    domain::{audit::NewAuditEntry, questions::AuditQuestion},
    ports::{AuditLog, Clock},
    store::Store,
};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::house::{Answer, House};

const MAC: &str = "52:54:00:00:00:01";

async fn rows(house: &House, query: &str) -> Vec<Value> {
    let answer = house.get(&format!("/api/audit{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json().as_array().unwrap().clone()
}

#[tokio::test]
async fn every_change_that_is_asked_for_has_a_row_and_looking_has_none() {
    let house = House::furnished().await;
    let id = house.register("pve-01", MAC).await;
    house.get(&format!("/api/hosts/{id}")).await;
    house.get("/").await;
    let operation = house.rebuild(&id, "pve-01").await;
    let rows = rows(&house, "").await;
    assert_eq!(rows.len(), 2, "{rows:#?}");
    let (rebuild, register) = (&rows[0], &rows[1]);
    assert_eq!(rebuild["action"], "POST /api/hosts/{id}/rebuild");
    assert_eq!((&rebuild["host"], &rebuild["operation"]), (&json!(id), &json!(operation)));
    assert_eq!((&rebuild["hostname"], &rebuild["status"]), (&json!("pve-01"), &json!(202)));
    assert_eq!(rebuild["sentence"], "reinstall a host; wipes its disk [pve-01]: begun");
    assert_eq!((&register["host"], &register["status"]), (&json!(id), &json!(201)));
    assert_eq!(register["hostname"], "pve-01", "looked up: the request itself only said it in its body");
    for row in &rows {
        assert_eq!((&row["via"], &row["peer"]), (&json!("api"), &json!("127.0.0.1")));
        assert_eq!(row["actor"], "command line", "whose token it was that was sent");
    }
}

#[tokio::test]
async fn what_is_refused_has_a_row_too_whoever_refused_it() {
    let house = House::furnished().await;
    let id = house.register("pve-01", MAC).await;
    house.post(&format!("/api/hosts/{id}/rebuild"), &json!({ "confirm": "pve-02" })).await.problem(422);
    let foreign = house.client.post(house.operator("/api/hosts")).header("Origin", "http://evil.example");
    Answer::of(foreign.json(&json!({}))).await.problem(403);
    house.post("/api/operations/aaaaaaaaaaaa/cancel", &Value::Null).await.problem(404);
    let rows = rows(&house, "").await;
    let told: Vec<_> = rows.iter().map(|row| (row["status"].as_u64().unwrap(), &row["sentence"])).collect();
    assert_eq!(
        told[..3],
        [
            (404, &json!("end an operation: refused (not found)")),
            (403, &json!("register a host: refused (forbidden)")),
            (422, &json!("reinstall a host; wipes its disk [pve-01]: refused (unprocessable entity)")),
        ]
    );
}

#[tokio::test]
async fn a_removed_host_keeps_its_name_in_the_log_and_its_rows_are_found_by_its_id() {
    let house = House::empty().await;
    let (id, other) = (house.register("pve-01", MAC).await, house.register("pve-02", "52:54:00:00:00:02").await);
    assert_eq!(house.delete(&format!("/api/hosts/{id}")).await.status, 204);
    let rows = rows(&house, &format!("?host={id}")).await;
    let told: Vec<_> = rows.iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(told, ["DELETE /api/hosts/{id}", "POST /api/hosts"]);
    assert!(rows.iter().all(|row| row["hostname"] == "pve-01" && row["host"] != json!(other)), "{rows:#?}");
}

#[tokio::test]
async fn the_log_is_read_a_page_at_a_time_and_wrong_questions_are_named() {
    let house = House::empty().await;
    for number in 1..=5 {
        house.register(&format!("pve-0{number}"), &format!("52:54:00:00:00:0{number}")).await;
    }
    let first = rows(&house, "?limit=2").await;
    let next = rows(&house, &format!("?limit=2&before={}", first[1]["number"])).await;
    let names: Vec<_> = first.iter().chain(&next).map(|row| row["hostname"].as_str().unwrap()).collect();
    assert_eq!(names, ["pve-05", "pve-04", "pve-03", "pve-02"]);
    for (query, field) in [("limit=0", "limit"), ("limit=1001", "limit"), ("before=x", "before"), ("host=-", "host")] {
        let sentence = house.get(&format!("/api/audit?{query}")).await.problem(400);
        assert!(sentence.starts_with(field), "{sentence}");
    }
}

#[tokio::test]
async fn no_body_and_no_secret_is_written() {
    let house = House::empty().await;
    let id = house.register("pve-01", MAC).await;
    let secret = "hunter2-hunter2";
    let path = house.operator(&format!("/api/hosts/{id}/power-secret"));
    for body in [json!({ "password": secret }), json!({ "secret": secret }), json!({ "password": { "a": secret } })] {
        Answer::of(house.client.put(&path).json(&body)).await;
    }
    let log = house.get("/api/audit").await.text;
    assert!(log.contains("PUT /api/hosts/{id}/power-secret") && !log.contains(secret), "{log}");
}

#[tokio::test]
async fn refusals_in_a_loop_do_not_fill_the_disk() {
    let house = House::empty().await;
    for _ in 0..150 {
        house.post("/api/operations/aaaaaaaaaaaa/retry", &Value::Null).await.problem(404);
    }
    let rows = rows(&house, "?limit=1000").await;
    // The minute may have turned meanwhile.
    assert!((60..=125).contains(&rows.len()), "{}", rows.len());
}

#[tokio::test]
async fn the_page_shows_who_did_what_and_hostile_text_stays_text() {
    let house = House::empty().await;
    house.register("pve-01", MAC).await;
    let page = house.get("/audit").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("register a host [pve-01]: done"), "{}", page.text);
    let bad = house.get("/audit?host=%3Cscript%3E").await;
    assert_eq!(bad.status, 400);
    assert!(!bad.text.contains("<script>"), "{}", bad.text);
}

#[tokio::test]
async fn a_row_can_be_added_by_an_operation_and_no_statement_changes_or_removes_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let now = rackseed::daemon::SystemClock.now();
    let host = "aaaaaaaaaaaa".parse().unwrap();
    let entry = NewAuditEntry::of_daemon("preflight override", &host, None, "overrides `guests`".to_owned());
    store.record(&entry, now).await.unwrap();
    store.record(&entry, now).await.unwrap();
    let raw = Connection::open(folder.path().join("rackseed.db")).unwrap();
    for statement in [
        "UPDATE audit SET sentence = 'nothing happened'",
        "UPDATE audit SET number = 7 WHERE number = 1",
        "DELETE FROM audit",
        "DELETE FROM audit WHERE number = 1",
        "INSERT OR REPLACE INTO audit (number, at, via, peer, agent, action, sentence)
             VALUES (1, 'now', 'api', '', '', '', 'nothing happened')",
        "REPLACE INTO audit SELECT * FROM audit",
    ] {
        let error = raw.execute(statement, []).expect_err(statement);
        assert!(error.to_string().contains("the audit log is append-only"), "{statement}: {error}");
    }
    let entries = store.audit_entries(&AuditQuestion { limit: 10, ..AuditQuestion::default() }).await.unwrap();
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|entry| entry.sentence == "overrides `guests`" && entry.at == now));
}
