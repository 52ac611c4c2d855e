//! Where batches are kept.

use async_trait::async_trait;
use jiff::Timestamp;

use super::LedgerError;
use crate::domain::{
    batch::Batch,
    identity::{BatchId, HostId},
};

/// Keeps batches.
#[async_trait]
pub trait BatchLedger: Send + Sync {
    /// Keeps a new batch. Returns the host that another batch has which has not ended, if there is one; nothing is written then.
    async fn open(&self, batch: &Batch, message: &str) -> Result<Option<HostId>, LedgerError>;

    /// Returns a batch.
    async fn batch(&self, id: &BatchId) -> Result<Option<Batch>, LedgerError>;

    /// Returns the batches that have not ended, oldest first.
    async fn open_batches(&self) -> Result<Vec<BatchId>, LedgerError>;

    /// Returns the newest batches, or the newest that are older than a batch, newest first.
    async fn batches(&self, before: Option<&BatchId>, limit: u32) -> Result<Vec<Batch>, LedgerError>;

    /// Writes a batch as it is now, with a line for the live feed, if it is still as it was read; [`LedgerError::Conflict`] otherwise.
    async fn save(&self, batch: &Batch, message: Option<&str>, now: Timestamp) -> Result<(), LedgerError>;
}
