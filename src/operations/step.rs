//! What a step is.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::World;
use crate::{
    domain::{
        host::Host,
        operation::{Operation, Progress},
        rebuild::Rebuild,
    },
    ports::{InfrastructureError, LedgerError, RemoteShellError, SecretsError},
    provisioning::KeeperError,
};

/// What may be done about a step that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// It has an undo; its failure unwinds the operation.
    Reversible,
    /// After it something cannot be taken back: the host has left its cluster, the disk may be wiped. Its own failure still unwinds, unless an
    /// earlier point was passed or its own act [may have happened](Step::may_have_happened). From the first point on, failures park; no
    /// reversible step follows.
    PointOfNoReturn,
    /// It is tried again with growing pauses until its deadline; then the operation is parked for a person.
    ForwardOnly,
}

impl StepKind {
    /// The word for it in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reversible => "reversible",
            Self::PointOfNoReturn => "point_of_no_return",
            Self::ForwardOnly => "forward_only",
        }
    }
}

/// How a step went.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Done, with what later steps need to know.
    Done(Value),
    /// Something outside has not happened yet; the sentence says what.
    NotYet(String),
}

impl Outcome {
    /// Done, with nothing to tell.
    pub const DONE: Self = Self::Done(Value::Null);
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct StepError {
    /// The sentence for the person who must act.
    pub reason: String,
    /// Whether trying again by itself may help.
    pub may_pass: bool,
}

impl StepError {
    /// A failure that may pass by itself: a network error, a lock.
    pub fn passing(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), may_pass: true }
    }

    /// Whether the only thing that is wrong is that our own disk is full: no failure of the step at all.
    pub(super) fn is_disk_full(&self) -> bool {
        self.reason == LedgerError::DiskFull.to_string()
    }

    /// A failure that only a person can mend.
    pub fn lasting(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), may_pass: false }
    }
}

impl From<LedgerError> for StepError {
    fn from(error: LedgerError) -> Self {
        Self { may_pass: !matches!(error, LedgerError::Unreadable(_)), reason: error.to_string() }
    }
}

impl From<KeeperError> for StepError {
    fn from(error: KeeperError) -> Self {
        match error {
            KeeperError::Ledger(error) => error.into(),
            KeeperError::Illegal(_) | KeeperError::UnknownHost(_) | KeeperError::Secrets(_) => {
                Self::lasting(error.to_string())
            }
        }
    }
}

impl From<SecretsError> for StepError {
    fn from(error: SecretsError) -> Self {
        Self::lasting(error.to_string())
    }
}

impl From<InfrastructureError> for StepError {
    fn from(error: InfrastructureError) -> Self {
        Self::passing(error.to_string())
    }
}

impl From<RemoteShellError> for StepError {
    fn from(error: RemoteShellError) -> Self {
        let may_pass = match &error {
            RemoteShellError::CannotReach { .. }
            | RemoteShellError::TimedOut { .. }
            | RemoteShellError::Broken { .. } => true,
            RemoteShellError::HostKeyMismatch { .. }
            | RemoteShellError::LoginRefused { .. }
            | RemoteShellError::InvalidKey(_) => false,
        };
        Self { reason: error.to_string(), may_pass }
    }
}

/// What a step is given: everything as it is read right before.
pub struct StepContext<'a> {
    /// The outside.
    pub world: &'a World,
    /// The operation.
    pub operation: &'a Operation,
    /// What its journal says.
    pub progress: &'a Progress,
    /// The host.
    pub host: Host,
    /// The rebuild of the operation.
    pub rebuild: Rebuild,
    /// Now.
    pub now: Timestamp,
}

/// One step. It holds no state: what it must know is in the context, what it leaves is its output.
#[async_trait]
pub trait Step: Send + Sync {
    /// Its name in plans and journals.
    fn name(&self) -> &'static str;

    /// What may be done when it fails.
    fn kind(&self) -> StepKind;

    /// How long it may take, from its first start to its success, waiting and retries included.
    fn deadline(&self, world: &World) -> Duration;

    /// Looks, acts if needed, looks again. Called again after a restart, after a failure, and while it answers `NotYet`.
    async fn perform(&self, context: &StepContext<'_>) -> Result<Outcome, StepError>;

    /// For a point of no return that did not succeed: whether its act may have happened all the same, so that nothing may be unwound.
    async fn may_have_happened(&self, _context: &StepContext<'_>) -> bool {
        false
    }

    /// What it means to leave this step out, in words, where a person may: only where nothing that comes later, and no machine, can be hurt
    /// by it.
    fn skip(&self) -> Option<&'static str> {
        None
    }

    /// Takes back what it did; only for reversible steps. Idempotent.
    async fn undo(&self, _context: &StepContext<'_>) -> Result<(), StepError> {
        Ok(())
    }
}
