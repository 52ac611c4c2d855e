//! The rules of the installer for an answer file, and ours where its own would cost a disk (proxmox-auto-installer `utils.rs`,
//! proxmox-installer-types `answer.rs`, proxmox-installer-common `options.rs`).

mod disks;
mod network;
mod places;

use super::{
    answer_file::{AnswerFile, FirstBoot, Fqdn, Global, NEWEST_DIALECT, Network, Webhook},
    image::InstallerRelease,
};

const KEYBOARDS: &[&str] = &[
    "de", "de-ch", "dk", "en-gb", "en-us", "es", "fi", "fr", "fr-be", "fr-ca", "fr-ch", "hu", "is", "it", "jp", "lt",
    "mk", "nl", "no", "pl", "pt", "pt-br", "se", "si", "tr",
];
/// How a rule reads that is about the installer's release alone: the same file is good for a newer one.
pub(super) const NEEDS_NEWER: &str = "needs an installer of";
/// The installer since 8.4 wants eight bytes; older ones are held to it as well.
const SHORTEST_PASSWORD_BYTES: usize = 8;

/// Returns every broken rule.
pub(super) fn check(file: &AnswerFile, release: InstallerRelease) -> Vec<String> {
    let mut rules = Rules { problems: Vec::new(), release };
    rules.global(&file.global);
    rules.network(&file.network);
    rules.disk_setup(&file.disk_setup);
    if let Some(webhook) = &file.post_installation_webhook {
        rules.webhook(webhook);
    }
    if let Some(first_boot) = &file.first_boot {
        rules.first_boot(first_boot);
    }
    rules.problems
}

/// Returns every broken rule of a network alone, for the newest installer.
pub(super) fn check_network(network: &Network) -> Vec<String> {
    let mut rules = Rules { problems: Vec::new(), release: NEWEST_DIALECT };
    rules.network(network);
    rules.problems
}

struct Rules {
    problems: Vec<String>,
    release: InstallerRelease,
}

impl Rules {
    fn holds(&mut self, holds: bool, key: &str, problem: &str) {
        if !holds {
            self.problems.push(format!("{key} {problem}"));
        }
    }

    fn one_of(&mut self, key: &str, value: &str, known: &[&str]) {
        self.holds(known.contains(&value), key, &format!("is `{value}`; known are {}", known.join(", ")));
    }

    /// A key that older installers refuse as unknown.
    fn since(&mut self, key: &str, major: u16, minor: u16, is_there: bool) {
        let since = InstallerRelease { major, minor };
        self.holds(
            !is_there || self.release >= since,
            key,
            &format!("{NEEDS_NEWER} {since} or newer; this image is {}", self.release),
        );
    }

    fn url(&mut self, key: &str, url: &str) {
        let is_url = (url.starts_with("https://") || url.starts_with("http://")) && !url.contains(char::is_whitespace);
        self.holds(is_url, key, "is not a URL");
    }

    /// 64 hexadecimal digits, with or without colons, and no `sha256:` before them.
    fn fingerprint(&mut self, key: &str, fingerprint: Option<&str>) {
        let digits = fingerprint.map(|text| text.replace(':', ""));
        let is_one = digits.is_none_or(|text| text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit()));
        self.holds(is_one, key, "is not the SHA-256 of a certificate (64 hexadecimal digits)");
    }

    fn webhook(&mut self, webhook: &Webhook) {
        self.since("post-installation-webhook", 8, 3, true);
        self.since("post-installation-webhook.auth-token", 9, 2, webhook.auth_token.is_some());
        self.url("post-installation-webhook.url", &webhook.url);
        self.fingerprint("post-installation-webhook.cert-fingerprint", webhook.cert_fingerprint.as_deref());
    }

    fn first_boot(&mut self, first_boot: &FirstBoot) {
        self.since("first-boot", 8, 3, true);
        self.one_of("first-boot.source", &first_boot.source, &["from-url", "from-iso"]);
        self.one_of(
            "first-boot.ordering",
            first_boot.ordering.as_deref().unwrap_or("fully-up"),
            &["before-network", "network-online", "fully-up"],
        );
        self.holds(
            first_boot.source != "from-url" || first_boot.url.is_some(),
            "first-boot.url",
            "is needed with source = \"from-url\"",
        );
        if let Some(url) = &first_boot.url {
            self.url("first-boot.url", url);
        }
        self.fingerprint("first-boot.cert-fingerprint", first_boot.cert_fingerprint.as_deref());
    }

    fn global(&mut self, global: &Global) {
        let country = &global.country;
        self.holds(
            places::COUNTRIES.split_whitespace().any(|known| known == country),
            "global.country",
            "must be a lower-case ISO code such as `at` or `gb`",
        );
        self.one_of("global.keyboard", &global.keyboard, KEYBOARDS);
        let zone = &global.timezone;
        let is_zone = zone == "UTC" || places::TIME_ZONES.lines().any(|known| known == zone);
        self.holds(is_zone, "global.timezone", "must be a zone such as Europe/Vienna, or UTC");
        self.holds(is_mail(&global.mailto), "global.mailto", "is not a mail address that the installer accepts");
        match &global.fqdn {
            Fqdn::Name(name) => self.holds(
                is_name(name, 2) && !name.split('.').next().unwrap_or_default().chars().all(|c| c.is_ascii_digit()),
                "global.fqdn",
                "must be a full name of at least two labels, the first one not only digits",
            ),
            Fqdn::FromDhcp(from) => {
                self.one_of("global.fqdn.source", &from.source, &["from-dhcp"]);
                self.since("global.fqdn from DHCP", 8, 4, true);
            }
        }
        self.root_password(global);
        if let Some(mode) = &global.reboot_mode {
            self.since("global.reboot-mode", 8, 4, true);
            self.one_of("global.reboot-mode", mode, &["reboot", "power-off"]);
        }
        if let Some(key) = &global.subscription_key {
            self.since("global.subscription-key", 9, 2, true);
            self.holds(is_subscription_key(key), "global.subscription-key", "is not one such as pve1c-0123456789");
        }
        for key in &global.root_ssh_keys {
            self.holds(
                !key.contains(['\n', '\r']) && key.split_whitespace().count() >= 2,
                "global.root-ssh-keys",
                "has an entry that is not one public key line",
            );
        }
    }

    fn root_password(&mut self, global: &Global) {
        match (&global.root_password, &global.root_password_hashed) {
            (Some(password), None) => {
                self.holds(
                    password.len() >= SHORTEST_PASSWORD_BYTES,
                    "global.root-password",
                    "must have at least 8 bytes",
                );
            }
            (None, Some(hash)) => {
                self.since("global.root-password-hashed", 8, 3, true);
                self.holds(
                    hash.starts_with('$'),
                    "global.root-password-hashed",
                    "is not a crypt(3) hash; set credentials.root_password_hash (`mkpasswd -m sha-512`)",
                );
            }
            _ => self.holds(false, "global", "needs exactly one of root-password and root-password-hashed"),
        }
    }
}

/// Whether a text is a DNS name of at least `least` labels.
pub(super) fn is_name(text: &str, least: usize) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').count() >= least && text.split('.').all(is_label)
}

/// HTML5's mail addresses, as the installer has them, without the one that it uses as a placeholder.
fn is_mail(text: &str) -> bool {
    let is_user = |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
    text != "mail@example.invalid"
        && text
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && user.chars().all(is_user) && is_name(host, 1))
}

/// The installer takes any text, and the node's first boot then drops a key that it does not like without a word.
pub(super) fn is_subscription_key(text: &str) -> bool {
    let Some((product, serial)) = text.split_once('-') else { return false };
    let is_product = product
        .strip_prefix("pve")
        .and_then(|rest| rest.strip_suffix(['c', 'b', 's', 'p']))
        .is_some_and(|sockets| !sockets.is_empty() && sockets.chars().all(|c| c.is_ascii_digit()));
    is_product && serial.len() == 10 && serial.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}
