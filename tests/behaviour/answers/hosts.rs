//! What an operator chooses for the answer of one host, and what its installer is given then.

use rackseed::domain::rebuild::TokenPurpose;
use serde_json::{Value, json};

use crate::support::house::{Answer, House};

const MAC: &str = "52:54:00:00:00:01";

async fn choose(house: &House, host: &str, answer: Value) -> Answer {
    house.patch(&format!("/api/hosts/{host}"), &json!({ "options": { "answer": answer } })).await
}

/// Arms the host, lets its machine load the ISO, and asks for its answer as an installer of 9.2 does.
async fn install(house: &House, host: &str, accept: &str) -> Answer {
    let operation = house.rebuild(host, "pve-01").await;
    house.boot_machine(MAC, &operation).await;
    let token = house.token(&operation, TokenPurpose::Answer).await;
    ask(house, &token, accept).await
}

async fn ask(house: &House, token: &str, accept: &str) -> Answer {
    let report = json!({
        "iso": { "release": "9.2", "isorelease": "1" }, "dmi": { "system": { "uuid": "4c4c4544" } },
        "network_interfaces": [{ "link": "eno1", "mac": MAC.to_uppercase() }],
    });
    let asked = house.installer().post(house.machine(&format!("/api/boot/answer?t={token}")));
    Answer::of(asked.header("accept", accept).json(&report)).await
}

#[tokio::test]
async fn a_wrong_choice_is_refused_with_the_path_of_every_wrong_field() {
    let house = House::empty().await;
    let host = house.register("pve-01", MAC).await;
    let refused = choose(
        &house,
        &host,
        json!({
            "network": { "cidr": "192.0.2.10/33", "gateway": "192.0.2.1", "dns": "192.0.2.1" },
            "disks": { "select": [{ "path": "sda" }], "data_disks": ["/dev/sdb"] },
            "subscription_key": "pve", "variables": { "Rack": 1 }, "extra": { "global": { "keyboard": "xx" } },
        }),
    )
    .await;
    refused.problem(422);
    let fields: Vec<_> = refused.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        fields,
        [
            "answer.network.cidr",
            "answer.disks.select[0].path",
            "answer.disks.data_disks[0]",
            "answer.subscription_key",
            "answer.variables.Rack",
            "answer.extra.global.keyboard",
        ]
    );
    assert_eq!(house.get(&format!("/api/hosts/{host}")).await.json()["options"]["answer"], json!({}));
}

#[tokio::test]
async fn a_check_tells_every_problem_with_its_place_and_a_rebuild_is_refused_until_it_is_good() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let check = async || house.get(&format!("/api/hosts/{host}/answer-check")).await.json();
    let good = check().await;
    assert_eq!((&good["good"], &good["template"], &good["release"]), (&json!(true), &json!("default"), &json!("9.2")));
    assert_eq!(good["disks"], "/dev/sda");
    choose(&house, &host, json!({ "disks": { "select": [{ "model": "INTEL*" }] }, "template": "static-network" }))
        .await;
    let bad = check().await;
    assert_eq!((&bad["good"], &bad["disks"]), (&json!(false), &Value::Null));
    let problems = bad["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2, "{bad}");
    assert_eq!(problems[0]["place"], "answer-templates/static-network.toml:16");
    assert!(problems[0]["text"].as_str().unwrap().contains("answer.variables.NAME=VALUE"), "{bad}");
    assert_eq!(problems[1]["place"], "answer.disks");
    let refused = house.post(&format!("/api/hosts/{host}/rebuild"), &json!({ "confirm": "pve-01" })).await;
    assert!(refused.problem(409).contains("has not reported its disks yet"));
    choose(&house, &host, json!({ "disks": null, "variables": { "address": "192.168.1.21" } })).await;
    assert_eq!(check().await["good"], true);
    house.rebuild(&host, "pve-01").await;
}

#[tokio::test]
async fn without_an_image_the_oldest_installer_is_assumed_and_that_is_said() {
    let house = House::empty().await;
    let host = house.register("pve-01", MAC).await;
    for path in ["answer-check", "answer-preview"] {
        let shown = house.get(&format!("/api/hosts/{host}/{path}")).await.json();
        assert_eq!(shown["release"], "8.3");
        assert!(shown["warnings"][0]["text"].as_str().unwrap().contains("no image to install from"), "{shown}");
    }
    let page = house.get(&format!("/hosts/{host}")).await.text;
    assert!(page.contains("# there is no image to install from"), "{page}");
}

#[tokio::test]
async fn a_difference_shows_what_has_changed_since_the_last_answer_and_no_secret() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let path = format!("/api/hosts/{host}/answer-diff");
    assert!(house.get(&path).await.problem(404).contains("has not been given an answer yet"));
    assert_eq!(install(&house, &host, "*/*").await.status, 200);
    let same = house.get(&path).await.json();
    assert_eq!((&same["same"], &same["difference"]), (&json!(true), &json!("")), "{same}");
    let chosen = json!({ "subscription_key": "pve1c-0123456789", "disks": { "select": [{ "serial": "S64F" }] } });
    assert_eq!(choose(&house, &host, chosen).await.status, 200);
    let changed = house.get(&path).await.json();
    let difference = changed["difference"].as_str().unwrap();
    for line in ["-disk-list = [\"/dev/sda\"]", "+ID_SERIAL_SHORT = \"S64F\"", "+subscription-key = \"(hidden)\""] {
        assert!(difference.lines().any(|it| it == line), "{line} is not in\n{difference}");
    }
    assert!(difference.starts_with("--- given ") && difference.contains("\n+++ now (installer 9.2)\n"), "{difference}");
    for secret in ["$6$salt$hash", "0123456789", "?t=m"] {
        assert!(!changed.to_string().contains(secret), "{secret} in {changed}");
    }
}

#[tokio::test]
async fn a_second_answer_takes_the_place_of_the_first() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    assert_eq!(install(&house, &host, "*/*").await.status, 200);
    let path = format!("/api/hosts/{host}/answer-diff");
    let first = house.get(&path).await.json()["operation"].clone();
    house.post(&format!("/api/operations/{}/cancel", first.as_str().unwrap()), &Value::Null).await;
    choose(&house, &host, json!({ "domain": "lab.example" })).await;
    assert_eq!(house.get(&path).await.json()["same"], false);
    assert_eq!(install(&house, &host, "*/*").await.status, 200);
    let second = house.get(&path).await.json();
    assert!(second["same"] == true && second["operation"] != first, "{second}");
}

#[tokio::test]
async fn an_answer_keeps_what_its_rebuild_began_with() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    choose(&house, &host, json!({ "disks": { "select": [{ "serial": "S64F" }] }, "domain": "lab.example" })).await;
    let operation = house.rebuild(&host, "pve-01").await;
    choose(&house, &host, json!({ "disks": { "select": [{ "path": "/dev/sdb" }] }, "domain": null })).await;
    house.boot_machine(MAC, &operation).await;
    let token = house.token(&operation, TokenPurpose::Answer).await;
    let answer = ask(&house, &token, "*/*").await;
    assert!(
        answer.text.contains("ID_SERIAL_SHORT = \"S64F\"") && answer.text.contains("pve-01.lab.example"),
        "{}",
        answer.text
    );
    assert!(!answer.text.contains("/dev/sdb"), "{}", answer.text);
}

#[tokio::test]
async fn an_answer_is_toml_unless_the_installer_takes_json_alone() {
    for (accept, kind) in [
        ("application/json, application/toml;q=0.5", "application/toml"),
        ("*/*", "application/toml"),
        ("application/json", "application/json"),
    ] {
        let house = House::furnished().await;
        let host = house.register("pve-01", MAC).await;
        let answer = install(&house, &host, accept).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, kind), "{accept}");
        if kind == "application/json" {
            assert_eq!(answer.json()["global"]["fqdn"], "pve-01.home.arpa");
            assert_eq!(answer.json()["disk-setup"]["disk-list"], json!(["/dev/sda"]));
        }
    }
}

#[tokio::test]
async fn the_disks_that_a_machine_reported_are_found_by_model_and_data_is_spared() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let operation = house.rebuild(&host, "pve-01").await;
    house.boot_machine(MAC, &operation).await;
    let token = house.token(&operation, TokenPurpose::Answer).await;
    assert_eq!(ask(&house, &token, "*/*").await.status, 200);
    let disk = |path: &str, model: &str, serial: &str, is_boot_disk: bool| {
        json!({
            "size": 1, "is-bootdisk": is_boot_disk,
            "udev-properties": { "DEVNAME": path, "ID_MODEL": model, "ID_SERIAL": format!("{model}_{serial}"), "ID_SERIAL_SHORT": serial },
        })
    };
    let installed = format!("/api/hosts/{host}/installed?t={}", house.token(&operation, TokenPurpose::Installed).await);
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA root@pve-01";
    let report = json!({
        "fqdn": "pve-01.home.arpa", "ssh-public-host-keys": { "ed25519": key },
        "disks": [disk("/dev/sda", "INTEL_SSD", "I1", true), disk("/dev/sdb", "INTEL_SSD", "I2", false), disk("/dev/sdc", "ST8000", "Z1", false)],
    });
    assert_eq!(Answer::of(house.installer().post(house.machine(&installed)).json(&report)).await.status, 200);
    let check = async |disks: Value| {
        assert_eq!(choose(&house, &host, json!({ "disks": disks })).await.status, 200);
        house.get(&format!("/api/hosts/{host}/answer-check")).await.json()
    };
    let mirror =
        check(json!({ "select": [{ "model": "INTEL SSD", "count": 2 }], "filesystem": "zfs", "raid": "raid1" })).await;
    assert_eq!((&mirror["good"], &mirror["problems"]), (&json!(true), &json!([])));
    assert_eq!(mirror["disks"], "/dev/sda (INTEL_SSD, serial I1), /dev/sdb (INTEL_SSD, serial I2)");
    assert!(
        mirror["warnings"][0]["text"]
            .as_str()
            .unwrap()
            .contains("/dev/sdb (INTEL_SSD, serial I2) did not hold the system")
    );
    let data = check(json!({ "data_disks": ["I2"] })).await;
    assert!(
        data["problems"][0]["text"]
            .as_str()
            .unwrap()
            .contains("1 of the machine's disks are like that where 2 is meant"),
        "{data}"
    );
    let preview = async || {
        house.get(&format!("/api/hosts/{host}/answer-preview")).await.json()["answer"].as_str().unwrap().to_owned()
    };
    check(json!({ "select": null, "filesystem": null, "raid": null })).await;
    // The server type says /dev/sda; with three disks the name alone could become another one's.
    assert!(preview().await.contains("ID_SERIAL = \"INTEL_SSD_I1\""));
    assert_eq!(check(json!({ "select": [{ "serial": "Z1" }], "data_disks": ["z1"] })).await["good"], false);
}

#[tokio::test]
async fn a_node_that_got_another_name_from_dhcp_is_not_joined() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let operation = house.rebuild(&host, "pve-01").await;
    house.boot_machine(MAC, &operation).await;
    let token = house.token(&operation, TokenPurpose::Answer).await;
    assert_eq!(ask(&house, &token, "*/*").await.status, 200);
    let installed = format!("/api/hosts/{host}/installed?t={}", house.token(&operation, TokenPurpose::Installed).await);
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA root@pve-01";
    let report = json!({ "fqdn": "dhcp-17.home.arpa", "ssh-public-host-keys": { "ed25519": key } });
    let heard = Answer::of(house.installer().post(house.machine(&installed)).json(&report)).await;
    assert_eq!(heard.status, 200, "a refused webhook parks the machine");
    let mut reason = String::new();
    for _ in 0..100 {
        let shown = house.get(&format!("/api/operations/{operation}")).await.json();
        reason = shown["reason"].as_str().unwrap_or_default().to_owned();
        if reason.contains("named") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(reason.contains("named this node `dhcp-17`, and it is registered as `pve-01`"), "{reason}");
}
