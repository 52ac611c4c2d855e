//! Where who did what is kept: rows are added and read, never changed, never removed.

use async_trait::async_trait;
use jiff::Timestamp;

use super::LedgerError;
use crate::domain::{
    audit::{AuditEntry, NewAuditEntry},
    questions::AuditQuestion,
};

/// Keeps the audit log.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Adds a row. Without a name for its host, the name that the host has now is written.
    async fn record(&self, entry: &NewAuditEntry, now: Timestamp) -> Result<(), LedgerError>;

    /// Returns the rows that a question asks for, newest first.
    async fn audit_entries(&self, question: &AuditQuestion) -> Result<Vec<AuditEntry>, LedgerError>;

    /// Returns whoever is named in the log, by name.
    async fn audit_actors(&self) -> Result<Vec<String>, LedgerError>;
}
