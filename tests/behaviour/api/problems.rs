//! Whatever is refused is refused with a problem document: a code that programs may rely on, the path, and each field by its JSON pointer.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::house::{Answer, House};

/// What a problem document says for programs: code, path, line and column.
fn told(answer: &Answer, status: u16) -> (String, String, [Option<u64>; 2]) {
    answer.problem(status);
    let problem = answer.json();
    let text = |member: &str| problem[member].as_str().unwrap_or_default().to_owned();
    (text("code"), text("instance"), ["line", "column"].map(|member| problem[member].as_u64()))
}

async fn send(house: &House, method: Method, path: &str, body: &str) -> Answer {
    let request = house.client.request(method, house.operator(path)).header("content-type", "application/json");
    Answer::of(request.body(body.to_owned())).await
}

#[tokio::test]
async fn every_kind_of_refusal_has_its_code_and_its_path() {
    let house = House::furnished().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let (host, rebuild) = (format!("/api/hosts/{id}"), format!("/api/hosts/{id}/rebuild"));
    let nothing = "/api/hosts/aaaaaaaaaaaa".to_owned();
    for (method, path, body, status, code) in [
        (Method::GET, &nothing, "", 404, "host_not_found"),
        (Method::GET, &"/api/operations/aaaaaaaaaaaa".to_owned(), "", 404, "operation_not_found"),
        (Method::GET, &"/api/batches/aaaaaaaaaaaa".to_owned(), "", 404, "batch_not_found"),
        (Method::DELETE, &"/api/images/none".to_owned(), "", 404, "image_not_found"),
        (Method::DELETE, &"/api/sightings/52-54-00-00-00-09".to_owned(), "", 404, "machine_not_found"),
        (Method::GET, &"/api/nowhere".to_owned(), "", 404, "route_not_found"),
        (Method::PUT, &host, "{}", 405, "method_not_allowed"),
        (Method::POST, &rebuild, "{}", 422, "not_confirmed"),
        (Method::POST, &rebuild, "{\"confirm\":\"pve-01\",\"image\":\"pve-1.0\"}", 422, "fields_invalid"),
        (Method::POST, &"/api/hosts".to_owned(), "[]", 422, "unprocessable"),
        (Method::POST, &format!("{host}/power"), "{\"action\":\"status\"}", 422, "fields_invalid"),
        (Method::DELETE, &"/api/cluster/gates/10.0.0.1?forget=maybe".to_owned(), "", 400, "query_invalid"),
    ] {
        let answer = send(&house, method.clone(), path, body).await;
        let (found, instance, _) = told(&answer, status);
        assert_eq!((found.as_str(), instance.as_str()), (code, path.split('?').next().unwrap()), "{method} {path}");
    }
    let plain = house.client.post(house.operator("/api/hosts")).body("{}");
    assert_eq!(told(&Answer::of(plain).await, 415).0, "wrong_media_type");
    let large = send(&house, Method::POST, "/api/hosts", &format!("\"{}\"", "x".repeat(2 << 20))).await;
    assert_eq!(told(&large, 413).0, "body_too_large");
}

#[tokio::test]
async fn what_is_taken_or_under_way_is_told_apart_by_its_code() {
    let house = House::furnished().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let host = |hostname: &str, mac: &str| json!({ "hostname": hostname, "mac": mac, "server_type": "generic-sata" });
    for (body, code) in
        [(host("pve-02", "52:54:00:00:00:01"), "mac_taken"), (host("pve-01", "52:54:00:00:00:02"), "hostname_taken")]
    {
        assert_eq!(told(&house.post("/api/hosts", &body).await, 409).0, code);
    }
    house.rebuild(&id, "pve-01").await;
    let again = house.post(&format!("/api/hosts/{id}/rebuild"), &json!({ "confirm": "pve-01" })).await;
    assert_eq!(told(&again, 409).0, "operation_under_way");
    assert_eq!(told(&house.delete(&format!("/api/hosts/{id}")).await, 409).0, "host_busy");
}

#[tokio::test]
async fn json_that_cannot_be_read_is_told_by_line_and_column_and_fields_by_their_pointer() {
    let house = House::empty().await;
    let broken = send(&house, Method::POST, "/api/hosts", "{\n  \"hostname\": \"pve-01\",\n  mac\n}").await;
    let (code, _, place) = told(&broken, 400);
    assert_eq!((code.as_str(), place), ("json_invalid", [Some(3), Some(3)]), "{}", broken.text);
    for body in ["{} {}", "{\"hostname\":", "{\"hostname\": \"\u{1}\"}", "nothing"] {
        assert_eq!(told(&send(&house, Method::POST, "/api/hosts", body).await, 400).0, "json_invalid", "{body}");
    }
    let deep = format!("{{\"options\":{}", "[".repeat(5000));
    let deep = send(&house, Method::PATCH, "/api/hosts/aaaaaaaaaaaa", &deep).await;
    assert_eq!(told(&deep, 400).0, "json_invalid");
    for (body, pointer) in [
        ("{\"mac\": 5}", "/mac"),
        ("{\"server-type\": \"x\"}", "/server-type"),
        ("{\"hostname\": [\"x\"]}", "/hostname"),
        ("{\"hostname\": \"a\", \"hostname\": \"b\"}", "/hostname"),
    ] {
        let answer = send(&house, Method::POST, "/api/hosts", body).await;
        let (code, _, [line, _]) = told(&answer, 422);
        assert_eq!((code.as_str(), line), ("fields_invalid", Some(1)), "{}", answer.text);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}: {}", answer.text);
    }
    let inner = send(&house, Method::POST, "/api/batches", "{\"hosts\": [\"a\", {}]}").await;
    assert_eq!(inner.json()["errors"][0]["pointer"], "/hosts/1", "{}", inner.text);
}

#[tokio::test]
async fn a_wrong_option_is_pointed_at_where_it_stands_in_the_body() {
    let house = House::empty().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let change = json!({ "options": { "answer": { "network": { "gateway": "10.0.0.1" } } } });
    let answer = house.patch(&format!("/api/hosts/{id}"), &change).await;
    assert_eq!(told(&answer, 422).0, "fields_invalid");
    let pointer = answer.json()["errors"][0]["pointer"].as_str().unwrap().to_owned();
    assert!(change.pointer(&pointer).is_some(), "{}", answer.text);
}

#[tokio::test]
async fn other_methods_are_answered_with_those_that_there_are() {
    let house = House::empty().await;
    for (path, allowed) in [("/api/hosts", "GET,HEAD,POST"), ("/api/hosts/aaaaaaaaaaaa", "GET,HEAD,PATCH,DELETE")] {
        for method in [Method::PUT, Method::OPTIONS, Method::TRACE] {
            let answer = Answer::of(house.client.request(method.clone(), house.operator(path))).await;
            let (mut found, mut expected): (Vec<_>, Vec<_>) =
                (answer.header("allow").split(',').collect(), allowed.split(',').collect());
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{method} {path}");
            assert_eq!(answer.status.as_u16(), if method == Method::OPTIONS { 204 } else { 405 });
        }
    }
    let head = Answer::of(house.client.head(house.operator("/api/hosts"))).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    assert_eq!(head.header("content-type"), "application/json");
}

#[tokio::test]
async fn the_machine_listener_says_it_in_the_same_way() {
    let house = House::empty().await;
    let place = house.machine("/api/hosts/aaaaaaaaaaaa/phone-home?t=secret");
    let answer = Answer::of(house.installer().post(place).json(&Value::Null)).await;
    let problem = answer.json();
    assert!(answer.status.is_client_error() && problem["code"].is_string(), "{}", answer.text);
    assert_eq!(problem["instance"], "/api/hosts/aaaaaaaaaaaa/phone-home", "the token of the query is not repeated");
}
