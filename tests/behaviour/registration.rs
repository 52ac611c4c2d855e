//! Registering hosts: one by one with checks while typing, from a machine that was seen, and many from a list.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    browser::Browser,
    house::{Answer, House},
};

const MAC: &str = "52:54:00:00:00:01";

/// Sends a form of a page of ours.
async fn send(house: &House, path: &str, fields: &[(&str, &str)]) -> Answer {
    let page = house.get("/hosts/new").await.text;
    let token = page.split_once("name=\"form_token\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    let spell =
        |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let fields = fields.iter().copied().chain([("form_token", token.as_str())]);
    let body: Vec<_> =
        fields.map(|(name, text)| format!("{name}={}", text.bytes().map(spell).collect::<String>())).collect();
    let form = house.client.post(house.operator(path)).header("content-type", "application/x-www-form-urlencoded");
    Answer::of(form.body(body.join("&"))).await
}

async fn import(house: &House, query: &str, list: impl Into<reqwest::Body>) -> Answer {
    let path = house.operator(&format!("/api/hosts/import{query}"));
    Answer::of(house.client.request(Method::POST, path).header("content-type", "text/csv").body(list)).await
}

async fn registered(house: &House) -> Vec<String> {
    let hosts = house.get("/api/hosts").await.json();
    hosts.as_array().unwrap().iter().map(|host| host["hostname"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_is_being_typed_is_checked_by_the_rules_of_registration() {
    let house = House::empty().await;
    let host = house.register("pve-01", MAC).await;
    let check = async |query: &str| house.get(&format!("/api/hosts/check?{query}")).await.json();
    let good = check("hostname=pve-02&mac=5254.0012.3456&server_type=generic-sata").await;
    assert_eq!(good, json!({ "mac": "52:54:00:12:34:56", "suggested_hostname": "pve-02", "problems": [] }));
    let taken = check("hostname=pve-01&mac=52-54-00-00-00-01").await;
    let problems: Vec<_> =
        taken["problems"].as_array().unwrap().iter().map(|one| (&one["field"], &one["host"])).collect();
    assert_eq!(problems, [(&json!("hostname"), &json!(host)), (&json!("mac"), &json!(host))]);
    let half = check("mac=52:5").await;
    assert_eq!(
        (half["problems"].as_array().unwrap().len(), &half["mac"]),
        (1, &Value::Null),
        "only what was sent is judged"
    );
}

#[tokio::test]
async fn the_form_suggests_a_free_name_and_says_beside_each_field_whom_it_collides_with() {
    let house = House::empty().await;
    let host = house.register("pve-01", MAC).await;
    let page = house.get(&format!("/hosts/new?mac={MAC}")).await.text;
    assert!(page.contains("value=\"pve-02\"") && page.contains(&format!("value=\"{MAC}\"")), "{page}");
    let refused =
        send(&house, "/hosts", &[("hostname", "pve-01"), ("mac", MAC), ("server_type", "generic-sata")]).await;
    assert_eq!(refused.status, 409);
    for field in ["hostname", "mac"] {
        let beside =
            refused.text.split_once(&format!("id=\"{field}-problem\">")).unwrap().1.split_once("</p>").unwrap().0;
        assert!(beside.contains(&format!("href=\"/hosts/{host}\"")), "both are told at once: {beside}");
    }
}

#[tokio::test]
async fn a_list_is_looked_at_line_by_line_before_anything_is_registered() {
    let house = House::empty().await;
    house.register("pve-01", MAC).await;
    let list = "hostname;mac;server_type\r\npve-02;52-54-00-00-00-02;generic-sata\r\nPve 3;52:54;tape\r\npve-01;525400000009;generic-nvme\r\n\
                pve-02;52:54:00:00:00:05;generic-sata\r\n";
    let looked = import(&house, "?dry_run=true", list).await;
    assert_eq!(looked.status, 200, "{}", looked.text);
    let looked = looked.json();
    assert_eq!((&looked["good"], &looked["wrong"], &looked["registered"]), (&json!(1), &json!(3), &json!([])));
    let told = |place: usize| {
        let problems = looked["lines"][place]["problems"].as_array().unwrap();
        problems
            .iter()
            .map(|one| format!("{}: {}", one["field"].as_str().unwrap(), one["detail"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!((&looked["lines"][0]["line"], &looked["lines"][0]["mac"]), (&json!(2), &json!("52:54:00:00:00:02")));
    assert_eq!(told(1).len(), 3, "{:?}", told(1));
    assert_eq!(told(2), ["hostname: the host name pve-01 is taken by the host with the MAC address 52:54:00:00:00:01"]);
    assert_eq!(told(3), ["hostname: the host name pve-02 is in line 2 already"]);
    let refused = import(&house, "", list).await;
    assert!(refused.problem(422).contains("3 of 4 lines cannot be registered, so none was"));
    assert_eq!(refused.json()["errors"][0]["line"], 3);
    assert_eq!(registered(&house).await, ["pve-01"]);
    let done = import(&house, "?skip_wrong=true", list).await.json();
    assert_eq!(done["registered"].as_array().unwrap().len(), 1);
    assert_eq!(registered(&house).await, ["pve-01", "pve-02"]);
}

#[tokio::test]
async fn a_list_is_bounded_and_what_is_no_list_is_refused() {
    let house = House::empty().await;
    let line = |number: usize| format!("pve-{number:04},52:54:00:00:{:02x}:{:02x}\n", number / 256, number % 256);
    let full: String = (0..1000).map(line).collect();
    let done = import(&house, "?server_type=generic-sata", full).await;
    assert_eq!(done.json()["registered"].as_array().unwrap().len(), 1000, "{}", done.text);
    let more: String = (0..1001).map(line).collect();
    assert!(import(&house, "?server_type=generic-sata", more).await.problem(422).contains("at most 1000"));
    assert!(import(&house, "", "x".repeat(300 << 10)).await.problem(413).contains("256 KiB"));
    assert!(import(&house, "", &b"pve-1,\xff"[..]).await.problem(422).contains("line 1 is not UTF-8"));
    assert!(import(&house, "?dry_run=perhaps", "a,b").await.problem(400).contains("dry_run"));
    let plain = house.client.post(house.operator("/api/hosts/import")).header("content-type", "text/plain").body("a,b");
    assert_eq!(Answer::of(plain).await.status, 415, "what a page of another site can send is refused");
}

#[tokio::test]
async fn a_list_is_pasted_into_a_page_seen_and_registered_with_forms_alone() {
    let house = House::empty().await;
    let list = "pve-01,52:54:00:00:00:01\npve-02,52:54:00:00:00:01,generic-sata\n<script>,52:54:00:00:00:03\n";
    let fields = [("list", list), ("server_type", "generic-nvme"), ("action", "check")];
    let seen = send(&house, "/hosts/import", &fields).await;
    assert_eq!(seen.status, 200);
    for said in [
        "1 can be registered, 2 cannot",
        "is in line 1 already",
        "value=\"generic-nvme\" selected",
        "id=\"register-good\"",
    ] {
        assert!(seen.text.contains(said), "{said}: {}", seen.text);
    }
    assert!(!seen.text.contains("<script>,"), "{}", seen.text);
    assert!(registered(&house).await.is_empty(), "looking registers nothing");
    let refused = send(&house, "/hosts/import", &[fields[0], fields[1], ("action", "register")]).await;
    assert!(refused.status == 422 && refused.text.contains("so none was"), "{}", refused.text);
    let done = send(&house, "/hosts/import", &[fields[0], fields[1], ("action", "skip_wrong")]).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (303, "/?state=registered"));
    assert_eq!(registered(&house).await, ["pve-01"]);
    let empty = send(&house, "/hosts/import", &[("list", " \n"), ("action", "check")]).await;
    assert!(empty.status == 422 && empty.text.contains("the list is empty"), "{}", empty.text);
}

#[tokio::test]
async fn in_a_browser_the_form_judges_what_is_typed_and_a_file_becomes_a_list() {
    let house = House::empty().await;
    let host = house.register("pve-01", MAC).await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.resize(1200, 900).await;
    browser.sign_in(&house).await;
    browser.open(&house.operator("/hosts/new")).await;
    browser.fill("#mac", "5254.0000.0001").await;
    browser.see("#mac-problem", "belongs to the host pve-01").await;
    browser.see("#mac-hint", "Read as 52:54:00:00:00:01").await;
    let link = browser.run("return document.querySelector('#mac-problem a').getAttribute('href')").await;
    assert_eq!(link, json!(format!("/hosts/{host}")));
    browser.picture("register-refused").await;
    browser.fill("#mac", "52:54:00:00:00:02").await;
    browser.fill("#hostname", "Not A Name").await;
    browser.see("#hostname-problem", "lower-case").await;
    assert_eq!(browser.run("return document.getElementById('mac-problem').textContent").await, json!(""));
    browser.open(&house.operator("/hosts/import")).await;
    let file = profile.path().join("rack.csv");
    std::fs::write(
        &file,
        "\u{feff}Name;MAC;Type\r\npve-02;52:54:00:00:00:02;generic-sata\r\npve-03;52:54:00:00:00:02;generic-sata\r\n",
    )
    .unwrap();
    browser.choose("#file", &file).await;
    browser.see("#preview", "1 can be registered, 1 cannot").await;
    browser.see("#preview", "is in line 2 already").await;
    browser.picture("import-preview").await;
    browser.resize(390, 844).await;
    assert_eq!(browser.overflow().await, 0, "nothing reaches beyond the width of a phone");
    browser.picture("import-phone").await;
    browser.click("#register-good").await;
    browser.see("#tiles", "pve-02").await;
}

#[tokio::test]
async fn a_machine_that_was_seen_is_registered_with_one_press() {
    let house = House::empty().await;
    let script = house.boot("/ipxe/52:54:00:00:00:77?platform=efi&version=2.0.0");
    assert_eq!(Answer::of(house.client.get(script)).await.status, 200);
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.sign_in(&house).await;
    browser.open(&house.operator("/")).await;
    browser.see("#sightings", "52:54:00:00:00:77").await;
    browser.see("#next", "1").await;
    browser.picture("seen").await;
    browser.click(".register-seen").await;
    browser.see("h1", "pve-01").await;
}
