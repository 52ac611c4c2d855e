//! The table of who may ask what: every route of the operator listener, with no, wrong, ended, too little and enough to be let in.

use std::collections::BTreeSet;

use rackseed::http::{Audience, ROUTES};
use reqwest::{Client, Method, RequestBuilder};
use rusqlite::Connection;
use serde_json::json;

use super::first_visit::{claim, cookie, send};
use crate::support::house::{ADMINISTRATOR, House};

/// What everybody may ask.
const OPEN: &[&str] =
    &["GET /assets/{file}", "GET /first-visit", "POST /first-visit", "GET /healthz", "GET /sign-in", "POST /sign-in"];

/// What whoever was let in may ask.
const LOOK: &[&str] = include!("look.in");

/// What changes something, and needs the scope of an operator.
const CHANGE: &[&str] = include!("change.in");

/// Who signs out may have no more than a look.
const LEAVE: &[&str] = &["POST /sign-out"];

/// These end the session that asks; they come last.
const ENDS_ITSELF: &[&str] = &["POST /sign-out", "POST /account/sign-out-everywhere", "POST /api/sign-out-everywhere"];

fn rows() -> Vec<String> {
    let rows = ROUTES.iter().filter(|route| route.audience == Audience::Operator);
    rows.map(|route| format!("{} {}", route.method, route.path)).collect()
}

#[test]
fn every_route_has_an_expectation_and_every_expectation_a_route() {
    let expected: Vec<&str> = [OPEN, LOOK, CHANGE, LEAVE].concat();
    let (known, there) = (expected.iter().map(ToString::to_string).collect(), rows().into_iter().collect());
    let missing: BTreeSet<&String> = BTreeSet::difference(&there, &known).collect();
    let gone: BTreeSet<&String> = BTreeSet::difference(&known, &there).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "say in tests/behaviour/access/{{look,change}}.in who may ask these: {missing:#?}; and take these out: {gone:#?}"
    );
    assert_eq!(expected.len(), there.len(), "a route has two expectations");
}

/// A request for a row about things that do not exist, with what a page of ours would send.
fn ask(house: &House, client: &Client, row: &str, form_token: &str) -> RequestBuilder {
    let (method, pattern) = row.split_once(' ').unwrap();
    let segments = pattern.split('/').map(|segment| match segment {
        "{file}" => "style.css",
        "{mac}" => "52:54:00:ff:ff:ff",
        "{address}" => "192.0.2.1",
        parameter if parameter.starts_with('{') => "aaaaaaaaaaaa",
        word => word,
    });
    let path = segments.collect::<Vec<_>>().join("/");
    let method: Method = method.parse().unwrap();
    let request = client.request(method.clone(), house.operator(&path)).header("sec-fetch-site", "same-origin");
    if method == Method::GET {
        request
    } else if path.starts_with("/api/") {
        request.json(&json!({}))
    } else {
        let kind = "application/x-www-form-urlencoded";
        request.header("content-type", kind).body(format!("form_token={form_token}"))
    }
}

/// Status and place of an answer; the bodies of streams have no end.
async fn answer(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    let place = answer.headers().get("location").map_or("", |place| place.to_str().unwrap()).to_owned();
    (answer.status().as_u16(), place)
}

/// Whether an answer says that somebody is not let in, in the form that is due to a row.
fn is_sent_away(row: &str, (status, place): &(u16, String)) -> bool {
    let path = row.split_once(' ').unwrap().1;
    let is_programs = path.starts_with("/api/") || ["/events", "/metrics"].contains(&path);
    if is_programs { *status == 401 } else { *status == 303 && place.starts_with("/sign-in") }
}

async fn form_token(request: RequestBuilder) -> String {
    let page = request.send().await.unwrap().text().await.unwrap();
    page.split_once("name=\"form_token\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned()
}

async fn token(house: &House, name: &str, scope: &str) -> String {
    let made = house.post("/api/tokens", &json!({ "name": name, "scope": scope })).await.json();
    made["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn without_something_good_nobody_is_let_in_anywhere() {
    let house = House::empty().await;
    let client = house.stranger();
    let ended = claim(&house).await;
    Connection::open(house.database())
        .unwrap()
        .execute("UPDATE sessions SET expires_at = '2020-01-01T00:00:00Z'", [])
        .unwrap();
    let revoked = token(&house, "revoked", "operator").await;
    let id = house.get("/api/tokens").await.json()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(house.delete(&format!("/api/tokens/{id}")).await.status, 204);
    for row in rows() {
        let is_open = OPEN.contains(&row.as_str());
        let nothing = answer(ask(&house, &client, &row, "")).await;
        let expired = answer(ask(&house, &client, &row, "").header("cookie", &ended)).await;
        for (how, got) in [("nothing", nothing), ("an ended session", expired)] {
            assert_eq!(is_sent_away(&row, &got), !is_open, "{row} with {how}: {got:?}");
        }
        for wrong in ["wrong", &revoked, "", &"x".repeat(4_000)] {
            let got = answer(ask(&house, &client, &row, "").header("authorization", format!("Bearer {wrong}"))).await;
            assert_eq!(got.0 == 401, !is_open, "{row} with the token `{wrong:.20}`: {got:?}");
        }
    }
}

#[tokio::test]
async fn a_token_that_may_only_look_may_look_everywhere_and_change_nothing() {
    let house = House::empty().await;
    let client = house.stranger();
    let header = format!("Bearer {}", token(&house, "wall", "read_only").await);
    let forms = form_token(client.get(house.operator("/account")).header("authorization", &header)).await;
    for row in rows() {
        let (status, _) = answer(ask(&house, &client, &row, &forms).header("authorization", &header)).await;
        let is_refused = status == 401 || status == 403;
        let may = !CHANGE.contains(&row.as_str());
        // The forms for those who have not come in yet have a token of their own.
        let is_foreign_form = OPEN.contains(&row.as_str()) && row.starts_with("POST");
        assert!(if may { !is_refused || is_foreign_form } else { status == 403 }, "{row}: {status}");
    }
}

#[tokio::test]
async fn whoever_may_do_everything_is_refused_nothing() {
    let house = House::empty().await;
    let client = house.stranger();
    let session = claim(&house).await;
    let operator = format!("Bearer {}", token(&house, "operator", "operator").await);
    let own = format!("bearer {}", house.command_line_token());
    let (last, others): (Vec<_>, Vec<_>) = rows().into_iter().partition(|row| ENDS_ITSELF.contains(&row.as_str()));
    let passes = [("authorization", operator), ("authorization", own), ("cookie", session)];
    for (name, value) in &passes {
        let forms = form_token(client.get(house.operator("/account")).header(*name, value)).await;
        for row in &others {
            if OPEN.contains(&row.as_str()) && row.starts_with("POST") {
                continue;
            }
            let (status, place) = answer(ask(&house, &client, row, &forms).header(*name, value)).await;
            assert!(![401, 403].contains(&status), "{row} with {name}: {status}");
            assert!(!place.starts_with("/sign-in"), "{row} with {name}: {place}");
        }
    }
    for row in &last {
        for (name, value) in &passes {
            let mut value = value.clone();
            if *name == "cookie" {
                let (name, password) = ADMINISTRATOR;
                value = cookie(&send(&house, "/sign-in", &[("name", name), ("password", password)]).await);
            }
            let forms = form_token(client.get(house.operator("/account")).header(*name, &value)).await;
            let (status, _) = answer(ask(&house, &client, row, &forms).header(*name, &value)).await;
            assert!([200, 303].contains(&status), "{row} with {name}: {status}");
        }
    }
}
