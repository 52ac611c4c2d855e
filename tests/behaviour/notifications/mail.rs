//! Mail over SMTP, to a real server: in the clear, with STARTTLS, with TLS, and never in the clear where it should not be.

use std::path::PathBuf;

use rackseed::{
    notifications::{Channel, Email, MailSecurity},
    ports::Notifier,
    settings::read_private_file,
};

use super::{channels::message, secret_file};
use crate::support::post_office::{MailServer, Privacy};

fn email(server: &MailServer, security: MailSecurity, login: Option<(String, PathBuf)>) -> Email {
    Email {
        server: server.address.ip().to_string(),
        port: server.address.port(),
        security,
        login,
        ca_file: Some(server.ca_file.clone()),
        from: "Rackseed <rackseed@home.example>".to_owned(),
        to: vec!["me@home.example".to_owned(), "you@home.example".to_owned()],
        read_secret: read_private_file,
    }
}

#[tokio::test]
async fn a_mail_arrives_on_each_of_the_three_ways() {
    let folder = tempfile::tempdir().unwrap();
    for (privacy, security) in [
        (Privacy::Nothing, MailSecurity::Nothing),
        (Privacy::StartTls, MailSecurity::StartTls),
        (Privacy::Tls, MailSecurity::Tls),
    ] {
        let server = MailServer::open(privacy, folder.path()).await;
        let login =
            (privacy != Privacy::Nothing).then(|| ("me".to_owned(), secret_file(folder.path(), "password", "hunter2")));
        let answer = Channel::Email(email(&server, security, login)).send(&message("pve-01", "no quorum")).await;
        let answer = answer.unwrap_or_else(|error| panic!("{privacy:?}: {error}"));
        assert!(answer.contains("250") && answer.contains("queued as 4711"), "{answer}");
        let mail = &server.mails()[0];
        assert_eq!(mail.was_private, privacy != Privacy::Nothing);
        assert_eq!(mail.from, "MAIL FROM:<rackseed@home.example>");
        assert_eq!(mail.to, ["RCPT TO:<me@home.example>", "RCPT TO:<you@home.example>"]);
        assert_eq!(mail.head("Subject:"), ["Subject: pve-01 needs attention"]);
        assert_eq!(mail.head("Auto-Submitted:"), ["Auto-Submitted: auto-generated"]);
        assert_eq!(mail.head("Message-ID:"), ["Message-ID: <rackseed.42.1790000000@home.example>"]);
        assert!(mail.lines.iter().any(|line| line.contains("no quorum")), "{mail:?}");
        assert!(mail.lines.iter().any(|line| line.starts_with("https://rackseed.example/hosts/")), "{mail:?}");
        if privacy != Privacy::Nothing {
            assert_eq!(data_encoding::BASE64.decode(mail.login.as_bytes()).unwrap(), b"\0me\0hunter2");
        }
        assert!(mail.lines.iter().all(|line| !line.contains("hunter2")));
    }
}

#[tokio::test]
async fn no_name_adds_a_header_or_a_recipient() {
    let folder = tempfile::tempdir().unwrap();
    let server = MailServer::open(Privacy::Nothing, folder.path()).await;
    let hostile = "pve\r\nBcc: all@example.org\r\n\r\n.\r\nRCPT TO:<all@example.org>";
    Channel::Email(email(&server, MailSecurity::Nothing, None)).send(&message(hostile, hostile)).await.unwrap();
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!((mails[0].to.len(), mails[0].head("Bcc").len(), mails[0].head("Subject").len()), (2, 0, 1));
}

#[tokio::test]
async fn a_server_without_tls_gets_neither_mail_nor_password() {
    let folder = tempfile::tempdir().unwrap();
    let server = MailServer::open(Privacy::Nothing, folder.path()).await;
    let login = Some(("me".to_owned(), secret_file(folder.path(), "password", "hunter2")));
    let channel = Channel::Email(email(&server, MailSecurity::StartTls, login));
    let reason = channel.send(&message("pve-01", "")).await.unwrap_err().reason;
    assert!(reason.contains("STARTTLS"), "{reason}");
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    for (privacy, security) in [(Privacy::StartTls, MailSecurity::StartTls), (Privacy::Tls, MailSecurity::Tls)] {
        let server = MailServer::open(privacy, folder.path()).await;
        let email = Email { ca_file: None, ..email(&server, security, None) };
        let reason = Channel::Email(email).send(&message("pve-01", "")).await.unwrap_err().reason;
        assert!(reason.to_lowercase().contains("certificate"), "{reason}");
        assert!(server.mails().is_empty());
    }
}
