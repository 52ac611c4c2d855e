//! What booting machines, installers and nodes are told, over real HTTP and real TLS.

use std::time::Duration;

use proptest::prelude::*;
use rackseed::{
    domain::rebuild::TokenPurpose,
    http::{HttpListener, Limits},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

use crate::support::house::{Answer, House, KERNEL};

const MAC: &str = "52:54:00:00:00:01";

/// A host whose machine has loaded its ISO: the house, the host, the operation.
async fn booted() -> (House, String, String) {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let operation = house.rebuild(&host, "pve-01").await;
    house.boot_machine(MAC, &operation).await;
    (house, host, operation)
}

fn system_report() -> Value {
    json!({
        "$schema": { "version": "1.0" }, "product": { "product": "pve", "enable_btrfs": true },
        "iso": { "release": "9.2", "isorelease": "1" }, "dmi": { "system": { "uuid": "4c4c4544" } },
        "network_interfaces": [{ "link": "eno1", "mac": MAC.to_uppercase() }], "something new": [1, 2],
    })
}

async fn say(house: &House, path: &str, body: &Value) -> Answer {
    Answer::of(house.installer().post(house.machine(path)).json(body)).await
}

#[tokio::test]
async fn a_machine_is_installed_and_phones_home_over_tls_with_our_own_certificate() {
    let (house, host, operation) = booted().await;
    let token = |purpose| house.token(&operation, purpose);
    let answer_token = token(TokenPurpose::Answer).await;
    let asked = house.installer().post(house.machine(&format!("/api/boot/answer?t={answer_token}")));
    let asked = asked.bearer_auth(&answer_token).header("content-type", "application/json; charset=utf-8");
    let answer = Answer::of(asked.body(system_report().to_string())).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/toml"));
    assert!(answer.text.contains("fqdn = \"pve-01.home.arpa\""), "{}", answer.text);
    assert_eq!(house.state(&host).await, "installing");

    let script_token = token(TokenPurpose::FirstBootScript).await;
    let place = format!("/api/hosts/{host}/first-boot-script?t={script_token}");
    let script = Answer::of(house.installer().get(house.machine(&place))).await;
    assert!(script.status == 200 && script.text.starts_with("#!/bin/sh"), "{}", script.text);

    let installed = format!("/api/hosts/{host}/installed?t={}", token(TokenPurpose::Installed).await);
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA root@pve-01";
    let disk = json!({ "size": 1, "is-bootdisk": true, "udev-properties": { "DEVNAME": "/dev/sda", "ID_SERIAL_SHORT": "S1" } });
    let report = json!({
        "ssh-public-host-keys": { "ed25519": key, "rsa": "unknown" }, "new": "x".repeat(300_000), "disks": [disk],
        "cpu-info": "odd", "boot-info": { "mode": "efi" }, "dmi": { "system": { "name": "PowerEdge", "serial": "Default string" } },
    });
    for _ in 0..2 {
        assert_eq!(say(&house, &installed, &report).await.status, 200, "a webhook that is repeated is heard again");
    }
    assert_eq!(house.state(&host).await, "installed");
    let home = format!("/api/hosts/{host}/phone-home?t={}", token(TokenPurpose::PhoneHome).await);
    let disks =
        json!({ "blockdevices": [{ "name": "sda", "size": 480_103_981_056_u64, "serial": "S1", "type": "disk" }] });
    let report = json!({ "address": "127.0.0.9", "hardware_id": "4c4c4544", "hostname": "pve-01", "memory_bytes": 67_422_556_160_u64, "disks": disks });
    assert_eq!(say(&house, &home, &report).await.text, "heard\n");
    let shown = house.get(&format!("/api/hosts/{host}")).await.json();
    assert_eq!((&shown["address"], &shown["hardware_id"]), (&json!("127.0.0.9"), &json!("4c4c4544")));
    assert!(shown["ssh_host_key_fingerprint"].as_str().unwrap().starts_with("SHA256:"), "{shown}");
    let hardware = &shown["hardware"];
    assert_eq!((&hardware["product"], &hardware["serial"]), (&json!("PowerEdge"), &json!(null)), "{hardware}");
    assert_eq!((&hardware["memory_bytes"], &hardware["boot_mode"]), (&json!(67_422_556_160_u64), &json!("efi")));
    assert_eq!(hardware["disks"][0]["size_bytes"], json!(480_103_981_056_u64), "the true size, not the webhook's");
    assert_eq!(hardware["nics"][0]["mac"], json!(MAC));
}

#[tokio::test]
async fn wrong_tokens_and_broken_reports_change_nothing_and_say_why() {
    let (house, host, operation) = booted().await;
    let token = house.token(&operation, TokenPurpose::Answer).await;
    for (path, body, status) in [
        ("/api/boot/answer".to_owned(), system_report(), 403),
        ("/api/boot/answer?t=wrong".to_owned(), system_report(), 403),
        (format!("/api/boot/answer?t={token}"), json!([]), 400),
        (format!("/api/hosts/{host}/installed?t={token}"), json!({}), 403),
        ("/api/hosts/aaaaaaaaaaaa/installed?t=x".to_owned(), json!({}), 403),
        ("/api/hosts/nobody/phone-home?t=x".to_owned(), json!({ "address": "10.0.0.1" }), 404),
        (format!("/api/hosts/{host}/phone-home?t={token}"), json!({ "address": "nowhere" }), 400),
    ] {
        let sentence = say(&house, &path, &body).await.problem(status);
        assert!(sentence.len() > 15 && !sentence.contains(&token), "{path}: {sentence}");
    }
    let large = json!({ "iso": { "release": "x".repeat(80_000) } });
    say(&house, &format!("/api/boot/answer?t={token}"), &large).await.problem(413);
    let large = json!({ "fqdn": "x".repeat(1_100_000) });
    say(&house, &format!("/api/hosts/{host}/installed?t={token}"), &large).await.problem(413);
    let odd = Answer::of(house.installer().post(house.machine("/api/boot/answer?t=%ff%00&t=&&=")).body(vec![0xff; 50]));
    odd.await.problem(400);
    assert_eq!(house.state(&host).await, "pxe_booted");
}

#[tokio::test]
async fn every_script_request_is_answered_with_a_script() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let operation = house.rebuild(&host, "pve-01").await;
    let token = house.token(&operation, TokenPurpose::Boot).await;
    let mut installs = 0;
    for path in [
        "/ipxe/nonsense".to_owned(),
        "/ipxe/%ff%fe".to_owned(),
        "/ipxe/52:54:00:00:00:99".to_owned(),
        format!("/ipxe/{MAC}"),
        format!("/ipxe/{MAC}?b=wrong&platform=efi&version=2.0.0"),
        format!("/ipxe/{MAC}?b=%ff&platform=%00"),
        format!("/ipxe/{MAC}?b={token}"),
        format!("/ipxe/{MAC}?b={token}&platform=efi&version=1.0.0"),
        format!("/ipxe/{MAC}?b={token}&platform=pcbios&version=1.21.1+git"),
    ] {
        let script = Answer::of(house.client.get(house.boot(&path))).await;
        assert_eq!((script.status.as_u16(), script.header("content-type")), (200, "text/plain; charset=utf-8"));
        assert!(script.text.starts_with("#!ipxe\n"), "{path}: {}", script.text);
        installs += usize::from(script.text.contains("kernel --name"));
    }
    assert_eq!((installs, house.state(&host).await.as_str()), (1, "pxe_booted"));
}

#[tokio::test]
async fn the_files_of_an_armed_rebuild_are_served_whole_in_parts_and_only_with_its_token() {
    let (house, _, operation) = booted().await;
    let token = house.token(&operation, TokenPurpose::Boot).await;
    let kernel = house.boot(&format!("/boot/{token}/linux26"));
    let whole = Answer::of(house.client.get(&kernel)).await;
    assert_eq!(whole.text.as_bytes(), KERNEL);
    assert_eq!((whole.header("accept-ranges"), whole.header("content-length")), ("bytes", &*KERNEL.len().to_string()));
    let head = Answer::of(house.client.head(&kernel)).await;
    assert_eq!((head.header("content-length"), head.text.as_str()), (&*KERNEL.len().to_string(), ""));
    let part = Answer::of(house.client.get(&kernel).header("range", "bytes=4-9")).await;
    assert_eq!((part.status.as_u16(), part.text.as_bytes()), (206, &KERNEL[4..10]));
    let past = Answer::of(house.client.get(&kernel).header("range", "bytes=9999-")).await;
    assert_eq!((past.status.as_u16(), past.header("content-range")), (416, &*format!("bytes */{}", KERNEL.len())));
    let same = Answer::of(house.client.get(&kernel).header("if-none-match", whole.header("etag"))).await;
    assert_eq!(same.status, 304);
    let iso = house.boot(&format!("/boot/{token}/installer.iso"));
    let iso = house.client.get(&iso).send().await.unwrap().bytes().await.unwrap();
    let place = iso.windows(15).position(|bytes| bytes == b"mode = \"http\"\n\n").expect("its own settings");
    assert!(String::from_utf8_lossy(&iso[place..place + 200]).contains("/api/boot/answer?t="));
    for (path, status) in [("/boot/wrong/linux26".to_owned(), 403), (format!("/boot/{token}/passwd"), 404)] {
        Answer::of(house.client.get(house.boot(&path))).await.problem(status);
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_or_no_tls_is_let_go() {
    let house = House::empty().await;
    let mut plain = TcpStream::connect(house.daemon.machine_address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let read = plain.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(5), read).await.expect("it is closed");
    assert!(!answer.starts_with(b"HTTP/"), "no plain answer on the TLS listener");

    let limits = Limits { head: Duration::from_millis(200), connections: 1, ..Limits::default() };
    let listener = HttpListener::bind("127.0.0.1:0".parse().unwrap(), None).await.unwrap().with_limits(limits);
    let (address, stop) = (listener.address().unwrap(), CancellationToken::new());
    let served = tokio::spawn(listener.run(axum::Router::new(), stop.clone()));
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    let mut waiting = TcpStream::connect(address).await.unwrap();
    waiting.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let read = waiting.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(5), read).await.expect("the slow one made room").unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), served).await.unwrap().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_refused_and_the_listeners_go_on(noise in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 10)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::empty().await;
            for address in [house.daemon.boot_address, house.daemon.machine_address, house.daemon.operator_address] {
                for bytes in &noise {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    let _ = stream.write_all(bytes).await;
                    let _ = stream.shutdown().await;
                    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut Vec::new())).await;
                }
            }
            assert_eq!(Answer::of(house.client.get(house.boot("/healthz"))).await.text, "ok\n");
            assert_eq!(Answer::of(house.installer().get(house.machine("/healthz"))).await.text, "ok\n");
            assert_eq!(house.get("/healthz").await.text, "ok\n");
        });
    }
}
