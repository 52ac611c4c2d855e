//! The rules of the settings; every broken one is found in one go.

use std::{net::Ipv4Addr, path::Path};

use ipnet::Ipv4Net;

use crate::domain::corosync::MOST_LINKS;

use super::{
    PatienceSettings, ProxmoxSettings, PxeSettings, Settings, SettingsProblem, notifications, read_private_file,
    sections::relay_network,
};

/// Returns everything that is wrong.
pub(super) fn check(settings: &Settings) -> Vec<SettingsProblem> {
    let mut problems = Problems::default();
    let server = &settings.server;
    for (place, origin) in server.trusted_origins.iter().enumerate() {
        problems.rule(&format!("server.trusted_origins[{place}]"), is_origin(origin), || {
            format!("`{origin}` is not an origin as browsers spell it, such as https://rackseed.example or https://rackseed.example:8443")
        });
    }
    problems.url("server.public_url", &server.public_url, &["http"]);
    problems.url("server.public_machine_url", &server.public_machine_url, &["https"]);
    problems.url("infrastructure.base_url", &settings.infrastructure.base_url, &["http", "https"]);
    check_listeners(settings, &mut problems);
    problems.private_file("infrastructure.token_file", &settings.infrastructure.token_file);
    check_pxe(&settings.pxe, &mut problems);
    check_proxmox(&settings.proxmox, &mut problems);
    let hash = &settings.credentials.root_password_hash;
    problems.rule("credentials.root_password_hash", hash.is_empty() || is_crypt_hash(hash), || {
        "is not a crypt(3) hash such as $6$… ; make one with `mkpasswd -m sha-512`".into()
    });
    check_patience(&settings.patience, &mut problems);
    notifications::check(&settings.notifications, &mut problems);
    problems.0
}

/// Whether a text is an origin as browsers spell it: scheme, name and perhaps port, in lower case, and nothing behind.
fn is_origin(text: &str) -> bool {
    let authority = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-:[]".contains(c);
    !authority.is_empty() && authority.chars().all(is_plain)
}

/// Two listeners cannot have one port, unless each has its own address; port 0 is another one every time.
fn check_listeners(settings: &Settings, problems: &mut Problems) {
    let server = &settings.server;
    let listeners = [
        ("server.listen", server.listen),
        ("server.boot_listen", server.boot_listen),
        ("server.machine_listen", server.machine_listen),
    ];
    for (place, (path, address)) in listeners.iter().enumerate() {
        for (other_path, other) in &listeners[..place] {
            let is_shared = address.port() != 0
                && address.port() == other.port()
                && (address.ip() == other.ip() || address.ip().is_unspecified() || other.ip().is_unspecified());
            problems
                .rule(path, !is_shared, || format!("`{address}` is taken by {other_path} already; use another port"));
        }
    }
}

fn check_pxe(pxe: &PxeSettings, problems: &mut Problems) {
    problems.rule("pxe.interface", !pxe.enabled || !pxe.interface.is_empty() || !pxe.interfaces.is_empty(), || {
        "is needed while pxe.enabled is true: the network interface of the machines, such as eth0 (`ip link` lists them)".into()
    });
    problems.parsed::<Ipv4Net>("pxe.subnet", &pxe.subnet, "is not an IPv4 network such as 192.0.2.0/24");
    check_interfaces(pxe, problems);
    for relay in &pxe.relays {
        problems.rule("pxe.relays", relay_network(relay).is_some(), || {
            format!("`{relay}` is not an IPv4 address or network such as 192.0.2.0/24")
        });
    }
    problems.rule("pxe.armed_minutes", pxe.armed_minutes > 0, || "must be at least 1".into());
    for (path, port) in
        [("pxe.dhcp_port", pxe.dhcp_port), ("pxe.proxy_port", pxe.proxy_port), ("pxe.tftp_port", pxe.tftp_port)]
    {
        let is_shared =
            path != "pxe.dhcp_port" && port == pxe.dhcp_port || path == "pxe.tftp_port" && port == pxe.proxy_port;
        problems
            .rule(path, !is_shared || port == 0, || format!("{port} is the port of another service; use another one"));
        problems.rule(path, port > 0, || "must be a port between 1 and 65535".into());
    }
}

/// Two entries for one interface would fight over its ports.
fn check_interfaces(pxe: &PxeSettings, problems: &mut Problems) {
    let mut names = vec![pxe.interface.as_str()];
    for (place, interface) in pxe.interfaces.iter().enumerate() {
        let path = |key: &str| format!("pxe.interfaces[{place}].{key}");
        let name = interface.name.as_str();
        problems.rule(&path("name"), !name.is_empty(), || "is needed: a network interface such as eth0".into());
        problems.rule(&path("name"), name.is_empty() || !names.contains(&name), || {
            format!("`{name}` stands there already; give each interface one entry")
        });
        names.push(name);
        problems.parsed::<Ipv4Net>(&path("subnet"), &interface.subnet, "is not an IPv4 network such as 192.0.2.0/24");
        problems.parsed::<Ipv4Addr>(&path("address"), &interface.address, "is not an IPv4 address");
        problems.rule(&path("address"), interface.address.is_empty() || interface.subnet.is_empty(), || {
            "and subnet exclude each other: an address is enough".into()
        });
    }
}

fn check_proxmox(proxmox: &ProxmoxSettings, problems: &mut Problems) {
    problems.rule("proxmox.domain", is_domain(&proxmox.domain), || "is not a domain such as home.arpa".into());
    problems.parsed::<Ipv4Addr>("proxmox.existing_node", &proxmox.existing_node, "is not an IPv4 address");
    problems.parsed::<Ipv4Net>(
        "proxmox.link0_network",
        &proxmox.link0_network,
        "is not an IPv4 network such as 10.10.0.0/24",
    );
    for (link, network) in proxmox.links.iter().enumerate() {
        let path = format!("proxmox.links[{link}]");
        problems.parsed::<Ipv4Net>(&path, network, "is not an IPv4 network such as 10.10.0.0/24");
    }
    problems.rule("proxmox.links", proxmox.links.len() <= usize::from(MOST_LINKS), || {
        format!("has more entries than corosync has links, which is {MOST_LINKS}")
    });
    problems.rule("proxmox.links", proxmox.links.is_empty() || proxmox.link0_network.is_empty(), || {
        "and proxmox.link0_network exclude each other; its first entry is link 0".into()
    });
    let name = &proxmox.cluster_name;
    let is_name = (1..=15).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    problems.rule("proxmox.cluster_name", is_name, || {
        "must be 1 to 15 letters, digits and dashes, no dash at either end".into()
    });
    let key = proxmox.existing_node_ssh_host_key.trim();
    problems.rule("proxmox.existing_node_ssh_host_key", key.is_empty() || is_ed25519_key(key), || {
        "is not an Ed25519 host key; take the line in /etc/ssh/ssh_host_ed25519_key.pub of the member".into()
    });
    problems.rule("proxmox.existing_node_ssh_host_key", proxmox.existing_node.is_empty() || !key.is_empty(), || {
        "is needed with proxmox.existing_node: we trust no host key on first use".into()
    });
    let fingerprint = &proxmox.join_fingerprint;
    let is_fingerprint = fingerprint.split(':').count() == 32
        && fingerprint.split(':').all(|pair| u8::from_str_radix(pair, 16).is_ok() && pair.len() == 2);
    problems.rule("proxmox.join_fingerprint", fingerprint.is_empty() || is_fingerprint, || {
        "is not a SHA-256 fingerprint of 32 pairs such as AB:CD:…".into()
    });
    let both = !proxmox.key_file.as_os_str().is_empty() && !proxmox.root_password_file.as_os_str().is_empty();
    problems.rule("proxmox.root_password_file", !both, || {
        "and proxmox.key_file exclude each other; keep one (the key is preferred)".into()
    });
    problems.private_file("proxmox.key_file", &proxmox.key_file);
    problems.private_file("proxmox.root_password_file", &proxmox.root_password_file);
    problems.rule("proxmox.ssh_port", proxmox.ssh_port > 0, || "must be a port between 1 and 65535".into());
}

fn check_patience(patience: &PatienceSettings, problems: &mut Problems) {
    for (state, minutes) in patience.by_state() {
        problems.rule(&format!("patience.{state}"), !minutes.is_zero(), || "must be at least one minute".into());
    }
}

/// `ssh-ed25519 BASE64 [comment]`, where the base64 holds the name again and 32 bytes (RFC 8709).
fn is_ed25519_key(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let is_key = |text: &str| {
        data_encoding::BASE64
            .decode(text.as_bytes())
            .is_ok_and(|bytes| bytes.len() == 51 && bytes.starts_with(b"\0\0\0\x0bssh-ed25519\0\0\0\x20"))
    };
    !line.contains(['\n', '\r']) && words.next() == Some("ssh-ed25519") && words.next().is_some_and(is_key)
}

fn is_crypt_hash(text: &str) -> bool {
    text.len() >= 13 && text.starts_with('$') && text.chars().all(|c| c.is_ascii_graphic() && c != ':')
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 180 && text.split('.').all(is_label)
}

#[derive(Default)]
pub(super) struct Problems(Vec<SettingsProblem>);

impl Problems {
    pub(super) fn rule(&mut self, path: &str, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.0.push(SettingsProblem { path: path.to_owned(), problem: problem() });
        }
    }

    /// A text that must parse, unless it is empty.
    fn parsed<T: std::str::FromStr>(&mut self, path: &str, text: &str, problem: &str) {
        self.rule(path, text.is_empty() || text.parse::<T>().is_ok(), || format!("`{text}` {problem}"));
    }

    /// `SCHEME://HOST[:PORT][/PATH]`, unless it is empty; for machines' URLs the path must be empty.
    pub(super) fn url(&mut self, path: &str, text: &str, schemes: &[&str]) {
        let parsed = reqwest::Url::parse(text);
        let may_have_path = schemes.len() > 1;
        let is_url = parsed.is_ok_and(|url| {
            schemes.contains(&url.scheme())
                && url.host_str().is_some()
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
                && (may_have_path || (url.path() == "/" && !text.ends_with('/')))
        });
        self.rule(path, text.is_empty() || is_url, || {
            format!(
                "`{text}` is not a URL such as {}://192.0.2.10:8081{}",
                schemes[0],
                if may_have_path { "/api" } else { " (nothing after the port)" }
            )
        });
    }

    pub(super) fn private_file(&mut self, path: &str, file: &Path) {
        if !file.as_os_str().is_empty()
            && let Err(problem) = read_private_file(file)
        {
            self.0.push(SettingsProblem { path: path.to_owned(), problem });
        }
    }
}
