//! The list in a browser that is left open: single tiles change, nothing else is touched, nothing that is typed is lost, and what was missed
//! while the daemon was away is caught up with.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{browser::Browser, house::House};

/// Waits until a script of the page says true, and returns how long that took.
async fn until(browser: &Browser, script: &str) -> Duration {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        if browser.run(&format!("return Boolean({script})")).await == json!(true) {
            return began.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seen = browser.run("return document.body.innerText").await;
    panic!("never true: {script}; the page shows {seen}");
}

/// Opens the list in a browser that listens to the feed.
async fn open(house: &House, path: &str) -> (Browser, tempfile::TempDir) {
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.resize(1200, 900).await;
    browser.sign_in(house).await;
    browser.open(&house.operator(path)).await;
    until(&browser, "typeof source === 'object' && source?.readyState === 1").await;
    (browser, profile)
}

#[tokio::test]
async fn a_tile_changes_within_a_second_and_the_others_are_not_touched() {
    let house = House::furnished().await;
    let first = house.register("pve-01", "52:54:00:00:00:01").await;
    let second = house.register("pve-02", "52:54:00:00:00:02").await;
    let (browser, _profile) = open(&house, "/?sort=name").await;
    // Marks what is there, and counts every change inside the other tile except its clock.
    browser
        .run(&format!(
            "for (const id of ['h-{first}', 'h-{second}']) document.getElementById(id).marked = true;
             window.touches = 0;
             const isClock = (change) => (change.target.closest ?? (() => null)).call(change.target, 'time');
             new MutationObserver((changes) => {{ window.touches += changes.filter((change) => !isClock(change)).length; }})
                 .observe(document.getElementById('h-{first}'), {{ childList: true, subtree: true, attributes: true }});"
        ))
        .await;
    house.rebuild(&second, "pve-02").await;
    let shown = format!("document.getElementById('h-{second}').innerText.includes('waiting for network boot')");
    let took = until(&browser, &shown).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    let script = format!("return ['h-{first}', 'h-{second}'].every((id) => document.getElementById(id).marked)");
    assert_eq!(browser.run(&script).await, json!(true), "the tiles are the same elements as before");
    assert_eq!(browser.run("return window.touches").await, json!(0), "the other tile was left alone");
    browser.see("#ongoing", "pve-02").await;
    browser.see("#summary", "1 armed").await;
    until(&browser, "document.getElementById('voice').textContent.length > 0").await;
    // One that comes stands in its place, and one that goes is gone.
    let third = house.register("pve-01-b", "52:54:00:00:00:03").await;
    until(&browser, &format!("document.getElementById('h-{third}')")).await;
    let order = "return [...document.querySelectorAll('#tiles > li > a')].map((link) => link.textContent).join()";
    assert_eq!(browser.run(order).await, json!("pve-01,pve-01-b,pve-02"));
    house.delete(&format!("/api/hosts/{third}")).await;
    until(&browser, &format!("!document.getElementById('h-{third}')")).await;
    assert_eq!(browser.run(&script).await, json!(true));
    browser.picture("hosts-live").await;
}

#[tokio::test]
async fn typing_narrows_the_list_at_once_and_the_address_can_be_shared() {
    let house = House::furnished().await;
    house.register("pve-01", "52:54:00:00:00:01").await;
    let gpu = house.register("gpu-01", "52:54:00:00:00:02").await;
    let (browser, _profile) = open(&house, "/").await;
    browser.fill("#filter [name=q]", "gpu").await;
    until(&browser, "document.querySelectorAll('#tiles .tile').length === 1").await;
    browser.see("#found", "1 of 2 hosts").await;
    assert!(browser.place().await.ends_with("/?q=gpu"), "{}", browser.place().await);
    // What happens meanwhile takes nothing away from what is being typed.
    house.rebuild(&gpu, "gpu-01").await;
    browser.see("#tiles", "waiting for network boot").await;
    let focus = "return document.activeElement.name + '=' + document.activeElement.value";
    assert_eq!(browser.run(focus).await, json!("q=gpu"));
    let place = browser.place().await;
    browser.open("about:blank").await;
    browser.open(&place).await;
    browser.see("#tiles", "gpu-01").await;
    assert_eq!(browser.run("return document.querySelectorAll('#tiles .tile').length").await, json!(1));
    assert_eq!(browser.run("return document.querySelector('#filter [name=q]').value").await, json!("gpu"));
    browser.fill("#filter [name=q]", "5254.0000.0001").await;
    browser.see("#tiles", "pve-01").await;
}

#[tokio::test]
async fn a_page_that_was_cut_off_says_so_and_catches_up_from_where_it_was() {
    let mut house = House::furnished().await;
    let host = house.register("pve-01", "52:54:00:00:00:01").await;
    let (browser, _profile) = open(&house, "/").await;
    browser.run(&format!("document.getElementById('h-{host}').marked = true")).await;
    house = house.restarted_in_place().await;
    // While nobody listened: what the daemon did in between is in the table.
    house.rebuild(&host, "pve-01").await;
    browser.see("#tiles", "waiting for network boot").await;
    let marked = format!("return document.getElementById('h-{host}').marked");
    assert_eq!(browser.run(&marked).await, json!(true), "the tile was renewed, not the page");
    until(
        &browser,
        "document.getElementById('link').textContent === 'Caught up' || document.getElementById('link').hidden",
    )
    .await;
    // A lid that is closed: the page has no connection, and asks for what it missed when it is looked at again.
    browser.run("Object.defineProperty(document, 'hidden', { value: true, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))").await;
    until(&browser, "source === null").await;
    house.register("pve-02", "52:54:00:00:00:02").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(browser.run("return document.querySelectorAll('#tiles .tile').length").await, json!(1));
    browser.run("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))").await;
    browser.see("#tiles", "pve-02").await;
}

#[tokio::test]
async fn focus_and_ticks_stay_where_they_are_while_tiles_change() {
    let house = House::furnished().await;
    let first = house.register("pve-01", "52:54:00:00:00:01").await;
    let second = house.register("pve-02", "52:54:00:00:00:02").await;
    let (browser, _profile) = open(&house, "/?choose=true").await;
    browser
        .run(&format!(
            "document.querySelector('#h-{second} input').click(); document.querySelector('#h-{second} > a').focus()"
        ))
        .await;
    browser.see("#ticked", "1 ticked: type “rebuild 1 hosts”").await;
    house.rebuild(&second, "pve-02").await;
    // It is at work now, so that it moves before the one that rests.
    until(&browser, &format!("document.querySelector('#tiles .tile').id === 'h-{second}'")).await;
    let kept = format!(
        "return document.activeElement === document.querySelector('#h-{second} > a')
             && document.querySelector('#h-{second} input').checked && !document.querySelector('#h-{first} input').checked"
    );
    assert_eq!(browser.run(&kept).await, json!(true));
    browser.resize(390, 844).await;
    assert_eq!(browser.overflow().await, 0, "nothing reaches beyond the width of a phone");
    browser.picture("hosts-choosing-phone").await;
}

#[tokio::test]
async fn what_becomes_overdue_is_shown_so_at_that_moment_without_any_event() {
    let house = House::furnished().await;
    let host = house.register("pve-01", "52:54:00:00:00:01").await;
    house.rebuild(&host, "pve-01").await;
    let (browser, _profile) = open(&house, "/").await;
    // Half of the hour for which it is armed is over in eight seconds.
    #[expect(clippy::disallowed_methods, reason = "the daemon beside has the system's clock")]
    let since = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(30 * 60 - 8);
    let database = rusqlite::Connection::open(house.database()).unwrap();
    database.busy_timeout(Duration::from_secs(20)).unwrap();
    let age = "UPDATE hosts SET state_since = ?2 WHERE id = ?1";
    database.execute(age, [host.as_str(), since.to_string().as_str()]).unwrap();
    browser.open(&house.operator("/")).await;
    browser.see("#tiles", "29 min").await;
    browser.run("stop()").await;
    browser.see("#tiles b", "overdue").await;
    browser.see("#tiles", "nobody has started it from the network yet").await;
}
