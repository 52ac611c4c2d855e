//! The OpenAPI document is valid, and the daemon does what it says: a stranger who only knows the document asks everything that it allows.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
    time::Duration,
};

use crate::support::{agreed, browser::Browser, house::House};

/// How long Schemathesis may ask: several times what it takes.
const LIMIT: Duration = Duration::from_secs(240);
/// How many requests of each kind are made up for each route; more take longer and find more.
const EXAMPLES: &str = "6";

/// What is not asked, each with its reason.
const LEFT_OUT: &[(&str, &str)] = &[
    // The stream never ends, and whoever waits for its end waits for ever.
    ("--exclude-path", "/events"),
    // These dial whatever address they are given, also ones that are not ours.
    ("--exclude-operation-id", "post_cluster_gates"),
    ("--exclude-operation-id", "post_images"),
    ("--exclude-operation-id", "post_page_images"),
];

/// The folder of the programs; installed once, see `.ci/install-schemathesis`.
fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("schemathesis");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/install-schemathesis");
        let installed = Command::new(script).arg(&folder).output().expect("the tests need bash");
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        folder
    })
}

async fn run(mut command: Command) -> Output {
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    tokio::time::timeout(LIMIT, running).await.expect("it takes too long").unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn the_document_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, agreed::document().to_string()).unwrap();
    let mut command = Command::new(programs().join("bin/openapi-spec-validator"));
    command.arg("--schema").arg("3.1").arg(&file);
    let output = run(command).await;
    assert!(output.status.success(), "{}", text(&output));
}

#[tokio::test]
async fn whatever_the_document_allows_is_answered_as_it_says_and_never_with_a_fault() {
    let house = House::furnished().await;
    house.register("pve-01", "52:54:00:00:00:01").await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(programs().join("bin/schemathesis"));
    command
        .arg("run")
        .arg(house.operator("/api/openapi.json"))
        .args(["--url", &house.operator("")])
        .args(["--header", &format!("Authorization: Bearer {}", house.command_line_token())])
        // The other listeners are elsewhere, and have tokens that nobody can make up.
        .args(["--include-tag", "operator"])
        .args(LEFT_OUT.iter().flat_map(|(option, value)| [*option, *value]))
        // Left out: the checks that want every made-up request accepted, or refused, by its form alone; a host's name may be well formed and taken.
        .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,unsupported_method,allow_header_conformance,ignored_auth"])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--seed", "5", "--workers", "1"])
        .args(["--generation-database", "none", "--no-color", "--continue-on-failure"])
        .args(["--request-timeout", "30", "--suppress-health-check", "all", "--max-redirects", "0"])
        .current_dir(folder.path())
        .env("XDG_CACHE_HOME", folder.path());
    let output = run(command).await;
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(house.get("/healthz").await.text, "ok\n", "after all that");
}

#[tokio::test]
async fn the_page_of_the_interface_shows_every_route_that_programs_ask_and_every_code() {
    let house = House::empty().await;
    let page = house.get("/api").await;
    assert_eq!(page.status, 200, "{}", page.text);
    for route in rackseed::http::ROUTES.iter().filter(|route| route.path.starts_with("/api/")) {
        let path = route.path.replace("{*", "{");
        let method = format!("api-method {}\"", route.method);
        let shown = page
            .text
            .split("<summary>")
            .any(|part| part.contains(&method) && part.contains(&format!("<code class=\"api-path\">{path}</code>")));
        assert!(shown, "{} {path} is not on the page", route.method);
    }
    let codes = agreed::document().pointer("/components/schemas/Problem/properties/code/enum").unwrap();
    assert!(codes.as_array().unwrap().len() > 30);
    for code in codes.as_array().unwrap() {
        assert!(page.text.contains(&format!("id=\"code-{}\"", code.as_str().unwrap())), "{code}");
    }
    assert!(page.text.contains("rackseed host rebuild HOST") && !page.text.contains("style=\""));
}

#[tokio::test]
async fn a_person_finds_a_route_while_typing_and_asks_it_from_the_page() {
    let house = House::empty().await;
    house.register("pve-01", "52:54:00:00:00:01").await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.resize(1280, 900).await;
    browser.sign_in(&house).await;
    browser.open(&house.operator("/api")).await;
    browser.fill("#wanted", "get /api/hosts").await;
    browser.see("#found", "routes").await;
    browser.click("#get_hosts summary").await;
    browser.click("#get_hosts .api-try button").await;
    browser.see("#get_hosts .api-status", "200").await;
    browser.see("#get_hosts .api-said", "52:54:00:00:00:01").await;
    browser.whole_picture("api").await;
    browser.fill("#wanted", "nothing is called so").await;
    browser.see("#found", "0 routes").await;
    assert!(browser.complaints().await.is_empty());
}
