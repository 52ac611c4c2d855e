//! The whole of it in a running daemon: settings, interface, page, command line.

use std::time::Duration;

use rackseed::settings::{NotificationTarget, Settings};
use serde_json::json;

use super::secret_file;
use crate::support::{
    house::{Answer, House},
    post_office::{PostOffice, Reply},
};

fn target(name: &str, kind: &str, url: String) -> NotificationTarget {
    NotificationTarget { name: name.to_owned(), kind: kind.to_owned(), url, ..NotificationTarget::default() }
}

async fn house(office: &PostOffice) -> House {
    let (phone, chat) = (office.url("/my-secret-topic"), office.url("/services/secret"));
    House::with(|settings| {
        settings.notifications.dashboard_url = "https://rackseed.example".to_owned();
        settings.notifications.targets = vec![target("phone", "ntfy", phone), target("chat", "webhook", chat)];
    })
    .await
}

#[tokio::test]
async fn a_rebuild_that_fails_is_told_by_a_running_daemon_and_shown() {
    let office = PostOffice::open().await;
    let house = house(&office).await;
    house.add_image().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let operation = house.rebuild(&id, "pve-01").await;
    // The token comes from a second address.
    let token = house.boot_machine("52:54:00:00:00:01", &operation).await;
    let stranger = rackseed::daemon::http_client_from(Duration::from_secs(5), Some([127, 0, 0, 2].into())).unwrap();
    Answer::of(stranger.get(house.boot(&format!("/boot/{token}/installer.iso")))).await;
    let letters = office.wait_for(2).await;
    let titles = ["/my-secret-topic", "/services/secret"].map(|path| {
        let letter =
            letters.iter().find(|letter| letter.path == path).unwrap_or_else(|| panic!("{path}: {letters:#?}"));
        if path == "/services/secret" {
            letter.json()["title"].as_str().unwrap().to_owned()
        } else {
            letter.header("title").to_owned()
        }
    });
    assert_eq!(titles, ["pve-01 is not rebuilt any further: the rebuild cannot be trusted"; 2]);
    let link = letters.iter().find(|letter| letter.path == "/my-secret-topic").unwrap().header("click").to_owned();
    assert_eq!(link, format!("https://rackseed.example/operations/{operation}"));
    for _ in 0..200 {
        let deliveries = house.get("/api/notifications").await.json()["deliveries"].clone();
        if deliveries.as_array().unwrap().iter().filter(|delivery| delivery["state"] == "sent").count() == 2 {
            assert!(house.get("/notifications").await.text.contains(titles[0].as_str()));
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the deliveries are never shown as sent");
}

#[tokio::test]
async fn the_interface_and_the_page_show_no_secret_and_send_tests() {
    let office = PostOffice::open().await;
    let house = house(&office).await;
    for text in [house.get("/api/notifications").await.text, house.get("/notifications").await.text] {
        assert!(text.contains("phone") && text.contains(&office.address.to_string()), "{text}");
        assert!(!text.contains("my-secret-topic") && !text.contains("services"), "{text}");
    }
    let answer = house.post("/api/notifications/test", &json!({ "target": "phone" })).await;
    assert!(answer.json()["answer"].as_str().unwrap().contains("200 OK"), "{}", answer.text);
    assert_eq!(office.letters()[0].header("title"), "Rackseed: a test message");
    office.answer_next(Reply::Status(401, "who are you?".to_owned()));
    let problem = house.post("/api/notifications/test", &json!({ "target": "chat" })).await.problem(502);
    assert!(problem.contains("401 Unauthorized: who are you?"), "{problem}");
    let problem = house.post("/api/notifications/test", &json!({ "target": "fax" })).await.problem(422);
    assert!(problem.contains("phone, chat"), "{problem}");
}

#[test]
fn every_problem_of_a_target_is_named_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let token = secret_file(folder.path(), "token", "x").display().to_string();
    let text = format!(
        "pxe: {{enabled: false}}
notifications:
  dashboard_url: rackseed.example
  per_hour: 0
  targets:
    - {{name: Phone, kind: pager}}
    - {{name: chat, kind: webhook, url: 'ftp://example', server: x, events: [readyy]}}
    - {{name: chat, kind: ntfy, url: 'http://ntfy.example/topic', token_file: {token}}}
    - {{name: topic, kind: ntfy, url: 'https://ntfy.example/'}}
    - {{name: none, kind: webhook}}
    - {{name: mail, kind: email, from: nobody, username: me, security: none, token_file: {token}}}
"
    );
    let error = Settings::parse(&text, folder.path()).unwrap_err();
    let found: Vec<_> = error.0.iter().map(|problem| format!("{}: {}", problem.path, problem.problem)).collect();
    for expected in [
        "dashboard_url: `rackseed.example` is not a URL",
        "per_hour: must be between 1 and 100",
        "targets[0].name: is needed",
        "targets[0].kind: `pager` is none of webhook, ntfy, email",
        "targets[1].url: `ftp://example` is not a URL",
        "targets[1].server: is not for a target of the kind webhook",
        "targets[1].events: `readyy` is none of needs_attention, failed, refused, overdue, paused, ready",
        "targets[2].name: `chat` stands there already",
        "targets[2].token_file: needs a URL with https",
        "targets[3].url: must end with the topic",
        "targets[4].url: is needed",
        "targets[5].token_file: is not for a target of the kind email",
        "targets[5].server: is needed",
        "targets[5].from: `nobody` is not a mail address",
        "targets[5].to: is needed",
        "targets[5].password_file: and username are needed together",
        "targets[5].security: must be starttls or tls with a login",
    ] {
        assert!(
            found.iter().any(|found| found.starts_with(&format!("notifications.{expected}"))),
            "{expected}: {found:#?}"
        );
    }
    assert_eq!(found.len(), 17, "{found:#?}");
}

#[test]
fn the_targets_of_the_example_are_good() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["ntfy-token", "chat-url", "chat-key", "mail-password"] {
        secret_file(folder.path(), file, "https://chat.example/services/x");
    }
    let commented = Settings::example().lines().filter_map(|line| line.trim_start().strip_prefix("#   - {name"));
    let targets: String = commented.map(|line| format!("    - {{name{line}\n")).collect();
    let text = format!("pxe: {{enabled: false}}\nnotifications:\n  targets:\n{targets}");
    let settings = Settings::parse(&text, folder.path()).unwrap();
    assert_eq!(settings.notifications.targets.len(), 3);
}
