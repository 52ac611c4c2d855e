//! Other web sites cannot reach the operator listener through a browser on this machine.

use std::time::Duration;

use reqwest::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::house::{Answer, House};

/// Sends a request with these headers and nothing else, and returns all that comes back.
async fn raw(house: &House, text: &str) -> String {
    let mut stream = TcpStream::connect(house.daemon.operator_address).await.unwrap();
    stream.write_all(text.replace('\n', "\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn only_names_of_this_listener_are_answered() {
    let house = House::empty().await;
    let port = house.daemon.operator_address.port();
    let token = format!("Authorization: bearer {}", house.command_line_token());
    for (host, status) in [
        (format!("localhost:{port}"), "200"),
        ("LOCALHOST".to_owned(), "200"),
        (format!("127.0.0.1:{port}"), "200"),
        (format!("[::1]:{port}"), "200"),
        // An SSH tunnel may have another port at its other end.
        ("127.0.0.1:9".to_owned(), "200"),
        ("rackseed.example".to_owned(), "403"),
        (format!("127.0.0.1.example:{port}"), "403"),
        ("192.168.7.7".to_owned(), "403"),
        ("user@localhost".to_owned(), "403"),
        (String::new(), "403"),
    ] {
        let answer =
            raw(&house, &format!("GET /api/hosts HTTP/1.1\nHost: {host}\n{token}\nConnection: close\n\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{host}: {answer}");
    }
    let absolute =
        raw(&house, "GET http://evil.example/api/hosts HTTP/1.1\nHost: localhost\nConnection: close\n\n").await;
    assert!(absolute.starts_with("HTTP/1.1 403"), "{absolute}");
}

#[tokio::test]
async fn pages_of_other_sites_may_not_ask() {
    let house = House::empty().await;
    let own = format!("http://{}", house.daemon.operator_address);
    let ask = |method: Method, name: &'static str, value: String| {
        let request = house.client.request(method, house.operator("/api/hosts")).header(name, value);
        Answer::of(request.header("content-type", "application/json").body("{}"))
    };
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1", "https://localhost"] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            assert_eq!(ask(method, "origin", origin.to_owned()).await.status, 403, "{origin}");
        }
    }
    assert_eq!(ask(Method::POST, "origin", own).await.status, 422);
    for (site, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 422), ("none", 422)] {
        assert_eq!(ask(Method::POST, "sec-fetch-site", site.to_owned()).await.status, status, "{site}");
    }
}

#[tokio::test]
async fn a_program_must_say_json_and_a_form_must_have_the_token_of_its_page() {
    let house = House::empty().await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let request = house.client.post(house.operator("/api/hosts")).header("content-type", kind);
        Answer::of(request.body("{}")).await.problem(415);
    }
    let body = "hostname=pve-01&mac=52:54:00:00:00:01&server_type=generic-sata";
    for token in ["", "&form_token=", "&form_token=AAAA"] {
        let form =
            house.client.post(house.operator("/hosts")).header("content-type", "application/x-www-form-urlencoded");
        let answer = Answer::of(form.body(format!("{body}{token}"))).await;
        assert_eq!(answer.status, 403);
        assert!(answer.text.contains("reload the page"), "{}", answer.text);
    }
    assert_eq!(house.get("/api/hosts").await.text, "[]");
}

#[tokio::test]
async fn pages_load_nothing_from_elsewhere_and_are_framed_by_nobody() {
    let house = House::empty().await;
    let page = house.get("/").await;
    let policy = page.header("content-security-policy");
    for rule in ["default-src 'none'", "script-src 'self'", "form-action 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert_eq!((page.header("x-content-type-options"), page.header("cache-control")), ("nosniff", "no-store"));
    assert!(!page.text.contains("style=\"") && !page.text.contains("<script>"));
}
