//! Power on a host's page, in a real browser.

use axum::{Router, extract::State, routing::any};
use serde_json::json;

use crate::support::{browser::Browser, house::House};

/// A plug that remembers whether it is on.
type Plug = std::sync::Arc<std::sync::atomic::AtomicBool>;

async fn plug() -> String {
    use std::sync::atomic::Ordering::SeqCst;
    let state = |plug: State<Plug>| async move { if plug.load(SeqCst) { "ON" } else { "OFF" } };
    let router = Router::new()
        .route("/on", any(|plug: State<Plug>| async move { plug.store(true, SeqCst) }))
        .route("/off", any(|plug: State<Plug>| async move { plug.store(false, SeqCst) }))
        .route("/status", any(state))
        .with_state(Plug::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn a_person_sees_whether_the_machine_is_on_and_switches_it() {
    let (house, url) = (House::furnished().await, plug().await);
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let webhook = json!({ "on_url": format!("{url}/on"), "off_url": format!("{url}/off"),
                          "status_url": format!("{url}/status"), "status_on": "ON" });
    let options = json!({ "options": { "power": { "driver": "webhook", "webhook": webhook } } });
    assert_eq!(house.patch(&format!("/api/hosts/{id}"), &options).await.status, 200);
    let browser = Browser::start(&house.folder.path().join("browser")).await;
    browser.resize(1000, 1100).await;
    browser.sign_in(&house).await;
    browser.open(&house.operator(&format!("/hosts/{id}"))).await;
    browser.see("[data-power]", "off").await;
    browser.click("#power button[value=on]").await;
    browser.see("[data-power]", "on").await;
    browser.picture("host-power").await;
    browser.click("#open-power").await;
    browser.picture("host-power-dialog").await;
    browser.fill("#confirm-power", "pve-01").await;
    browser.click("#do-power").await;
    browser.see("[data-power]", "off").await;
    for width in [320, 1200] {
        browser.resize(width, 800).await;
        assert!(browser.overflow().await <= 0, "at {width} pixels");
    }
}

#[tokio::test]
async fn a_page_says_why_the_machine_cannot_be_seen_and_a_host_without_driver_has_no_part() {
    let house = House::empty().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    assert!(!house.get(&format!("/hosts/{id}")).await.text.contains("data-power"));
    let redfish = json!({ "url": "https://127.0.0.1:1", "user": "root" });
    let options = json!({ "options": { "power": { "driver": "redfish", "redfish": redfish } } });
    assert_eq!(house.patch(&format!("/api/hosts/{id}"), &options).await.status, 200);
    let browser = Browser::start(&house.folder.path().join("browser")).await;
    browser.sign_in(&house).await;
    browser.open(&house.operator(&format!("/hosts/{id}"))).await;
    browser.see("[data-power]", "not seen").await;
    browser.see("[data-power-problem]", "no password is stored for the BMC at https://127.0.0.1:1").await;
}
