//! The list of hosts: tiles, what is wanted of them in the address, the same in the API, and that a thousand of them are quick.

mod live;
mod many;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::house::House;

/// The names of the tiles of a page, in its order.
pub(super) fn names(page: &str) -> Vec<String> {
    let list = page.split_once("id=\"tiles\"").map_or("", |(_, rest)| rest.split_once("</ul>").unwrap().0);
    let links = list.split("<a href=\"/hosts/").skip(1);
    links.map(|link| link.split_once('>').unwrap().1.split_once('<').unwrap().0.to_owned()).collect()
}

/// A house in which one host waits for its boot, one failed, and one is registered.
async fn rack() -> (House, [String; 3]) {
    let house = House::furnished().await;
    let armed = house.register("pve-10", "52:54:00:00:00:10").await;
    let failed = house.register("pve-2", "52:54:00:00:00:02").await;
    let body = json!({ "hostname": "gpu-1", "mac": "52:54:00:00:00:03", "server_type": "generic-nvme" });
    let calm = house.post("/api/hosts", &body).await.json()["id"].as_str().unwrap().to_owned();
    house.rebuild(&armed, "pve-10").await;
    let database = Connection::open(house.database()).unwrap();
    let fail = "UPDATE hosts SET state = 'failed', reason = 'the join failed' WHERE id = ?1";
    database.execute(fail, [&failed]).unwrap();
    (house, [armed, failed, calm])
}

fn hostnames(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|host| host["hostname"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_needs_a_person_stands_first_and_the_title_says_how_many() {
    let (house, [armed, ..]) = rack().await;
    let page = house.get("/").await.text;
    assert_eq!(names(&page), ["pve-2", "pve-10", "gpu-1"]);
    assert!(page.contains("1 needs attention · Hosts · Rackseed</title>"), "{page}");
    assert!(page.contains("aria-label=\"1 needs attention, 1 armed, 1 registered\""), "{page}");
    let tile = page.split_once(&format!("id=\"h-{armed}\"")).unwrap().1.split_once("</li>").unwrap().0;
    for said in
        ["data-mac=\"52:54:00:00:00:10\"", "data-look-at=\"", "waiting for network boot <time", "disarmed after 60 min"]
    {
        assert!(tile.contains(said), "{said}: {tile}");
    }
}

#[tokio::test]
async fn the_address_says_what_is_wanted_and_the_form_says_it_again() {
    let (house, _) = rack().await;
    for (query, wanted) in [
        ("q=GPU", vec!["gpu-1"]),
        ("q=52-54-00-00-00-02", vec!["pve-2"]),
        ("state=pxe_ready", vec!["pve-10"]),
        ("state=at_work", vec!["pve-10"]),
        ("server_type=generic-nvme", vec!["gpu-1"]),
        ("attention=true", vec!["pve-2"]),
        ("overdue=true", vec![]),
        ("sort=name", vec!["gpu-1", "pve-2", "pve-10"]),
        ("sort=name&group=server_type&view=compact", vec!["gpu-1", "pve-2", "pve-10"]),
    ] {
        let page = house.get(&format!("/?{query}")).await.text;
        assert_eq!(names(&page), wanted, "{query}");
        assert!(page.contains(&format!("data-page=\"/?{}\"", query.replace('&', "&#38;"))), "{query}: {page}");
    }
    let page = house.get("/?q=%3Cscript%3E&sort=name&state=failed").await.text;
    assert!(
        page.contains("value=\"&#60;script&#62;\"") && page.contains("<option value=\"failed\" selected>"),
        "{page}"
    );
    assert!(page.contains("0 of 3 hosts"), "{page}");
    let page = house.get("/?state=asleep").await.text;
    assert!(page.contains("`asleep` is none of"), "{page}");
    assert_eq!(names(&page).len(), 3, "what is not understood narrows nothing");
}

#[tokio::test]
async fn the_api_has_the_same_rules_a_page_at_a_time() {
    let (house, [_, failed, _]) = rack().await;
    let all = house.get("/api/hosts").await;
    assert_eq!(hostnames(&all.json()), ["gpu-1", "pve-2", "pve-10"]);
    for (query, wanted) in [
        ("sort=attention", vec!["pve-2", "pve-10", "gpu-1"]),
        ("attention=true", vec!["pve-2"]),
        ("q=gpu", vec!["gpu-1"]),
        ("state=at_work&server_type=generic-sata", vec!["pve-10"]),
    ] {
        assert_eq!(hostnames(&house.get(&format!("/api/hosts?{query}")).await.json()), wanted, "{query}");
    }
    let first = house.get("/api/hosts?sort=attention&limit=1").await;
    let next = format!("</api/hosts?sort=attention&limit=1&after={failed}>; rel=\"next\"");
    assert_eq!((hostnames(&first.json()), first.header("link")), (vec!["pve-2"], next.as_str()));
    let second = house.get(&format!("/api/hosts?sort=attention&limit=1&after={failed}")).await;
    assert_eq!(hostnames(&second.json()), ["pve-10"]);
    assert!(second.json()[0]["operation"]["actions"][2]["possible"].as_bool().unwrap(), "{}", second.text);
    let rest = house.get(&format!("/api/hosts?sort=attention&after={failed}")).await;
    assert_eq!((hostnames(&rest.json()), rest.header("link")), (vec!["pve-10", "gpu-1"], ""));
    assert!(house.get("/api/hosts?sort=colour").await.problem(400).contains("sort: `colour` is none of"));
    assert!(house.get("/api/hosts?after=aaaaaaaaaaaa").await.problem(400).contains("ask from the beginning"));
}

#[tokio::test]
async fn only_the_tiles_that_are_named_are_sent_with_the_order_of_all() {
    let (house, [armed, failed, calm]) = rack().await;
    let news = house.get(&format!("/hosts/tiles?sort=name&id={armed}")).await;
    assert_eq!(names(&news.text), ["pve-10"]);
    assert!(news.text.contains(&format!("data-order=\"h-{calm} h-{failed} h-{armed}\"")), "{}", news.text);
    assert!(news.text.contains("id=\"summary\"") && news.text.contains("id=\"ongoing\""), "{}", news.text);
    assert!(!news.text.contains("<form id=\"filter\""), "what a person types in is not sent again");
    let narrowed = house.get(&format!("/hosts/tiles?q=gpu&id={armed}")).await.text;
    assert!(names(&narrowed).is_empty() && narrowed.contains(&format!("data-order=\"h-{calm}\"")), "{narrowed}");
}

#[tokio::test]
async fn the_first_steps_are_told_until_a_host_is_ready() {
    let house = House::empty().await;
    let page = house.get("/").await.text;
    let next =
        |page: &str| page.split_once("id=\"next\"").unwrap().1.split_once("id=\"sightings\"").unwrap().0.to_owned();
    assert!(next(&page).contains("aria-current=\"step\"") && page.contains("href=\"/images\">Add an image"), "{page}");
    house.add_image().await;
    let page = house.get("/").await.text;
    assert!(next(&page).contains("✓") && next(&page).contains("href=\"/hosts/new\">Register a host"), "{page}");
    let host = house.register("pve-01", "52:54:00:00:00:01").await;
    let page = house.get("/").await.text;
    assert!(next(&page).contains(&format!("href=\"/hosts/{host}/rebuild\">Look at the rebuild")), "{page}");
    house.rebuild(&host, "pve-01").await;
    let page = house.get("/").await.text;
    assert!(next(&page).contains("Switch pve-01 on and let it boot from the network"), "{page}");
    assert!(page.contains("Ongoing operations") && page.contains("0 of 13 steps"), "{page}");
}

#[tokio::test]
async fn several_hosts_are_ticked_among_those_that_are_shown() {
    let (house, [_, failed, calm]) = rack().await;
    let page = house.get("/?q=gpu").await.text;
    assert!(
        page.contains("href=\"/?q=gpu&#38;choose=true\"") && !page.contains("type=\"checkbox\" name=\"host\""),
        "{page}"
    );
    let page = house.get("/?q=gpu&choose=true").await.text;
    assert!(
        page.contains(&format!("name=\"host\" value=\"{calm}\"")) && !page.contains(&format!("value=\"{failed}\""))
    );
    let token = page.split_once("name=\"form_token\" value=\"").unwrap().1.split_once('"').unwrap().0;
    let body = format!("form_token={token}&host={calm}&host={failed}&way=rolling&confirm=rebuild+3+hosts");
    let form =
        house.client.post(house.operator("/batches")).header("content-type", "application/x-www-form-urlencoded");
    let refused = crate::support::house::Answer::of(form.body(body)).await;
    assert_eq!(refused.status, 422);
    for kept in
        ["id=\"trouble\"", "value=\"rebuild 3 hosts\"", &format!("value=\"{calm}\" aria-label=\"gpu-1\" checked")]
    {
        assert!(refused.text.contains(kept), "{kept}: {}", refused.text);
    }
}
