//! The support bundle: everything that helps to see what is wrong, and not one secret.

use std::{collections::BTreeMap, fs, io::Read, os::unix::fs::PermissionsExt, path::Path, process::Command};

use data_encoding::{BASE64, HEXLOWER};
use jiff::Timestamp;
use rackseed::{
    domain::{
        live_event::{NewLiveEvent, Topic},
        rebuild::TokenPurpose,
    },
    ports::LiveFeed,
    store::Store,
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::house::{Answer, House};

const HASH: &str =
    "$6$saltsaltsalt$abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdef12";
const MAC: &str = "52:54:00:00:00:01";
/// The files with secrets that settings may name, each with what it holds.
const FILES: &[(&str, &str)] = &[
    ("root-password", "planted root password of the members"),
    ("infrastructure-token", "planted-infrastructure-bearer"),
    ("chat-url", "https://hooks.example/services/planted-chat-url"),
    ("chat-key", "planted-signature-key"),
    ("ntfy-token", "tk_plantedntfytoken"),
    ("mail-password", "planted mail password"),
];

/// The files of a bundle by name.
fn unpack(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(bytes);
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let (mut text, path) = (String::new(), entry.path().unwrap().display().to_string());
        entry.read_to_string(&mut text).unwrap();
        (path.strip_prefix("rackseed-support/").unwrap().to_owned(), text)
    };
    archive.entries().unwrap().map(read).collect()
}

fn plant(folder: &Path) -> String {
    for (name, secret) in FILES {
        fs::write(folder.join(name), format!("{secret}\n")).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let file = |name: &str| folder.join(name).display().to_string();
    format!(
        "credentials: {{root_password_hash: '{HASH}'}}\nproxmox: {{root_password_file: '{}'}}\n\
         infrastructure: {{base_url: 'http://127.0.0.1:9/api', token_file: '{}'}}\nnotifications:\n  targets:\n\
         \x20   - {{name: chat, kind: webhook, url_file: '{}', signature_key_file: '{}'}}\n\
         \x20   - {{name: plain, kind: webhook, url: 'https://hooks.example/services/planted-plain-url'}}\n\
         \x20   - {{name: phone, kind: ntfy, url: 'https://ntfy.example/topic', token_file: '{}'}}\n\
         \x20   - {{name: mail, kind: email, server: 127.0.0.1, from: a@b.example, to: [c@d.example], username: me, password_file: '{}'}}\n",
        file("root-password"),
        file("infrastructure-token"),
        file("chat-url"),
        file("chat-key"),
        file("ntfy-token"),
        file("mail-password"),
    )
}

/// Every secret that a house can have, where it really stands, and once more where somebody might have said it.
async fn plant_all(house: &House) -> Vec<String> {
    let mut secrets: Vec<String> = FILES.iter().map(|(_, secret)| (*secret).to_owned()).collect();
    secrets.extend([HASH.to_owned(), "https://hooks.example/services/planted-plain-url".to_owned()]);
    house.add_image().await;
    let host = house.register("pve-01", MAC).await;
    let power = json!({ "options": {
        "power": { "driver": "redfish", "redfish": { "url": "https://192.0.2.9", "user": "root" } },
        "answer": { "subscription_key": "pve2c-1234567890" },
    } });
    let changed = house.patch(&format!("/api/hosts/{host}"), &power).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let secret = house.client.request(Method::PUT, house.operator(&format!("/api/hosts/{host}/power-secret")));
    let kept = Answer::of(secret.json(&json!({ "secret": "planted BMC password" }))).await;
    assert_eq!(kept.status, 204, "{}", kept.text);
    secrets.extend(["planted BMC password", "pve2c-1234567890"].map(str::to_owned));
    let plug = house.register("pve-02", "52:54:00:00:00:02").await;
    let webhook =
        json!({ "driver": "webhook", "webhook": { "on_url": "http://plug.example/api/planted-plug-key/on" } });
    let changed = house.patch(&format!("/api/hosts/{plug}"), &json!({ "options": { "power": webhook } })).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let operation = house.rebuild(&host, "pve-01").await;
    for purpose in TokenPurpose::ALL {
        secrets.push(house.token(&operation, *purpose).await);
    }
    let data = house.folder.path().join("data");
    let key = fs::read(data.join("secret.key")).unwrap();
    secrets.extend([HEXLOWER.encode(&key), BASE64.encode(&key)]);
    let certificate = fs::read_to_string(data.join("certificate.key")).unwrap();
    secrets.extend(certificate.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned));
    secrets.push(house.command_line_token());
    secrets.push(house.daemon.first_visit.as_ref().unwrap().code.clone());
    secrets
}

/// Says every secret where people's texts end up: in the log and in the live feed.
async fn say(house: &House, secrets: &[String]) {
    let store = Store::open_shared(&house.folder.path().join("data")).unwrap();
    for secret in secrets {
        tracing::warn!("somebody said {secret} aloud");
        let message = format!("somebody said {secret} aloud");
        let event = NewLiveEvent { topic: Topic::Warning, host: None, operation: None, message };
        #[expect(clippy::disallowed_methods, reason = "the daemon beside has the system's clock")]
        store.publish(&event, Timestamp::now()).await.unwrap();
    }
}

#[tokio::test]
async fn no_secret_of_whatever_kind_is_in_the_bundle_wherever_it_was_said() {
    rackseed::daemon::start_logging();
    let folder = tempfile::tempdir().unwrap();
    let house = House::with_file(&plant(folder.path())).await;
    let secrets = plant_all(&house).await;
    assert!(secrets.len() >= 20 && secrets.iter().all(|secret| secret.len() >= 10), "{secrets:?}");
    say(&house, &secrets).await;
    let response = house.client.get(house.operator("/api/support-bundle")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/x-tar");
    let files = unpack(&response.bytes().await.unwrap());
    for (name, text) in &files {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "`{secret}` is in {name}");
        }
        // The address of a plug is as good as a password, but only where it stands as an address.
        assert!(!text.contains("PRIVATE KEY") && !text.contains("planted-plug-key"), "{name}");
    }
    for name in ["log.txt", "activity.json"] {
        assert_eq!(files[name].matches("somebody said [secret]").count(), secrets.len(), "{name}: {}", files[name]);
    }
}

#[tokio::test]
async fn the_bundle_tells_what_helps_and_its_manifest_what_is_in_it_and_what_is_not() {
    rackseed::daemon::start_logging();
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let operation = house.rebuild(&host, "pve-01").await;
    let bytes = house.client.get(house.operator("/api/support-bundle")).send().await.unwrap().bytes().await.unwrap();
    let files = unpack(&bytes);
    let json = |name: &str| -> Value { serde_json::from_str(&files[name]).unwrap() };
    let manifest = json("manifest.json");
    let told: Vec<_> = manifest["files"].as_array().unwrap().iter().map(|row| row["file"].as_str().unwrap()).collect();
    let mut there: Vec<_> = files.keys().map(String::as_str).filter(|name| *name != "manifest.json").collect();
    there.sort_by_key(|name| told.iter().position(|it| it == name));
    assert_eq!(told, there);
    assert!(manifest["removed"].to_string().contains("passwords of BMCs"), "{manifest}");
    assert_eq!(json("about.json")["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json("hosts.json")[0]["hostname"], "pve-01");
    let operations = json("operations.json");
    assert_eq!(operations[0]["operations"][0]["operation"]["id"], operation.as_str());
    assert!(operations[0]["operations"][0]["journal"].as_array().is_some_and(|journal| !journal.is_empty()));
    assert!(json("catalog.json")["types"].to_string().contains("generic-sata"));
    assert!(json("settings.json")["sections"].to_string().contains("pxe.enabled"));
    assert!(json("doctor.json")["findings"].to_string().contains("xorriso"), "the doctor has looked");
    assert!(files["log.txt"].contains("the catalog was read: 5 server types"), "{}", files["log.txt"]);
}

/// Runs the command line with the settings of a folder.
fn rackseed(folder: &TempDir, words: &[&str]) -> std::process::Output {
    let config = folder.path().join("rackseed.yaml");
    Command::new(env!("CARGO_BIN_EXE_rackseed")).arg("--config").arg(config).args(words).output().unwrap()
}

#[test]
fn without_a_daemon_the_command_makes_the_bundle_from_the_data_folder_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = format!("server: {{listen: '{free}', boot_listen: '127.0.0.1:0', machine_listen: '127.0.0.1:0'}}");
    fs::write(folder.path().join("rackseed.yaml"), format!("data_folder: data\n{server}\npxe: {{enabled: false}}\n"))
        .unwrap();
    let file = folder.path().join("bundle.tar");
    let words = ["support-bundle", file.to_str().unwrap()];
    let output = rackseed(&folder, &words);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("from the data folder"), "{output:?}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let files = unpack(&fs::read(&file).unwrap());
    assert!(
        files["doctor.json"].contains("does not run") && files.contains_key("hosts.json"),
        "{}",
        files["doctor.json"]
    );
    let again = rackseed(&folder, &words);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("cannot write"), "{again:?}");
}

#[tokio::test]
async fn with_a_daemon_the_command_asks_it() {
    let house = House::empty().await;
    let file = house.folder.path().join("bundle.tar");
    let mut command = tokio::process::Command::from(house.program());
    let output = command.args(["--json", "support-bundle"]).arg(&file).output().await.unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(told["source"], "daemon", "{told}");
    assert!(unpack(&fs::read(&file).unwrap()).contains_key("manifest.json"));
}
