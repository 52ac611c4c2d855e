//! What is seen of machines: who asks and is not registered, what a boot passes, and what is said when it stands still.

use std::{net::UdpSocket, sync::Arc, time::Duration};

use jiff::SignedDuration;
use rackseed::{
    domain::{
        boot_request::BootRequest,
        boot_trace::{Milestone, Stage},
        identity::MacAddress,
        rebuild::TokenPurpose,
        sighting::{Question, Sighting},
    },
    ports::{BootTrace, LiveFeed, SightingLedger},
    provisioning::{BootDiary, MOST_SIGHTINGS},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    dhcp::packet::recorded,
    support::{
        browser::Browser,
        house::{Answer, House},
        rebuild_world::RebuildWorld,
    },
};

const MAC: &str = "52:54:00:00:00:01";

fn made_up(number: u32) -> MacAddress {
    let [a, b, c, d] = number.to_be_bytes();
    MacAddress::from_bytes([2, 0x66, a, b, c, d]).unwrap()
}

fn question(mac: MacAddress) -> Question {
    let mut request = BootRequest::new(mac, 7);
    request.uuid = Some("4c4c4544-0035-3310-8054-b2c04f4e3132".into());
    Question::for_boot(&request, "vmbr0")
}

/// Asks until the answer is as wanted; what is seen is taken in a moment later.
async fn until(house: &House, path: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..100 {
        let answer = house.get(path).await.json();
        if is_wanted(&answer) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path} is still {}", house.get(path).await.text);
}

fn command(house: &House, arguments: &[&str]) -> (String, bool) {
    let mut command = house.program();
    let output = command.args(arguments).output().unwrap();
    (String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(), output.status.success())
}

#[tokio::test]
async fn a_machine_that_asks_again_survives_a_storm_of_made_up_addresses_and_a_restart() {
    let world = RebuildWorld::new();
    let sightings = world.sightings();
    let real: MacAddress = MAC.parse().unwrap();
    for _ in 0..4 {
        sightings.asked(&question(real));
    }
    sightings.write().await;
    for number in 0..50_000 {
        sightings.asked(&question(made_up(number)));
        if number % 5000 == 0 {
            world.clock.advance(SignedDuration::from_secs(3));
            sightings.write().await;
        }
    }
    sightings.write().await;
    let all = sightings.all();
    assert_eq!(all.len(), MOST_SIGHTINGS);
    assert_eq!(sightings.one(real).unwrap().count, 4);
    let written: Vec<Sighting> = world.store.sightings().await.unwrap();
    assert_eq!(written.len(), MOST_SIGHTINGS, "the database is bounded too");
    let told = world.store.events_after(0, 1000).await.unwrap();
    let told: Vec<_> = told.iter().filter(|event| event.topic.word() == "sighting").collect();
    assert!((1..=11).contains(&told.len()), "{} rows of the feed", told.len());
    assert_eq!(told[0].message, format!("{MAC} (UEFI x86-64) asked for a boot and is not registered"));

    let restarted = world.sightings();
    restarted.restore().await.unwrap();
    assert_eq!(restarted.one(real), sightings.one(real));
    world.register("pve-01", MAC).await;
    let after_registration = world.sightings();
    after_registration.restore().await.unwrap();
    assert_eq!(after_registration.one(real), None, "a host is no sighting, whatever was written");
    after_registration.asked(&question(real));
    assert_eq!(after_registration.one(real), None);
    world.clock.advance(SignedDuration::from_hours(31 * 24));
    after_registration.write().await;
    assert_eq!(
        (after_registration.all().len(), world.store.sightings().await.unwrap().len()),
        (0, 0),
        "the old are forgotten"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_neither_blocks_the_diary_nor_pushes_a_host_out_of_it() {
    let world = RebuildWorld::new();
    let host = world.register("pve-01", MAC).await;
    let table = world.world.keeper.boot_table();
    let (diary, queue) = BootDiary::new(table.clone(), world.clock.clone(), world.store.clone());
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (diary, stop) = (Arc::clone(&diary), stop.clone());
        async move { diary.run(queue, stop).await }
    });
    let asked = || Milestone::Asked { client: "UEFI x86-64".into() };
    for number in 0..100_000 {
        diary.saw(made_up(number), asked());
        if number % 20_000 == 0 {
            diary.saw(host.mac, asked());
        }
    }
    stop.cancel();
    running.await.unwrap();
    let record = diary.record(host.mac);
    assert_eq!(record.all().map(|seen| seen.times).sum::<u32>(), 5, "nothing of a host was dropped");
    assert!(diary.machines() <= 512, "{}", diary.machines());
    assert!(diary.dropped() > 0, "a storm is dropped and counted, not queued");
    let (restarted, _queue) = BootDiary::new(table, world.clock.clone(), world.store.clone());
    restarted.restore().await.unwrap();
    assert_eq!(restarted.record(host.mac), record, "what was seen of a host survives a restart");
    assert_eq!(restarted.machines(), 1, "and of strangers nothing is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_asks_for_a_script_is_seen_registered_with_one_call_and_forgotten() {
    let house = House::empty().await;
    for mac in [MAC, "52:54:00:00:00:02", MAC] {
        let script = house.client.get(house.boot(&format!("/ipxe/{mac}?platform=efi&version=2.0.0")));
        assert!(Answer::of(script).await.text.contains("not registered"));
    }
    let seen = house.get("/api/sightings").await.json();
    assert_eq!(seen.as_array().unwrap().len(), 2);
    assert_eq!((&seen[0]["mac"], &seen[0]["count"]), (&json!(MAC), &json!(2)));
    assert_eq!(seen[0]["client"], json!("iPXE 2.0.0 (efi)"));
    let (told, _) = command(&house, &["host", "sightings"]);
    assert!(told.contains(MAC) && told.contains("rackseed host add"), "{told}");
    until(&house, &format!("/api/boots/{MAC}"), |boot| {
        boot["seen"][0]["milestone"] == json!("script_fetched")
            && boot["diagnosis"]["summary"].as_str().unwrap().contains("not registered")
    })
    .await;

    house.register("pve-01", MAC).await;
    let (told, is_good) = command(&house, &["host", "sightings", "--forget", "52-54-00-00-00-02"]);
    assert!(is_good, "{told}");
    assert_eq!(house.get("/api/sightings").await.json(), json!([]));
    house.delete("/api/sightings/52:54:00:00:00:02").await.problem(404);
    house.delete("/api/sightings/nonsense").await.problem(404);
    house.get("/api/boots/nonsense").await.problem(404);
    let (told, _) = command(&house, &["host", "sightings"]);
    assert!(told.contains("no machine asked"), "{told}");
}

#[tokio::test]
async fn a_recorded_discover_of_an_unregistered_machine_is_seen_with_all_that_it_says() {
    let port = || UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (dhcp, proxy, tftp) = (port(), port(), port());
    let house = House::with(|settings| {
        settings.pxe.enabled = true;
        settings.pxe.interface = "lo".into();
        settings.pxe.subnet = "127.0.0.0/8".into();
        settings.pxe.reply_to_source = true;
        (settings.pxe.dhcp_port, settings.pxe.proxy_port, settings.pxe.tftp_port) = (dhcp, proxy, tftp);
    })
    .await;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let packet = recorded("ovmf-x64-pxe-discover");
    let mac = MacAddress::from_bytes(packet[28..34].try_into().unwrap()).unwrap().to_string();
    for _ in 0..3 {
        socket.send_to(&packet, ("127.0.0.1", dhcp)).unwrap();
    }
    let seen = until(&house, "/api/sightings", |seen| seen[0]["count"] == json!(3)).await;
    assert_eq!((&seen[0]["mac"], &seen[0]["architecture"]), (&json!(mac), &json!(7)));
    assert_eq!((&seen[0]["interface"], &seen[0]["client"]), (&json!("lo"), &json!("UEFI x86-64")));
    assert!(seen[0]["vendor_class"].as_str().unwrap().starts_with("PXEClient:Arch:00007"), "{seen}");
    let boot = until(&house, &format!("/api/boots/{mac}"), |boot| boot["seen"].as_array().unwrap().len() == 2).await;
    assert_eq!((&boot["seen"][0]["milestone"], &boot["seen"][0]["times"]), (&json!("asked"), &json!(3)));
    let sentence = boot["seen"][1]["sentence"].as_str().unwrap();
    assert!(sentence.contains("not registered"), "{sentence}");
}

/// Does what an installed machine does after its scripts and its ISO.
async fn install(house: &House, host: &str, operation: &str) {
    let token = |purpose| house.token(operation, purpose);
    let say = |path: String, body: Value| {
        let request = house.installer().post(house.machine(&path)).json(&body);
        async move { assert_eq!(Answer::of(request).await.status, 200) }
    };
    let report = json!({ "network_interfaces": [{ "link": "eno1", "mac": MAC }] });
    say(format!("/api/boot/answer?t={}", token(TokenPurpose::Answer).await), report).await;
    let script = format!("/api/hosts/{host}/first-boot-script?t={}", token(TokenPurpose::FirstBootScript).await);
    assert_eq!(Answer::of(house.installer().get(house.machine(&script))).await.status, 200);
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA root@pve-01";
    let report = json!({ "ssh-public-host-keys": { "ed25519": key } });
    say(format!("/api/hosts/{host}/installed?t={}", token(TokenPurpose::Installed).await), report).await;
    let report = json!({ "address": "127.0.0.9", "hardware_id": "4c4c4544" });
    say(format!("/api/hosts/{host}/phone-home?t={}", token(TokenPurpose::PhoneHome).await), report).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_milestone_of_an_installation_is_told_with_its_sentence_and_what_comes_next() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let place = format!("/api/hosts/{host}/boot");
    assert_eq!(house.get(&place).await.json()["diagnosis"]["expected"], json!(null), "nothing waits for it");
    let operation = house.rebuild(&host, "pve-01").await;
    let armed = house.get(&place).await.json();
    assert_eq!(armed["diagnosis"]["place"], json!("silent"));
    assert_eq!(armed["diagnosis"]["expected"]["next"], json!("its network card asks for a boot"));
    house.boot_machine(MAC, &operation).await;
    let loaded = until(&house, &place, |boot| boot["diagnosis"]["place"] == json!("image_loaded")).await;
    assert_eq!((&loaded["diagnosis"]["overdue"], &loaded["diagnosis"]["causes"]), (&json!(false), &json!([])));
    install(&house, &host, &operation).await;
    let done = until(&house, &place, |boot| boot["seen"].as_array().unwrap().len() == 6).await;
    assert_eq!(done["diagnosis"]["place"], json!("home"));
    let seen = done["seen"].as_array().unwrap();
    let milestones: Vec<_> = seen.iter().map(|seen| seen["milestone"].as_str().unwrap()).collect();
    let wanted = [
        Stage::ScriptFetched,
        Stage::ImageFetched,
        Stage::AnswerServed,
        Stage::FirstBootScriptFetched,
        Stage::Installed,
        Stage::PhonedHome,
    ];
    assert_eq!(milestones, wanted.map(Stage::word), "{done:#}");
    assert!(seen[0]["sentence"].as_str().unwrap().contains("its install script: installing pve-01"), "{done:#}");
    assert!(seen[1]["bytes"].as_u64().unwrap() > 200_000, "{done:#}");
    assert!(seen.iter().all(|seen| seen["milliseconds"].is_u64() && seen["sentence"].as_str().unwrap().len() > 20));
    let text = done.to_string();
    for purpose in [TokenPurpose::Boot, TokenPurpose::Answer, TokenPurpose::PhoneHome] {
        assert!(!text.contains(&house.token(&operation, purpose).await), "no token is told");
    }
    for machine in [MAC, "pve-01"] {
        let (told, is_good) = command(&house, &["doctor", "--mac", machine]);
        assert!(is_good && told.contains("The installed system phoned home"), "{told}");
        assert!(told.contains("It loaded its private installer ISO"), "{told}");
    }
    let metrics = house.get("/metrics").await.text;
    assert!(metrics.contains("rackseed_booting_machines 1"), "{metrics}");
}

#[tokio::test]
async fn a_browser_is_told_of_boots_without_a_row_in_the_feed() {
    let house = House::empty().await;
    house.register("pve-01", MAC).await;
    let mut stream = house.client.get(house.operator("/events")).send().await.unwrap();
    Answer::of(house.client.get(house.boot(&format!("/ipxe/{MAC}")))).await;
    let mut text = String::new();
    while !text.contains("event: boot") {
        let chunk = tokio::time::timeout(Duration::from_secs(10), stream.chunk()).await.unwrap().unwrap();
        text += std::str::from_utf8(&chunk.unwrap()).unwrap();
    }
    let event = text.split("\n\n").find(|event| event.contains("event: boot")).unwrap();
    assert!(event.contains(MAC) && !event.contains("id:"), "{event}");
}

#[tokio::test]
async fn a_seen_machine_is_registered_with_one_click_and_its_page_follows_its_boot() {
    let house = House::empty().await;
    house.add_image().await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.resize(1200, 900).await;
    browser.sign_in(&house).await;
    browser.open(&house.operator("/")).await;
    browser.see("main", "From bare metal to a node").await;
    let asks =
        || async { Answer::of(house.client.get(house.boot(&format!("/ipxe/{MAC}?platform=efi&version=2.0.0")))).await };
    asks().await;
    browser.see("#sightings", MAC).await;
    for (width, scheme, name) in [(1200, "light", "10-seen"), (390, "dark", "10-seen-phone")] {
        browser.resize(width, 900).await;
        browser.scheme(scheme).await;
        assert!(browser.overflow().await <= 0, "nothing reaches beyond {width}");
        browser.picture(name).await;
    }
    browser.click(".register-seen").await;
    browser.see("h1", "pve-01").await;
    let host = browser.place().await.rsplit_once('/').unwrap().1.to_owned();
    browser.see("#boot", "No rebuild waits for pve-01").await;
    let operation = house.rebuild(&host, "pve-01").await;
    browser.see("#boot", "Next: its network card asks for a boot.").await;
    house.boot_machine(MAC, &operation).await;
    browser.see("#boot", "It loaded its private installer ISO").await;
    browser.see("#boot", "the installer starts from memory").await;
    install(&house, &host, &operation).await;
    browser.see("#boot", "The installed system phoned home").await;
    for (width, scheme, name) in
        [(1200, "light", "11-boot"), (1200, "dark", "11-boot-dark"), (390, "light", "11-boot-phone")]
    {
        browser.resize(width, 1400).await;
        browser.scheme(scheme).await;
        assert!(browser.overflow().await <= 0, "nothing reaches beyond {width}");
        browser.picture(name).await;
    }
}
