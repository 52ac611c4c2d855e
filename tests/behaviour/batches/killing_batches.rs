//! A ledger of batches that kills whoever moves one.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use jiff::Timestamp;
use rackseed::{
    domain::{
        batch::Batch,
        identity::{BatchId, HostId},
    },
    ports::{BatchLedger, LedgerError},
    store::Store,
};

/// When it kills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kill {
    /// What was to be written is not.
    Before,
    /// It is written, and nobody hears of it.
    After,
}

/// Kills at one write.
pub(super) struct KillingBatches {
    inner: Arc<Store>,
    kill: Kill,
    at: usize,
    pub(super) saves: AtomicUsize,
}

impl KillingBatches {
    pub(super) fn new(inner: Arc<Store>, kill: Kill, at: usize) -> Arc<Self> {
        Arc::new(Self { inner, kill, at, saves: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl BatchLedger for KillingBatches {
    async fn open(&self, batch: &Batch, message: &str) -> Result<Option<HostId>, LedgerError> {
        self.inner.open(batch, message).await
    }

    async fn batch(&self, id: &BatchId) -> Result<Option<Batch>, LedgerError> {
        self.inner.batch(id).await
    }

    async fn open_batches(&self) -> Result<Vec<BatchId>, LedgerError> {
        self.inner.open_batches().await
    }

    async fn batches(&self, before: Option<&BatchId>, limit: u32) -> Result<Vec<Batch>, LedgerError> {
        self.inner.batches(before, limit).await
    }

    async fn save(&self, batch: &Batch, message: Option<&str>, now: Timestamp) -> Result<(), LedgerError> {
        let is_it = self.saves.fetch_add(1, Ordering::SeqCst) == self.at;
        if is_it && self.kill == Kill::Before {
            return Err(LedgerError::Database("killed".into()));
        }
        BatchLedger::save(self.inner.as_ref(), batch, message, now).await?;
        if is_it { Err(LedgerError::Database("killed".into())) } else { Ok(()) }
    }
}
