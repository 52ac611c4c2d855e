//! Where rebuilds and their tokens are kept.

use async_trait::async_trait;
use jiff::Timestamp;

use super::LedgerError;
use crate::domain::{
    answer::ServedAnswer,
    identity::{HostId, OperationId},
    live_event::NewLiveEvent,
    rebuild::{Rebuild, RebuildMarks, TokenHash, TokenRecord},
};

/// Keeps rebuilds. They begin and end with a host's change (`HostLedger::record`).
#[async_trait]
pub trait RebuildLedger: Send + Sync {
    /// Returns the rebuild of an operation.
    async fn rebuild(&self, operation: &OperationId) -> Result<Option<Rebuild>, LedgerError>;

    /// Returns the rebuilds of several operations in one question.
    async fn rebuilds(&self, operations: &[OperationId]) -> Result<Vec<Rebuild>, LedgerError>;

    /// Returns the newest rebuild of a host, ended or not.
    async fn latest_rebuild(&self, host: &HostId) -> Result<Option<Rebuild>, LedgerError>;

    /// Returns the answer that a host was given last, if it was ever given one.
    async fn served_answer(&self, host: &HostId) -> Result<Option<ServedAnswer>, LedgerError>;

    /// Looks a token up by its hash. Tokens are known until the host's next rebuild begins.
    async fn token(&self, hash: &TokenHash) -> Result<Option<TokenRecord>, LedgerError>;

    /// Writes what has been seen of the machine, with the token that proves it and a line in the live feed. Every mark is written
    /// once: a mark that is already set stays.
    async fn mark(
        &self,
        operation: &OperationId,
        marks: &RebuildMarks,
        spends: Option<(&TokenHash, Timestamp)>,
        feed: Option<&NewLiveEvent>,
        now: Timestamp,
    ) -> Result<Rebuild, LedgerError>;

    /// Erases what a rebuild must not leave behind, whatever became of its host: sealed secrets and key. Idempotent.
    async fn end(&self, operation: &OperationId, now: Timestamp) -> Result<(), LedgerError>;
}
