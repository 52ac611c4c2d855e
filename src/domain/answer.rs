//! What an answer is made of. The installer's schema and rules stand in `answer_file`.

use super::{identity::MacAddress, image::InstallerRelease, server_type::ServerType};

/// Everything that the daemon brings to an answer; templates may name the first four in `{{ … }}`.
#[derive(Debug, Clone)]
pub struct AnswerValues {
    /// `hostname`: the node's name.
    pub hostname: String,
    /// `fqdn`: the node's full name.
    pub fqdn: String,
    /// `mac`: the address of the card that it boots from.
    pub mac: MacAddress,
    /// `server_type`: the pinned server type.
    pub server_type: ServerType,
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
