//! Whom to tell: the targets of notifications, and their rules.

use std::{net::IpAddr, path::PathBuf};

use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};

use super::check::Problems;
use crate::domain::notification::MomentKind;

/// The most messages that a target may get in an hour.
const MOST_PER_HOUR: u16 = 100;
/// The longest name of a target, which stands in tables.
const LONGEST_NAME: usize = 40;

/// Notifications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationSettings {
    /// Where people reach the dashboard; empty: messages have no links.
    pub dashboard_url: String,
    /// How many messages a target gets in an hour at most.
    pub per_hour: u16,
    /// Whom to tell.
    pub targets: Vec<NotificationTarget>,
}

impl Default for NotificationSettings {
    fn default() -> Self {
        Self { dashboard_url: String::new(), per_hour: 20, targets: Vec::new() }
    }
}

/// One target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationTarget {
    /// Its name.
    pub name: String,
    /// `webhook`, `ntfy` or `email`.
    pub kind: String,
    /// What it is told; empty: everything.
    pub events: Vec<String>,
    /// The URL of a webhook, or of a topic of ntfy.
    pub url: String,
    /// The file with the URL, where it is a secret.
    pub url_file: PathBuf,
    /// The file with the bearer token.
    pub token_file: PathBuf,
    /// The file with the key that signs what a webhook is sent.
    pub signature_key_file: PathBuf,
    /// A certificate authority that is believed besides those of the system.
    pub ca_file: PathBuf,
    /// The mail server.
    pub server: String,
    /// Its port; 0: 587, 465 or 25, by `security`.
    pub port: u16,
    /// `starttls` (also when empty), `tls` or `none`.
    pub security: String,
    /// The user, if the mail server wants a login.
    pub username: String,
    /// The file with the user's password.
    pub password_file: PathBuf,
    /// Whom mails are from.
    pub from: String,
    /// Whom they go to.
    pub to: Vec<String>,
}

impl NotificationTarget {
    /// What it is told. What cannot be read was refused with its path when the settings were checked.
    pub fn wanted_events(&self) -> Vec<MomentKind> {
        if self.events.is_empty() {
            return MomentKind::ALL.to_vec();
        }
        self.events.iter().filter_map(|event| event.parse().ok()).collect()
    }

    /// Every path of it.
    pub(super) fn paths(&mut self) -> [&mut PathBuf; 5] {
        [
            &mut self.url_file,
            &mut self.token_file,
            &mut self.signature_key_file,
            &mut self.ca_file,
            &mut self.password_file,
        ]
    }
}

pub(super) fn check(settings: &NotificationSettings, problems: &mut Problems) {
    problems.url("notifications.dashboard_url", &settings.dashboard_url, &["http", "https"]);
    problems.rule("notifications.per_hour", (1..=MOST_PER_HOUR).contains(&settings.per_hour), || {
        format!("must be between 1 and {MOST_PER_HOUR}")
    });
    let mut names = Vec::new();
    for (place, target) in settings.targets.iter().enumerate() {
        let path = format!("notifications.targets[{place}]");
        let name = target.name.as_str();
        let is_name = (1..=LONGEST_NAME).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        problems.rule(&format!("{path}.name"), is_name, || {
            format!("is needed: 1 to {LONGEST_NAME} small letters, digits and dashes, such as `phone`")
        });
        problems.rule(&format!("{path}.name"), !is_name || !names.contains(&name), || {
            format!("`{name}` stands there already; give each target its own name")
        });
        names.push(name);
        for event in &target.events {
            problems.rule(&format!("{path}.events"), event.parse::<MomentKind>().is_ok(), || {
                let known: Vec<_> = MomentKind::ALL.iter().map(|kind| kind.word()).collect();
                format!("`{event}` is none of {}", known.join(", "))
            });
        }
        check_target(target, &path, problems);
    }
}

fn check_target(target: &NotificationTarget, path: &str, problems: &mut Problems) {
    let at = |key: &str| format!("{path}.{key}");
    let (is_web, is_mail) = match target.kind.as_str() {
        "webhook" | "ntfy" => (true, false),
        "email" => (false, true),
        other => {
            let problem = || format!("`{other}` is none of webhook, ntfy, email");
            return problems.rule(&at("kind"), false, problem);
        }
    };
    let is_webhook = target.kind == "webhook";
    let has = |path: &PathBuf| !path.as_os_str().is_empty();
    for (key, is_set, fits) in [
        ("url", !target.url.is_empty(), is_web),
        ("url_file", has(&target.url_file), is_web),
        ("token_file", has(&target.token_file), is_web),
        ("signature_key_file", has(&target.signature_key_file), is_webhook),
        ("server", !target.server.is_empty(), is_mail),
        ("port", target.port != 0, is_mail),
        ("security", !target.security.is_empty(), is_mail),
        ("username", !target.username.is_empty(), is_mail),
        ("password_file", has(&target.password_file), is_mail),
        ("from", !target.from.is_empty(), is_mail),
        ("to", !target.to.is_empty(), is_mail),
    ] {
        problems.rule(&at(key), !is_set || fits, || format!("is not for a target of the kind {}", target.kind));
    }
    for (key, file) in [
        ("url_file", &target.url_file),
        ("token_file", &target.token_file),
        ("signature_key_file", &target.signature_key_file),
        ("password_file", &target.password_file),
    ] {
        problems.private_file(&at(key), file);
    }
    problems.rule(&at("ca_file"), !has(&target.ca_file) || std::fs::File::open(&target.ca_file).is_ok(), || {
        format!("{} cannot be read", target.ca_file.display())
    });
    if is_mail { check_mail(target, &at, problems) } else { check_web(target, &at, problems) }
}

fn check_web(target: &NotificationTarget, at: &dyn Fn(&str) -> String, problems: &mut Problems) {
    let has_file = !target.url_file.as_os_str().is_empty();
    problems.rule(&at("url"), has_file || !target.url.is_empty(), || {
        "is needed (or url_file, where the URL itself is a secret)".into()
    });
    problems
        .rule(&at("url_file"), !has_file || target.url.is_empty(), || "and url exclude each other; keep one".into());
    let url = reqwest::Url::parse(&target.url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some() && url.fragment().is_none());
    problems.rule(&at("url"), target.url.is_empty() || url.is_some(), || {
        format!("`{}` is not a URL such as https://ntfy.example/topic", target.url)
    });
    let Some(url) = url else { return };
    problems.rule(&at("url"), url.username().is_empty() && url.password().is_none(), || {
        "must hold no password; use token_file, or url_file".into()
    });
    let is_topic = url.query().is_none() && !url.path().ends_with('/');
    problems.rule(&at("url"), target.kind != "ntfy" || is_topic, || {
        "must end with the topic, such as https://ntfy.example/topic".into()
    });
    let is_far = url.scheme() == "http" && !is_loopback(url.host_str().unwrap_or_default());
    problems.rule(&at("token_file"), target.token_file.as_os_str().is_empty() || !is_far, || {
        "needs a URL with https: over http anyone on the way reads the token".into()
    });
}

fn check_mail(target: &NotificationTarget, at: &dyn Fn(&str) -> String, problems: &mut Problems) {
    let is_server =
        !target.server.is_empty() && target.server.chars().all(|c| c.is_ascii_graphic() && !"/@[]".contains(c));
    problems.rule(&at("server"), is_server, || {
        "is needed: the name or address of the mail server, such as mail.example".into()
    });
    problems.rule(&at("security"), ["", "starttls", "tls", "none"].contains(&target.security.as_str()), || {
        format!("`{}` is none of starttls, tls, none", target.security)
    });
    let is_address = |text: &str| text.parse::<Mailbox>().is_ok();
    problems.rule(&at("from"), is_address(&target.from), || {
        format!("`{}` is not a mail address such as rackseed@home.example", target.from)
    });
    problems.rule(&at("to"), !target.to.is_empty(), || "is needed: whom mails go to, such as [me@home.example]".into());
    for to in &target.to {
        problems.rule(&at("to"), is_address(to), || format!("`{to}` is not a mail address"));
    }
    let has_password = !target.password_file.as_os_str().is_empty();
    problems.rule(&at("password_file"), has_password != target.username.is_empty(), || {
        "and username are needed together, or neither".into()
    });
    let is_private = target.security != "none" || is_loopback(&target.server);
    problems.rule(&at("security"), target.username.is_empty() || is_private, || {
        "must be starttls or tls with a login: in the clear anyone on the way reads the password".into()
    });
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
