//! The catalog on a page: what is in use and where it is written, where an edit is broken, and whom an edit affects.

use std::fs;

use serde_json::{Value, json};

use crate::support::{browser::Browser, house::House};

const MAC: &str = "52:54:00:00:00:01";

/// Edits a file of the catalog and waits until the daemon has seen it.
async fn edit(house: &House, change: impl FnOnce(&str) -> String) -> Value {
    let before = house.get("/api/catalog").await.json();
    let file = house.server_types_file();
    fs::write(&file, change(&fs::read_to_string(&file).unwrap())).unwrap();
    for _ in 0..160 {
        let now = house.get("/api/catalog").await.json();
        if now != before {
            return now;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the edit was not seen");
}

fn sentences(catalog: &Value) -> Vec<String> {
    let changes = catalog["last_edit"]["changes"].as_array().unwrap();
    changes.iter().map(|change| change["sentence"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_server_type_is_told_with_its_place_its_values_in_words_and_its_hosts() {
    let house = House::furnished().await;
    house.register("pve-01", MAC).await;
    let catalog = house.get("/api/catalog").await.json();
    let kind = catalog["types"].as_array().unwrap().iter().find(|kind| kind["name"] == "generic-sata").unwrap();
    assert_eq!((&kind["file"], &kind["line"]), (&json!("server-types/server-types.yaml"), &json!(12)));
    assert_eq!(kind["hosts"][0]["hostname"], "pve-01");
    assert_eq!(kind["trouble"], Value::Null);
    let word = |label: &str| kind["values"].as_array().unwrap().iter().find(|word| word["label"] == label).unwrap();
    assert_eq!(word("disk rule")["value"], "/dev/sda");
    assert_eq!(word("management card")["otherwise"], "the one with the default route");
    let template = &catalog["templates"][0];
    assert_eq!((&template["name"], &template["hosts"][0]["hostname"]), (&json!("default"), &json!("pve-01")));
    assert!(template["text"].as_str().unwrap().contains("# The answer that every server type gets"), "{template}");
    assert_eq!(catalog["last_edit"], Value::Null, "the first reading is no edit");
    let page = house.get("/catalog").await.text;
    for shown in ["server-types/server-types.yaml:12", "/dev/sda", "pve-01", "identify.ipxe"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
}

#[tokio::test]
async fn an_edit_names_what_it_changes_and_the_hosts_that_it_affects() {
    let house = House::furnished().await;
    let first = house.register("pve-01", MAC).await;
    let second = house.register("pve-02", "52:54:00:00:00:02").await;
    let own_disk = json!({ "options": { "answer": { "disks": { "select": [{ "path": "/dev/sdb" }] } } } });
    assert_eq!(house.patch(&format!("/api/hosts/{second}"), &own_disk).await.status, 200);
    let catalog = edit(&house, |text| {
        text.replace("boot_disk: /dev/sda", "boot_disk: /dev/nvme0n1").replace("one SATA disk", "one disk")
    })
    .await;
    let expected = [
        "display name of generic-sata: Machine with one SATA disk → Machine with one disk: changes nothing for machines",
        "disk rule of generic-sata: /dev/sda → /dev/nvme0n1: affects pve-01 at the next rebuild",
    ];
    assert_eq!(sentences(&catalog), expected, "pve-02 has chosen its own disk");
    let page = house.get("/catalog").await.text;
    let part = page.split_once("id=\"last-edit\"").unwrap().1.split_once("</section>").unwrap().0;
    assert!(part.contains(&format!("<a href=\"/hosts/{first}\">pve-01</a> at its next rebuild")), "{part}");
    assert!(part.contains("<del>/dev/sda</del>") && part.contains("<ins>/dev/nvme0n1</ins>"), "{part}");
    assert!(part.contains("Running operations keep what they began with"), "{part}");
}

#[tokio::test]
async fn an_edited_template_shows_its_lines_without_secrets() {
    let house = House::furnished().await;
    house.register("pve-01", MAC).await;
    let file = house.server_types_file().with_file_name("../answer-templates/default.toml");
    let catalog = edit(&house, |text| {
        let template = fs::read_to_string(&file).unwrap();
        let edited =
            template.replace("timezone = \"UTC\"", "timezone = \"Europe/Berlin\"\nroot-password = \"hunter2hunter2\"");
        fs::write(&file, edited).unwrap();
        text.to_owned()
    })
    .await;
    let change = &catalog["last_edit"]["changes"][0];
    assert_eq!(change["sentence"], "answer template default has another text: affects pve-01 at the next rebuild");
    let lines = change["difference"].as_str().unwrap();
    assert!(
        lines.contains("+timezone = \"Europe/Berlin\"") && lines.contains("+root-password = \"(hidden)\""),
        "{lines}"
    );
    assert!(!house.get("/catalog").await.text.contains("hunter2") && !catalog.to_string().contains("hunter2"));
}

#[tokio::test]
async fn a_broken_edit_is_quoted_with_its_place_and_names_the_hosts_that_it_would_strand() {
    let house = House::furnished().await;
    house.register("pve-01", MAC).await;
    let other = json!({ "hostname": "ms-01", "mac": "52:54:00:00:00:02", "server_type": "minisforum-ms-01" });
    assert_eq!(house.post("/api/hosts", &other).await.status, 201);
    let catalog = edit(&house, |text| text.replace("boot_disk: /dev/sda", "boot_disk: sda")).await;
    let problem = &catalog["problems"][0];
    assert_eq!((&problem["file"], &problem["line"]), (&json!("server-types/server-types.yaml"), &json!(12)));
    assert_eq!((&problem["quote"], &problem["quote_line"]), (&json!("    boot_disk: sda"), &json!(14)));
    let stranded = catalog["broken_edit"]["stranded"].as_array().unwrap();
    assert_eq!(stranded.len(), 1, "{catalog}");
    assert_eq!(stranded[0]["hostname"], "pve-01");
    assert_eq!(stranded[0]["reason"], "its server type `generic-sata` cannot be used");
    assert!(catalog["types"].to_string().contains("/dev/sda"), "the good version stays in use");
    let page = house.get("/catalog").await.text;
    assert!(page.contains("must be a full device name") && page.contains("<title>Broken edit"), "{page}");
    let mended = edit(&house, |text| text.replace("boot_disk: sda", "boot_disk: /dev/sda")).await;
    assert_eq!((&mended["broken_edit"], &mended["last_edit"]), (&Value::Null, &Value::Null), "nothing has changed");
    let unreadable = edit(&house, |text| format!("{text}\n  oops\n")).await;
    assert_eq!(
        unreadable["broken_edit"]["stranded"].as_array().unwrap().len(),
        2,
        "the whole file is lost: {unreadable}"
    );
}

#[tokio::test]
async fn a_person_sees_an_edit_break_and_mend_without_touching_the_page() {
    let house = House::furnished().await;
    house.register("pve-01", MAC).await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.resize(1280, 900).await;
    browser.sign_in(&house).await;
    browser.open(&house.operator("/catalog")).await;
    browser.see("#type-generic-sata", "/dev/sda").await;
    edit(&house, |text| text.replace("boot_disk: /dev/sda", "boot_disk: sda")).await;
    browser.see("#broken-edit", "boot_disk: sda").await;
    browser.see("#stranded", "pve-01").await;
    browser.picture("catalog-broken-1280").await;
    browser.resize(390, 844).await;
    browser.scheme("dark").await;
    assert!(browser.overflow().await <= 0);
    browser.picture("catalog-broken-390-dark").await;
    edit(&house, |text| text.replace("boot_disk: sda", "boot_disk: /dev/nvme0n1")).await;
    browser.see("#last-edit", "/dev/nvme0n1").await;
    assert_eq!(browser.run("return document.getElementById('broken-edit')").await, Value::Null);
    browser.picture("catalog-edit-390-dark").await;
}
