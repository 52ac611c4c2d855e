//! What is wrong is refused with the field and the sentence, and nothing is armed.

use std::fs;

use serde_json::{Value, json};

use crate::support::house::{Answer, House};

/// The field that a problem is about, and its sentence.
fn field(answer: &Answer, status: u16) -> (String, String) {
    answer.problem(status);
    let error = answer.json()["errors"][0].clone();
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    (text("field"), text("detail"))
}

fn host(hostname: &str, mac: &str, server_type: &str) -> Value {
    json!({ "hostname": hostname, "mac": mac, "server_type": server_type })
}

#[tokio::test]
async fn a_taken_mac_or_name_names_the_other_host() {
    let house = House::empty().await;
    house.register("pve-01", "52:54:00:00:00:01").await;
    let same_mac = house.post("/api/hosts", &host("pve-02", "52-54-00-00-00-01", "generic-sata")).await;
    let (name, sentence) = field(&same_mac, 409);
    assert_eq!(name, "mac");
    assert!(sentence.contains("pve-01"), "{sentence}");
    let same_name = house.post("/api/hosts", &host("pve-01", "52:54:00:00:00:02", "generic-sata")).await;
    let (name, sentence) = field(&same_name, 409);
    assert_eq!(name, "hostname");
    assert!(sentence.contains("52:54:00:00:00:01"), "{sentence}");
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let house = House::empty().await;
    let answer = house.post("/api/hosts", &host("Pve_1", "52:54", "toaster")).await;
    answer.problem(422);
    let errors = answer.json()["errors"].clone();
    let fields: Vec<_> = errors.as_array().unwrap().iter().map(|error| error["field"].clone()).collect();
    assert_eq!(fields, ["hostname", "mac", "server_type"]);
    assert!(errors[2]["detail"].as_str().unwrap().contains("generic-sata"), "{errors}");
    let nothing = house.post("/api/hosts", &json!({})).await;
    assert_eq!(nothing.json()["errors"].as_array().unwrap().len(), 3);
    let number = house.post("/api/hosts", &json!({ "hostname": "pve-01", "mac": 5 })).await;
    assert_eq!(field(&number, 422).0, "mac");
    let misspelt = house.post("/api/hosts", &json!({ "servertype": "generic-sata" })).await;
    assert!(misspelt.problem(422).contains("servertype"), "{}", misspelt.text);
}

#[tokio::test]
async fn what_is_no_json_or_too_large_is_refused() {
    let house = House::empty().await;
    let send = |body: String| {
        let request = house.client.post(house.operator("/api/hosts")).header("content-type", "application/json");
        Answer::of(request.body(body))
    };
    send("{\"hostname\":".to_owned()).await.problem(400);
    send("[\"pve-01\",\"52:54:00:00:00:01\",\"generic-sata\"]".to_owned()).await.problem(422);
    send(format!("\"{}\"", "x".repeat(2 << 20))).await.problem(413);
    house.get("/api/hosts/../../etc/passwd").await.problem(404);
    house.get("/api/hosts/%ff%fe").await.problem(404);
    house.get("/api/hosts/not-an-id").await.problem(404);
    house.get("/api/operations/aaaaaaaaaaaa").await.problem(404);
    let put = Answer::of(house.client.put(house.operator("/api/hosts"))).await;
    put.problem(405);
}

#[tokio::test]
async fn a_rebuild_without_the_name_or_of_an_unknown_image_is_refused() {
    let house = House::furnished().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let place = format!("/api/hosts/{id}/rebuild");
    for body in [json!({}), json!({ "confirm": "pve-02" }), Value::Null] {
        let (name, sentence) = field(&house.post(&place, &body).await, 422);
        assert_eq!(name, "confirm");
        assert!(sentence.contains("pve-01"), "{sentence}");
    }
    let answer = house.post(&place, &json!({ "confirm": "pve-01", "image": "pve-1.0" })).await;
    assert_eq!(field(&answer, 422).0, "image");
    assert_eq!(house.state(&id).await, "registered");
    house.post("/api/hosts/aaaaaaaaaaaa/rebuild", &json!({ "confirm": "pve-01" })).await.problem(404);
}

#[tokio::test]
async fn a_host_that_is_under_way_is_not_rebuilt_again_and_not_removed() {
    let house = House::furnished().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let operation = house.rebuild(&id, "pve-01").await;
    let again = house.post(&format!("/api/hosts/{id}/rebuild"), &json!({ "confirm": "pve-01" })).await;
    assert!(again.problem(409).contains(&operation));
    assert_eq!(again.json()["operation"], operation);
    let removed = house.delete(&format!("/api/hosts/{id}")).await;
    assert!(removed.problem(409).contains("cancel"), "{}", removed.text);
}

#[tokio::test]
async fn without_an_image_nothing_is_armed() {
    let house = House::empty().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let answer = house.post(&format!("/api/hosts/{id}/rebuild"), &json!({ "confirm": "pve-01" })).await;
    assert!(answer.problem(409).contains("image add"), "{}", answer.text);
    assert_eq!(house.state(&id).await, "registered");
}

#[tokio::test]
async fn a_broken_catalog_is_reported_with_file_line_and_rule_and_the_last_good_one_stays() {
    let house = House::furnished().await;
    let file = house.server_types_file();
    let text = fs::read_to_string(&file).unwrap().replace("boot_disk: /dev/sda", "boot_disk: sda");
    fs::write(&file, text).unwrap();
    let mut status = Value::Null;
    for _ in 0..100 {
        status = house.get("/api/catalog").await.json();
        if status["problems"] != json!([]) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let problem = &status["problems"][0];
    assert_eq!(problem["file"], "server-types/server-types.yaml");
    assert!(problem["rule"].as_str().unwrap().contains("boot_disk"), "{problem}");
    assert!(status["server_types"].as_array().unwrap().contains(&json!("generic-sata")));
    assert!(house.get("/").await.text.contains("the last good version stays in use"));
}
