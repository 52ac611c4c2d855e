//! Where who did what is kept: rows are added and read, never changed, never removed.

use async_trait::async_trait;
use jiff::Timestamp;

use super::LedgerError;
use crate::domain::{
    audit::{AuditEntry, NewAuditEntry},
    identity::HostId,
};

/// Keeps the audit log.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Adds a row. Without a name for its host, the name that the host has now is written.
    async fn record(&self, entry: &NewAuditEntry, now: Timestamp) -> Result<(), LedgerError>;

    /// Returns at most `limit` rows older than the row `before`, the newest first; of one host, where one is named.
    async fn audit_entries(
        &self,
        before: Option<i64>,
        host: Option<&HostId>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, LedgerError>;
}
