//! How the pages look: colours that can be told apart, files that browsers keep for good, problems as pages, the way between the pages.

use std::{collections::BTreeMap, fs, path::Path};

use crate::support::house::{Answer, House};

/// The least contrast of text against its ground (WCAG 2.2, 1.4.3).
const TEXT: f64 = 4.5;
/// The least contrast of what must be seen but is no text: bubbles, bars, edges of fields (1.4.11).
const SIGN: f64 = 3.0;
const TONES: [&str; 5] = ["good", "busy", "armed", "bad", "calm"];
const GROUNDS: [&str; 3] = ["ground", "card", "sunken"];

fn style(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/dashboard/assets/style");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// The custom properties that are colours, as they are in the light and in the dark scheme.
fn colours() -> BTreeMap<String, [f64; 2]> {
    let text = style("base.css");
    let properties =
        text.lines().filter_map(|line| line.trim().strip_prefix("--")?.strip_suffix(';')?.split_once(": "));
    let colours = properties.filter_map(|(name, value)| {
        let both = value.strip_prefix("light-dark(").and_then(|rest| rest.strip_suffix(')'));
        let (light, dark) = both.map_or((value, value), |both| both.split_once(", ").unwrap());
        Some((name.to_owned(), [luminance(light)?, luminance(dark)?]))
    });
    colours.collect()
}

/// The relative luminance of `#rrggbb`.
fn luminance(colour: &str) -> Option<f64> {
    let digits = colour.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let part = |place: usize| {
        let value = f64::from(u8::from_str_radix(&digits[place..place + 2], 16).unwrap()) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    Some(0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4))
}

fn contrast(one: f64, other: f64) -> f64 {
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn every_text_and_every_sign_stands_out_from_its_ground_in_both_schemes() {
    let colours = colours();
    let mut pairs: Vec<(String, String, f64)> = Vec::new();
    let mut pair = |front: &str, back: &str, least| pairs.push((front.to_owned(), back.to_owned(), least));
    for ground in GROUNDS {
        for text in ["text", "faint", "link"].into_iter().chain(TONES) {
            pair(text, ground, TEXT);
        }
        for sign in ["edge", "button", "danger"] {
            pair(sign, ground, SIGN);
        }
    }
    for tone in TONES {
        let (ground, mark) = (format!("{tone}-ground"), format!("{tone}-mark"));
        for text in [tone, "text", "faint", "link"] {
            pair(text, &ground, TEXT);
        }
        for ground in GROUNDS.into_iter().chain([ground.as_str()]) {
            pair(&mark, ground, SIGN);
        }
    }
    pair("button-text", "button", TEXT);
    pair("button-text", "danger", TEXT);
    let colour = |name: &str| colours.get(name).unwrap_or_else(|| panic!("base.css has no colour --{name}"));
    for (front, back, least) in &pairs {
        for (scheme, place) in [("light", 0), ("dark", 1)] {
            let found = contrast(colour(front)[place], colour(back)[place]);
            assert!(found >= *least, "{scheme}: --{front} on --{back} has {found:.2}, and {least} is the least");
        }
    }
}

#[test]
fn no_room_of_the_dashboard_has_colours_of_its_own() {
    for room in ["base", "access", "hosts", "host", "operation", "catalog", "api"] {
        for (number, line) in style(&format!("{room}.css")).lines().enumerate() {
            let rule = line.split_once('{').map_or(line, |(_, rule)| rule);
            let values = rule.split(';').filter(|declaration| !declaration.trim().starts_with("--"));
            let own =
                values.filter(|declaration| declaration.split_once(": ").is_some_and(|(_, value)| value.contains('#')));
            assert_eq!(own.collect::<Vec<_>>(), Vec::<&str>::new(), "{room}.css, line {}", number + 1);
        }
    }
}

#[tokio::test]
async fn browsers_keep_the_files_of_the_pages_for_good_and_see_every_new_edition() {
    let house = House::empty().await;
    let page = house.get("/").await.text;
    let address = page.split_once("rel=\"stylesheet\" href=\"").unwrap().1.split_once('"').unwrap().0;
    let (file, edition) = address.split_once('?').unwrap();
    assert_eq!((file, edition.len()), ("/assets/style.css", 16), "{address}");
    for (asked, kept) in [
        (address.to_owned(), "public, max-age=31536000, immutable"),
        (file.to_owned(), "no-cache"),
        (format!("{file}?an-older-edition"), "no-cache"),
    ] {
        let answer = house.get(&asked).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, kept), "{asked}");
        assert!(answer.text.contains("--ground"));
    }
    for source in page.split("src=\"").skip(1).chain(page.split("<link rel=\"icon\" id=\"icon\" href=\"").skip(1)) {
        let source = source.split_once('"').unwrap().0;
        assert!(source.ends_with(&format!("?{edition}")), "{source}");
        assert_eq!(house.get(source).await.status, 200, "{source}");
    }
}

#[tokio::test]
async fn what_goes_wrong_is_a_page_for_a_browser_and_a_document_for_a_program() {
    let house = House::empty().await;
    let page = |path: &str| house.client.get(house.operator(path)).header("accept", "text/html,*/*;q=0.8");
    let answer = Answer::of(page("/no/such/page")).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (404, "text/html; charset=utf-8"));
    for shown in ["404 Not Found", "<h1>Not found</h1>", "may have been removed", "href=\"/operations\""] {
        assert!(answer.text.contains(shown), "{shown}: {}", answer.text);
    }
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let refused = Answer::of(page("/hosts/gone")).await;
    assert!(refused.text.contains("id=\"detail\"") && refused.status.is_client_error(), "{}", refused.text);
    // Another site's page asks.
    let foreign = Answer::of(page("/").header("origin", "http://elsewhere.example")).await;
    assert_eq!(foreign.status, 403);
    assert!(foreign.text.contains("<h1>You may not do that</h1>"), "{}", foreign.text);
    // A program is told as ever.
    house.get("/no/such/page").await.problem(404);
    house.get("/api/hosts/gone").await.problem(404);
}

#[tokio::test]
async fn every_page_leads_to_every_other_and_marks_where_one_is() {
    let house = House::empty().await;
    for (path, label) in
        [("/", "Hosts"), ("/images", "Images"), ("/audit", "Audit log"), ("/notifications", "Notifications")]
    {
        let page = house.get(path).await.text;
        let marked =
            page.split("<a href=\"").filter(|link| link.split('>').next().unwrap().contains("aria-current=\"page\""));
        let marked: Vec<_> = marked.map(|link| link.split_once('"').unwrap().0).collect();
        assert_eq!(marked, [path], "{label}");
        assert!(page.contains("<a class=\"skip\" href=\"#main\">") && page.contains("<main id=\"main\""), "{path}");
    }
    let more =
        |page: &str| page.split_once("class=\"more\"").unwrap().1.split_once('>').unwrap().0.contains("aria-current");
    assert!(more(&house.get("/audit").await.text), "on a phone the page is behind More");
    assert!(!more(&house.get("/").await.text));
}
