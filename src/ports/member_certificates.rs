//! Which certificate each member showed when we saw it first.

use std::net::Ipv4Addr;

use async_trait::async_trait;
use jiff::Timestamp;

use super::LedgerError;

/// Remembers the fingerprints of members' API certificates.
#[async_trait]
pub trait MemberCertificates: Send + Sync {
    /// The fingerprint that counts for a member; the given one if there was none.
    async fn pin(&self, address: Ipv4Addr, fingerprint: &str, now: Timestamp) -> Result<String, LedgerError>;

    /// Puts a fingerprint in the place of what was known.
    async fn replace_pin(&self, address: Ipv4Addr, fingerprint: &str, now: Timestamp) -> Result<(), LedgerError>;

    /// Forgets a member's: it was installed anew, or a join gave it another one.
    async fn forget_pin(&self, address: Ipv4Addr) -> Result<(), LedgerError>;
}
