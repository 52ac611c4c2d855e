//! Every page of the route table in a real browser, light and dark, on a desktop and on a phone: people with assistive technology can use
//! it (axe-core), it fits its window, stands still while it loads, asks nobody else, and complains of nothing.
//!
//! `RACKSEED_PICTURES=FOLDER` keeps a picture of each.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::support::{
    browser::Browser,
    house::{Answer, House},
    peopled::Peopled,
};

/// How much a page may move while it loads, as the sum of layout shifts; browsers call up to 0.1 good.
const MOST_SHIFT: f64 = 0.05;
/// How long a page is left alone before it is looked at: its script runs, its first refresh comes in.
const SETTLES: Duration = Duration::from_millis(250);
const WINDOWS: [(&str, u32, u32); 2] = [("desktop", 1280, 900), ("phone", 390, 844)];
const SCHEMES: [&str; 2] = ["light", "dark"];

/// The source of axe-core; it is installed when this returns.
fn axe() -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("axe");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/install-axe");
    let installed = Command::new(script).arg(&folder).output().expect("the tests need bash");
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let source: PathBuf = folder.join("node_modules/axe-core/axe.min.js");
    fs::read_to_string(source).unwrap()
}

/// Where an example of each page is, with a name for its picture. A page that is missing here fails the test.
fn examples(house: &Peopled, page: &str) -> Vec<(String, String)> {
    let parked = format!("/operations/{}", house.parked);
    let found: Vec<(&str, String)> = match page {
        "/" => vec![("hosts", "/".into())],
        "/hosts/{id}" => ["pve-01", "rack2-armed", "rack2-installing", "rack3-attention", "rack3-failed", "long"]
            .map(|name| (name, house.host(if name == "long" { crate::support::peopled::LONG_NAME } else { name })))
            .into(),
        "/hosts/{id}/rebuild" => ["pve-01", "rack9-05"].map(|name| (name, house.host(name) + "/rebuild")).into(),
        "/hosts/{id}/sheet" => ["pve-01", "rack3-failed"].map(|name| (name, house.host(name) + "/sheet")).into(),
        "/operations/{id}" => {
            vec![("attention", parked), ("succeeded", format!("/operations/{}", house.succeeded))]
        }
        "/batches/{id}" => vec![("batch", format!("/batches/{}", house.batch))],
        // Looked at by those who are not in yet.
        "/first-visit" | "/sign-in" => vec![],
        plain if !plain.contains('{') => vec![("page", plain.to_owned())],
        other => panic!("`{other}` is a page without an example: name one in tests/behaviour/pages.rs"),
    };
    let place = page.trim_matches('/').replace(['/', '{', '}'], "-");
    found.into_iter().map(|(name, address)| (format!("{place}-{name}").trim_matches('-').to_owned(), address)).collect()
}

/// The pages of the route table: what answers with HTML.
async fn pages(house: &Peopled) -> Vec<String> {
    let document = Answer::of(house.client.get(house.url("/api/openapi.json"))).await.json();
    let is_page = |row: &Value| row["get"]["responses"]["200"]["content"]["text/html"].is_object();
    document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, row)| is_page(row))
        .map(|(path, _)| path.clone())
        .collect()
}

/// Everything that is wrong with the page that the browser shows.
async fn faults(browser: &Browser, axe: &str) -> Vec<String> {
    let mut faults = browser.complaints().await;
    let shift =
        "let sum = 0; const add = (list) => { for (const one of list) if (!one.hadRecentInput) sum += one.value; };
        const watch = new PerformanceObserver((list) => add(list.getEntries()));
        watch.observe({ type: 'layout-shift', buffered: true });
        setTimeout(() => { add(watch.takeRecords()); tell(sum); }, 50);";
    let shift = browser.run_until_told(shift).await.as_f64().unwrap();
    if shift >= MOST_SHIFT {
        faults.push(format!("it moves by {shift} while it loads"));
    }
    let others = "return performance.getEntriesByType('resource').map((one) => one.name).filter((name) => !name.startsWith(location.origin))";
    for other in browser.run(others).await.as_array().unwrap() {
        faults.push(format!("it asks {other}"));
    }
    let open = "for (const one of document.querySelectorAll('details')) one.open = true";
    browser.run(open).await;
    let overflow = browser.overflow().await;
    if overflow > 0 {
        let who = "return [...document.querySelectorAll('main *')].filter((one) => one.getBoundingClientRect().right > innerWidth)
            .slice(0, 3).map((one) => one.outerHTML.slice(0, 120))";
        faults.push(format!("it reaches {overflow} px beyond its window: {}", browser.run(who).await));
    }
    browser.run(&format!("if (!window.axe) {{ {axe} }}")).await;
    let look = "axe.run(document, { resultTypes: ['violations'] }).then((found) => tell(found.violations.map((one) =>
        `${one.impact}: ${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')}`)))";
    let found = browser.run_until_told(look).await;
    faults.extend(found.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()));
    faults
}

/// A walk through the house.
struct Walk<'a> {
    /// Where the house is.
    house: String,
    browser: &'a Browser,
    axe: String,
    found: Vec<String>,
}

impl Walk<'_> {
    /// Looks at pages in each window and in both schemes.
    async fn look_at(&mut self, places: &[(String, String)]) {
        for (window, width, height) in WINDOWS {
            self.browser.resize(width, height).await;
            for scheme in SCHEMES {
                self.browser.scheme(scheme).await;
                for (name, address) in places {
                    self.browser.open(&format!("{}{address}", self.house)).await;
                    tokio::time::sleep(SETTLES).await;
                    self.browser.whole_picture(&format!("{name}-{window}-{scheme}")).await;
                    let mut faults = faults(self.browser, &self.axe).await;
                    // The browser itself tells that a page is not there.
                    faults.retain(|fault| name != "not-found" || !fault.contains("404"));
                    self.found.extend(faults.iter().map(|fault| format!("{address} ({window}, {scheme}): {fault}")));
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_can_be_used_by_everybody_fits_its_window_and_asks_nobody_else() {
    let house = Peopled::new().await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    let mut walk = Walk { house: house.url(""), browser: &browser, axe: axe(), found: Vec::new() };
    // Before anybody has come in, then before they come in again.
    walk.look_at(&[("first-visit".into(), "/first-visit".into())]).await;
    browser.sign_in_at(house.demo.daemon()).await;
    browser.click("#sign-out").await;
    walk.look_at(&[("sign-in".into(), "/sign-in".into())]).await;
    browser.resize(1280, 900).await;
    browser.sign_in_at(house.demo.daemon()).await;
    let mut places: Vec<(String, String)> = vec![("not-found".into(), "/no/such/page".into())];
    for page in pages(&house).await {
        places.extend(examples(&house, &page));
    }
    walk.look_at(&places).await;
    house.break_catalog().await;
    walk.look_at(&[("catalog-broken".into(), "/catalog".into())]).await;
    let found = walk.found;
    house.end().await;
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn an_empty_house_is_as_usable_as_a_full_one() {
    let house = House::empty().await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.sign_in(&house).await;
    let mut walk = Walk { house: house.operator(""), browser: &browser, axe: axe(), found: Vec::new() };
    let pages = ["/", "/operations", "/cluster", "/images", "/activity", "/batches"];
    let name = |page: &str| format!("empty{}", page.replace('/', "-"));
    walk.look_at(&pages.map(|page| (name(page), page.to_owned()))).await;
    // Wiping a disk is asked for on a page of its own, here with what speaks against it.
    let host = house.register("pve-01", "52:54:00:00:00:01").await;
    walk.look_at(&[("one".into(), "/".into()), ("one-rebuild".into(), format!("/hosts/{host}/rebuild"))]).await;
    assert!(walk.found.is_empty(), "{}", walk.found.join("\n"));
}
