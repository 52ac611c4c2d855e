//! What an answer is made of. The installer's schema and rules stand in `answer_file`.

use super::{
    answer_options::AnswerOptions,
    hardware::{Disk, Nic},
    identity::MacAddress,
    image::InstallerRelease,
    server_type::ServerType,
};

/// Everything that the daemon brings to an answer; templates may name the first four in `{{ … }}`.
#[derive(Debug, Clone)]
pub struct AnswerValues {
    /// `hostname`: the node's name.
    pub hostname: String,
    /// `domain`: the node's domain, unless the host has another one.
    pub domain: String,
    /// `mac`: the address of the card that it boots from.
    pub mac: MacAddress,
    /// `server_type`: the pinned server type.
    pub server_type: ServerType,
    /// The pinned choices of the host.
    pub options: AnswerOptions,
    /// The disks that the machine reported last; empty before its first report.
    pub known_disks: Vec<Disk>,
    /// The network cards that the machine reported last; empty before its first report.
    pub known_cards: Vec<Nic>,
    /// The crypt(3) hash of root's password.
    pub root_password_hash: String,
    /// Public keys for root, the ephemeral one among them.
    pub root_ssh_keys: Vec<String>,
    /// Where the installer reports the end of the installation.
    pub webhook_url: String,
    /// Where the installer fetches the first-boot script.
    pub first_boot_url: String,
    /// SHA-256 of our certificate, 64 hexadecimal digits.
    pub certificate_fingerprint: String,
    /// The installer's release, which decides the dialect.
    pub release: InstallerRelease,
}

impl AnswerValues {
    /// The domain of this host.
    pub fn domain(&self) -> &str {
        self.options.domain.as_deref().unwrap_or(&self.domain)
    }

    /// `fqdn`: the node's full name.
    pub fn fqdn(&self) -> String {
        format!("{}.{}", self.hostname, self.domain())
    }
}

/// What is to be said of an answer: a rule that it breaks, or what a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerNote {
    /// Where it is to be changed, if that can be told: `answer-templates/default.toml:12`, or an option such as `answer.network.cidr`.
    pub place: Option<String>,
    /// One sentence that begins with the answer's key.
    pub text: String,
}

impl std::fmt::Display for AnswerNote {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Some(place) => write!(formatter, "{place}: {}", self.text),
            None => formatter.write_str(&self.text),
        }
    }
}

/// An answer with all that is to be said of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerReview {
    /// The TOML; only when no rule is broken.
    pub toml: Option<String>,
    /// Every broken rule.
    pub problems: Vec<AnswerNote>,
    /// What was left out for the installer's release, and what a person should know.
    pub warnings: Vec<AnswerNote>,
    /// The disks that are wiped, as a person reads it; only when they are settled.
    pub disks: Option<String>,
    /// The same disks, as far as the machine has reported them.
    pub wiped: Vec<Disk>,
}

/// What a host was given last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedAnswer {
    /// When.
    pub at: jiff::Timestamp,
    /// The operation of its rebuild.
    pub operation: super::identity::OperationId,
    /// The installer's release.
    pub release: InstallerRelease,
    /// The address at which the machine found us.
    pub our: std::net::Ipv4Addr,
    /// The TOML without secrets, and with a placeholder for this rebuild's own public key.
    pub answer: String,
}
