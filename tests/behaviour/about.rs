//! What the appliance says of itself.

use serde_json::json;

use crate::support::{browser::Browser, house::House};

#[tokio::test]
async fn the_appliance_tells_program_disk_database_listeners_and_its_certificate() {
    let house = House::empty().await;
    let about = house.get("/api/about").await.json();
    assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&about["healthy"], &about["ailments"]), (&json!(true), &json!([])));
    assert!(about["compiler"].as_str().unwrap().starts_with("rustc "), "{about}");
    assert!(about["database_bytes"].as_u64().unwrap() > 4096, "{about}");
    assert!(about["disk_free_bytes"].as_u64().unwrap() <= about["disk_total_bytes"].as_u64().unwrap());
    assert!(about["schema"].as_u64().unwrap() >= 13);
    let addresses: Vec<_> =
        about["listeners"].as_array().unwrap().iter().map(|it| it["address"].as_str().unwrap()).collect();
    let daemon = &house.daemon;
    let expected = [daemon.operator_address, daemon.boot_address, daemon.machine_address].map(|it| it.to_string());
    assert_eq!(addresses, expected);
    let expires: jiff::Timestamp = about["certificate_expires_at"].as_str().unwrap().parse().unwrap();
    assert!(expires > "2090-01-01T00:00:00Z".parse().unwrap(), "our certificates outlive the machines: {expires}");
}

#[tokio::test]
async fn the_page_shows_the_fingerprint_in_pairs_as_other_tools_do() {
    let house = House::empty().await;
    let about = house.get("/api/about").await.json();
    let plain = about["certificate_sha256"].as_str().unwrap();
    let page = house.get("/about").await.text;
    let shown = page.split_once("id=\"fingerprint\">").unwrap().1.split_once('<').unwrap().0;
    assert_eq!(shown.len(), 95);
    assert_eq!(shown.replace(':', "").to_ascii_lowercase(), plain);
    assert!(page.contains("<title>About · Rackseed</title>") && page.contains("id=\"health\">well<"), "{page}");
}

/// Waits until the doctor is done.
async fn doctor_is_done(house: &House) -> serde_json::Value {
    for _ in 0..300 {
        let checkup = house.get("/api/doctor").await.json();
        if !checkup["ended_at"].is_null() {
            return checkup;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the doctor does not end");
}

#[tokio::test]
async fn the_doctor_looks_in_the_background_one_round_at_a_time_and_says_what_mends_what_he_found() {
    let house = House::with(|settings| settings.credentials.root_password_hash.clear()).await;
    assert!(house.get("/api/doctor").await.problem(404).contains("POST begins one"));
    let begun = house.post("/api/doctor", &json!(null)).await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    let again = house.post("/api/doctor", &json!(null)).await.json();
    assert_eq!(again["started_at"], begun.json()["started_at"], "the round that is under way is told");
    let checkup = doctor_is_done(&house).await;
    assert_eq!((&checkup["worst"], &checkup["cut_off"]), (&json!("problem"), &json!(null)), "{checkup}");
    let first = &checkup["findings"][0];
    assert_eq!((&first["check"], &first["verdict"]), (&json!("root password"), &json!("problem")), "{checkup}");
    assert_eq!(first["confirm"], "rackseed config check");
    assert_eq!(first["fix"], "make one with `mkpasswd -m sha-512`");
    let all = checkup["findings"].to_string();
    let operator = format!("answers at http://{}", house.daemon.operator_address);
    assert!(all.contains(&operator), "the daemon finds itself under the port that it really has: {all}");
}

#[tokio::test]
async fn a_person_lets_the_doctor_look_and_sees_what_he_finds() {
    let house = House::with(|settings| settings.credentials.root_password_hash.clear()).await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.resize(1280, 1000).await;
    browser.sign_in(&house).await;
    browser.open(&house.operator("/about")).await;
    browser.see("#doctor", "asked as booting machines ask it").await;
    browser.click("#run-doctor").await;
    browser.see("#doctor", "found problems").await;
    browser.see("#doctor", "Make sure: rackseed config check").await;
    browser.see("#doctor", "Make one with `mkpasswd").await;
    browser.run("document.getElementById('doctor').scrollIntoView()").await;
    browser.picture("doctor-1280").await;
    browser.resize(390, 844).await;
    browser.scheme("dark").await;
    assert!(browser.overflow().await <= 0);
    browser.run("document.getElementById('doctor').scrollIntoView()").await;
    browser.picture("doctor-390-dark").await;
}
