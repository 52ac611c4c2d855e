//! Every listener has its own routes and no others, and the document describes them all.

use std::collections::BTreeSet;

use rackseed::http::{Audience, ROUTES, Route};
use serde_json::{Value, json};

use crate::support::house::{Answer, House};

/// A request for a route, with parameters that nothing has.
async fn ask(house: &House, listener: Audience, route: &Route) -> Answer {
    let path = route.path.replace("{mac}", "52-54-00-00-00-99").replace("{file}", "nothing");
    let path = path.replace("{id}", "aaaaaaaaaaaa").replace("{token}", "none");
    let method = route.method.parse().unwrap();
    let request = match listener {
        Audience::Boot => house.client.request(method, house.boot(&path)),
        Audience::Machine => house.installer().request(method, house.machine(&path)),
        Audience::Operator => house.client.request(method, house.operator(&path)),
    };
    let request = if route.method == "GET" { request } else { request.json(&Value::Null) };
    if (route.path, listener) != ("/events", Audience::Operator) {
        return Answer::of(request).await;
    }
    // The feed never ends.
    let response = request.send().await.unwrap();
    Answer { status: response.status(), headers: response.headers().clone(), text: String::new() }
}

fn is_nowhere(answer: &Answer) -> bool {
    answer.status == 404 && answer.text.contains("there is nothing here on this listener")
}

#[tokio::test]
async fn every_route_is_on_its_own_listener_and_on_no_other() {
    let house = House::empty().await;
    for route in ROUTES {
        let answer = ask(&house, route.audience, route).await;
        assert!(!is_nowhere(&answer) && answer.status != 405, "{route:?}: {}", answer.text);
        for listener in [Audience::Boot, Audience::Machine, Audience::Operator] {
            if !ROUTES.iter().any(|other| other.audience == listener && other.path == route.path) {
                let answer = ask(&house, listener, route).await;
                assert!(is_nowhere(&answer), "{route:?} on {listener:?}: {} {}", answer.status, answer.text);
            }
        }
    }
}

#[tokio::test]
async fn the_document_describes_exactly_the_routes_and_every_reference_in_it_leads_somewhere() {
    let house = House::empty().await;
    let document = house.get("/api/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap().iter().filter(|(word, _)| *word != "servers") {
            let Some(tags) = operation["tags"].as_array() else { continue };
            for tag in tags.iter().filter(|tag| ["boot", "machine", "operator"].iter().any(|word| **tag == *word)) {
                described.insert((tag.as_str().unwrap().to_owned(), method.to_uppercase(), path.clone()));
            }
        }
    }
    let routes: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| (route.audience.word().to_owned(), route.method.to_owned(), route.path.replace("{*", "{")))
        .collect();
    assert_eq!(described, routes);
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| collect_references(member, found));
        }
        Value::Array(members) => members.iter().for_each(|member| collect_references(member, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn what_is_sent_has_exactly_the_members_that_the_document_names() {
    let house = House::furnished().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let operation = house.rebuild(&id, "pve-01").await;
    let document = house.get("/api/openapi.json").await.json();
    let host = house.get(&format!("/api/hosts/{id}")).await.json();
    for (value, schema) in [
        (&host, "Host"),
        (&host["history"][0], "HistoryEntry"),
        (&host["operation"], "Operation"),
        (&host["operation"]["steps"][0], "Step"),
        (&house.get(&format!("/api/operations/{operation}")).await.json(), "Operation"),
        (&house.get("/api/images").await.json()["images"][0], "Image"),
        (&house.get(&format!("/api/hosts/{id}/rebuild-plan")).await.json(), "RebuildPlan"),
        (&house.get("/api/catalog").await.json(), "Catalog"),
        (&house.get(&format!("/api/hosts/{id}/answer-preview")).await.json(), "AnswerPreview"),
    ] {
        let named = document["components"]["schemas"][schema]["properties"].as_object().unwrap();
        let sent = value.as_object().unwrap_or_else(|| panic!("{schema}: {value}"));
        assert_eq!(sent.keys().collect::<BTreeSet<_>>(), named.keys().collect::<BTreeSet<_>>(), "{schema}");
    }
}

#[tokio::test]
async fn a_host_is_registered_shown_listed_and_removed() {
    let house = House::empty().await;
    let body = json!({ "hostname": "pve-01", "mac": "52-54-00-AB-CD-01", "server_type": "generic-sata" });
    let answer = house.post("/api/hosts", &body).await;
    assert_eq!(answer.status, 201);
    let host = answer.json();
    let place = format!("/api/hosts/{}", host["id"].as_str().unwrap());
    assert_eq!(answer.header("location"), place);
    assert_eq!((&host["mac"], &host["state"]), (&json!("52:54:00:ab:cd:01"), &json!("registered")));
    assert_eq!(house.get(&place).await.json()["hostname"], "pve-01");
    assert_eq!(house.get("/api/hosts").await.json().as_array().unwrap().len(), 1);
    assert_eq!(house.delete(&place).await.status, 204);
    assert_eq!(house.get("/api/hosts").await.json(), json!([]));
    house.get(&place).await.problem(404);
    house.delete(&place).await.problem(404);
}

#[tokio::test]
async fn figures_are_given_in_the_openmetrics_format() {
    let house = House::furnished().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    house.rebuild(&id, "pve-01").await;
    house.get("/api/hosts/aaaaaaaaaaaa").await;
    let metrics = house.get("/metrics").await;
    assert_eq!(metrics.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    for line in [
        "rackseed_hosts{state=\"pxe_ready\"} 1",
        "rackseed_hosts{state=\"ready\"} 0",
        "rackseed_images 1",
        "rackseed_catalog_problems 0",
        "rackseed_http_requests_total{listener=\"operator\",method=\"POST\",route=\"/api/hosts\",status=\"201\"} 1",
        "rackseed_http_requests_total{listener=\"operator\",method=\"GET\",route=\"/api/hosts/{id}\",status=\"404\"} 1",
    ] {
        assert!(metrics.text.lines().any(|it| it == line), "{line} is not in\n{}", metrics.text);
    }
    assert!(metrics.text.ends_with("# EOF\n"));
    assert_eq!(house.get("/healthz").await.text, "ok\n");
}

#[tokio::test]
async fn an_answer_is_previewed_without_secrets() {
    let house = House::furnished().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let preview = house.get(&format!("/api/hosts/{id}/answer-preview")).await.json();
    let answer = preview["answer"].as_str().unwrap();
    assert_eq!(preview["release"], "9.2");
    assert!(
        answer.contains("fqdn = \"pve-01.home.arpa\"") && answer.contains("disk-list = [\"/dev/sda\"]"),
        "{answer}"
    );
    assert!(!answer.contains("$6$salt$hash") && !answer.contains("?t=made"), "{answer}");
}

#[tokio::test]
async fn a_rebuild_is_accepted_shown_and_cancelled() {
    let house = House::furnished().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let answer = house.post(&format!("/api/hosts/{id}/rebuild"), &json!({ "confirm": "pve-01" })).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let operation = answer.json();
    let place = format!("/api/operations/{}", operation["id"].as_str().unwrap());
    assert_eq!(answer.header("location"), place);
    assert_eq!((&operation["host_id"], &operation["steps"][0]["name"]), (&json!(id), &json!("await_network_boot")));
    assert_eq!(house.state(&id).await, "pxe_ready");
    house.post(&format!("{place}/retry"), &Value::Null).await.problem(409);
    let cancelled = house.post(&format!("{place}/cancel"), &Value::Null).await;
    assert_eq!((cancelled.status.as_u16(), &cancelled.json()["status"]), (200, &json!("cancelled")));
    assert_eq!(house.state(&id).await, "registered");
    house.post(&format!("{place}/cancel"), &Value::Null).await.problem(409);
}
