//! What an operator chooses for one host beyond its server type.

use serde_json::json;

use crate::support::house::House;

#[tokio::test]
async fn a_choice_is_kept_is_shown_and_can_be_taken_back() {
    let house = House::empty().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let path = format!("/api/hosts/{id}");
    let changed = house.patch(&path, &json!({ "options": { "image": "pve-9.2-1-0a1b2c3d" } })).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(house.get(&path).await.json()["options"]["image"], "pve-9.2-1-0a1b2c3d");
    let refused = house.post(&format!("{path}/rebuild"), &json!({ "confirm": "pve-01" })).await.problem(422);
    assert!(refused.contains("pve-9.2-1-0a1b2c3d"), "the choice decides what is installed: {refused}");
    house.patch(&path, &json!({ "options": { "image": null } })).await;
    assert_eq!(house.get(&path).await.json()["options"].get("image"), None);
}

#[tokio::test]
async fn an_unknown_choice_is_refused_and_nothing_is_changed() {
    let house = House::empty().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let path = format!("/api/hosts/{id}");
    house.patch(&path, &json!({ "options": { "image": "pve-9.2-1-0a1b2c3d" } })).await;
    let refused = house.patch(&path, &json!({ "options": { "image": null, "colour": "red" } })).await;
    assert!(refused.problem(422).contains("colour"));
    assert_eq!(house.get(&path).await.json()["options"]["image"], "pve-9.2-1-0a1b2c3d");
    let nobody = house.patch("/api/hosts/aaaaaaaaaaaa", &json!({ "options": {} })).await;
    nobody.problem(404);
}
