//! What the appliance says of itself.

use serde_json::json;

use crate::support::house::House;

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
