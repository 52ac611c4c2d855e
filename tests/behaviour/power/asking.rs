//! What a person may ask of a host's power, over the interface and the command line, and where the secret goes.

use std::{fs, path::Path, process::Stdio};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::house::{Answer, House};

const SECRET: &str = "Tr0ub4dor-and-3";

async fn put(house: &House, path: &str, body: &Value) -> Answer {
    Answer::of(house.client.request(Method::PUT, house.operator(path)).json(body)).await
}

/// A host with a webhook that nobody serves.
async fn host_with_webhook(house: &House) -> String {
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let power = json!({ "driver": "webhook", "webhook": {
        "on_url": format!("http://127.0.0.1:{port}/on"), "off_url": format!("http://127.0.0.1:{port}/off"),
    } });
    let changed = house.patch(&format!("/api/hosts/{id}"), &json!({ "options": { "power": power } })).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    id
}

#[tokio::test]
async fn a_host_without_a_driver_says_how_to_choose_one() {
    let house = House::empty().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let said = house.get(&format!("/api/hosts/{id}/power")).await.problem(409);
    assert!(said.contains("rackseed host set pve-01 power.driver=redfish"), "{said}");
}

#[tokio::test]
async fn wrong_options_are_named_by_their_place() {
    let house = House::empty().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let power = json!({ "driver": "redfish", "redfish": { "url": "http://10.0.0.9", "user": "root" } });
    let answer = house.patch(&format!("/api/hosts/{id}"), &json!({ "options": { "power": power } })).await;
    answer.problem(422);
    assert_eq!(answer.json()["errors"][0]["field"], "power.redfish.url");
    let secret =
        json!({ "power": { "driver": "ipmi", "ipmi": { "address": "10.0.0.9", "user": "a", "password": "b" } } });
    let answer = house.patch(&format!("/api/hosts/{id}"), &json!({ "options": secret })).await;
    assert!(answer.problem(422).contains("password"), "a secret is no option: {}", answer.text);
}

#[tokio::test]
async fn what_stops_a_machine_needs_its_name_and_what_cannot_be_reached_is_a_bad_gateway() {
    let house = House::empty().await;
    let id = host_with_webhook(&house).await;
    let path = format!("/api/hosts/{id}/power");
    for action in ["off", "cycle", "network_boot"] {
        for body in [json!({ "action": action }), json!({ "action": action, "confirm": "pve-02" })] {
            let answer = house.post(&path, &body).await;
            assert_eq!(
                answer.problem(422),
                "confirm: this stops whatever runs there hard; confirm it with the host's name `pve-01`"
            );
        }
        let said = house.post(&path, &json!({ "action": action, "confirm": "pve-01" })).await.problem(502);
        assert!(said.contains("the webhook at http://127.0.0.1"), "{said}");
    }
    let said = house.post(&path, &json!({ "action": "on" })).await.problem(502);
    assert!(said.contains("cannot be reached"), "{said}");
    let said = house.post(&path, &json!({ "action": "explode" })).await.problem(422);
    assert_eq!(said, "action: choose one of on, off, cycle, network_boot");
    let seen = house.get(&path).await.json();
    assert_eq!(seen, json!({ "driver": "webhook", "state": "unknown", "has_secret": false }));
}

#[tokio::test]
async fn a_secret_is_stored_sealed_is_shown_nowhere_and_goes_with_its_host() {
    let house = House::empty().await;
    let id = host_with_webhook(&house).await;
    let path = format!("/api/hosts/{id}/power-secret");
    assert_eq!(put(&house, &path, &json!({ "secret": SECRET })).await.status, 204);
    assert_eq!(house.get(&format!("/api/hosts/{id}/power")).await.json()["has_secret"], true);
    for page in [format!("/api/hosts/{id}"), format!("/hosts/{id}"), "/api/hosts".into(), "/metrics".into()] {
        assert!(!house.get(&page).await.text.contains(SECRET), "{page}");
    }
    let data = house.folder.path().join("data");
    assert_eq!(holding(&data, SECRET.as_bytes()), 0, "it lies there unsealed");
    let sealed = sealed(&data).unwrap();
    assert!(sealed.len() > SECRET.len() && holding(&data, &sealed) > 0);
    // Another one takes its place, and of the first one nothing is left.
    assert_eq!(put(&house, &path, &json!({ "secret": "another" })).await.status, 204);
    assert_eq!(holding(&data, &sealed), 0, "the old one lingers");
    let second = self::sealed(&data).unwrap();
    assert_eq!(house.delete(&format!("/api/hosts/{id}")).await.status, 204);
    assert_eq!(holding(&data, &second), 0, "it outlives its host");
}

#[tokio::test]
async fn a_secret_is_one_line_and_null_erases_it() {
    let house = House::empty().await;
    let id = host_with_webhook(&house).await;
    let path = format!("/api/hosts/{id}/power-secret");
    for wrong in [json!(""), json!("two\nlines"), json!("x".repeat(5000))] {
        let answer = put(&house, &path, &json!({ "secret": wrong })).await;
        assert_eq!(answer.problem(422), "secret: a secret is one line of 1 to 4096 bytes");
    }
    put(&house, &path, &json!({ "secret": SECRET })).await;
    assert_eq!(put(&house, &path, &json!({ "secret": null })).await.status, 204);
    assert_eq!(house.get(&format!("/api/hosts/{id}/power")).await.json()["has_secret"], false);
    let nobody = put(&house, "/api/hosts/aaaaaaaaaaaa/power-secret", &json!({ "secret": SECRET })).await;
    nobody.problem(404);
}

#[tokio::test]
async fn a_secret_is_for_one_server_and_is_given_to_no_other() {
    let house = House::empty().await;
    let id = host_with_webhook(&house).await;
    put(&house, &format!("/api/hosts/{id}/power-secret"), &json!({ "secret": SECRET })).await;
    let elsewhere = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/on", elsewhere.local_addr().unwrap());
    let options = json!({ "options": { "power": { "webhook": { "on_url": url, "off_url": null } } } });
    assert_eq!(house.patch(&format!("/api/hosts/{id}"), &options).await.status, 200);
    let said = house.post(&format!("/api/hosts/{id}/power"), &json!({ "action": "on" })).await.problem(409);
    assert!(
        said.contains("is not for http://127.0.0.1") && said.contains("rackseed host power-secret pve-01"),
        "{said}"
    );
    let called = tokio::time::timeout(std::time::Duration::from_millis(200), elsewhere.accept()).await;
    assert!(called.is_err(), "nothing was sent");
    let nobody = house.register("pve-02", "52:54:00:00:00:02").await;
    let said =
        put(&house, &format!("/api/hosts/{nobody}/power-secret"), &json!({ "secret": SECRET })).await.problem(422);
    assert!(said.contains("choose redfish, ipmi or webhook"), "{said}");
}

#[tokio::test]
async fn two_hosts_cannot_have_the_same_bmc() {
    let house = House::empty().await;
    let (first, second) =
        (house.register("pve-01", "52:54:00:00:00:01").await, house.register("pve-02", "52:54:00:00:00:02").await);
    let redfish = |url: &str, system: &str| {
        json!({ "options": { "power": {
        "driver": "redfish", "redfish": { "url": url, "user": "root", "system": system } } } })
    };
    let set = async |host: &str, body: &Value| house.patch(&format!("/api/hosts/{host}"), body).await;
    assert_eq!(set(&first, &redfish("https://10.0.0.9", "1")).await.status, 200);
    let answer = set(&second, &redfish("https://10.0.0.9/", "/redfish/v1/Systems/1")).await;
    assert_eq!(answer.problem(422), "power.redfish: that switches pve-01, another host");
    assert_eq!(set(&second, &redfish("https://10.0.0.9", "2")).await.status, 200, "a chassis with two systems");
    assert_eq!(set(&first, &redfish("https://10.0.0.9", "1")).await.status, 200, "it is its own");
}

#[tokio::test]
async fn the_terminal_stores_a_secret_from_standard_input_and_switches() {
    let house = House::empty().await;
    let id = host_with_webhook(&house).await;
    let (success, said) = rackseed(&house, &["host", "power-secret", "pve-01"], "s3cret\n").await;
    assert_eq!((success, said.as_str()), (true, "the power secret of pve-01 is stored"));
    assert_eq!(house.get(&format!("/api/hosts/{id}/power")).await.json()["has_secret"], true);
    let (success, said) = rackseed(&house, &["host", "power", "pve-01", "status"], "").await;
    assert_eq!((success, said.as_str()), (true, "pve-01 is unknown (webhook)"));
    let (success, said) = rackseed(&house, &["host", "power", "pve-01", "cycle"], "").await;
    assert!(!success && said.contains("confirm it with the host's name"), "{said}");
    let (success, said) = rackseed(&house, &["host", "power", "pve-01", "off", "--confirm", "pve-01"], "").await;
    assert!(!success && said.contains("cannot be reached"), "{said}");
    let (success, said) = rackseed(&house, &["host", "power-secret", "pve-01", "--erase"], "").await;
    assert_eq!((success, said.as_str()), (true, "the power secret of pve-01 is erased"));
    let (success, _) = rackseed(&house, &["host", "power-secret", "pve-01"], "\n").await;
    assert!(!success, "an empty secret is none");
}

/// Runs the command line against the daemon; returns whether it succeeded and what it said.
async fn rackseed(house: &House, words: &[&str], input: &str) -> (bool, String) {
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_rackseed"))
        .args(words)
        .env("RACKSEED_URL", house.operator(""))
        .env("RACKSEED_TOKEN", house.command_line_token())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(input.as_bytes()).await.unwrap();
    drop(pipe);
    let output = child.wait_with_output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap().trim().to_owned())
}

/// How many files of the data folder hold these bytes.
fn holding(data: &Path, bytes: &[u8]) -> usize {
    let files = fs::read_dir(data).unwrap().filter_map(|entry| fs::read(entry.unwrap().path()).ok());
    files.filter(|file| file.windows(bytes.len()).any(|part| part == bytes)).count()
}

/// The sealed secret as it stands in the database.
fn sealed(data: &Path) -> Option<Vec<u8>> {
    let connection = rusqlite::Connection::open(data.join("rackseed.db")).unwrap();
    connection.query_row("SELECT sealed FROM power_secrets", [], |row| row.get(0)).ok()
}
