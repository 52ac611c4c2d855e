//! The pages: what a person sees and does, first without a browser, then in one.

use rackseed::domain::rebuild::TokenPurpose;
use serde_json::json;

use crate::support::{
    browser::Browser,
    house::{Answer, House},
};

const MAC: &str = "52:54:00:00:00:01";

/// The token in the forms of a page.
async fn form_token(house: &House) -> String {
    let page = house.get("/hosts/new").await.text;
    let rest = page.split_once("name=\"form_token\" value=\"").unwrap().1;
    rest.split_once('"').unwrap().0.to_owned()
}

/// Sends a form as a browser without scripts does.
async fn send(house: &House, path: &str, fields: &[(&str, &str)]) -> Answer {
    let token = form_token(house).await;
    let fields = fields.iter().copied().chain([("form_token", token.as_str())]);
    let body: Vec<_> = fields.map(|(name, text)| format!("{name}={}", text.replace(':', "%3A"))).collect();
    let form = house.client.post(house.operator(path)).header("content-type", "application/x-www-form-urlencoded");
    Answer::of(form.body(body.join("&"))).await
}

#[tokio::test]
async fn an_empty_list_tells_the_first_step() {
    let house = House::empty().await;
    let page = house.get("/").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.text.contains("rackseed image add"), "{}", page.text);
    assert!(!page.text.contains("notice bad"), "nothing is dangerous about loopback: {}", page.text);
    let form = house.get("/hosts/new").await.text;
    assert!(form.contains("Machine with one SATA disk") && form.contains("value=\"pve-01\""), "{form}");
}

#[tokio::test]
async fn a_page_that_others_can_reach_says_so_in_red() {
    let house = House::listening_on("0.0.0.0:0").await;
    let page = house.get("/").await.text;
    let notice = page.split_once("<p class=\"notice bad\"").unwrap().1.split_once("</p>").unwrap().0;
    assert!(notice.contains("listens on 0.0.0.0:") && notice.contains("without encryption"), "{notice}");
}

#[tokio::test]
async fn a_host_is_registered_and_rebuilt_with_forms_alone() {
    let house = House::furnished().await;
    let registered =
        send(&house, "/hosts", &[("hostname", "pve-01"), ("mac", MAC), ("server_type", "generic-sata")]).await;
    assert_eq!(registered.status, 303);
    let place = registered.header("location").to_owned();
    let page = house.get(&place).await.text;
    assert!(page.contains(&format!("href=\"{place}/rebuild\"")), "{page}");
    let page = house.get(&format!("{place}/rebuild")).await.text;
    for shown in [MAC, "/dev/sda", "Proxmox VE 9.2-1", "never: we have not heard from this MAC address yet"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let refused = send(&house, &format!("{place}/rebuild"), &[("confirm", "pve-02")]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("confirm it with the host"), "{}", refused.text);
    let armed = send(&house, &format!("{place}/rebuild"), &[("confirm", "pve-01"), ("image", "")]).await;
    assert_eq!((armed.status.as_u16(), armed.header("location")), (303, place.as_str()));
    let page = house.get(&place).await.text;
    assert!(page.contains("waiting for network boot") && page.contains("Switch the machine on"), "{page}");
    assert!(page.contains("not known yet whether it asks the network or its disk first"), "what to press: {page}");
    assert!(!page.contains("open-rebuild"), "a host under way cannot be rebuilt");
    let removed = send(&house, &format!("{place}/remove"), &[("confirm", "pve-01")]).await;
    assert_eq!(removed.status, 409);
    let operation = house.get(&format!("/api{place}")).await.json()["operation"]["id"].as_str().unwrap().to_owned();
    let retried = send(&house, &format!("/operations/{operation}/retry"), &[]).await;
    assert!(
        retried.status == 409 && retried.text.contains("only an operation that needs attention"),
        "{}",
        retried.text
    );
    let cancelled = send(&house, &format!("/operations/{operation}/cancel"), &[]).await;
    assert_eq!((cancelled.status.as_u16(), cancelled.header("location")), (303, place.as_str()));
    assert!(house.get(&place).await.text.contains("cancelled by the operator"));
    assert_eq!(send(&house, &format!("{place}/remove"), &[("confirm", "pve")]).await.status, 422);
    let removed = send(&house, &format!("{place}/remove"), &[("confirm", "pve-01")]).await;
    assert_eq!((removed.status.as_u16(), removed.header("location")), (303, "/"));
    let gone = house.get(&place).await;
    assert!(gone.status == 404 && gone.text.contains("there is no host"), "{}", gone.text);
}

#[tokio::test]
async fn what_is_wrong_with_a_registration_stands_beside_its_field_and_what_was_typed_is_kept() {
    let house = House::empty().await;
    house.register("pve-01", MAC).await;
    let page = send(&house, "/hosts", &[("hostname", "pve-02"), ("mac", MAC), ("server_type", "generic-nvme")]).await;
    assert_eq!(page.status, 409);
    let problem = page.text.split_once("id=\"mac-problem\">").unwrap().1.split_once('<').unwrap().0;
    assert!(problem.contains("pve-01"), "{problem}");
    assert!(
        page.text.contains("value=\"pve-02\"")
            && page.text.contains("value=\"generic-nvme\" data-name=\"pve-02\" selected")
    );
    let page = send(&house, "/hosts", &[("hostname", "<script>"), ("mac", "x"), ("server_type", "none")]).await;
    assert_eq!(page.status, 422);
    assert!(!page.text.contains("<script>") && page.text.contains("hostname-problem"), "{}", page.text);
}

#[tokio::test]
async fn a_person_registers_a_host_and_presses_rebuild_and_the_page_follows_the_machine() {
    let house = House::empty().await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.resize(1200, 900).await;
    browser.sign_in(&house).await;
    browser.open(&house.operator("/")).await;
    browser.see("main", "From bare metal to a node").await;
    browser.picture("1-empty").await;
    house.add_image().await;
    browser.open(&house.operator("/")).await;
    browser.click("#open-register").await;
    browser.fill("#hostname", "Pve 1").await;
    browser.fill("#mac", "52:54").await;
    browser.click("#register").await;
    browser.see("#mac-problem", "is not a MAC address").await;
    browser.picture("2-refused").await;
    browser.fill("#hostname", "pve-01").await;
    browser.fill("#mac", MAC).await;
    browser.click("#register").await;
    browser.see("h1", "pve-01").await;
    browser.picture("3-registered").await;
    let host = browser.place().await.rsplit_once('/').unwrap().1.to_owned();

    browser.click("#open-rebuild").await;
    browser.see("#rebuild", "This wipes the disk /dev/nvme0n1.").await;
    browser.see("#rebuild", "Proxmox VE 9.2-1").await;
    browser.fill("#confirm", "pve-01").await;
    browser.picture("4-rebuild").await;
    browser.click("#start-rebuild").await;
    browser.see("#state", "waiting for network boot").await;
    browser.picture("5-armed").await;

    // The page is left alone from here: what it shows comes by the live feed.
    let operation =
        house.get(&format!("/api/hosts/{host}")).await.json()["operation"]["id"].as_str().unwrap().to_owned();
    house.boot_machine(MAC, &operation).await;
    browser.see("#state", "loading the installer").await;
    let token = house.token(&operation, TokenPurpose::Answer).await;
    let report = json!({ "network_interfaces": [{ "link": "eno1", "mac": MAC }] });
    let answer = house.installer().post(house.machine(&format!("/api/boot/answer?t={token}"))).json(&report);
    assert_eq!(Answer::of(answer).await.status, 200);
    browser.see("#state", "installing").await;
    browser.see("#history", "The installer asked for its answer").await;
    browser.picture("6-installing").await;
    browser.resize(390, 844).await;
    assert_eq!(browser.overflow().await, 0, "nothing reaches beyond the width of a phone");
    browser.picture("7-phone-host").await;
    browser.open(&house.operator(&format!("/operations/{operation}"))).await;
    browser.see(".state-line", "2 of 13 steps done").await;
    browser.picture("7-phone-operation").await;
    browser.open(&house.operator(&format!("/hosts/{host}"))).await;
    browser.click("#open-cancel").await;
    browser.click("#cancel").await;
    browser.see("#state", "failed").await;
    browser.see(".doing-now", "Cancelled by the operator").await;
    browser.open(&house.operator("/")).await;
    browser.see("#tiles", "failed").await;
    for number in 2..5 {
        house.register(&format!("pve-0{number}"), &format!("52:54:00:00:00:0{number}")).await;
    }
    browser.see("#tiles", "pve-04").await;
    assert_eq!(browser.overflow().await, 0, "nothing reaches beyond the width of a phone");
    browser.picture("8-phone-list").await;
    browser.resize(1200, 900).await;
    browser.scheme("dark").await;
    browser.picture("9-dark-list").await;
}
