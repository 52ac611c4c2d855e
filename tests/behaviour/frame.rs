//! What belongs to every page, in a real browser: trouble is seen in the tab, told where somebody wants to be told, colours are the reader's
//! choice, everything is reached with the keyboard alone, and a page that follows the feed stands still.

use rackseed::{
    domain::{
        identity::OperationId,
        live_event::{NewLiveEvent, Topic},
        operation::{JournalEntry, JournalEvent},
    },
    ports::{Clock, OperationJournal},
    store::Store,
};
use serde_json::json;

use crate::support::{browser::Browser, house::House};

const MAC: &str = "52:54:00:00:00:01";
/// The keys of the protocol of `WebDriver` (§17.4.2).
const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';
/// How many times the tabulator is pressed on the way to something, at most.
const MOST_TABS: usize = 60;

/// Lets an operation need attention, as the engine does, and somebody ring the bell, who has a number of their own each time.
async fn park(house: &House, operation: &str, ringer: u8) {
    let store = Store::open_shared(&house.folder.path().join("data")).unwrap();
    let id: OperationId = operation.parse().unwrap();
    let at = rackseed::daemon::SystemClock.now();
    let event = JournalEvent::Parked { reason: "nobody knows what is wrong".into() };
    let message = "the operation needs attention: nobody knows what is wrong".into();
    let feed = NewLiveEvent { topic: Topic::Operation, host: None, operation: Some(id.clone()), message };
    let (_, journal) = store.operation(&id).await.unwrap().unwrap();
    store.append(&id, journal.len(), &JournalEntry { at, step: String::new(), event }, Some(&feed)).await.unwrap();
    house.register(&format!("pve-9{ringer}"), &format!("52:54:00:00:00:9{ringer}")).await;
}

async fn armed_house() -> (House, String, String) {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let operation = house.rebuild(&host, "pve-01").await;
    house.until_waiting(&operation).await;
    (house, host, operation)
}

#[tokio::test]
async fn an_operation_that_needs_attention_is_seen_in_the_tab_of_every_page_while_it_stays_open() {
    let (house, _, operation) = armed_house().await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.sign_in(&house).await;
    browser.open(&house.operator("/")).await;
    let told = "return document.title.startsWith('(1!) ')";
    assert_eq!(browser.run(told).await, false);
    let icon = "return document.getElementById('icon').getAttribute('href').split('?')[0]";
    assert_eq!(browser.run(icon).await, "/assets/mark.svg");
    park(&house, &operation, 1).await;
    browser.see("#attention", "1").await;
    assert_eq!(browser.run(told).await, true);
    assert_eq!(browser.run(icon).await, "/assets/mark-trouble.svg");
    // Without scripts it is the same.
    let page = house.get("/images").await.text;
    assert!(page.contains("<title>(1!) ") && page.contains("href=\"/assets/mark-trouble.svg?"), "{page}");
    house.post(&format!("/api/operations/{operation}/cancel"), &json!({})).await;
    for _ in 0..100 {
        if browser.run(told).await == false {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(browser.run(told).await, false);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    assert_eq!(browser.run(icon).await, "/assets/mark.svg");
}

#[tokio::test]
async fn whoever_wants_it_is_notified_once_of_an_operation_and_only_while_not_looking() {
    let (house, _, operation) = armed_house().await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.sign_in(&house).await;
    // What the system would show is written down instead.
    let stand_in = "window.told = []; window.looking = true; document.hasFocus = () => window.looking;
        window.Notification = class { static permission = 'default';
            static async requestPermission() { return (this.permission = 'granted'); }
            constructor(title, more) { window.told.push([title, more.body, more.tag]); } close() {} };";
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": stand_in })).await;
    browser.open(&house.operator("/notifications")).await;
    browser.see("#this-browser", "as long as a page of Rackseed is open").await;
    browser.click("#notify-me").await;
    browser.see("#notify-me", "Stop notifying me").await;
    park(&house, &operation, 1).await;
    browser.see("#attention", "1").await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(browser.run("return window.told").await, json!([]), "who looks at the page sees it there");
    browser.run("window.looking = false; window.dispatchEvent(new Event('blur'))").await;
    house.post(&format!("/api/operations/{operation}/retry"), &json!({})).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    house.until_waiting(&operation).await;
    park(&house, &operation, 2).await;
    let expected = json!(["pve-01 needs attention", "nobody knows what is wrong", operation]);
    for _ in 0..100 {
        if browser.run("return window.told.length").await != 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(browser.run("return window.told").await, json!([expected]), "once, whatever comes after it");
    browser.click("#notify-me").await;
    browser.see("#notify-me", "Notify me").await;
}

#[tokio::test]
async fn colours_are_the_choice_of_the_reader_and_stay_so() {
    let house = House::empty().await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.sign_in(&house).await;
    browser.resize(1280, 900).await;
    let ground = "return getComputedStyle(document.body).backgroundColor";
    browser.scheme("light").await;
    browser.open(&house.operator("/")).await;
    let light = browser.run(ground).await;
    browser.click(".aside .scheme label:nth-of-type(3)").await;
    let dark = browser.run(ground).await;
    assert_ne!(light, dark);
    browser.open(&house.operator("/images")).await;
    assert_eq!(browser.run(ground).await, dark, "the next page is as chosen");
    browser.click(".aside .scheme label:nth-of-type(1)").await;
    assert_eq!(browser.run(ground).await, light, "as the system is");
    browser.scheme("dark").await;
    assert_eq!(browser.run(ground).await, dark);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// Presses the tabulator until something has the focus.
async fn reach(browser: &Browser, selector: &str) {
    for _ in 0..MOST_TABS {
        browser.press(TAB).await;
        if browser.run(&format!("return document.activeElement.matches({})", json!(selector))).await == true {
            // Of a tile, the whole shows it.
            let outline = "const one = document.activeElement, shown = getComputedStyle(one).outlineStyle;
                return shown === 'none' ? getComputedStyle(one.parentElement).outlineStyle : shown";
            assert_ne!(browser.run(outline).await, "none", "{selector} shows that it has the focus");
            return;
        }
    }
    panic!("{selector} is not reached with the tabulator");
}

async fn type_text(browser: &Browser, text: &str) {
    for key in text.chars() {
        browser.press(key).await;
    }
}

#[tokio::test]
async fn a_host_is_rebuilt_with_the_keyboard_alone() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.sign_in(&house).await;
    browser.resize(1280, 900).await;
    browser.open(&house.operator("/")).await;
    reach(&browser, ".skip").await;
    browser.press(ENTER).await;
    let link = format!("main a[href=\"/hosts/{host}\"]");
    reach(&browser, &link).await;
    browser.press(ENTER).await;
    browser.see("h1", "pve-01").await;
    reach(&browser, "#open-rebuild").await;
    browser.press(ENTER).await;
    browser.see("h1", "Rebuild pve-01?").await;
    reach(&browser, "#confirm").await;
    type_text(&browser, "pve-01").await;
    reach(&browser, "#start-rebuild").await;
    browser.press(ENTER).await;
    browser.see("#state", "waiting for network boot").await;
}

#[tokio::test]
async fn the_list_of_hosts_stands_still_while_a_host_changes() {
    let house = House::furnished().await;
    let host = house.register("pve-01", MAC).await;
    for number in 2..9 {
        house.register(&format!("pve-0{number}"), &format!("52:54:00:00:00:0{number}")).await;
    }
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.sign_in(&house).await;
    for (width, height) in [(1280, 900), (390, 844)] {
        browser.resize(width, height).await;
        browser.open(&house.operator("/")).await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        browser.run("window.shift = 0; new PerformanceObserver((list) => { for (const one of list.getEntries()) window.shift += one.value; }).observe({ type: 'layout-shift' })").await;
        let operation = house.rebuild(&host, "pve-01").await;
        browser.see("#tiles", "waiting for network boot").await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let shift = browser.run("return window.shift").await.as_f64().unwrap();
        assert!(shift < 0.05, "{width} px: it moves by {shift}");
        house.post(&format!("/api/operations/{operation}/cancel"), &json!({})).await;
    }
}
