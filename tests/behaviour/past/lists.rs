//! The lists as programs and as people see them.

use serde_json::json;

use super::{MAC, each};
use crate::support::house::House;

const OTHER: &str = "52:54:00:00:00:02";

/// Two hosts; the first one's rebuild was cancelled, the second one's goes on.
async fn house() -> (House, [String; 2]) {
    let house = House::furnished().await;
    let first = house.register("pve-01", MAC).await;
    let cancelled = house.rebuild(&first, "pve-01").await;
    assert_eq!(house.post(&format!("/api/operations/{cancelled}/cancel"), &json!(null)).await.status, 200);
    let second = house.register("pve-02", OTHER).await;
    let running = house.rebuild(&second, "pve-02").await;
    (house, [cancelled, running])
}

#[tokio::test]
async fn operations_are_listed_newest_first_and_limited_by_status_host_and_plan() {
    let (house, [cancelled, running]) = house().await;
    let all = house.get("/api/operations").await.json();
    assert_eq!(each(&all, "id"), [running.as_str(), cancelled.as_str()]);
    assert_eq!(each(&all, "hostname"), ["pve-02", "pve-01"]);
    assert_eq!(each(&all, "status")[1], "cancelled");
    assert_eq!(all[0]["steps"][0]["kind"], "reversible");
    for (query, wanted) in [
        ("status=running", vec![&running]),
        ("status=ended", vec![&cancelled]),
        ("status=needs_attention", vec![]),
        ("host=pve-01", vec![&cancelled]),
        ("host=52-54-00-00-00-02", vec![&running]),
        ("plan=rebuild_host", vec![&running, &cancelled]),
        ("plan=retire_host", vec![]),
        ("limit=1", vec![&running]),
    ] {
        let list = house.get(&format!("/api/operations?{query}")).await.json();
        assert_eq!(each(&list, "id"), wanted, "{query}");
    }
    let first = house.get("/api/operations?limit=1&plan=rebuild_host").await;
    let next = format!("</api/operations?limit=1&plan=rebuild_host&before={running}>; rel=\"next\"");
    assert_eq!(first.header("link"), next);
    let second = house.get(&format!("/api/operations?limit=1&before={running}")).await;
    assert_eq!((each(&second.json(), "id"), second.header("link")), (vec![cancelled.as_str()], ""));
    for query in ["status=done", "host=nobody", "before=x"] {
        let sentence = house.get(&format!("/api/operations?{query}")).await.problem(400);
        assert!(sentence.starts_with(query.split('=').next().unwrap()), "{sentence}");
    }
}

#[tokio::test]
async fn the_page_of_operations_keeps_what_was_chosen_in_its_form() {
    let (house, [cancelled, running]) = house().await;
    let page = house.get("/operations?status=ended&host=pve-01").await.text;
    assert!(page.contains(&format!("/operations/{cancelled}")) && !page.contains(&format!("/operations/{running}")));
    assert!(page.contains("<option value=\"ended\" selected>Ended</option>") && page.contains("value=\"pve-01\""));
    assert!(
        page.contains("data-page=\"/operations?status=ended&#38;host=pve-01\""),
        "it follows what it shows: {page}"
    );
    assert!(page.contains("Rebuild pve-01") && page.contains("cancelled by the operator"), "{page}");
    let none = house.get("/operations?status=needs_attention").await.text;
    assert!(none.contains("No operation is like that."), "{none}");
    let empty = House::empty().await;
    assert!(empty.get("/operations").await.text.contains("Nothing was ever started here"));
}

#[tokio::test]
async fn what_happened_is_limited_by_topic_host_operation_and_by_what_needs_attention() {
    let (house, [cancelled, _]) = house().await;
    let all = house.get("/api/activity").await.json();
    let ids: Vec<u64> = all.as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "newest first: {ids:?}");
    let of_operation = house.get(&format!("/api/activity?operation={cancelled}")).await.json();
    assert!(each(&of_operation, "operation").iter().all(|id| *id == cancelled));
    assert!(each(&of_operation, "message").iter().any(|told| told.contains("the operator cancels")), "{of_operation}");
    let topics = house.get("/api/activity?topic=host&host=pve-02").await.json();
    assert!(each(&topics, "topic").iter().all(|topic| *topic == "host") && !topics.as_array().unwrap().is_empty());
    let attention = house.get("/api/activity?attention=true").await.json();
    assert_eq!(each(&attention, "message"), [] as [&str; 0], "who cancels knows");
    let page = house.get("/api/activity?limit=1").await;
    assert!(page.header("link").contains(&format!("before={}", page.json()[0]["id"])), "{}", page.header("link"));
    assert!(house.get("/api/activity?topic=weather").await.problem(400).starts_with("topic"));
    assert!(house.get("/activity?host=pve-02").await.text.contains("was registered"));
    let limited = house.get("/activity?attention=true").await.text;
    assert!(limited.contains("Nothing like that has happened.") && limited.contains("value=\"true\" checked"));
}

#[tokio::test]
async fn the_audit_log_is_limited_by_way_result_time_and_host_name() {
    let (house, [cancelled, _]) = house().await;
    house.post("/api/operations/aaaaaaaaaaaa/cancel", &json!(null)).await.problem(404);
    for (query, wanted) in [
        ("result=refused", vec!["POST /api/operations/{id}/cancel"]),
        ("result=failed", vec![]),
        ("result=done&host=pve-02", vec!["POST /api/hosts/{id}/rebuild", "POST /api/hosts"]),
        ("via=dashboard", vec![]),
        ("since=2099-01-01", vec![]),
        ("until=2000-01-01T00:00", vec![]),
        ("actor=nobody", vec![]),
    ] {
        let list = house.get(&format!("/api/audit?{query}")).await.json();
        assert_eq!(each(&list, "action"), wanted, "{query}");
    }
    let of_operation = house.get(&format!("/api/audit?operation={cancelled}")).await.json();
    let told = ["POST /api/operations/{id}/cancel", "POST /api/hosts/{id}/rebuild"];
    assert_eq!(each(&of_operation, "action"), told);
    let since = house.get("/api/audit?since=2000-01-01&until=2099-12-31T23:59:59Z&via=api").await.json();
    assert_eq!(since.as_array().unwrap().len(), 6);
    for query in ["result=good", "via=mail", "since=yesterday", "format=xml"] {
        let sentence = house.get(&format!("/api/audit?{query}")).await.problem(400);
        assert!(sentence.starts_with(query.split('=').next().unwrap()), "{sentence}");
    }
    let page = house.get("/audit?result=refused").await.text;
    assert!(page.contains("refused (not found)") && !page.contains("register a host"), "{page}");
    assert!(page.contains("<option value=\"refused\" selected>"), "{page}");
}

#[tokio::test]
async fn the_audit_log_can_be_taken_as_a_table_in_which_nothing_is_a_formula() {
    let house = House::empty().await;
    house.register("pve-01", MAC).await;
    let table = house.get("/api/audit?format=csv&limit=5").await;
    assert_eq!(table.header("content-type"), "text/csv; charset=utf-8");
    let mut lines = table.text.split("\r\n");
    assert!(lines.next().unwrap().starts_with("number,at,actor,via,peer"), "{}", table.text);
    let row = lines.next().unwrap();
    assert!(row.contains("\"POST /api/hosts\"") && row.contains("\"register a host [pve-01]: done\""), "{row}");
    let asked = house.client.get(house.operator("/api/audit")).header("accept", "text/csv").send().await.unwrap();
    assert_eq!(asked.headers()["content-type"], "text/csv; charset=utf-8");
    let page = house.get("/audit?host=pve-01").await.text;
    assert!(page.contains("href=\"/api/audit?host=pve-01&amp;format=csv\""), "{page}");
}
