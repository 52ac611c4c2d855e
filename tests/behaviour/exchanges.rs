//! What is kept of what a machine sent and was answered: all of it, and none of its secrets.

use std::fs;

use rackseed::domain::rebuild::TokenPurpose;
use serde_json::{Value, json};

use crate::support::house::{Answer, House};

const MAC: &str = "52:54:00:00:00:01";

/// An armed host whose machine has loaded its installer, and all tokens of its rebuild.
struct Machine {
    house: House,
    host: String,
    tokens: Vec<(TokenPurpose, String)>,
}

impl Machine {
    async fn booted() -> Self {
        let house = House::furnished().await;
        let host = house.register("pve-01", MAC).await;
        let operation = house.rebuild(&host, "pve-01").await;
        let mut tokens = Vec::new();
        for purpose in TokenPurpose::ALL {
            tokens.push((*purpose, house.token(&operation, *purpose).await));
        }
        house.boot_machine(MAC, &operation).await;
        Self { house, host, tokens }
    }

    fn token(&self, purpose: TokenPurpose) -> &str {
        &self.tokens.iter().find(|(known, _)| *known == purpose).unwrap().1
    }

    async fn asks_for_its_answer(&self, report: &Value) -> Answer {
        let path = format!("/api/boot/answer?t={}", self.token(TokenPurpose::Answer));
        Answer::of(self.house.installer().post(self.house.machine(&path)).json(report)).await
    }

    /// Says something on a route of its host.
    async fn says(&self, what: &str, purpose: TokenPurpose, body: String) -> Answer {
        let path = format!("/api/hosts/{}/{what}?t={}", self.host, self.token(purpose));
        Answer::of(self.house.installer().post(self.house.machine(&path)).body(body)).await
    }

    async fn fetches_its_script(&self) -> Answer {
        let token = self.token(TokenPurpose::FirstBootScript);
        let path = format!("/api/hosts/{}/first-boot-script?t={token}", self.host);
        Answer::of(self.house.installer().get(self.house.machine(&path))).await
    }

    async fn kept(&self) -> Vec<Value> {
        let list = self.house.get(&format!("/api/hosts/{}/exchanges", self.host)).await;
        assert_eq!(list.status, 200, "{}", list.text);
        list.json().as_array().unwrap().clone()
    }
}

fn report() -> Value {
    json!({
        "iso": { "release": "9.2", "isorelease": "1" }, "dmi": { "system": { "uuid": "4c4c", "serial": "SN-123" } },
        "network_interfaces": [{ "link": "eno1", "mac": MAC }],
    })
}

#[tokio::test]
async fn what_a_machine_sent_and_was_answered_is_kept_with_time_sender_and_status_and_without_secrets() {
    let machine = Machine::booted().await;
    assert_eq!(machine.asks_for_its_answer(&report()).await.status, 200);
    assert_eq!(machine.fetches_its_script().await.status, 200);
    let all: Vec<_> = machine.tokens.iter().map(|(_, token)| format!("seen {token}")).collect();
    let log = format!("curl https://x/?t={} said\nroot:$6$deep$secret:\n{}", "Z".repeat(43), all.join("\n"));
    assert_eq!(machine.says("failed", TokenPurpose::Installed, log).await.status, 200);
    let webhook = json!({ "ssh-public-host-keys": { "ed25519": "unknown" }, "root-password": "hunter22" });
    assert_eq!(machine.says("installed", TokenPurpose::Installed, webhook.to_string()).await.status, 200);
    machine.says("phone-home", TokenPurpose::PhoneHome, "{\"address\": \"nowhere\"}".into()).await.problem(400);

    let kept = machine.kept().await;
    let told: Vec<_> = kept.iter().rev().map(|one| (one["kind"].as_str().unwrap(), one["status"].clone())).collect();
    let expected = ["answer", "first_boot_script", "failed", "installed", "phone_home"];
    assert_eq!(told, expected.map(|kind| (kind, if kind == "phone_home" { json!(400) } else { json!(200) })));
    let [phone_home, installed, failed, script, answer] = &kept[..] else { unreachable!() };
    assert_eq!((&answer["peer"], &answer["times"]), (&json!("127.0.0.1"), &json!(1)));
    assert!(answer["sent"]["text"].as_str().unwrap().contains("\"serial\": \"SN-123\""), "{answer}");
    assert!(answer["answered"]["text"].as_str().unwrap().contains("fqdn = \"pve-01.home.arpa\""), "{answer}");
    assert!(script["answered"]["text"].as_str().unwrap().starts_with("#!/bin/sh"), "{script}");
    assert!(failed["sent"]["text"].as_str().unwrap().contains("curl https://x/?t=[secret] said"), "{failed}");
    assert_eq!(installed["answered"]["text"], "heard\n");
    assert!(phone_home["answered"]["text"].as_str().unwrap().contains("cannot be read"), "{phone_home}");

    let public_key = key_of_the_rebuild(&machine).await;
    let mut secrets: Vec<_> = machine.tokens.iter().map(|(_, token)| token.clone()).collect();
    secrets.extend(["hunter22", "$6$deep", "$6$salt$hash", &"Z".repeat(43), &public_key].map(str::to_owned));
    let (said, stored) = (json!(kept).to_string(), stored(&machine.house));
    for secret in secrets {
        assert!(!said.contains(&secret), "{secret} is told");
        if secret != public_key {
            assert!(!stored.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} is stored");
        }
    }
}

/// The public key that the machine was given: no secret, and of no use to whoever reads the page.
async fn key_of_the_rebuild(machine: &Machine) -> String {
    let script = machine.fetches_its_script().await.text;
    let rest = script.split_once("ssh-ed25519 ").expect("the script brings a key").1;
    rest.split_whitespace().next().unwrap().to_owned()
}

/// Every byte of the database, its log included.
fn stored(house: &House) -> Vec<u8> {
    let files = fs::read_dir(house.folder.path().join("data")).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("rackseed.db"));
    files.flat_map(|path| fs::read(path).unwrap()).collect()
}

#[tokio::test]
async fn a_stranger_writes_nothing_into_the_book_of_a_host() {
    let machine = Machine::booted().await;
    let other = machine.house.register("pve-02", "52:54:00:00:00:02").await;
    let token = machine.token(TokenPurpose::Installed);
    for path in [
        format!("/api/hosts/{}/installed?t=wrong", machine.host),
        format!("/api/hosts/{other}/installed?t={token}"),
        "/api/boot/answer?t=wrong".to_owned(),
    ] {
        let asked = machine.house.installer().post(machine.house.machine(&path)).json(&report());
        Answer::of(asked).await.problem(403);
    }
    assert_eq!(machine.kept().await, [] as [Value; 0]);
    let others = machine.house.get(&format!("/api/hosts/{other}/exchanges")).await.json();
    assert_eq!(others, json!([]));
}

#[tokio::test]
async fn the_same_exchange_in_a_row_is_one_and_the_fifty_newest_are_kept_a_page_at_a_time() {
    let machine = Machine::booted().await;
    for _ in 0..3 {
        machine.says("phone-home", TokenPurpose::PhoneHome, "{}".into()).await;
    }
    let kept = machine.kept().await;
    assert_eq!((kept.len(), &kept[0]["times"]), (1, &json!(3)));
    assert!(kept[0]["last_at"].as_str() > kept[0]["at"].as_str(), "{}", kept[0]);
    for number in 0..55 {
        machine.says("failed", TokenPurpose::Installed, format!("failure {number}")).await;
    }
    let kept = machine.kept().await;
    assert_eq!(kept.len(), 50);
    assert_eq!((&kept[0]["sent"]["text"], &kept[49]["sent"]["text"]), (&json!("failure 54"), &json!("failure 5")));
    let page = machine.house.get(&format!("/api/hosts/{}/exchanges?limit=2", machine.host)).await;
    let (link, older) = (page.header("link").to_owned(), page.json()[1]["number"].as_u64().unwrap());
    assert!(link.contains(&format!("limit=2&before={older}")), "{link}");
}

#[tokio::test]
async fn a_long_body_is_kept_in_its_beginning() {
    let machine = Machine::booted().await;
    assert_eq!(machine.asks_for_its_answer(&report()).await.status, 200);
    let webhook = json!({ "fqdn": "pve-01", "noise": "x".repeat(200_000) }).to_string();
    assert_eq!(machine.says("installed", TokenPurpose::Installed, webhook.clone()).await.status, 200);
    let sent = &machine.kept().await[0]["sent"];
    assert_eq!((&sent["cut"], &sent["bytes"]), (&json!(true), &json!(webhook.len())));
    assert_eq!(sent["text"].as_str().unwrap().len(), 64 << 10);
}
