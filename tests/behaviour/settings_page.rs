//! The settings on a page: values with their sources, and never a secret.

use std::fs;

use serde_json::{Value, json};

use crate::support::{browser::Browser, house::House};

const HASH: &str =
    "$6$saltsaltsalt$abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdef12";

fn more() -> String {
    format!(
        "credentials:\n  root_password_hash: '{HASH}'\npatience:\n  installing: 90\n  joining: 30\nnotifications:\n  targets:\n    - {{name: chat, kind: webhook, url: 'https://hooks.example/services/T0PSECRETPATH'}}\n"
    )
}

fn setting<'a>(settings: &'a Value, path: &str) -> &'a Value {
    let sections = settings["sections"].as_array().unwrap().iter();
    let mut all = sections.flat_map(|section| section["settings"].as_array().unwrap());
    all.find(|setting| setting["path"] == path).unwrap_or_else(|| panic!("no {path} in {settings}"))
}

#[tokio::test]
async fn every_setting_is_told_with_its_value_its_default_its_source_and_its_help() {
    let house = House::with_file(&more()).await;
    let settings = house.get("/api/settings").await.json();
    let told = setting(&settings, "patience.installing");
    assert_eq!((&told["value"], &told["default"], &told["source"]), (&json!("90"), &json!("60"), &json!("file")));
    assert_eq!(told["line"], 7);
    assert_eq!(setting(&settings, "patience.joining")["source"], "file", "written, though it is the default");
    let default = setting(&settings, "proxmox.cluster_name");
    assert_eq!((&default["value"], &default["source"]), (&json!("rackseed"), &json!("default")));
    assert!(default["help"].as_str().unwrap().contains("at most 15 characters"), "{default}");
    let ports = setting(&settings, "pxe.tftp_port")["help"].as_str().unwrap();
    assert!(ports.starts_with("UDP ports of DHCP"), "keys below each other share one comment: {ports}");
    assert_eq!(setting(&settings, "pxe.enabled")["line"], 3, "a section in one line");
    assert!(settings["file"].as_str().unwrap().ends_with("rackseed.yaml"));
    assert_eq!((&settings["pending"], &settings["problems"]), (&json!(0), &json!([])));
}

#[tokio::test]
async fn a_secret_is_only_said_to_be_set() {
    let house = House::with_file(&more()).await;
    let (json, page) = (house.get("/api/settings").await.text, house.get("/settings").await.text);
    for text in [&json, &page] {
        assert!(!text.contains("saltsalt") && !text.contains("T0PSECRET"), "{text}");
        assert!(text.contains("set, not shown") && text.contains("chat (webhook), https://hooks.example/…"), "{text}");
    }
}

#[tokio::test]
async fn a_daemon_that_was_started_without_a_file_says_so() {
    let house = House::empty().await;
    let settings = house.get("/api/settings").await.json();
    assert_eq!(settings["file"], Value::Null);
    assert_eq!(setting(&settings, "pxe.enabled")["source"], "start");
    assert_eq!(setting(&settings, "patience.joining")["source"], "default");
}

#[tokio::test]
async fn what_was_edited_since_waits_for_a_restart_and_what_is_wrong_is_told_before_it() {
    let house = House::with_file(&more()).await;
    let file = house.folder.path().join("rackseed.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("installing: 90", "installing: 45").replace("saltsaltsalt", "othersalt")).unwrap();
    let settings = house.get("/api/settings").await.json();
    assert_eq!(settings["pending"], 2);
    let told = setting(&settings, "patience.installing");
    assert_eq!((&told["value"], &told["after_restart"]), (&json!("90"), &json!("45")));
    let page = house.get("/settings").await.text;
    assert!(page.contains("2 settings in the file have another value by now") && !page.contains("othersalt"));
    fs::write(&file, text.replace("installing: 90", "installing: 0")).unwrap();
    let settings = house.get("/api/settings").await.json();
    assert_eq!(settings["problems"][0]["path"], "patience.installing", "{settings}");
    assert_eq!(setting(&settings, "patience.installing")["value"], "90", "what is in use stays");
    assert!(house.get("/settings").await.text.contains("a restart would fail"));
}

#[tokio::test]
async fn the_page_is_readable_on_a_phone_and_in_the_dark() {
    let house = House::with_file(&more()).await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.sign_in(&house).await;
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.resize(width, 900).await;
        browser.scheme(scheme).await;
        for page in ["settings", "about", "catalog", "images", "notifications"] {
            browser.open(&house.operator(&format!("/{page}"))).await;
            browser.see("h1", "").await;
            assert!(browser.overflow().await <= 0, "/{page} is wider than {width} pixels");
            browser.picture(&format!("{page}-{width}-{scheme}")).await;
        }
    }
}
