//! Batches: their pages, and that whoever is not looking is told when one is paused.

use serde_json::json;

use super::{MAC, each};
use crate::support::house::House;

#[tokio::test]
async fn a_batch_is_listed_its_page_says_why_it_is_paused_and_its_rows_in_the_log_name_its_hosts() {
    // Without an image the first rebuild is refused, and the batch pauses.
    let house = House::empty().await;
    let first = house.register("pve-01", MAC).await;
    house.register("pve-02", "52:54:00:00:00:02").await;
    assert!(house.get("/batches").await.text.contains("No batch was ever made."));
    let wish = json!({ "hosts": ["pve-01", "pve-02"], "confirm": "rebuild 2 hosts" });
    let made = house.post("/api/batches", &wish).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let mut page = String::new();
    for _ in 0..200 {
        page = house.get(&format!("/batches/{id}")).await.text;
        if page.contains("Batch of 2 rebuilds: paused · Rackseed") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(page.contains("<strong>Paused for ") && page.contains("pve-01 was not started: "), "{page}");
    assert!(page.contains("id=\"resume\"") && page.contains("is wiped again"), "what resuming means: {page}");
    assert!(page.contains("id=\"skip-pve-02\"") && page.contains("id=\"cancel\""), "{page}");
    let list = house.get("/batches").await.text;
    assert!(list.contains(&format!("/batches/{id}")) && list.contains("pve-01, pve-02"), "{list}");
    let rows = house.get("/api/audit?host=pve-02&result=done").await.json();
    assert_eq!(each(&rows, "action"), ["POST /api/batches", "POST /api/hosts"], "{rows}");
    assert_eq!(rows[0]["batch"], json!(id));
    assert_eq!(rows[0]["sentence"], "rebuild several hosts; wipes their disks [pve-01, pve-02]: done");
    house.delete(&format!("/api/hosts/{first}")).await;
    house.post(&format!("/api/batches/{id}/cancel"), &json!(null)).await;
    let cancelled = house.get("/api/audit?limit=1").await.json();
    assert!(each(&cancelled, "sentence")[0].contains("[pve-01, pve-02]"), "also of a host that is gone: {cancelled}");
    let attention = house.get("/api/activity?attention=true").await.json();
    assert!(each(&attention, "message").iter().any(|told| told.contains("paused: pve-01")), "{attention}");
}

#[tokio::test]
async fn the_page_of_a_batch_shows_how_far_each_rebuild_is_and_leads_to_its_operation() {
    let house = House::furnished().await;
    house.register("pve-01", MAC).await;
    house.register("pve-02", "52:54:00:00:00:02").await;
    let wish = json!({ "hosts": ["pve-01", "pve-02"], "confirm": "rebuild 2 hosts" });
    let id = house.post("/api/batches", &wish).await.json()["id"].as_str().unwrap().to_owned();
    let mut page = String::new();
    for _ in 0..200 {
        page = house.get(&format!("/batches/{id}")).await.text;
        if page.contains("0 of 13 steps") && page.contains("switch it on") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(page.contains("0 of 13 steps") && page.contains("at most 1 at a time"), "{page}");
    let operation = house.get("/api/operations?host=pve-01").await.json()[0]["id"].as_str().unwrap().to_owned();
    assert!(page.contains(&format!("/operations/{operation}")), "{page}");
    let shown = house.get(&format!("/operations/{operation}")).await.text;
    assert!(shown.contains(&format!("by a <a href=\"/batches/{id}\">batch</a>")), "{shown}");
}
