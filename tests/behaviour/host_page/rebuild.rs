//! The page before a rebuild: what it says of the moments, and the button that stays off.

use super::*;

#[tokio::test]
async fn a_first_rebuild_says_so_and_when_the_disk_is_wiped() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let page = house.get(&format!("/hosts/{host}/rebuild")).await.text;
    for said in [
        "first installation from here",
        "has never installed pve-01",
        "as the rule says: the machine has not reported its disks yet",
        "is armed for 60 minutes",
        "You switch the machine on",
        "creates the cluster rackseed",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let point = part(&page, "id=\"moment-answered\" class=\"point\"", "</li>");
    assert!(point.contains("installer is given its answer") && point.contains("/dev/sda"), "{point}");
    assert!(!page.contains("moment-left"), "it is no member: there is nothing to leave");
    let plan = house.get(&format!("/api/hosts/{host}/rebuild-plan")).await.json();
    let moments: Vec<_> =
        plan["moments"].as_array().unwrap().iter().map(|moment| moment["id"].as_str().unwrap()).collect();
    assert_eq!(moments, ["armed", "started", "answered", "installed", "ready"]);
    let points: Vec<_> =
        plan["moments"].as_array().unwrap().iter().map(|moment| &moment["point_of_no_return"]).collect();
    assert_eq!(points, [false, false, true, false, false]);
}

#[tokio::test]
async fn a_power_driver_is_said_to_start_the_machine_by_itself() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let driver = json!({ "options": { "power": { "driver": "wake_on_lan" } } });
    assert_eq!(house.patch(&format!("/api/hosts/{host}"), &driver).await.status, 200);
    let page = house.get(&format!("/hosts/{host}/rebuild")).await.text;
    assert!(page.contains("Rackseed wakes the machine") && !page.contains("You switch the machine on"), "{page}");
}

#[tokio::test]
async fn what_was_typed_stays_and_what_is_wrong_stands_beside_it() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let place = format!("/hosts/{host}/rebuild");
    let refused = send(&house, &place, &[("confirm", "pve-10")]).await;
    assert_eq!(refused.status, 422);
    let field = part(&refused.text, "<input id=\"confirm\"", "</div>");
    assert!(field.contains("value=\"pve-10\"") && field.contains("aria-invalid=\"true\""), "{field}");
    assert!(field.contains("id=\"confirm-problem\">a rebuild wipes the disk; confirm it with the host"), "{field}");
    let refused = send(&house, &place, &[("confirm", "pve-01"), ("image", "pve-1.0-1-00000000")]).await;
    assert!(refused.text.contains("id=\"image-problem\">there is no image"), "{}", refused.text);
    assert_eq!(house.state(&host).await, "registered", "nothing was armed");
}

#[tokio::test]
async fn an_answer_that_was_given_before_is_compared_with_the_next_one() {
    let (house, _folder) = lived_in().await;
    let host = host_named(&house, "pve-02").await;
    let id = host["id"].as_str().unwrap();
    let page = house.get(&format!("/hosts/{id}/rebuild")).await.text;
    assert!(page.contains("pve-02 was installed before"), "{page}");
    let disk = part(&page, "class=\"wiped-disks\"", "</ul>");
    for known in ["/dev/sda", "447.1 GiB", "Simulated SSD", "serial SIM", "its system is on it"] {
        assert!(disk.contains(known), "{known}: {disk}");
    }
    let change = json!({ "options": { "answer": { "domain": "other.example" } } });
    assert_eq!(house.patch(&format!("/api/hosts/{id}"), &change).await.status, 200);
    let page = house.get(&format!("/hosts/{id}/rebuild")).await.text;
    let difference = part(&page, "class=\"difference\"", "</pre>");
    assert!(difference.contains("<span class=\"minus\">-fqdn = &#34;pve-02.demo.internal&#34;"), "{difference}");
    assert!(difference.contains("<span class=\"plus\">+fqdn = &#34;pve-02.other.example&#34;"), "{difference}");
}

#[tokio::test]
async fn the_button_is_off_until_the_name_is_typed() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.sign_in(&house).await;
    browser.resize(390, 844).await;
    browser.open(&house.operator(&format!("/hosts/{host}/rebuild"))).await;
    browser.see("#moments", "The point of no return").await;
    let off = "return document.querySelector('#start-rebuild').disabled";
    assert_eq!(browser.run(off).await, true);
    browser.fill("#confirm", "pve-0").await;
    assert_eq!(browser.run(off).await, true);
    browser.fill("#confirm", "pve-01").await;
    assert_eq!(browser.run(off).await, false);
    assert_eq!(browser.overflow().await, 0, "nothing reaches beyond the width of a phone");
    browser.picture("rebuild-phone").await;
    browser.click("#start-rebuild").await;
    browser.see("#state", "waiting for network boot").await;
}
