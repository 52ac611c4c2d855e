//! Smart plugs: what they are called with, and what is made of their answers.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
};
use rackseed::{
    domain::power::PowerState,
    ports::{NetworkBoot, Power, PowerError},
};
use serde_json::{Value, json};

use crate::support::power::Switched;

/// A plug: `/on`, `/off`, `/status`, and anything else is broken.
#[derive(Clone, Default)]
struct Plug {
    is_on: Arc<Mutex<bool>>,
    asked: Arc<Mutex<Vec<String>>>,
}

async fn answer(State(plug): State<Plug>, request: Request) -> (StatusCode, String) {
    let header = |name: &str| request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let line = format!("{} {} {}{}", request.method(), request.uri(), header("authorization"), header("x-plug"));
    plug.asked.lock().unwrap().push(line.trim().to_owned());
    match request.uri().path() {
        "/on" => *plug.is_on.lock().unwrap() = true,
        "/off" => *plug.is_on.lock().unwrap() = false,
        "/status" => {}
        "/locked" => return (StatusCode::UNAUTHORIZED, String::new()),
        _ => return (StatusCode::IM_A_TEAPOT, format!("cannot {}\nsorry", request.uri())),
    }
    let word = if *plug.is_on.lock().unwrap() { "ON" } else { "OFF" };
    (StatusCode::OK, json!({ "POWER": word }).to_string())
}

/// Starts a plug; returns it with its URL.
async fn plug() -> (Plug, String) {
    let plug = Plug::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(plug.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (plug, url)
}

fn asked(plug: &Plug) -> Vec<String> {
    std::mem::take(&mut *plug.asked.lock().unwrap())
}

async fn switched(webhook: Value, secret: Option<&str>) -> Switched {
    Switched::new(json!({ "driver": "webhook", "webhook": webhook }), secret).await
}

#[tokio::test]
async fn a_plug_that_shows_its_state_is_looked_at_before_and_after() {
    let (plug, url) = plug().await;
    let options = json!({
        "on_url": format!("{url}/on"), "off_url": format!("{url}/off"),
        "status_url": format!("{url}/status"), "status_on": "\"ON\"", "headers": { "X-Plug": "7" },
    });
    let switched = switched(options, Some("a-token")).await;
    assert_eq!(switched.status().await, Ok(PowerState::Off));
    asked(&plug);
    assert_eq!(switched.boot_from_network().await, Ok(NetworkBoot::Switched));
    let status = "GET /status Bearer a-token7".to_owned();
    assert_eq!(asked(&plug), [&status, "POST /on Bearer a-token7", &status]);
    switched.drivers.switch_on(&switched.host).await.unwrap();
    assert_eq!(asked(&plug), std::slice::from_ref(&status), "it is on");
    assert_eq!(switched.boot_from_network().await, Ok(NetworkBoot::Switched));
    let restart = [&status, "POST /off Bearer a-token7", &status, "POST /on Bearer a-token7", &status];
    assert_eq!(asked(&plug), restart);
}

#[tokio::test]
async fn the_secret_goes_into_the_url_or_is_the_password_of_a_user() {
    let (plug, url) = plug().await;
    let in_url = json!({ "on_url": format!("{url}/on?password={{secret}}"), "method": "GET" });
    let woken = switched(in_url, Some("p&ss word")).await.boot_from_network().await;
    assert_eq!(woken, Ok(NetworkBoot::Woken), "nobody knows whether it was on already");
    assert_eq!(asked(&plug), ["GET /on?password=p%26ss%20word"]);
    let of_user = json!({ "on_url": format!("{url}/on"), "method": "PUT", "user": "me" });
    switched(of_user, Some("word")).await.boot_from_network().await.unwrap();
    assert_eq!(asked(&plug), ["PUT /on Basic bWU6d29yZA=="]);
    let without = json!({ "on_url": format!("{url}/on?password={{secret}}") });
    let error = switched(without, None).await.boot_from_network().await.unwrap_err();
    assert!(matches!(error, PowerError::Secret(_)), "{error:?}");
    assert_eq!(asked(&plug), [] as [&str; 0]);
}

#[tokio::test]
async fn refusals_are_one_sentence_each_without_the_secret() {
    let (_plug, url) = plug().await;
    let broken = json!({ "on_url": format!("{url}/broken?key={{secret}}"), "method": "GET" });
    let error = switched(broken, Some("s3cret")).await.boot_from_network().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the webhook at {url} answered 418 I'm a teapot: cannot /broken?key=… sorry")
    );
    assert!(error.may_pass());
    let locked = json!({ "on_url": format!("{url}/locked") });
    let error = switched(locked, Some("token")).await.boot_from_network().await.unwrap_err();
    assert!(matches!(error, PowerError::WrongCredentials { .. }) && !error.may_pass(), "{error:?}");
    let only_on = json!({ "on_url": format!("{url}/on") });
    let switched = switched(only_on, None).await;
    let error = switched.drivers.switch_off(&switched.host).await.unwrap_err();
    assert_eq!(error.to_string(), format!("the webhook at {url} has no power.webhook.off_url; switch off by hand"));
}

#[tokio::test]
async fn a_plug_that_does_not_do_what_it_says_is_found_out() {
    let (_plug, url) = plug().await;
    let options = json!({
        "on_url": format!("{url}/status"), "status_url": format!("{url}/status"), "status_on": "\"ON\"",
    });
    let error = switched(options, None).await.boot_from_network().await.unwrap_err();
    assert_eq!(error.to_string(), format!("the webhook at {url} was called, but after 10 s it does not show on"));
}
