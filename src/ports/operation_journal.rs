//! Where operations and their journals are kept.

use async_trait::async_trait;
use jiff::Timestamp;

use super::LedgerError;
use crate::domain::{
    identity::{BatchId, HostId, OperationId},
    live_event::NewLiveEvent,
    operation::{JournalEntry, Operation, StepOutput},
    questions::OperationQuestion,
    rebuild::Rebuild,
};

/// An operation as it is kept, with what belongs to it.
#[derive(Debug, Clone)]
pub struct OperationRecord {
    /// The operation.
    pub operation: Operation,
    /// Its journal, oldest entry first.
    pub journal: Vec<JournalEntry>,
    /// The name of its host.
    pub hostname: String,
    /// Its rebuild; only of an operation that is not marked as over.
    pub rebuild: Option<Rebuild>,
}

/// Keeps operations and journals. An operation is opened by the host's change (`HostLedger::record`).
#[async_trait]
pub trait OperationJournal: Send + Sync {
    /// Returns an operation with its journal, oldest entry first.
    async fn operation(&self, id: &OperationId) -> Result<Option<(Operation, Vec<JournalEntry>)>, LedgerError>;

    /// Returns the operations that a question asks for, newest first, with their journals: few queries, however many they are.
    async fn operations(&self, question: &OperationQuestion) -> Result<Vec<OperationRecord>, LedgerError>;
    /// Returns several operations with their journals in one question; what does not exist is left out.
    async fn operations_by_id(&self, ids: &[OperationId]) -> Result<Vec<(Operation, Vec<JournalEntry>)>, LedgerError>;

    /// Returns the operations that are not marked as over, oldest first.
    async fn open_operations(&self) -> Result<Vec<OperationId>, LedgerError>;

    /// Returns the operations of a host, newest first.
    async fn operations_of(&self, host: &HostId, limit: u32) -> Result<Vec<OperationId>, LedgerError>;

    /// Returns how many operations wait for a person.
    async fn waiting_for_a_person(&self) -> Result<usize, LedgerError>;

    /// Appends an entry if the journal still has `length` entries, with a line for the live feed; [`LedgerError::Conflict`] otherwise.
    /// Once this returns, the entry survives everything.
    async fn append(
        &self,
        operation: &OperationId,
        length: usize,
        entry: &JournalEntry,
        feed: Option<&NewLiveEvent>,
    ) -> Result<(), LedgerError>;

    /// Keeps what commands said during one attempt of a step, in the place of what was kept of it before. Of a step that was tried very
    /// often, the oldest attempts are forgotten.
    async fn keep_output(&self, operation: &OperationId, output: &StepOutput) -> Result<(), LedgerError>;

    /// Returns what the steps of an operation said, by step and attempt.
    async fn outputs(&self, operation: &OperationId) -> Result<Vec<StepOutput>, LedgerError>;

    /// Marks an operation as over: the runner need not look at it again. Gives back its turn.
    async fn close(&self, operation: &OperationId, now: Timestamp) -> Result<(), LedgerError>;

    /// Takes the turn to change a cluster's membership, for one operation at a time; keeps it if it has it already. Returns the
    /// operation that has it: the caller's own, or the one to wait for. Turns survive a restart.
    async fn take_turn(&self, cluster: &str, operation: &OperationId) -> Result<OperationId, LedgerError>;

    /// Returns who has the turn to change a cluster's membership, if anybody has.
    async fn turn_holder(&self, cluster: &str) -> Result<Option<OperationId>, LedgerError>;

    /// Returns the batch that an operation belongs to, if it does.
    async fn batch_of(&self, operation: &OperationId) -> Result<Option<BatchId>, LedgerError>;

    /// Gives the turn back. Idempotent.
    async fn give_back_turn(&self, operation: &OperationId) -> Result<(), LedgerError>;
}
