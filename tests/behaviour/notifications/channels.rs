//! What a webhook and a topic of ntfy are sent, byte for byte, and what we say of their answers.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use rackseed::{
    domain::{
        identity::HostId,
        notification::{Message, Moment, MomentKind},
    },
    notifications::{Channel, Ntfy, Place, Webhook},
    ports::Notifier,
};
use sha2::Sha256;

use super::{ntfy, place, secret_file, webhook};
use crate::support::post_office::{PostOffice, Reply, secure_office};

pub(super) fn message(hostname: &str, reason: &str) -> Message {
    let moment = Moment {
        number: 42,
        at: Timestamp::constant(1_790_000_000, 0),
        kind: MomentKind::NeedsAttention,
        host: Some(HostId::from_random([1; 8])),
        hostname: Some(hostname.to_owned()),
        operation: None,
        batch: None,
        detail: reason.to_owned(),
    };
    let dashboard_url = Some("https://rackseed.example".to_owned());
    Message { moments: vec![moment], dashboard_url, at: Timestamp::constant(1_790_000_001, 0) }
}

#[tokio::test]
async fn a_webhook_gets_a_signed_document_with_what_to_do_next_and_where_to_look() {
    let (office, folder) = (PostOffice::open().await, tempfile::tempdir().unwrap());
    let channel = Channel::Webhook(Webhook {
        place: Place {
            token_file: Some(secret_file(folder.path(), "token", "the-token\n")),
            ..place(&office.url("/hook?room=1"))
        },
        signature_key_file: Some(secret_file(folder.path(), "key", "the-key\n")),
    });
    let answer = channel.send(&message("pve-01", "the \"join\" failed \\ twice")).await.unwrap();
    assert!(answer.ends_with("answered 200 OK: {}"), "{answer}");
    let letter = &office.letters()[0];
    assert_eq!((letter.path.as_str(), letter.header("authorization")), ("/hook?room=1", "Bearer the-token"));
    assert_eq!(letter.header("content-type"), "application/json");
    assert_eq!((letter.header("x-rackseed-event"), letter.header("x-rackseed-delivery")), ("needs_attention", "42"));
    let mut mac = Hmac::<Sha256>::new_from_slice(b"the-key").unwrap();
    mac.update(letter.body.as_bytes());
    let expected = format!("sha256={}", HEXLOWER.encode(&mac.finalize().into_bytes()));
    assert_eq!(letter.header("x-rackseed-signature"), expected);
    let document = letter.json();
    assert_eq!(document["title"], "pve-01 needs attention");
    let moment = &document["moments"][0];
    assert_eq!(moment["reason"], "the \"join\" failed \\ twice");
    assert!(moment["advice"].as_str().unwrap().contains("retry"));
    assert_eq!(document["url"], format!("https://rackseed.example/hosts/{}", HostId::from_random([1; 8])));
    assert!(!letter.body.contains("the-token") && !letter.body.contains("the-key"));
}

#[tokio::test]
async fn ntfy_gets_title_priority_tags_and_link_in_headers_and_the_text_as_body() {
    let (office, folder) = (PostOffice::open().await, tempfile::tempdir().unwrap());
    let token_file = Some(secret_file(folder.path(), "token", "tk_secret"));
    let channel = Channel::Ntfy(Ntfy { place: Place { token_file, ..place(&office.url("/rackseed")) } });
    channel.send(&message("pve-01", "no quorum")).await.unwrap();
    let letter = &office.letters()[0];
    assert_eq!((letter.path.as_str(), letter.header("authorization")), ("/rackseed", "Bearer tk_secret"));
    assert_eq!(letter.header("title"), "pve-01 needs attention");
    assert_eq!((letter.header("priority"), letter.header("tags")), ("high", "warning"));
    assert!(letter.header("click").starts_with("https://rackseed.example/hosts/"));
    assert!(letter.body.starts_with("no quorum\n\nWhat to do: "), "{}", letter.body);
}

#[tokio::test]
async fn hostile_names_and_reasons_stay_in_their_place() {
    let office = PostOffice::open().await;
    let hostile = "pve\r\nX-Injected: yes\r\n\r\n{\"a\":1}\u{202e}müde";
    for channel in [ntfy(&office.url("/topic")), webhook(&office.url("/hook"))] {
        channel.send(&message(hostile, hostile)).await.unwrap();
    }
    let letters = office.letters();
    assert!(letters.iter().all(|letter| letter.headers.get("x-injected").is_none()));
    let encoded = letters[0].header("title").strip_prefix("=?UTF-8?B?").unwrap().strip_suffix("?=").unwrap();
    let title = String::from_utf8(data_encoding::BASE64.decode(encoded.as_bytes()).unwrap()).unwrap();
    assert_eq!(title, "pve X-Injected: yes {\"a\":1} müde needs attention");
    assert_eq!(letters[1].json()["title"], title);
    assert_eq!(letters[1].json()["moments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_told_without_the_secrets_that_the_server_repeats() {
    let (office, folder) = (PostOffice::open().await, tempfile::tempdir().unwrap());
    let said = "no: Bearer the-token is wrong for /services/T000/secret\n<b>sorry</b>".to_owned();
    office.answer_next(Reply::Status(403, said));
    let url_file = Some(secret_file(folder.path(), "url", &office.url("/services/T000/secret")));
    let token_file = Some(secret_file(folder.path(), "token", "the-token"));
    let channel =
        Channel::Webhook(Webhook { place: Place { url_file, token_file, ..place("") }, signature_key_file: None });
    let reason = channel.send(&message("pve-01", "")).await.unwrap_err().reason;
    assert!(reason.contains("answered 403 Forbidden: no: Bearer [hidden] is wrong"), "{reason}");
    assert!(!reason.contains("the-token") && !reason.contains("T000") && !reason.contains('\n'), "{reason}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_a_server_that_is_not_there_is_named() {
    let office = PostOffice::open().await;
    office.answer_next(Reply::Status(302, String::new()));
    let reason = webhook(&office.url("/")).send(&message("pve-01", "")).await.unwrap_err().reason;
    assert!(reason.contains("302 Found"), "{reason}");
    assert_eq!(office.letters().len(), 1);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let reason =
        webhook(&format!("http://{address}/secret-path")).send(&message("pve-01", "")).await.unwrap_err().reason;
    assert!(reason.contains(&address.to_string()) && reason.contains("refused"), "{reason}");
    assert!(!reason.contains("secret-path"), "{reason}");
}

#[tokio::test]
async fn a_secret_that_others_may_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let (office, folder) = (PostOffice::open().await, tempfile::tempdir().unwrap());
    let file = secret_file(folder.path(), "token", "the-token");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let channel = Channel::Ntfy(Ntfy { place: Place { token_file: Some(file), ..place(&office.url("/topic")) } });
    let reason = channel.send(&message("pve-01", "")).await.unwrap_err().reason;
    assert!(reason.contains("chmod 600"), "{reason}");
    assert!(office.letters().is_empty());
}

#[tokio::test]
async fn a_server_whose_certificate_nobody_vouches_for_is_told_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (url, ca_file, letters) = secure_office(folder.path()).await;
    let reason = webhook(&url).send(&message("pve-01", "")).await.unwrap_err().reason;
    assert!(reason.contains("certificate"), "{reason}");
    assert!(letters.lock().unwrap().is_empty());
    let place = Place { ca_file: Some(ca_file), ..place(&url) };
    let channel = Channel::Webhook(Webhook { place, signature_key_file: None });
    let answer = channel.send(&message("pve-01", "")).await.unwrap();
    assert!(answer.contains("204 No Content"), "{answer}");
    assert_eq!(letters.lock().unwrap().as_slice(), ["POST /hook HTTP/1.1\r\n"]);
}
