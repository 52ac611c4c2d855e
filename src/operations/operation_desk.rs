//! What a person may ask about operations: look, retry, cancel, confirm a host key.

use std::sync::Arc;

use super::World;
use crate::{
    domain::{
        host_lifecycle::{self, HostEvent, HostState},
        identity::{HostId, OperationId},
        live_event::{NewLiveEvent, Topic},
        operation::{self, JournalEntry, JournalEvent, Operation, OperationStatus, Progress, StepStatus},
        rebuild::RebuildMarks,
    },
    ports::{Doorbell, LedgerError},
    provisioning::{KeeperError, Move},
};

/// An operation and how it is doing.
#[derive(Debug, Clone)]
pub struct OperationView {
    /// The operation.
    pub operation: Operation,
    /// How it is doing.
    pub progress: Progress,
}

/// Why a person does not get what they asked for.
#[derive(Debug, thiserror::Error)]
pub enum OperationRefusal {
    /// Nothing has this id.
    #[error("{0}")]
    Unknown(String),
    /// It cannot be done now.
    #[error("{0}")]
    NotPossible(String),
    /// What was typed is not what is there.
    #[error("{0}")]
    Mismatch(String),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl From<KeeperError> for OperationRefusal {
    fn from(error: KeeperError) -> Self {
        match error {
            KeeperError::Ledger(LedgerError::Conflict) => {
                Self::NotPossible("the host has just changed; look again".into())
            }
            KeeperError::Ledger(error) => Self::Ledger(error),
            KeeperError::UnknownHost(_) => Self::Unknown(error.to_string()),
            KeeperError::Illegal(_) | KeeperError::Secrets(_) => Self::NotPossible(error.to_string()),
        }
    }
}

/// Answers people about operations.
pub struct OperationDesk {
    /// The outside.
    pub world: Arc<World>,
    /// Wakes the runner.
    pub doorbell: Arc<Doorbell>,
}

impl OperationDesk {
    /// Returns an operation.
    pub async fn view(&self, id: &OperationId) -> Result<Option<OperationView>, LedgerError> {
        let Some((operation, journal)) = self.world.journal.operation(id).await? else { return Ok(None) };
        let progress =
            operation::fold(&operation, &journal).map_err(|error| LedgerError::Unreadable(error.to_string()))?;
        Ok(Some(OperationView { operation, progress }))
    }

    /// Returns the newest operations of a host, newest first.
    pub async fn history(&self, host: &HostId, limit: u32) -> Result<Vec<OperationView>, LedgerError> {
        let mut views = Vec::new();
        for id in self.world.journal.operations_of(host, limit).await? {
            views.extend(self.view(&id).await?);
        }
        Ok(views)
    }

    /// Tries the failed step of a parked operation again.
    pub async fn retry(&self, id: &OperationId) -> Result<OperationView, OperationRefusal> {
        let view = self.known(id).await?;
        if view.progress.status != OperationStatus::NeedsAttention {
            return Err(OperationRefusal::NotPossible(format!(
                "only an operation that needs attention can be retried; this one is `{}`",
                view.progress.status
            )));
        }
        let host = self.world.keeper.host(&view.operation.host).await?;
        let was_reached =
            view.progress.steps.iter().any(|step| step.name == "reach_node" && step.status == StepStatus::Succeeded);
        if was_reached && host.state == HostState::Failed && host.operation.as_ref() == Some(id) {
            self.world.keeper.apply(&host, HostEvent::JoinStarted, Move::default()).await?;
        }
        self.append(&view.operation, JournalEvent::Retried, "the operator retries").await?;
        self.doorbell.ring();
        self.known(id).await
    }

    /// Ends an operation: its host fails, its secrets are erased, its turn is given back. A machine that is being installed is not stopped
    /// by this, but it will not be joined.
    pub async fn cancel(&self, id: &OperationId) -> Result<OperationView, OperationRefusal> {
        let view = self.known(id).await?;
        if view.progress.status.is_over() {
            return Err(OperationRefusal::NotPossible(format!("the operation is over: `{}`", view.progress.status)));
        }
        let host = self.world.keeper.host(&view.operation.host).await?;
        let is_ours = host.operation.as_ref() == Some(id);
        if is_ours && host_lifecycle::next(host.state, HostEvent::Cancelled).is_ok() {
            let details = Move { ends: Some(id.clone()), ..Move::failing("cancelled by the operator") };
            self.world.keeper.apply(&host, HostEvent::Cancelled, details).await?;
        }
        self.append(
            &view.operation,
            JournalEvent::Cancelled { reason: "cancelled by the operator".into() },
            "the operator cancelled the operation",
        )
        .await?;
        let now = self.world.clock.now();
        self.world.rebuilds.end(id, now).await?;
        self.world.journal.close(id, now).await?;
        self.doorbell.ring();
        self.known(id).await
    }

    /// Takes the operator's word that the node's console shows this fingerprint.
    pub async fn confirm_host_key(&self, host: &HostId, fingerprint: &str) -> Result<(), OperationRefusal> {
        let host = self.world.keeper.host(host).await?;
        let (Some(operation), Some(key)) = (&host.operation, &host.ssh_host_key) else {
            return Err(OperationRefusal::NotPossible("no SSH host key has been reported for this host".into()));
        };
        let known =
            self.world.ssh_keys.fingerprint(key).map_err(|error| OperationRefusal::NotPossible(error.to_string()))?;
        if known.trim_end_matches('=') != fingerprint.trim().trim_end_matches('=') {
            return Err(OperationRefusal::Mismatch(format!(
                "the installer reported {known}; if the console shows another fingerprint, cancel: this is not the machine that was installed"
            )));
        }
        let marks = RebuildMarks { host_key_confirmed_at: Some(self.world.clock.now()), ..RebuildMarks::default() };
        self.world.keeper.mark(operation, &marks, None, None).await?;
        Ok(())
    }

    async fn known(&self, id: &OperationId) -> Result<OperationView, OperationRefusal> {
        self.view(id).await?.ok_or_else(|| OperationRefusal::Unknown(format!("there is no operation {id}")))
    }

    /// Appends for a person: when the engine writes at the same moment, the entry simply comes after its.
    async fn append(&self, operation: &Operation, event: JournalEvent, message: &str) -> Result<(), OperationRefusal> {
        const TRIES: usize = 10;
        let feed = NewLiveEvent {
            topic: Topic::Operation,
            host: Some(operation.host.clone()),
            operation: Some(operation.id.clone()),
            message: message.into(),
        };
        for _ in 0..TRIES {
            let length = self.world.journal.operation(&operation.id).await?.map_or(0, |(_, journal)| journal.len());
            let entry = JournalEntry { at: self.world.clock.now(), step: String::new(), event: event.clone() };
            match self.world.journal.append(&operation.id, length, &entry, Some(&feed)).await {
                Err(LedgerError::Conflict) => {}
                result => return Ok(result?),
            }
        }
        Err(OperationRefusal::NotPossible("the operation is moving; ask again".into()))
    }
}
