//! A thousand hosts, with operations and histories, on one page.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::json;

use super::names;
use crate::support::house::House;

const HOSTS: usize = 1000;
/// How long a page may take in a build without optimisation, on a machine that does other things; a release build needs about a tenth.
const SLOWEST: Duration = Duration::from_secs(3);
/// How many lines of journal and of history each host has.
const LINES: i64 = 30;

/// Writes the hosts as years of work leave them: most ready, some at work, some waiting for a person.
fn seed(house: &House) {
    let mut database = Connection::open(house.database()).unwrap();
    database.busy_timeout(Duration::from_secs(20)).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the daemon beside has the system's clock")]
    let now = Timestamp::now().to_string();
    let steps =
        json!(["check_preconditions", "await_network_boot", "await_install", "join_cluster", "verify"]).to_string();
    let write = database.transaction().unwrap();
    for number in 0..HOSTS {
        let state = match number % 20 {
            0 => "failed",
            1 => "joining",
            2 => "installing",
            3 => "pxe_booted",
            4 | 5 => "registered",
            _ => "ready",
        };
        let host = format!("{}hhhhhhhh", letters(number));
        write
            .execute(
                "INSERT INTO hosts (id, hostname, mac, server_type, state, state_since, address, registered_at, installed_at, is_member)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?6, ?6, ?8)",
                params![
                    host,
                    format!("pve-{number:04}"),
                    format!("52:54:00:00:{:02x}:{:02x}", number / 256, number % 256),
                    ["generic-sata", "generic-nvme"][number % 2],
                    state,
                    now,
                    format!("10.0.{}.{}", number / 250, number % 250 + 1),
                    state == "ready",
                ],
            )
            .unwrap();
        let operation = format!("{}oooooooo", letters(number));
        let is_parked = state == "joining";
        write
            .execute(
                "INSERT INTO operations (id, host, plan, steps, started_at, closed_at) VALUES (?1, ?2, 'rebuild_host', ?3, ?4, ?5)",
                params![operation, host, steps, now, (!is_parked).then_some(&now)],
            )
            .unwrap();
        for line in 0..LINES {
            let event = match line {
                0 => json!({ "event": "started" }),
                _ if line + 1 < LINES => {
                    json!({ "event": "waiting", "reason": "for the node, which does not answer yet", "until": now })
                }
                _ if is_parked => json!({ "event": "parked", "reason": "the cluster has no quorum" }),
                _ => json!({ "event": "cancelled", "reason": "by the operator; the machine was not touched" }),
            };
            let step = if line + 1 < LINES { "join_cluster" } else { "" };
            let journal = "INSERT INTO journal (operation, position, at, step, event) VALUES (?1, ?2, ?3, ?4, ?5)";
            write.execute(journal, params![operation, line, now, step, event.to_string()]).unwrap();
            let history = "INSERT INTO history (host, at, event, from_state, to_state, because)
                           VALUES (?1, ?2, 'install_reported', 'installing', 'installed', 'the installer reported the end')";
            write.execute(history, params![host, now]).unwrap();
        }
    }
    write.commit().unwrap();
}

/// Four letters for a number, as ids are spelt.
fn letters(mut number: usize) -> String {
    let letter = |place: usize| char::from(b"abcdefghijklmnop"[place]);
    let mut text = String::new();
    for _ in 0..4 {
        text.insert(0, letter(number % 16));
        number /= 16;
    }
    text
}

#[tokio::test]
async fn a_thousand_hosts_are_shown_quickly_and_one_of_them_quicker() {
    let house = House::empty().await;
    seed(&house);
    let mut figures = Vec::new();
    for (what, path, shown) in [
        ("the page, first", "/", Some(HOSTS)),
        ("the page", "/", Some(HOSTS)),
        ("the page, searched", "/?q=pve-07&sort=name&group=state", Some(100)),
        ("one tile", "/hosts/tiles?id=aaabhhhhhhhh", None),
        ("the API, a page", "/api/hosts", None),
        ("the API, all", "/api/hosts?limit=1000&sort=attention", None),
    ] {
        let began = Instant::now();
        let answer = house.get(path).await;
        let took = began.elapsed();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        if let Some(shown) = shown {
            assert_eq!(names(&answer.text).len(), shown, "{path}");
        }
        figures.push(format!("{what}: {} ms, {} KiB", took.as_millis(), answer.text.len() >> 10));
        assert!(took < SLOWEST, "{figures:?}");
        if path == "/" {
            assert!(answer.text.len() < HOSTS * 900, "a tile is small: {figures:?}");
        }
    }
    eprintln!("{HOSTS} hosts: {}", figures.join("; "));
    let page = house.get("/?attention=true").await.text;
    assert!(page.contains("100 need attention · Hosts"), "fifty failed and fifty parked");
    assert!(page.contains("The cluster has no quorum") || page.contains("the cluster has no quorum"), "{page}");
}
