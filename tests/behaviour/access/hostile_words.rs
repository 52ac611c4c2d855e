//! What machines and strangers send reaches pages as text, and every answer forbids scripts that are not ours.

use rackseed::domain::rebuild::TokenPurpose;
use serde_json::json;

use super::first_visit::{claim, send};
use crate::support::house::{Answer, House};

const SCRIPT: &str = "<script>alert(1)</script>";
const PICTURE: &str = "\"><img src=x onerror=alert(1)>";

/// A host whose installer has reported hostile things.
async fn house_with_hostile_machine() -> (House, String, String) {
    let house = House::furnished().await;
    let mac = "52:54:00:00:00:01";
    let host = house.register("pve-01", mac).await;
    let operation = house.rebuild(&host, "pve-01").await;
    house.boot_machine(mac, &operation).await;
    let say = async |path: String, body: serde_json::Value| {
        let request = house.installer().post(house.machine(&path)).header("user-agent", format!("{SCRIPT}{PICTURE}"));
        let answer = Answer::of(request.json(&body)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    };
    let token = async |purpose| house.token(&operation, purpose).await;
    let system = json!({ "dmi": { "system": { "name": SCRIPT, "serial": PICTURE, "uuid": "4c4c4544" } },
                         "product": { "product": SCRIPT }, "iso": { "release": PICTURE, "isorelease": "1" },
                         "network_interfaces": [{ "link": SCRIPT, "mac": mac }] });
    say(format!("/api/boot/answer?t={}", token(TokenPurpose::Answer).await), system).await;
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let disk = json!({ "size": 1, "is-bootdisk": true,
                       "udev-properties": { "DEVNAME": "/dev/sda", "ID_SERIAL": SCRIPT, "ID_SERIAL_SHORT": PICTURE, "ID_MODEL": SCRIPT } });
    let card = json!({ "mac": mac, "is-management": true, "udev-properties": { "ID_NET_DRIVER": SCRIPT } });
    let report = json!({ "ssh-public-host-keys": { "ed25519": format!("{key} {PICTURE}") }, "disks": [disk], "network-interfaces": [card],
                         "fqdn": SCRIPT, "cpu-info": { "cores": 4, "model": format!("{SCRIPT}{PICTURE}") },
                         "dmi": { "system": { "name": SCRIPT, "manufacturer": PICTURE, "serial": PICTURE } } });
    say(format!("/api/hosts/{host}/installed?t={}", token(TokenPurpose::Installed).await), report).await;
    let failed = format!("/api/hosts/{host}/failed?t={}", token(TokenPurpose::PhoneHome).await);
    let log = house.installer().post(house.machine(&failed)).body(format!("{SCRIPT}\n{PICTURE}\n"));
    log.send().await.unwrap();
    (house, host, operation)
}

fn hostile_parts(text: &str) -> Vec<&str> {
    ["<script>alert", "<img src=x", "onerror=alert(1)>"].into_iter().filter(|part| text.contains(part)).collect()
}

#[tokio::test]
async fn what_machines_report_and_strangers_type_is_text_on_every_page() {
    let (house, host, operation) = house_with_hostile_machine().await;
    let named = house.post("/api/tokens", &json!({ "name": SCRIPT, "scope": "read_only" })).await;
    assert_eq!(named.status, 201, "{}", named.text);
    let url = format!("http://127.0.0.1:9/{SCRIPT}.iso");
    house.post("/api/images", &json!({ "url": url })).await;
    let hostile = house.post("/api/hosts", &json!({ "hostname": SCRIPT, "mac": PICTURE, "server_type": SCRIPT })).await;
    assert_eq!(hostile.status, 422, "such a host is not registered at all");
    let token = named.json()["token"].as_str().unwrap().to_owned();
    let program = crate::support::house::client_with_token(&token);
    Answer::of(program.delete(house.operator("/api/tokens/aaaaaaaaaaaa"))).await;
    let mut escaped_on = Vec::new();
    for path in [
        "/".to_owned(),
        format!("/hosts/{host}"),
        format!("/hosts/{host}/rebuild"),
        format!("/operations/{operation}"),
        "/operations".to_owned(),
        "/activity".to_owned(),
        "/audit".to_owned(),
        "/account".to_owned(),
        "/images".to_owned(),
        "/catalog".to_owned(),
        "/notifications".to_owned(),
        "/about".to_owned(),
        format!("/operations?q={}", "%3Cscript%3Ealert(1)%3C/script%3E"),
        format!("/audit?actor={}", "%3Cscript%3Ealert(1)%3C/script%3E"),
        format!("/?q={}", "%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E"),
        format!("/hosts/{}", "%3Cscript%3Ealert(1)%3C%2Fscript%3E"),
    ] {
        let page = Answer::of(house.client.get(house.operator(&path)).header("accept", "text/html")).await;
        assert_eq!(hostile_parts(&page.text), [] as [&str; 0], "{path}: {}", page.text);
        assert!(page.header("content-security-policy").contains("script-src 'self'"), "{path}");
        if page.text.contains("&#60;script&#62;alert(1)") {
            escaped_on.push(path);
        }
    }
    for path in [format!("/hosts/{host}"), "/audit".to_owned(), "/account".to_owned()] {
        assert!(escaped_on.contains(&path), "{path} does not show it at all; it is shown on {escaped_on:?}");
    }
}

#[tokio::test]
async fn what_strangers_type_is_text_too_and_every_answer_forbids_scripts_of_others() {
    let house = House::empty().await;
    let typed =
        send(&house, "/first-visit", &[("code", PICTURE), ("name", SCRIPT), ("password", "x"), ("again", "x")]).await;
    assert_eq!((typed.status.as_u16(), hostile_parts(&typed.text)), (422, vec![]), "{}", typed.text);
    claim(&house).await;
    let typed = send(&house, "/sign-in", &[("name", SCRIPT), ("password", "x"), ("next", PICTURE)]).await;
    assert_eq!((typed.status.as_u16(), hostile_parts(&typed.text)), (401, vec![]), "{}", typed.text);
    let stranger = house.stranger();
    for (path, status) in [
        ("/sign-in", 200),
        ("/sign-in?next=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", 200),
        ("/first-visit", 303),
        ("/nothing", 303),
        ("/api/hosts", 401),
        ("/assets/nothing", 404),
        ("/healthz", 200),
    ] {
        let answer = Answer::of(stranger.get(house.operator(path)).header("accept", "text/html")).await;
        assert_eq!((answer.status.as_u16(), hostile_parts(&answer.text)), (status, vec![]), "{path}: {}", answer.text);
        let policy = answer.header("content-security-policy");
        for rule in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(rule) && !policy.contains("unsafe"), "{path}: {policy}");
        }
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
    for (path, status) in [("/nothing", 404), ("/hosts/aaaaaaaaaaaa", 404)] {
        let answer = Answer::of(house.client.get(house.operator(path)).header("accept", "text/html")).await;
        assert_eq!(answer.status, status);
        assert!(answer.header("content-security-policy").contains("script-src 'self'"), "{path}");
    }
}
