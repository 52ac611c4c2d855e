//! The page of one operation, read without scripts and used in a browser.

use serde_json::json;

use super::{MAC, answered};
use crate::support::{browser::Browser, house::House, rebuild_world::RebuildWorld};

/// What a page has between two texts.
fn between<'a>(page: &'a str, begin: &str, end: &str) -> &'a str {
    page.split_once(begin).unwrap_or_else(|| panic!("{begin}: {page}")).1.split_once(end).unwrap().0
}

#[tokio::test]
async fn a_page_says_who_began_it_where_the_point_of_no_return_is_and_how_long_it_waits() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let operation = house.rebuild(&host, "pve-01").await;
    house.until_waiting(&operation).await;
    let page = house.get(&format!("/operations/{operation}")).await.text;
    assert_eq!(between(&page, "<title>", "</title>"), "Rebuild pve-01: waiting · Rackseed");
    assert!(page.contains("by command line"), "who began it: {page}");
    let steps = between(&page, "<ol class=\"steps\">", "</ol>");
    let places =
        ["Can be undone", "step-await_network_boot", "Point of no return", "step-await_answer", "Forward only"];
    let found: Vec<_> =
        places.iter().map(|word| steps.find(word).unwrap_or_else(|| panic!("{word}: {steps}"))).collect();
    assert!(found.is_sorted(), "{found:?}");
    assert!(between(steps, "id=\"step-await_network_boot\"", "</li>").contains("it waits until "), "{steps}");
    let activity = between(&page, "id=\"activity\"", "</section>");
    assert!(activity.contains("await network boot: "), "{activity}");
    assert!(between(&page, "id=\"who\"", "</section>").contains("reinstall a host; wipes its disk [pve-01]: begun"));
}

#[tokio::test]
async fn an_operation_that_ended_says_how_it_ended_and_what_is_left_to_do() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let operation = house.rebuild(&host, "pve-01").await;
    answered(&house, MAC, &operation).await;
    assert_eq!(house.post(&format!("/api/operations/{operation}/cancel"), &json!(null)).await.status, 200);
    let page = house.get(&format!("/operations/{operation}")).await.text;
    assert_eq!(between(&page, "<title>", "</title>"), "Rebuild pve-01: cancelled · Rackseed");
    let summary = between(&page, "id=\"summary\">", "</p>");
    assert!(summary.contains("its disk may be half written") && summary.contains("It took "), "{summary}");
    assert!(!page.contains("What you can do"), "nothing can be done about it any more");
    let stopped = between(&page, "id=\"step-await_installation\"", "</li>");
    assert!(stopped.contains("stopped here") && !stopped.contains("<time"), "nothing counts on: {stopped}");
    assert!(between(&page, "id=\"step-join_cluster\"", "</li>").contains("not begun"), "{page}");
}

#[tokio::test]
async fn a_parked_operation_says_what_each_decision_would_mean() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let operation = house.rebuild(&host, "pve-01").await;
    answered(&house, MAC, &operation).await;
    let mut began = false;
    for _ in 0..100 {
        let seen = house.get(&format!("/api/operations/{operation}")).await.json();
        let steps = seen["steps"].as_array().unwrap();
        began = steps.iter().any(|step| step["name"] == "await_installation" && step["status"] == "waiting");
        if began {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(began, "the operation does not wait for the installation");
    let store = rusqlite::Connection::open(house.folder.path().join("data/rackseed.db")).unwrap();
    store.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let parked = json!({ "event": "parked", "reason": "the installer was switched off" }).to_string();
    let mut status = String::new();
    // The runner may write at the same moment; then the place in the journal is taken.
    for _ in 0..100 {
        let sql = "INSERT OR IGNORE INTO journal (operation, position, at, step, event)
                   SELECT ?1, count(*), '2026-09-21T14:13:20Z', '', ?2 FROM journal WHERE operation = ?1";
        store.execute(sql, [&operation, &parked]).unwrap();
        let seen = house.get(&format!("/api/operations/{operation}")).await.json();
        status = seen["status"].as_str().unwrap().to_owned();
        if status == "needs_attention" {
            break;
        }
    }
    assert_eq!(status, "needs_attention");
    let page = house.get(&format!("/operations/{operation}")).await.text;
    let title = between(&page, "<title>", "</title>");
    assert!(title.ends_with("Rebuild pve-01: needs attention · Rackseed"), "{title}");
    let can = between(&page, "What you can do", "</section>");
    assert!(can.contains("the step “Await installation” is tried again"), "{can}");
    assert!(can.contains("<button type=\"button\" disabled class=\"plain\">Skip this step</button>"), "{can}");
    assert!(can.contains("Yes, cancel it") && can.contains("half written"), "{can}");
    let list = house.get("/api/operations?status=needs_attention").await.json();
    assert_eq!(list[0]["id"], json!(operation));
    assert_eq!(house.get("/api/operations?status=running").await.json(), json!([]));
}

#[tokio::test]
async fn what_was_overridden_stands_on_the_page_with_its_reason() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let twin = json!({ "confirm": "pve-01", "accept_warnings": true, "override": [], "reason": "" });
    let operation = house.post(&format!("/api/hosts/{host}/rebuild"), &twin).await;
    assert_eq!(operation.status, 202, "{}", operation.text);
    let id = operation.json()["id"].as_str().unwrap().to_owned();
    let page = house.get(&format!("/operations/{id}")).await.text;
    assert!(!page.contains("Begun against"), "nothing was overridden");
    let store = rusqlite::Connection::open(house.folder.path().join("data/rackseed.db")).unwrap();
    let overridden =
        json!({ "findings": { "guests": ["three <guests> run there"] }, "reason": "they are <b>ours</b>" });
    store.execute("UPDATE rebuilds SET overridden = ?1", [overridden.to_string()]).unwrap();
    let page = house.get(&format!("/operations/{id}")).await.text;
    let card = between(&page, "id=\"overridden\"", "</section>");
    assert!(card.contains("three &#60;guests&#62; run there") && card.contains("they are &#60;b&#62;ours&#60;/b&#62;"));
    assert!(card.contains("by command line"), "{card}");
}

#[tokio::test]
async fn a_person_opens_a_running_operation_and_cancels_it_after_reading_what_that_means() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let operation = house.rebuild(&host, "pve-01").await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.resize(1280, 900).await;
    browser.sign_in(&house).await;
    browser.open(&house.operator(&format!("/operations/{operation}"))).await;
    browser.see("#step-await_network_boot", "it waits until").await;
    browser.picture("operation-waiting").await;
    browser.click("#open-cancel").await;
    browser.see("form.notice", "It cannot be taken up again").await;
    browser.picture("operation-cancel").await;
    // What happens meanwhile does not close what a person is reading.
    answered(&house, MAC, &operation).await;
    browser.see("#step-await_answer .step-status", "succeeded").await;
    browser.see("form.notice", "It cannot be taken up again").await;
    browser.see("#open-cancel", "half written").await;
    browser.resize(390, 844).await;
    assert_eq!(browser.overflow().await, 0, "nothing reaches beyond the width of a phone");
    browser.picture("operation-phone").await;
    browser.click("#cancel").await;
    browser.see("#status", "cancelled").await;
    assert!(
        browser.place().await.ends_with(&format!("/operations/{operation}")),
        "it leads back to where it was pressed"
    );
    browser.see("#summary", "half written").await;
    browser.see("#activity", "The operation was cancelled").await;
    browser.resize(1280, 900).await;
    browser.scheme("dark").await;
    browser.picture("operation-dark").await;
}

#[tokio::test]
async fn what_is_usual_is_told_from_the_third_rebuild_of_a_server_type_on() {
    let world = RebuildWorld::new();
    let mut usual = std::collections::BTreeMap::new();
    for last in 1..=4 {
        let (host, operation) = world.armed_without_driver(&format!("pve-0{last}"), last).await;
        let view = world.operations().view(&operation).await.unwrap().unwrap();
        usual = world.operations().usual(&view.operation).await.unwrap();
        assert_eq!(usual.is_empty(), last < 4, "{last}: {usual:?}");
        world.run(&world.world, &host, &operation).await.unwrap();
    }
    assert!(usual["await_installation"].as_secs() >= 1, "{usual:?}");
}
