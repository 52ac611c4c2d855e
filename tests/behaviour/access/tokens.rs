//! Tokens of programs: shown once, kept as hashes, revoked at once, and never able to do more than they were made for.

use std::process::Output;

use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::house::{Answer, House, client_with_token};

async fn make(house: &House, name: &str, scope: &str) -> Value {
    let answer = house.post("/api/tokens", &json!({ "name": name, "scope": scope })).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn a_token_is_shown_once_kept_as_a_hash_and_revoked_at_once() {
    let house = House::empty().await;
    let made = make(&house, "monitoring", "read_only").await;
    let (text, id) = (made["token"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned());
    assert!(text.starts_with("rackseed_") && text.len() == 52, "{text}");
    let listed = house.get("/api/tokens").await;
    assert!(!listed.text.contains(&text) && listed.json()[0]["token"].is_null(), "{}", listed.text);
    assert_eq!(
        (&listed.json()[0]["created_by"], &listed.json()[0]["last_used_at"]),
        (&json!("command line"), &json!(null))
    );
    assert!(!house.get("/account").await.text.contains(&text));
    let hash: Vec<u8> = Connection::open(house.database())
        .unwrap()
        .query_row("SELECT hash FROM api_tokens", [], |row| row.get(0))
        .unwrap();
    assert_eq!(hash.len(), 32);
    let program = client_with_token(&text);
    let ask = async |path: &str| Answer::of(program.get(house.operator(path))).await;
    let account = ask("/api/account").await.json();
    assert_eq!(
        (&account["name"], &account["kind"], &account["scope"]),
        (&json!("token monitoring"), &json!("token"), &json!("read_only"))
    );
    assert!(house.get("/api/tokens").await.json()[0]["last_used_at"].is_string());
    let mut stream = program.get(house.operator("/events")).send().await.unwrap();
    assert_eq!(house.delete(&format!("/api/tokens/{id}")).await.status, 204);
    assert!(ask("/api/account").await.problem(401).contains("revoked"));
    let silence = async { while let Ok(Some(_)) = stream.chunk().await {} };
    tokio::time::timeout(std::time::Duration::from_secs(5), silence).await.expect("its stream ends too");
    assert!(house.delete(&format!("/api/tokens/{id}")).await.problem(404).contains("revoked already"));
    assert!(house.get("/api/tokens").await.json()[0]["revoked_at"].is_string());
    make(&house, "monitoring", "operator").await;
}

#[tokio::test]
async fn a_token_that_may_only_look_sees_pages_without_buttons_and_changes_nothing() {
    let house = House::empty().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let made = make(&house, "wall", "read_only").await;
    let program = client_with_token(made["token"].as_str().unwrap());
    let page = Answer::of(program.get(house.operator("/account"))).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("may only look"), "{}", page.text);
    let (forms, sign_out) =
        (page.text.matches("method=\"post\"").count(), page.text.matches("action=\"/sign-out\"").count());
    assert_eq!(forms, sign_out, "a form is shown to somebody who may only look: {}", page.text);
    for (method, path) in [
        (Method::DELETE, format!("/api/hosts/{id}")),
        (Method::POST, "/api/hosts".to_owned()),
        (Method::POST, "/api/tokens".to_owned()),
        (Method::POST, "/api/sign-out-everywhere".to_owned()),
    ] {
        let asked = program.request(method, house.operator(&path)).json(&json!({}));
        assert!(Answer::of(asked).await.problem(403).contains("may only look"), "{path}");
    }
    let form = program.post(house.operator("/hosts")).header("content-type", "application/x-www-form-urlencoded");
    let refused = Answer::of(form.header("accept", "text/html").body("hostname=pve-02")).await;
    assert_eq!(refused.status, 403);
    assert!(refused.header("content-type").starts_with("text/html"), "people are told on a page");
    let rows = house.get("/api/audit?limit=100").await.json();
    let row = rows.as_array().unwrap().iter().find(|row| row["action"] == "DELETE /api/hosts/{id}").unwrap();
    assert_eq!((&row["actor"], &row["status"]), (&json!("token wall"), &json!(403)));
}

#[tokio::test]
async fn what_is_wrong_with_a_new_token_is_said() {
    let house = House::empty().await;
    make(&house, "ci", "operator").await;
    for (name, scope, field, said) in [
        ("", "operator", "name", "a name is needed"),
        ("a b", "operator", "name", "a space"),
        ("CI", "operator", "name", "there is a token `CI` already"),
        ("new", "everything", "scope", "read_only or operator"),
    ] {
        let answer = house.post("/api/tokens", &json!({ "name": name, "scope": scope })).await;
        assert!(answer.problem(422).contains(said), "{name}: {}", answer.text);
        assert_eq!(answer.json()["errors"][0]["field"], field);
    }
    let made = house.post("/api/tokens", &json!({ "name": "careful" })).await.json();
    assert_eq!(made["scope"], "read_only", "nobody gets more than was asked for");
}

async fn rackseed(house: &House, words: &[&str]) -> Output {
    tokio::process::Command::from(house.program()).args(words).output().await.unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[tokio::test]
async fn the_command_line_makes_lists_and_revokes_tokens_and_says_why_it_is_not_let_in() {
    let house = House::empty().await;
    let made = rackseed(&house, &["token", "create", "ci", "--scope", "operator"]).await;
    let text = said(&made).lines().next().unwrap().to_owned();
    assert!(made.status.success() && text.starts_with("rackseed_"), "{}", said(&made));
    let mut with_it = tokio::process::Command::from(house.program());
    let listed = with_it.args(["--json", "token", "list"]).env("RACKSEED_TOKEN", &text).output().await.unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["scope"]), (&json!("ci"), &json!("operator")));
    assert!(said(&rackseed(&house, &["token", "list"]).await).contains("in use"));
    let revoked = rackseed(&house, &["token", "revoke", "CI"]).await;
    assert!(revoked.status.success() && said(&revoked).contains("the token ci is revoked"), "{}", said(&revoked));
    for (token, why) in [(text.as_str(), "was revoked"), ("", "RACKSEED_TOKEN is not set")] {
        let mut refused = tokio::process::Command::from(house.program());
        let refused = refused.args(["host", "list"]).env("RACKSEED_TOKEN", token).output().await.unwrap();
        assert!(!refused.status.success());
        let told = said(&refused);
        assert!(told.contains(why) && told.contains("set RACKSEED_TOKEN to a token made under Account"), "{told}");
    }
}
