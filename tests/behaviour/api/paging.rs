//! Long lists come a page at a time; whoever follows the links has seen everything once.

use serde_json::{Value, json};

use crate::support::house::House;

const LISTS: [&str; 4] = ["/api/audit", "/api/batches", "/api/sightings", "/api/cluster/gates"];

/// The items of every page, by following `Link`, and how many each page had.
async fn walk(house: &House, first: &str) -> (Vec<Value>, Vec<usize>) {
    let (mut items, mut lengths, mut place) = (Vec::new(), Vec::new(), first.to_owned());
    for _ in 0..100 {
        let page = house.get(&place).await;
        assert_eq!(page.status, 200, "{place}: {}", page.text);
        let rows = page.json().as_array().unwrap().clone();
        lengths.push(rows.len());
        items.extend(rows);
        match page.header("link").strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")) {
            Some(next) => place = next.to_owned(),
            None => return (items, lengths),
        }
    }
    panic!("{first} has no last page");
}

#[tokio::test]
async fn following_the_links_shows_every_batch_once_and_the_newest_first() {
    let house = House::furnished().await;
    let mut made = Vec::new();
    for number in 1..=5 {
        let (name, mac) = (format!("pve-0{number}"), format!("52:54:00:00:00:0{number}"));
        house.register(&name, &mac).await;
        let batch = house.post("/api/batches", &json!({ "hosts": [name], "confirm": name })).await;
        assert_eq!(batch.status, 201, "{}", batch.text);
        made.insert(0, batch.json()["id"].clone());
    }
    for (limit, pages) in [(1, vec![1; 5]), (2, vec![2, 2, 1]), (5, vec![5]), (1000, vec![5])] {
        let (batches, lengths) = walk(&house, &format!("/api/batches?limit={limit}")).await;
        let seen: Vec<_> = batches.iter().map(|batch| batch["id"].clone()).collect();
        assert_eq!((seen, lengths), (made.clone(), pages), "by {limit}");
    }
    let unknown = house.get("/api/batches?before=aaaaaaaaaaaa").await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.text.as_str()),
        (200, "[]"),
        "nothing is older than what is not there"
    );
}

#[tokio::test]
async fn a_filter_stays_on_the_next_page() {
    let house = House::empty().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    for _ in 0..3 {
        house.register("pve-02", "52:54:00:00:00:02").await;
        let other = house.get("/api/hosts").await.json()[1]["id"].as_str().unwrap().to_owned();
        house.delete(&format!("/api/hosts/{other}")).await;
        house.patch(&format!("/api/hosts/{id}"), &json!({ "options": {} })).await;
    }
    let (rows, lengths) = walk(&house, &format!("/api/audit?host={id}&limit=2")).await;
    assert_eq!(lengths, [2, 2]);
    assert!(rows.iter().all(|row| row["host"] == json!(id)), "{rows:#?}");
}

#[tokio::test]
async fn a_strange_machine_that_asks_meanwhile_moves_no_other_to_another_page() {
    let house = House::empty().await;
    let ask = async |number: u32| {
        let script = house.boot(&format!("/ipxe/52:54:00:00:00:0{number}"));
        assert_eq!(house.client.get(script).send().await.unwrap().status(), 200);
    };
    for number in 1..=4 {
        ask(number).await;
    }
    let first = house.get("/api/sightings?limit=2").await;
    ask(5).await;
    ask(1).await;
    let next = first.header("link").trim_start_matches('<').split('>').next().unwrap().to_owned();
    let second = house.get(&next).await;
    let macs = [first.json(), second.json()].map(|page| {
        let macs: Vec<_> = page.as_array().unwrap().iter().map(|row| row["mac"].as_str().unwrap().to_owned()).collect();
        macs
    });
    assert_eq!(macs.concat(), ["52:54:00:00:00:04", "52:54:00:00:00:03", "52:54:00:00:00:02"]);
}

#[tokio::test]
async fn a_page_that_cannot_be_is_refused_with_the_name_of_the_field() {
    let house = House::empty().await;
    for list in LISTS {
        for limit in ["0", "1001", "-1", "99999999999999999999", "many"] {
            let answer = house.get(&format!("{list}?limit={limit}")).await;
            assert_eq!(answer.problem(400), "limit: is a number from 1 to 1000", "{list} {limit}");
            assert_eq!(answer.json()["errors"][0]["field"], "limit");
        }
        for limit in ["", "1", "1000"] {
            assert_eq!(house.get(&format!("{list}?limit={limit}")).await.text.chars().next(), Some('['), "{list}");
        }
    }
    for place in
        ["/api/audit?before=x", "/api/batches?before=x", "/api/sightings?after=x", "/api/cluster/gates?after=x"]
    {
        let sentence = house.get(place).await.problem(400);
        assert!(sentence.starts_with("before: is ") || sentence.starts_with("after: is "), "{sentence}");
    }
}
