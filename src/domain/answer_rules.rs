//! The rules of the installer for an answer file, and ours where its own would cost a disk (proxmox-auto-installer `utils.rs`,
//! proxmox-installer-types `answer.rs`, proxmox-installer-common `options.rs`).

use std::{collections::BTreeSet, net::IpAddr};

use super::{
    answer_file::{AnswerFile, DiskSetup, Fqdn, Global, Network, RaidOptions},
    identity::MacAddress,
    image::InstallerRelease,
};

const KEYBOARDS: &[&str] = &[
    "de", "de-ch", "dk", "en-gb", "en-us", "es", "fi", "fr", "fr-be", "fr-ca", "fr-ch", "hu", "is", "it", "jp", "lt",
    "mk", "nl", "no", "pl", "pt", "pt-br", "se", "si", "tr",
];
/// The installer since 8.4 wants eight bytes; older ones are held to it as well.
const SHORTEST_PASSWORD_BYTES: usize = 8;

/// Returns every broken rule.
pub(super) fn check(file: &AnswerFile, release: InstallerRelease) -> Vec<String> {
    let mut rules = Rules { problems: Vec::new(), release };
    rules.global(&file.global);
    rules.network(&file.network);
    rules.disk_setup(&file.disk_setup);
    if let Some(webhook) = &file.post_installation_webhook {
        rules.url("post-installation-webhook.url", &webhook.url);
        rules.fingerprint("post-installation-webhook.cert-fingerprint", webhook.cert_fingerprint.as_deref());
        rules.since("post-installation-webhook", 8, 3, true);
        rules.since("post-installation-webhook.auth-token", 9, 2, webhook.auth_token.is_some());
    }
    if let Some(first_boot) = &file.first_boot {
        rules.since("first-boot", 8, 3, true);
        rules.one_of("first-boot.source", &first_boot.source, &["from-url", "from-iso"]);
        rules.one_of(
            "first-boot.ordering",
            first_boot.ordering.as_deref().unwrap_or("fully-up"),
            &["before-network", "network-online", "fully-up"],
        );
        rules.holds(
            first_boot.source != "from-url" || first_boot.url.is_some(),
            "first-boot.url",
            "is needed with source = \"from-url\"",
        );
        if let Some(url) = &first_boot.url {
            rules.url("first-boot.url", url);
        }
        rules.fingerprint("first-boot.cert-fingerprint", first_boot.cert_fingerprint.as_deref());
    }
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
            &format!("needs an installer of {since} or newer; this image is {}", self.release),
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

    fn global(&mut self, global: &Global) {
        let country = &global.country;
        self.holds(
            country.len() == 2 && country.chars().all(|c| c.is_ascii_lowercase()),
            "global.country",
            "must be a lower-case ISO code such as `at`",
        );
        self.one_of("global.keyboard", &global.keyboard, KEYBOARDS);
        let zone = &global.timezone;
        let is_zone = zone == "UTC"
            || (zone.contains('/')
                && zone != "Etc/UTC"
                && zone.chars().all(|c| c.is_ascii_alphanumeric() || "/_+-".contains(c)));
        self.holds(is_zone, "global.timezone", "must be a zone such as Europe/Vienna, or UTC");
        let mail = global
            .mailto
            .split_once('@')
            .filter(|(user, host)| !user.is_empty() && !host.is_empty() && !host.ends_with(".invalid"));
        let is_mail = mail.is_some_and(|(user, host)| !user.contains(char::is_whitespace) && is_name(host, 1));
        self.holds(is_mail, "global.mailto", "is not a mail address that the installer accepts");
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
        if let Some(mode) = &global.reboot_mode {
            self.since("global.reboot-mode", 8, 4, true);
            self.one_of("global.reboot-mode", mode, &["reboot", "power-off"]);
        }
        self.since("global.subscription-key", 9, 2, global.subscription_key.is_some());
        for key in &global.root_ssh_keys {
            self.holds(
                !key.contains(['\n', '\r']) && key.split_whitespace().count() >= 2,
                "global.root-ssh-keys",
                "has an entry that is not one public key line",
            );
        }
    }

    fn network(&mut self, network: &Network) {
        let source = network.source.as_deref();
        self.holds(
            source.is_some() || self.release < InstallerRelease { major: 9, minor: 2 },
            "network.source",
            "is needed since 9.2",
        );
        match source.unwrap_or("from-dhcp") {
            "from-dhcp" => {
                let alone = network.cidr.is_none()
                    && network.dns.is_none()
                    && network.gateway.is_none()
                    && network.filter.is_empty();
                self.holds(alone, "network", "with source = \"from-dhcp\" may have no cidr, dns, gateway or filter");
            }
            "from-answer" => self.static_network(network),
            other => self.one_of("network.source", other, &["from-dhcp", "from-answer"]),
        }
        if let Some(pinning) = &network.interface_name_pinning {
            self.since("network.interface-name-pinning", 9, 1, true);
            self.holds(
                pinning.enabled,
                "network.interface-name-pinning.enabled",
                "= false pins all the same (a defect of 9.2); leave the table out",
            );
            let names: BTreeSet<_> = pinning.mapping.values().collect();
            self.holds(
                names.len() == pinning.mapping.len(),
                "network.interface-name-pinning.mapping",
                "has a name twice",
            );
            for (mac, name) in &pinning.mapping {
                self.holds(
                    mac.parse::<MacAddress>().is_ok(),
                    "network.interface-name-pinning.mapping",
                    &format!("has `{mac}`, which is not a MAC address"),
                );
                let is_pin = (2..=15).contains(&name.len())
                    && name.starts_with(|c: char| c.is_ascii_alphabetic())
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                self.holds(
                    is_pin,
                    "network.interface-name-pinning.mapping",
                    &format!("has `{name}`; a name has 2 to 15 letters, digits and underscores"),
                );
            }
        }
    }

    /// The installer accepts a gateway outside of the network, mixed families and a missing mask; a node with such a network is lost.
    fn static_network(&mut self, network: &Network) {
        let (Some(cidr), Some(dns), Some(gateway)) = (&network.cidr, &network.dns, &network.gateway) else {
            return self.holds(false, "network", "with source = \"from-answer\" needs cidr, dns and gateway");
        };
        self.holds(!network.filter.is_empty(), "network.filter", "is needed with source = \"from-answer\"");
        self.holds(dns.parse::<IpAddr>().is_ok(), "network.dns", "is not one address");
        match cidr.parse::<ipnet::IpNet>() {
            Ok(net) => {
                let inside =
                    gateway.parse::<IpAddr>().is_ok_and(|gateway| net.contains(&gateway) && gateway != net.addr());
                self.holds(inside, "network.gateway", "is not another address in the network of cidr");
            }
            Err(_) => self.holds(false, "network.cidr", "is not an address with its mask such as 192.0.2.10/24"),
        }
    }

    fn disk_setup(&mut self, disks: &DiskSetup) {
        let filesystem = disks.filesystem.as_str();
        self.one_of("disk-setup.filesystem", filesystem, &["ext4", "xfs", "zfs", "btrfs"]);
        self.holds(
            disks.disk_list.is_empty() != disks.filter.is_empty(),
            "disk-setup",
            "needs exactly one of disk-list and filter",
        );
        self.holds(
            disks.filter_match.as_deref() != Some("all"),
            "disk-setup.filter-match",
            "= \"all\" selects every disk when a key is absent; name one disk",
        );
        self.holds(
            disks.filter.len() <= 1,
            "disk-setup.filter",
            "has several keys, and the installer takes any disk that matches any of them; keep one",
        );
        self.holds(
            disks.filter.values().all(|glob| !glob.trim_matches('*').is_empty()),
            "disk-setup.filter",
            "matches every disk",
        );
        let unique: BTreeSet<_> = disks.disk_list.iter().collect();
        self.holds(unique.len() == disks.disk_list.len(), "disk-setup.disk-list", "has a disk twice");
        self.holds(
            disks.disk_list.iter().all(|disk| disk.starts_with("/dev/")),
            "disk-setup.disk-list",
            "must have full names: `sda` also matches the end of others",
        );
        let is_lvm = matches!(filesystem, "ext4" | "xfs");
        self.holds(disks.lvm.is_none() || is_lvm, "disk-setup.lvm", "belongs to ext4 and xfs");
        self.holds(disks.zfs.is_none() || filesystem == "zfs", "disk-setup.zfs", "belongs to zfs");
        self.holds(disks.btrfs.is_none() || filesystem == "btrfs", "disk-setup.btrfs", "belongs to btrfs");
        self.holds(
            !is_lvm || disks.disk_list.len() <= 1,
            "disk-setup.disk-list",
            "must have one disk for ext4 and xfs",
        );
        if let Some(lvm) = &disks.lvm
            && let (Some(swap), Some(size)) = (lvm.swapsize, lvm.hdsize)
        {
            self.holds(swap <= size / 2.0, "disk-setup.lvm.swapsize", "is more than half of hdsize");
        }
        match filesystem {
            "zfs" => self.raid(
                "disk-setup.zfs",
                disks.zfs.as_ref(),
                disks.disk_list.len(),
                &[("raid0", 1), ("raid1", 2), ("raid10", 4), ("raidz-1", 3), ("raidz-2", 4), ("raidz-3", 5)],
            ),
            "btrfs" => self.raid(
                "disk-setup.btrfs",
                disks.btrfs.as_ref(),
                disks.disk_list.len(),
                &[("raid0", 1), ("raid1", 2), ("raid10", 4)],
            ),
            _ => {}
        }
    }

    fn raid(&mut self, key: &str, options: Option<&RaidOptions>, disks: usize, levels: &[(&str, usize)]) {
        let Some(level) = options.and_then(|options| options.raid.as_deref()) else {
            return self.holds(false, key, "needs raid");
        };
        let lower = level.to_ascii_lowercase();
        let is_one_case = level == lower || level == level.to_ascii_uppercase();
        let Some((_, least)) = levels.iter().find(|(name, _)| *name == lower).filter(|_| is_one_case) else {
            let known: Vec<_> = levels.iter().map(|(name, _)| *name).collect();
            return self.one_of(&format!("{key}.raid"), level, &known);
        };
        self.holds(
            disks == 0 || disks >= *least,
            &format!("{key}.raid"),
            &format!("= {level} needs at least {least} disks, got {disks}"),
        );
        self.holds(
            lower != "raid10" || disks.is_multiple_of(2),
            &format!("{key}.raid"),
            "= raid10 needs an even number of disks",
        );
        let Some(options) = options else { return };
        self.holds(
            options.ashift.is_none_or(|ashift| (9..=13).contains(&ashift)),
            &format!("{key}.ashift"),
            "must be between 9 and 13",
        );
        self.holds(
            options.copies.is_none_or(|copies| (1..=3).contains(&copies)),
            &format!("{key}.copies"),
            "must be between 1 and 3",
        );
    }
}

/// Whether a text is a DNS name of at least `least` labels.
fn is_name(text: &str, least: usize) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').count() >= least && text.split('.').all(is_label)
}
