//! Warnings ask: in the API, on the page, and in the terminal.

use std::process::{Output, Stdio};

use rackseed::domain::hardware::Hardware;
use serde_json::{Value, json};

use super::lab::{Lab, MEMBER_ADDRESS, set_hardware};
use crate::support::{
    browser::Browser,
    house::{Answer, House},
};

const MAC: &str = "52:54:00:00:00:01";

/// A daemon with a host that has too little memory.
async fn small_host() -> (House, String) {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    set_hardware(&house, &host, &Hardware { memory_bytes: Some(256 << 20), ..Hardware::default() }).await;
    (house, host)
}

async fn rackseed(house: &House, words: &[&str]) -> Output {
    let mut command = tokio::process::Command::from(house.program());
    command.args(words).stdin(Stdio::null());
    command.output().await.unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[tokio::test]
async fn a_program_must_accept_warnings_that_it_was_told() {
    let (house, host) = small_host().await;
    let path = format!("/api/hosts/{host}/rebuild");
    let refused = house.post(&path, &json!({ "confirm": "pve-01" })).await;
    assert!(refused.problem(409).contains("before its warnings are accepted"), "{}", refused.text);
    assert_eq!(refused.json()["stopped_by"], json!(["memory"]));
    assert_eq!(house.state(&host).await, "registered");
    let armed = house.post(&path, &json!({ "confirm": "pve-01", "accept_warnings": true })).await;
    assert_eq!(armed.status, 202, "{}", armed.text);
}

#[tokio::test]
async fn the_command_line_shows_the_plan_and_asks_before_it_goes_on() {
    let (house, host) = small_host().await;
    let plan = rackseed(&house, &["host", "rebuild", "pve-01", "--plan"]).await;
    let told = said(&plan);
    assert!(plan.status.success(), "warnings are no blockers: {told}");
    for shown in [
        "SEVERITY",
        "warning",
        "memory",
        "wipes /dev/sda",
        "fqdn = \"pve-01.home.arpa\"",
        "1 to be accepted with --yes",
    ] {
        assert!(told.contains(shown), "{shown}: {told}");
    }
    let asked = rackseed(&house, &["host", "rebuild", "pve-01", "--confirm", "pve-01"]).await;
    assert!(!asked.status.success() && said(&asked).contains("say --yes"), "{}", said(&asked));
    assert_eq!(house.state(&host).await, "registered");
    let armed = rackseed(&house, &["host", "rebuild", "pve-01", "--confirm", "pve-01", "--yes"]).await;
    assert!(armed.status.success() && said(&armed).contains("pve-01 is armed"), "{}", said(&armed));
    let again = rackseed(&house, &["--json", "host", "rebuild", "pve-01", "--plan"]).await;
    assert_eq!(again.status.code(), Some(1), "a blocker");
    let plan: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((&plan["may_start"], &plan["findings"][0]["id"]), (&json!(false), &json!("under_way")));
}

#[tokio::test]
async fn the_command_line_stops_at_blockers_and_overrides_them_by_name() {
    let lab = Lab::new().await;
    lab.house.register("pve-09", "52:54:00:00:00:09").await;
    lab.stop_member();
    let stopped = rackseed(&lab.house, &["host", "rebuild", "pve-09", "--confirm", "pve-09", "--yes"]).await;
    assert!(!stopped.status.success() && said(&stopped).contains("cluster_unreachable"), "{}", said(&stopped));
    let words = ["host", "rebuild", "pve-09", "--confirm", "pve-09", "--override", "cluster_unreachable"];
    let unreasoned = rackseed(&lab.house, &words).await;
    assert!(!unreasoned.status.success() && said(&unreasoned).contains("--reason"), "{}", said(&unreasoned));
    let armed = rackseed(&lab.house, &[&words[..], &["--reason", "made anew"]].concat()).await;
    assert!(armed.status.success() && said(&armed).contains("is armed"), "{}", said(&armed));
}

/// Sends the form of the page as a browser without scripts does.
async fn send(house: &House, host: &str, fields: &[(&str, &str)]) -> Answer {
    let page = house.get("/").await.text;
    let token = page.split_once("name=\"form_token\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    let fields = fields.iter().copied().chain([("form_token", token.as_str())]);
    let body: Vec<_> = fields.map(|(name, text)| format!("{name}={}", text.replace(' ', "+"))).collect();
    let form = house.client.post(house.operator(&format!("/hosts/{host}/rebuild")));
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    Answer::of(form.body(body.join("&"))).await
}

#[tokio::test]
async fn the_page_shows_the_pre_flight_and_its_form_works_without_scripts() {
    let (house, host) = small_host().await;
    let page = house.get(&format!("/hosts/{host}/rebuild")).await.text;
    for shown in ["This wipes the disk", "1 warning", "Warning", "Note", "accept_warnings", "fqdn = &#34;pve-01"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("$6$salt$hash"));
    let refused = send(&house, &host, &[("confirm", "pve-01")]).await;
    assert!(refused.status == 409 && refused.text.contains("before its warnings are accepted"), "{}", refused.text);
    let armed = send(&house, &host, &[("confirm", "pve-01"), ("accept_warnings", "yes")]).await;
    assert_eq!((armed.status.as_u16(), armed.header("location")), (303, format!("/hosts/{host}").as_str()));
    let page = house.get(&format!("/hosts/{host}/rebuild")).await.text;
    assert!(page.contains("This cannot be overridden") && !page.contains("start-rebuild"), "{page}");
}

#[tokio::test]
async fn the_page_overrides_blockers_one_by_one_with_a_reason() {
    let lab = Lab::new().await;
    let host = lab.house.register("pve-09", "52:54:00:00:00:09").await;
    lab.stop_member();
    let page = lab.house.get(&format!("/hosts/{host}/rebuild")).await.text;
    assert!(page.contains("name=\"override-cluster_unreachable\"") && page.contains("name=\"reason\""), "{page}");
    let refused = send(&lab.house, &host, &[("confirm", "pve-09"), ("reason", "made anew")]).await;
    assert!(refused.status == 409 && refused.text.contains("is not rebuilt"), "{}", refused.text);
    let fields = [("confirm", "pve-09"), ("override-cluster_unreachable", "yes"), ("reason", "made anew")];
    assert_eq!(send(&lab.house, &host, &fields).await.status, 303);
    assert!(lab.house.get(&format!("/hosts/{host}")).await.text.contains("reason given: made anew"));
}

#[tokio::test]
async fn a_person_sees_what_is_on_a_member_before_it_is_wiped() {
    let lab = Lab::new().await;
    lab.furnish();
    let host = lab.house.register("pve-03", "52:54:00:00:00:03").await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.resize(1200, 1400).await;
    browser.sign_in(&lab.house).await;
    browser.open(&lab.house.operator(&format!("/hosts/{host}/rebuild"))).await;
    browser.see("#findings", "state it: --member-address 127.0.0.3").await;
    browser.fill("#member-address", MEMBER_ADDRESS).await;
    browser.picture("preflight-1-address").await;
    browser.click(".look button").await;
    browser.see("#cluster", "VM 101 (web)").await;
    browser.see("#findings", "5 blockers, 7 warnings").await;
    browser.see("#confirmation", "Go on in spite of guests_running").await;
    browser.picture("preflight-2-desktop").await;
    browser.scheme("dark").await;
    browser.run("document.getElementById('confirmation').scrollIntoView()").await;
    browser.picture("preflight-3-dark").await;
    browser.resize(390, 1400).await;
    browser.picture("preflight-4-phone").await;
    assert_eq!(browser.overflow().await, 0, "nothing is wider than a phone");
}
