//! Sessions: how long they last, how they end, and what a page of another site can do with one.

use reqwest::Method;
use rusqlite::Connection;
use serde_json::json;

use super::first_visit::{claim, cookie, escaped, send};
use crate::support::house::{ADMINISTRATOR, Answer, House};

/// A page as somebody sees it who has signed in.
async fn look(house: &House, cookie: &str, path: &str) -> Answer {
    Answer::of(house.stranger().get(house.operator(path)).header("cookie", cookie)).await
}

/// The token of the forms of a session.
async fn form_token(house: &House, cookie: &str) -> String {
    let page = look(house, cookie, "/account").await;
    page.text.split_once("name=\"form_token\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned()
}

/// Sends a form of a session.
async fn post(house: &House, cookie: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let token = form_token(house, cookie).await;
    let fields = fields.iter().copied().chain([("form_token", token.as_str())]);
    let body: String = fields.map(|(name, text)| format!("{name}={}&", escaped(text))).collect();
    let request = house.stranger().post(house.operator(path)).header("cookie", cookie);
    Answer::of(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await
}

async fn sign_in(house: &House) -> String {
    let (name, password) = ADMINISTRATOR;
    let answer = send(house, "/sign-in", &[("name", name), ("password", password)]).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    cookie(&answer)
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_over_and_use_prolongs_it() {
    let house = House::empty().await;
    let cookie = claim(&house).await;
    let database = Connection::open(house.database()).unwrap();
    let column = |name: &str| -> String {
        database.query_row(&format!("SELECT {name} FROM sessions"), [], |row| row.get(0)).unwrap()
    };
    let (seen, ends) = (column("last_seen_at"), column("expires_at"));
    assert_eq!(look(&house, &cookie, "/").await.status, 200);
    assert_eq!(column("last_seen_at"), seen, "a second use within a minute is not worth a write");
    let earlier = "UPDATE sessions SET last_seen_at = '2020-01-01T00:00:00Z', expires_at = '2999-01-01T00:00:00Z'";
    database.execute(earlier, []).unwrap();
    assert_eq!(look(&house, &cookie, "/").await.status, 200);
    assert!(column("last_seen_at") >= seen && column("expires_at") >= ends, "{}", column("last_seen_at"));
    assert!(column("expires_at").as_str() < "2999");
    database.execute("UPDATE sessions SET expires_at = '2020-01-01T00:00:00Z'", []).unwrap();
    let page = look(&house, &cookie, "/audit").await;
    assert_eq!((page.status.as_u16(), page.header("location")), (303, "/sign-in?next=/audit"));
    assert!(page.header("set-cookie").contains("Max-Age=0"), "the browser is told to forget it");
    assert!(look(&house, &cookie, "/api/hosts").await.problem(401).contains("has ended"));
}

#[tokio::test]
async fn signing_out_everywhere_ends_every_session_and_the_streams_that_listen_with_them() {
    let house = House::empty().await;
    let (one, two) = (claim(&house).await, sign_in(&house).await);
    let mut stream = house.stranger().get(house.operator("/events")).header("cookie", &two).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let sessions = look(&house, &one, "/api/sessions").await.json();
    let mine = |session: &&serde_json::Value| session["current"] == true;
    assert_eq!((sessions.as_array().unwrap().len(), sessions.as_array().unwrap().iter().filter(mine).count()), (2, 1));
    assert_eq!((&sessions[0]["user"], &sessions[0]["peer"]), (&json!("admin"), &json!("127.0.0.1")));
    let out = post(&house, &one, "/account/sign-out-everywhere", &[]).await;
    assert_eq!((out.status.as_u16(), out.header("location")), (303, "/sign-in"));
    for cookie in [&one, &two] {
        assert_eq!(look(&house, cookie, "/api/account").await.status, 401);
    }
    let silence = async { while let Ok(Some(_)) = stream.chunk().await {} };
    tokio::time::timeout(std::time::Duration::from_secs(5), silence).await.expect("the stream ends");
}

#[tokio::test]
async fn one_session_is_ended_from_another_one() {
    let house = House::empty().await;
    let (one, two) = (claim(&house).await, sign_in(&house).await);
    let page = look(&house, &one, "/account").await.text;
    assert!(page.contains("this one"), "{page}");
    let sessions = look(&house, &one, "/api/sessions").await.json();
    let other = sessions.as_array().unwrap().iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/account/sessions/{}/end", other["id"].as_str().unwrap());
    assert_eq!(post(&house, &one, &path, &[]).await.header("location"), "/account#sessions");
    assert_eq!(look(&house, &two, "/api/account").await.status, 401);
    assert_eq!(look(&house, &one, "/api/account").await.status, 200);
    let again = post(&house, &one, &path, &[]).await;
    assert_eq!(again.status, 404);
    assert!(again.text.contains("may have ended already"), "{}", again.text);
}

#[tokio::test]
async fn a_new_password_needs_the_old_one_and_ends_all_other_sessions() {
    let house = House::empty().await;
    let (one, two) = (claim(&house).await, sign_in(&house).await);
    let change = async |old: &str, new: &str, again: &str| {
        post(&house, &one, "/account/password", &[("old_password", old), ("password", new), ("again", again)]).await
    };
    for (old, new, again, said) in [
        ("a wrong password", "a new password", "a new password", "not your password until now"),
        (ADMINISTRATOR.1, "short", "short", "at least 10"),
        (ADMINISTRATOR.1, "a new password", "another password", "not what was typed above"),
    ] {
        let answer = change(old, new, again).await;
        assert_eq!(answer.status, 422);
        assert!(answer.text.contains(said) && !answer.text.contains(new), "{said}: {}", answer.text);
    }
    let changed = change(ADMINISTRATOR.1, "a new password", "a new password").await;
    assert!(changed.status == 200 && changed.text.contains("one other session has ended"), "{}", changed.text);
    assert_eq!(look(&house, &one, "/api/account").await.status, 200);
    assert_eq!(look(&house, &two, "/api/account").await.status, 401);
    let (name, password) = ADMINISTRATOR;
    assert_eq!(send(&house, "/sign-in", &[("name", name), ("password", password)]).await.status, 401);
    assert_eq!(send(&house, "/sign-in", &[("name", name), ("password", "a new password")]).await.status, 303);
    // A token has no password.
    let body = json!({ "old_password": "a new password", "password": "a newer password" });
    let asked = house.client.put(house.operator("/api/account/password")).json(&body);
    assert!(Answer::of(asked).await.problem(409).contains("has no password"));
}

#[tokio::test]
async fn a_page_of_another_site_can_do_nothing_with_the_cookie() {
    let house = House::empty().await;
    let (one, two) = (claim(&house).await, sign_in(&house).await);
    let own = format!("http://{}", house.daemon.operator_address);
    let ask = |method: Method, path: &str, headers: &[(&'static str, &str)], body: &str| {
        let mut request = house.stranger().request(method, house.operator(path)).header("cookie", &one);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.body(body.to_owned()))
    };
    let json = ("content-type", "application/json");
    assert_eq!(ask(Method::POST, "/api/hosts", &[json, ("origin", "http://evil.example")], "{}").await.status, 403);
    assert_eq!(ask(Method::POST, "/api/hosts", &[json, ("sec-fetch-site", "same-site")], "{}").await.status, 403);
    // Not even a request that does not say where it is from: browsers always do.
    assert!(ask(Method::POST, "/api/hosts", &[json], "{}").await.problem(403).contains("from a page of ours"));
    assert_eq!(ask(Method::DELETE, "/api/tokens/aaaaaaaaaaaa", &[], "").await.status, 403);
    assert_eq!(ask(Method::POST, "/api/hosts", &[json, ("origin", &own)], "{}").await.status, 422);
    assert_eq!(ask(Method::POST, "/api/hosts", &[json, ("sec-fetch-site", "same-origin")], "{}").await.status, 422);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let of_two = form_token(&house, &two).await;
    for token in ["", "AAAA", &of_two] {
        let body = format!("name=evil&scope=operator&form_token={token}");
        let answer = ask(Method::POST, "/account/tokens", &[form, ("origin", &own)], &body).await;
        assert_eq!(answer.status, 403, "{token}");
    }
    assert_eq!(look(&house, &one, "/api/tokens").await.text, "[]");
}

#[tokio::test]
async fn guesses_are_slowed_down_and_told_when_to_come_back() {
    let house = House::empty().await;
    claim(&house).await;
    let (name, password) = ADMINISTRATOR;
    for _ in 0..5 {
        assert_eq!(send(&house, "/sign-in", &[("name", name), ("password", "a wrong guess")]).await.status, 401);
    }
    let slowed = send(&house, "/sign-in", &[("name", name), ("password", password)]).await;
    assert_eq!(slowed.status, 429);
    let seconds: u64 = slowed.header("retry-after").parse().unwrap();
    assert!((1..=6).contains(&seconds) && slowed.text.contains("try again in"), "{seconds} {}", slowed.text);
    // Not another name either, from this address.
    assert_eq!(send(&house, "/sign-in", &[("name", "other"), ("password", "x")]).await.status, 429);
    tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
    sign_in(&house).await;
    assert_eq!(
        send(&house, "/sign-in", &[("name", name), ("password", "a wrong guess")]).await.status,
        401,
        "forgiven"
    );
    let refused = house.get("/api/audit?limit=100").await.json();
    let row = refused.as_array().unwrap().iter().find(|row| row["status"] == 429).unwrap();
    assert_eq!((&row["action"], &row["actor"]), (&json!("POST /sign-in"), &json!(null)));
    let done = refused.as_array().unwrap().iter().find(|row| row["action"] == "POST /sign-in" && row["status"] == 303);
    assert_eq!(done.unwrap()["actor"], "admin");
}

#[tokio::test]
async fn guesses_at_the_set_up_code_are_slowed_down_too() {
    let house = House::empty().await;
    let fields =
        [("code", "0000-0000-0000"), ("name", "admin"), ("password", "a good password"), ("again", "a good password")];
    for _ in 0..5 {
        assert_eq!(send(&house, "/first-visit", &fields).await.status, 422);
    }
    let slowed = send(&house, "/first-visit", &fields).await;
    assert_eq!(slowed.status, 429);
    assert!(!slowed.header("retry-after").is_empty());
}
