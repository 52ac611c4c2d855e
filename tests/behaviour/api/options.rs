//! What an operator chooses for one host beyond its server type.

use serde_json::json;

use crate::support::house::House;

#[tokio::test]
async fn a_choice_is_kept_is_shown_and_can_be_taken_back() {
    let house = House::furnished().await;
    let image = house.get("/api/images").await.json()["images"][0]["id"].clone();
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let path = format!("/api/hosts/{id}");
    let plan = format!("{path}/rebuild-plan");
    assert_eq!(house.get(&plan).await.json()["image_because"], "newest");
    let changed = house.patch(&path, &json!({ "options": { "image": image } })).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(house.get(&path).await.json()["options"]["image"], image);
    assert_eq!(house.get(&plan).await.json()["image_because"], "host", "the choice decides what is installed");
    house.patch(&path, &json!({ "options": { "image": null } })).await;
    assert_eq!(house.get(&path).await.json()["options"].get("image"), None);
}

#[tokio::test]
async fn an_unknown_choice_is_refused_and_nothing_is_changed() {
    let house = House::empty().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let path = format!("/api/hosts/{id}");
    house.patch(&path, &json!({ "options": { "boot": { "discovery": "direct" } } })).await;
    let refused = house.patch(&path, &json!({ "options": { "image": "pve-9.2-1-0a1b2c3d" } })).await.problem(422);
    assert!(refused.contains("there is no image `pve-9.2-1-0a1b2c3d`"), "{refused}");
    let refused = house.patch(&path, &json!({ "options": { "image": null, "colour": "red" } })).await;
    assert!(refused.problem(422).contains("colour"));
    let options = house.get(&path).await.json()["options"].clone();
    assert_eq!((&options["image"], &options["boot"]["discovery"]), (&json!(null), &json!("direct")));
    let nobody = house.patch("/api/hosts/aaaaaaaaaaaa", &json!({ "options": {} })).await;
    nobody.problem(404);
}
