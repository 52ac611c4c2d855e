//! The live feed: resumed where a browser left off, in order, and ended with the daemon.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::house::House;

/// An open stream.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn open(house: &House, path: &str, last: Option<&str>) -> Self {
        let mut request = house.client.get(house.operator(path)).timeout(Duration::from_secs(30));
        if let Some(id) = last {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event: id, topic, data.
    async fn next(&mut self) -> (String, String, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                let field = |name: &str| field(name).unwrap_or_default().to_owned();
                let found = (field("id"), field("event"), field("data"));
                self.text = rest.to_owned();
                if !found.0.is_empty() {
                    return (found.0, found.1, serde_json::from_str(&found.2).unwrap());
                }
                continue;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await.unwrap();
            self.text += std::str::from_utf8(&chunk.unwrap().expect("the stream goes on")).unwrap();
        }
    }
}

#[tokio::test]
async fn a_browser_that_comes_back_gets_what_it_missed_and_then_what_is_new() {
    let house = House::empty().await;
    let mut first = Stream::open(&house, "/events", None).await;
    house.register("pve-01", "52:54:00:00:00:01").await;
    let (id, topic, data) = first.next().await;
    assert_eq!(topic, "host");
    assert!(data["message"].as_str().unwrap().starts_with("pve-01 (52:54:00:00:00:01) was registered"), "{data}");
    drop(first);
    house.register("pve-02", "52:54:00:00:00:02").await;
    house.register("pve-03", "52:54:00:00:00:03").await;
    for mut back in [
        Stream::open(&house, "/events", Some(&id)).await,
        Stream::open(&house, &format!("/events?after={id}"), None).await,
    ] {
        for name in ["pve-02", "pve-03"] {
            let (_, _, data) = back.next().await;
            assert!(data["message"].as_str().unwrap().starts_with(name), "{data}");
        }
    }
    let mut back = Stream::open(&house, "/events", Some("999999")).await;
    house.register("pve-04", "52:54:00:00:00:04").await;
    assert!(back.next().await.2["message"].as_str().unwrap().starts_with("pve-04"), "an id of another database is now");
}

#[tokio::test]
async fn the_stop_of_the_daemon_ends_open_streams_at_once() {
    let house = House::empty().await;
    let mut stream = Stream::open(&house, "/events", None).await;
    let begun = Instant::now();
    house.daemon.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(matches!(stream.response.chunk().await, Ok(None)), "the stream ends in order");
}

#[tokio::test]
async fn no_secret_is_in_the_feed_of_a_rebuild() {
    let house = House::furnished().await;
    let host = house.register("pve-01", "52:54:00:00:00:01").await;
    let operation = house.rebuild(&host, "pve-01").await;
    let token = house.boot_machine("52:54:00:00:00:01", &operation).await;
    let mut stream = Stream::open(&house, "/events?after=0", None).await;
    let mut messages = Vec::new();
    while !messages.iter().any(|message: &String| message.contains("loading the installer")) {
        messages.push(stream.next().await.2["message"].as_str().unwrap().to_owned());
    }
    assert!(messages.iter().all(|message| !message.contains(&token)), "{messages:?}");
    assert_eq!(house.get(&format!("/api/hosts/{host}")).await.json()["state_label"], json!("loading the installer"));
}
