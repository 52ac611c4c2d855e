//! A journal that kills the engine.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use jiff::Timestamp;
use rackseed::{
    domain::{
        identity::{BatchId, HostId, OperationId},
        live_event::NewLiveEvent,
        operation::{JournalEntry, Operation, StepOutput},
        questions::OperationQuestion,
    },
    ports::{LedgerError, OperationJournal, OperationRecord},
};

/// When a killing journal kills.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kill {
    /// The entry is written, and the engine never hears of it.
    After,
    /// The step was done, and its entry is never written: it will be done again.
    Before,
}

/// Kills the engine at one append; or, with `every`, once before each append, so that every step runs twice.
pub(super) struct KillingJournal {
    inner: Arc<dyn OperationJournal>,
    kill: Kill,
    at: usize,
    every: bool,
    pub(super) appends: AtomicUsize,
    pub(super) looks: AtomicUsize,
    /// While it is set, the disk is full.
    pub(super) is_full: AtomicBool,
}

impl KillingJournal {
    pub(super) fn new(inner: Arc<dyn OperationJournal>, kill: Kill, at: usize, every: bool) -> Arc<Self> {
        Arc::new(Self {
            inner,
            kill,
            at,
            every,
            appends: AtomicUsize::new(0),
            looks: AtomicUsize::new(0),
            is_full: AtomicBool::new(false),
        })
    }
}

fn killed<T>() -> Result<T, LedgerError> {
    Err(LedgerError::Database("killed".into()))
}

#[async_trait]
impl OperationJournal for KillingJournal {
    async fn operation(&self, id: &OperationId) -> Result<Option<(Operation, Vec<JournalEntry>)>, LedgerError> {
        self.inner.operation(id).await
    }

    async fn operations(&self, question: &OperationQuestion) -> Result<Vec<OperationRecord>, LedgerError> {
        self.inner.operations(question).await
    }

    async fn turn_holder(&self, cluster: &str) -> Result<Option<OperationId>, LedgerError> {
        self.inner.turn_holder(cluster).await
    }

    async fn batch_of(&self, operation: &OperationId) -> Result<Option<BatchId>, LedgerError> {
        self.inner.batch_of(operation).await
    }

    async fn operations_by_id(&self, ids: &[OperationId]) -> Result<Vec<(Operation, Vec<JournalEntry>)>, LedgerError> {
        self.inner.operations_by_id(ids).await
    }

    async fn open_operations(&self) -> Result<Vec<OperationId>, LedgerError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        self.inner.open_operations().await
    }

    async fn operations_of(&self, host: &HostId, limit: u32) -> Result<Vec<OperationId>, LedgerError> {
        self.inner.operations_of(host, limit).await
    }

    async fn waiting_for_a_person(&self) -> Result<usize, LedgerError> {
        self.inner.waiting_for_a_person().await
    }

    async fn append(
        &self,
        operation: &OperationId,
        length: usize,
        entry: &JournalEntry,
        feed: Option<&NewLiveEvent>,
    ) -> Result<(), LedgerError> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(LedgerError::DiskFull);
        }
        let place = self.appends.fetch_add(1, Ordering::SeqCst);
        let is_now = if self.every { place.is_multiple_of(2) } else { place == self.at };
        if is_now && self.kill == Kill::Before {
            return killed();
        }
        self.inner.append(operation, length, entry, feed).await?;
        if is_now { killed() } else { Ok(()) }
    }

    async fn keep_output(&self, operation: &OperationId, output: &StepOutput) -> Result<(), LedgerError> {
        self.inner.keep_output(operation, output).await
    }

    async fn outputs(&self, operation: &OperationId) -> Result<Vec<StepOutput>, LedgerError> {
        self.inner.outputs(operation).await
    }

    async fn close(&self, operation: &OperationId, now: Timestamp) -> Result<(), LedgerError> {
        self.inner.close(operation, now).await
    }

    async fn take_turn(&self, cluster: &str, operation: &OperationId) -> Result<OperationId, LedgerError> {
        self.inner.take_turn(cluster, operation).await
    }

    async fn give_back_turn(&self, operation: &OperationId) -> Result<(), LedgerError> {
        self.inner.give_back_turn(operation).await
    }
}
