//! The page of one host, its rebuild page and its hand-over sheet: what they say, and that they say no secret.

mod rebuild;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use rackseed::domain::rebuild::TokenPurpose;
use serde_json::{Value, json};

use crate::support::{
    browser::Browser,
    house::{Answer, House},
};

const MAC: &str = "52:54:00:00:00:01";

/// Sends a form as a browser without scripts does.
async fn send(house: &House, path: &str, fields: &[(&str, &str)]) -> Answer {
    let page = house.get("/").await.text;
    let token = page.split_once("name=\"form_token\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    let fields = fields.iter().copied().chain([("form_token", token.as_str())]);
    let body: Vec<_> = fields.map(|(name, text)| format!("{name}={}", text.replace(' ', "+"))).collect();
    let form = house.client.post(house.operator(path)).header("content-type", "application/x-www-form-urlencoded");
    Answer::of(form.body(body.join("&"))).await
}

/// A daemon on what the demo left behind: three members that were really installed, joined and freed of their keys. The folder goes with it.
async fn lived_in() -> (House, tempfile::TempDir) {
    let place = tempfile::tempdir().unwrap();
    let folder: PathBuf = place.path().join("demo");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_rackseed"));
    let output = demo.args(["demo", "--once", "--json", "--folder"]).arg(&folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let house = House::with(|settings| {
        settings.data_folder = folder.join("data");
        settings.catalog.answer_templates = folder.join("answer-templates");
        settings.catalog.server_types = folder.join("server-types");
        settings.catalog.ipxe = folder.join("ipxe");
        settings.proxmox.cluster_name = "demo".into();
        settings.proxmox.domain = "demo.internal".into();
    })
    .await;
    (house, place)
}

async fn host_named(house: &House, name: &str) -> Value {
    let hosts = house.get("/api/hosts").await.json();
    hosts.as_array().unwrap().iter().find(|host| host["hostname"] == name).unwrap().clone()
}

/// The text between two marks of a page.
fn part<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let rest = page.split_once(from).unwrap_or_else(|| panic!("no {from} in {page}")).1;
    rest.split_once(to).unwrap_or_else(|| panic!("no {to} behind {from}")).0
}

#[tokio::test]
async fn a_ready_host_shows_its_way_the_evidence_its_hardware_and_what_was_said() {
    let (house, folder) = lived_in().await;
    let host = host_named(&house, "pve-02").await;
    let id = host["id"].as_str().unwrap();
    let page = house.get(&format!("/hosts/{id}")).await.text;
    assert!(page.contains("<title>pve-02 ready · Rackseed</title>"), "{page}");
    let evidence = part(&page, "id=\"evidence\"", "</section>");
    assert!(evidence.contains("The key of the rebuild is gone.") && evidence.contains("9 of 9 proved"), "{evidence}");
    for place in ["/root/.ssh/authorized_keys: ", "/root/.ssh/authorized_keys2: ", "/etc/pve/priv/authorized_keys: "] {
        assert!(evidence.contains(&format!("{place}read back, without the key")), "{place}: {evidence}");
    }
    assert!(evidence.contains("seen on the node itself, and on the member pve-01 of the cluster demo"), "{evidence}");
    let way = part(&page, "id=\"lifecycle\"", "</section>");
    assert_eq!(way.matches("<li class=\"passed good\">").count(), 7, "{way}");
    assert!(way.contains("<li class=\"here good\">") && !way.contains("not reached"), "{way}");
    let hardware = part(&page, "id=\"hardware\"", "</section>");
    for known in ["Simulated machine", "/dev/sda", "the system is on it", "management", "boots from it"] {
        assert!(hardware.contains(known), "{known}: {hardware}");
    }
    let said = part(&page, "id=\"exchanges\"", "</section>");
    for kind in ["asked for its answer", "script of the first boot", "end of the installation", "phoned home"] {
        assert!(said.contains(kind), "{kind}: {said}");
    }
    assert!(said.contains("fqdn = &#34;pve-02.demo.internal&#34;"), "{said}");
    holds_no_secret(&page, folder.path());

    let list = house.get(&format!("/api/hosts/{id}/evidence")).await.json();
    let list = list.as_array().unwrap();
    assert!(list.len() == 9 && list.iter().all(|one| one["standing"] == "proved" && one["at"].is_string()), "{list:?}");
    let way = house.get(&format!("/api/hosts/{id}/lifecycle")).await.json();
    let passages: Vec<_> = way["legs"].as_array().unwrap().iter().map(|leg| leg["passage"].as_str().unwrap()).collect();
    assert_eq!(passages, ["passed", "passed", "passed", "passed", "passed", "passed", "passed", "here"]);
    let sum: u64 = way["legs"].as_array().unwrap().iter().filter_map(|leg| leg["seconds"].as_u64()).sum();
    assert!(sum <= way["seconds"].as_u64().unwrap() && way["ended_at"].is_string(), "{way}");
}

/// The first of a cluster was seen by no one else, and that is not claimed.
#[tokio::test]
async fn the_sheet_of_a_ready_host_has_what_is_handed_over_and_nothing_else() {
    let (house, folder) = lived_in().await;
    let host = host_named(&house, "pve-01").await;
    let id = host["id"].as_str().unwrap();
    let sheet = house.get(&format!("/hosts/{id}/sheet")).await.text;
    let fingerprint = host["ssh_host_key_fingerprint"].as_str().unwrap().replace('+', "&#43;");
    let fingerprint = fingerprint.split("&#").next().unwrap();
    for known in [
        "pve-01.demo.internal",
        host["address"].as_str().unwrap(),
        host["mac"].as_str().unwrap(),
        fingerprint,
        "9.2-1",
        "demo, verified member",
        "Serial number",
        "A login with it was refused",
        "after the request",
        "Received by",
        "Rackseed has erased the private key",
    ] {
        assert!(sheet.contains(known), "{known}: {sheet}");
    }
    assert!(sheet.contains("seen on the node itself of the cluster demo"), "nobody else was there: {sheet}");
    assert!(!part(&sheet, "<article", "</article>").contains("<button"), "nothing to press on paper");
    holds_no_secret(&sheet, folder.path());
    let other = house.register("pve-09", "52:54:00:00:00:09").await;
    let sheet = house.get(&format!("/hosts/{other}/sheet")).await.text;
    assert!(
        sheet.contains("This host is not ready") && sheet.contains("There is none: it was not installed from here.")
    );
}

/// What the machines of the demo know is on no page.
fn holds_no_secret(page: &str, folder: &Path) {
    let settings = std::fs::read_to_string(folder.join("demo/rackseed.yaml")).unwrap();
    let hash = settings.lines().find_map(|line| line.trim().strip_prefix("root_password_hash: ")).unwrap();
    let mut secrets = vec![hash.trim_matches('"').to_owned()];
    for name in ["pve-01", "pve-02", "pve-03"] {
        let script = folder.join("demo/network/nodes").join(name).join("var/lib/proxmox-first-boot/proxmox-first-boot");
        let script = std::fs::read_to_string(script).unwrap();
        secrets.extend(script.split("?t=").skip(1).map(|rest| rest.chars().take(43).collect::<String>()));
        let key = script.split_once("ssh-ed25519 ").unwrap().1.split_whitespace().next().unwrap();
        secrets.push(key.to_owned());
    }
    assert!(secrets.len() >= 7, "tokens and keys were found: {}", secrets.len());
    for secret in secrets {
        assert!(!page.contains(&secret), "{secret} is on the page");
    }
}

#[tokio::test]
async fn a_host_that_was_never_rebuilt_is_not_said_to_have_been_anywhere() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let page = house.get(&format!("/hosts/{host}")).await.text;
    let way = part(&page, "id=\"lifecycle\"", "</section>");
    assert!(way.contains("never been rebuilt") && way.matches("class=\"not_reached calm\"").count() == 7, "{way}");
    assert!(page.contains("There is none yet: it has never been rebuilt from here."), "{page}");
    assert!(page.contains("Not reported yet"), "{page}");
    let nothing = house.get(&format!("/api/hosts/{host}/evidence")).await.json();
    assert_eq!(nothing, json!([]));
}

#[tokio::test]
async fn hostile_hardware_is_text_on_every_page() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let operation = house.rebuild(&host, "pve-01").await;
    house.boot_machine(MAC, &operation).await;
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
    let report = json!({ "dmi": { "system": { "name": evil, "serial": evil } }, "network_interfaces": [{ "link": evil, "mac": MAC }] });
    let token = house.token(&operation, TokenPurpose::Answer).await;
    let asked = house.installer().post(house.machine(&format!("/api/boot/answer?t={token}"))).json(&report);
    assert_eq!(Answer::of(asked).await.status, 200);
    for path in [
        format!("/hosts/{host}"),
        format!("/hosts/{host}?show=all"),
        format!("/hosts/{host}/sheet"),
        format!("/hosts/{host}/rebuild"),
    ] {
        let page = house.get(&path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.text.contains("<script>alert") && !page.text.contains("<img src=x"), "{path}: {}", page.text);
    }
    assert!(
        house.get(&format!("/hosts/{host}")).await.text.contains("&#60;script&#62;alert(1)"),
        "it is shown all the same"
    );
}

#[tokio::test]
async fn the_image_of_a_host_is_chosen_with_a_form_and_a_wrong_one_is_refused_with_words() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let image = house.get("/api/images").await.json()["images"][0]["id"].as_str().unwrap().to_owned();
    let options = format!("/hosts/{host}/options");
    assert_eq!(send(&house, &options, &[("image", &image)]).await.status, 303);
    assert_eq!(house.get(&format!("/api/hosts/{host}")).await.json()["options"]["image"], json!(image));
    assert!(house.get(&format!("/hosts/{host}")).await.text.contains("chosen for this host"));
    let refused = send(&house, &options, &[("image", "pve-1.0-1-00000000")]).await;
    assert!(refused.status == 422 && refused.text.contains("there is no image"), "{}", refused.text);
    assert_eq!(send(&house, &options, &[("image", "")]).await.status, 303);
    assert_eq!(house.get(&format!("/api/hosts/{host}")).await.json()["options"]["image"], json!(null));
}

#[tokio::test]
async fn long_histories_are_cut_and_shown_whole_when_asked_for() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    for _ in 0..12 {
        let operation = house.rebuild(&host, "pve-01").await;
        assert_eq!(house.post(&format!("/api/operations/{operation}/cancel"), &json!(null)).await.status, 200);
    }
    let page = house.get(&format!("/hosts/{host}")).await.text;
    let rows = |page: &str| part(page, "id=\"operations\"", "</section>").matches("href=\"/operations/").count();
    assert!(page.contains("Show more operations") && page.contains("Show all of its history"), "{page}");
    assert_eq!(rows(&page), 10);
    let page = house.get(&format!("/hosts/{host}?show=all")).await.text;
    assert!(rows(&page) == 12 && !page.contains("Show more operations"), "{page}");
}

#[tokio::test]
async fn the_page_follows_a_machine_without_being_loaded_again_and_fits_a_phone() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let operation = house.rebuild(&host, "pve-01").await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.sign_in(&house).await;
    browser.resize(390, 844).await;
    browser.open(&house.operator(&format!("/hosts/{host}"))).await;
    browser.see("#ahead", "boots from the network").await;
    browser.see("#lifecycle .here", "waiting for network boot").await;
    house.boot_machine(MAC, &operation).await;
    browser.see("#lifecycle .here", "loading the installer").await;
    browser.see("#ahead", "From that moment on the disk may be wiped").await;
    assert_eq!(browser.run("return document.title").await, "pve-01 loading the installer · Rackseed");
    let token = house.token(&operation, TokenPurpose::Answer).await;
    let report = json!({ "network_interfaces": [{ "link": "eno1", "mac": MAC }] });
    let asked = house.installer().post(house.machine(&format!("/api/boot/answer?t={token}"))).json(&report);
    assert_eq!(Answer::of(asked).await.status, 200);
    browser.see("#lifecycle .here", "installing").await;
    browser.see("#exchanges", "The installer asked for its answer").await;
    browser.see("#evidence-answer_given", "given to 127.0.0.1").await;
    browser.see("#hardware", "eno1").await;
    browser.click("#exchanges summary").await;
    browser.see("#exchanges pre", "eno1").await;
    assert_eq!(browser.overflow().await, 0, "nothing reaches beyond the width of a phone");
    browser.picture("host-phone").await;
    browser.open(&house.operator(&format!("/hosts/{host}/sheet"))).await;
    browser.see("#not-ready", "installing").await;
    assert_eq!(browser.overflow().await, 0, "nothing reaches beyond the width of a phone");
}
