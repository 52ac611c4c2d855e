//! One rebuild: everything that belongs to one reinstallation and must not outlive it.

use std::net::Ipv4Addr;

use jiff::Timestamp;

use super::{
    answer_options::AnswerOptions,
    identity::{HostId, ImageId, OperationId, TemplateName},
    preflight::Overridden,
    server_type::ServerType,
};

super::words::words!(
    /// What a one-time token is for. Tokens are HMAC-SHA-256(rebuild secret, purpose), so each purpose has its own.
    TokenPurpose, "token purpose" {
        /// In the script's URL, and in the URLs of kernel, initrd and ISO.
        Boot = "boot",
        /// For the answer.
        Answer = "answer",
        /// For the post-installation webhook.
        Installed = "installed",
        /// For the first-boot script, which the installer fetches.
        FirstBootScript = "first_boot_script",
        /// For the phone-home of the first-boot script.
        PhoneHome = "phone_home",
    }
);

/// The SHA-256 of a token: the only form in which a token is stored.
pub type TokenHash = [u8; 32];

/// What we stored about a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// The rebuild that it was made for.
    pub operation: OperationId,
    /// The host that it was made for.
    pub host: HostId,
    /// What it is for.
    pub purpose: TokenPurpose,
    /// When the event that it proves was recorded.
    pub spent_at: Option<Timestamp>,
}

/// The secrets of one rebuild, sealed with the key file (`ports::secrets`).
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecrets {
    /// 32 random bytes from which every token is derived.
    pub token_secret: Vec<u8>,
    /// The ephemeral Ed25519 private key, 32 bytes.
    pub private_key: Vec<u8>,
}

impl std::fmt::Debug for SealedSecrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SealedSecrets(..)")
    }
}

/// One rebuild of one host; its id is that of its operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuild {
    /// The operation that it belongs to.
    pub operation: OperationId,
    /// The host.
    pub host: HostId,
    /// The server type as it was when the rebuild was requested: a later edit never mixes into a running install.
    pub server_type: ServerType,
    /// The name of the answer template.
    pub template: TemplateName,
    /// The answer template as it was when the rebuild was requested.
    pub template_text: String,
    /// What was chosen for the host's answer when the rebuild was requested.
    pub answer: AnswerOptions,
    /// The image to install.
    pub image: ImageId,
    /// The ephemeral public key, one OpenSSH line.
    pub public_key: String,
    /// The sealed secrets; `None` once the rebuild has ended.
    pub sealed: Option<SealedSecrets>,
    /// The address under which the cluster lists the host, when it was a member at the request: it leaves before it is installed.
    pub leaves: Option<Ipv4Addr>,
    /// The blockers that the operator overrode with the request, and why.
    pub overridden: Option<Overridden>,
    /// When it was requested. A clock that shows an earlier time has jumped, and a jump disarms.
    pub requested_at: Timestamp,
    /// Until when the installer may be booted; past that the machine boots its disk.
    pub armed_until: Timestamp,
    /// When the secrets were erased: finished, failed, cancelled or superseded.
    pub ended_at: Option<Timestamp>,
    /// What has been seen of the machine so far.
    pub marks: RebuildMarks,
}

/// What has been seen of the machine during one rebuild. In a change, `None` leaves what was known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RebuildMarks {
    /// The address that fetched the script: the only one that is given the ISO.
    pub script_address: Option<Ipv4Addr>,
    /// The address that fetched the ISO: the only one that is given the answer.
    pub image_address: Option<Ipv4Addr>,
    /// When a member was first asked to remove the host: from here on it may have been.
    pub leaving_at: Option<Timestamp>,
    /// When the host had left its cluster.
    pub left_cluster_at: Option<Timestamp>,
    /// When the answer was served first.
    pub answered_at: Option<Timestamp>,
    /// [`super::installer::SystemReport::fingerprint`] of the machine that was given the answer.
    pub machine_fingerprint: Option<String>,
    /// When the installer fetched the first-boot script.
    pub first_boot_fetched_at: Option<Timestamp>,
    /// When the webhook came.
    pub installed_at: Option<Timestamp>,
    /// When the installed system phoned home.
    pub phoned_home_at: Option<Timestamp>,
    /// When the operator confirmed the SSH host key (setting `join.confirm_host_key`).
    pub host_key_confirmed_at: Option<Timestamp>,
    /// When the machine last reported a failure of its own, and what it said: the last lines of its log.
    pub reported_failure: Option<(Timestamp, String)>,
    /// Why this rebuild must not go on: two machines claimed it, or no host key could be read.
    pub refused: Option<String>,
}

impl Rebuild {
    /// Whether the host must still leave its cluster before it may be installed.
    pub fn must_leave(&self) -> bool {
        self.leaves.is_some() && self.marks.left_cluster_at.is_none()
    }

    /// Whether the installer may be booted at this moment; the host's state must allow it too.
    pub fn is_armed(&self, now: Timestamp) -> bool {
        self.ended_at.is_none() && self.marks.refused.is_none() && self.requested_at <= now && now < self.armed_until
    }
}
