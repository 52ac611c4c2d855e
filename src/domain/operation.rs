//! Operations: a straight list of steps, a journal of what was intended and what came of it, and the fold that says what is next.
//!
//! The journal is the whole truth: status, progress and the next move are computed from it alone, so a restart continues exactly
//! where the last written entry left off. After steno's saga log, with a list in place of a graph.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::identity::{HostId, OperationId};

/// A piece of long work on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// Our id of it.
    pub id: OperationId,
    /// The host that it works on.
    pub host: HostId,
    /// The name of its plan.
    pub plan: String,
    /// The plan's steps as they were when the operation began; a newer program that lacks one stops and says so.
    pub steps: Vec<String>,
    /// When it began.
    pub started_at: Timestamp,
}

/// One line of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JournalEntry {
    /// When it was written.
    pub at: Timestamp,
    /// The step that it is about; empty when it is about the operation as a whole.
    pub step: String,
    /// What was intended or what came of it.
    pub event: JournalEvent,
}

/// What a journal can say. The first seven are about a step, the others about the operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum JournalEvent {
    /// The step is about to act (the intent; written before anything is done).
    Started,
    /// The step is done; later steps read its output.
    Succeeded {
        /// What later steps need to know.
        output: serde_json::Value,
    },
    /// The step could not be done. With `retry_at` it will be tried again then; without, it is given up.
    Failed {
        /// Why, for a person.
        reason: String,
        /// When it will be tried again.
        retry_at: Option<Timestamp>,
    },
    /// The step waits for something outside.
    Waiting {
        /// For what, for a person.
        reason: String,
        /// Until when at most.
        until: Timestamp,
    },
    /// The step is about to be undone.
    UndoStarted,
    /// The step is undone.
    Undone,
    /// The step could not be undone; a person must look.
    UndoFailed {
        /// Why, for a person.
        reason: String,
    },
    /// A step failed before the point of no return: everything done is undone, last first.
    Unwinding {
        /// Why, for a person.
        reason: String,
    },
    /// A step failed after the point of no return: a person must look, and may retry.
    Parked {
        /// Why, for a person.
        reason: String,
    },
    /// The operator asked to try the failed step again.
    Retried,
    /// Ended from outside: by the operator, or by a newer rebuild.
    Cancelled {
        /// Why, for a person.
        reason: String,
    },
}

super::words::words!(
    /// How an operation is doing.
    OperationStatus, "operation status" {
        /// Steps are being done.
        Running = "running",
        /// A step waits for something outside.
        Waiting = "waiting",
        /// Being undone.
        Unwinding = "unwinding",
        /// Parked after the point of no return, until a person retries or cancels.
        NeedsAttention = "needs_attention",
        /// All steps are done.
        Succeeded = "succeeded",
        /// Undone, or as far as possible.
        Failed = "failed",
        /// Ended from outside.
        Cancelled = "cancelled",
    }
);

impl OperationStatus {
    /// Whether nothing more will happen.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

super::words::words!(
    /// How one step is doing.
    StepStatus, "step status" {
        /// Its turn has not come.
        Pending = "pending",
        /// Being done.
        Running = "running",
        /// Waits for something outside.
        Waiting = "waiting",
        /// Done.
        Succeeded = "succeeded",
        /// Could not be done.
        Failed = "failed",
        /// Being undone.
        Undoing = "undoing",
        /// Undone.
        Undone = "undone",
        /// Could not be undone.
        UndoFailed = "undo_failed",
    }
);

/// One step as the journal tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepProgress {
    /// The step's name.
    pub name: String,
    /// How it is doing.
    pub status: StepStatus,
    /// Why it waits or failed.
    pub reason: Option<String>,
    /// When it was first started, since the last retry: its deadline counts from here.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How many times it was started since the last retry.
    pub attempts: u32,
    /// Not before this moment is it tried again.
    pub not_before: Option<Timestamp>,
    /// What it left for later steps.
    #[serde(skip)]
    pub output: serde_json::Value,
}

/// What the engine must do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextMove {
    /// Do (or try again, or look again at) the step with this index.
    Do(usize),
    /// The step with this index was given up and nobody has decided yet whether to unwind or to park.
    Decide(usize),
    /// Undo the step with this index.
    Undo(usize),
    /// Nothing: over, or parked.
    Rest,
}

/// An operation as its journal tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// How it is doing.
    pub status: OperationStatus,
    /// Why it waits, failed or needs attention.
    pub reason: Option<String>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Whether a person has retried it.
    pub was_retried: bool,
    /// Its steps.
    pub steps: Vec<StepProgress>,
    /// What must be done next.
    #[serde(skip)]
    pub next: NextMove,
}

impl Progress {
    /// The step that is at work, if any.
    pub fn current_step(&self) -> Option<&StepProgress> {
        match self.next {
            NextMove::Do(index) | NextMove::Decide(index) | NextMove::Undo(index) => self.steps.get(index),
            NextMove::Rest => self.steps.iter().find(|step| step.status == StepStatus::Failed),
        }
    }

    /// What a step left for later ones; null when it has not succeeded.
    pub fn output(&self, step: &str) -> &serde_json::Value {
        self.steps
            .iter()
            .find(|progress| progress.name == step)
            .map_or(&serde_json::Value::Null, |progress| &progress.output)
    }
}

/// A journal that does not fit its operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("operation {operation}: the journal names the step `{step}`, which its plan does not have")]
pub struct UnknownStep {
    /// The operation.
    pub operation: OperationId,
    /// The step's name.
    pub step: String,
}

/// Folds a journal to the progress of its operation.
pub fn fold(operation: &Operation, journal: &[JournalEntry]) -> Result<Progress, UnknownStep> {
    let mut fold = Fold::new(operation);
    for entry in journal {
        if entry.step.is_empty() {
            fold.operation_entry(entry);
            continue;
        }
        let index = operation
            .steps
            .iter()
            .position(|step| *step == entry.step)
            .ok_or_else(|| UnknownStep { operation: operation.id.clone(), step: entry.step.clone() })?;
        fold.step_entry(index, entry);
    }
    Ok(fold.finish())
}

/// The direction in which an operation moves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Back,
    Parked,
    Cancelled,
}

struct Fold {
    steps: Vec<StepProgress>,
    direction: Direction,
    reason: Option<String>,
    was_retried: bool,
    last_at: Option<Timestamp>,
}

impl Fold {
    fn new(operation: &Operation) -> Self {
        let steps = operation.steps.iter().map(|name| StepProgress {
            name: name.clone(),
            status: StepStatus::Pending,
            reason: None,
            started_at: None,
            ended_at: None,
            attempts: 0,
            not_before: None,
            output: serde_json::Value::Null,
        });
        Self { steps: steps.collect(), direction: Direction::Forward, reason: None, was_retried: false, last_at: None }
    }

    fn operation_entry(&mut self, entry: &JournalEntry) {
        self.last_at = Some(entry.at);
        let (direction, reason) = match &entry.event {
            JournalEvent::Unwinding { reason } => (Direction::Back, Some(reason.clone())),
            JournalEvent::Parked { reason } => (Direction::Parked, Some(reason.clone())),
            JournalEvent::Cancelled { reason } => (Direction::Cancelled, Some(reason.clone())),
            JournalEvent::Retried => {
                self.was_retried = true;
                for step in self.steps.iter_mut().filter(|step| step.status != StepStatus::Succeeded) {
                    (step.status, step.started_at, step.not_before, step.attempts) =
                        (StepStatus::Pending, None, None, 0);
                }
                (Direction::Forward, None)
            }
            JournalEvent::Started
            | JournalEvent::Succeeded { .. }
            | JournalEvent::Failed { .. }
            | JournalEvent::Waiting { .. }
            | JournalEvent::UndoStarted
            | JournalEvent::Undone
            | JournalEvent::UndoFailed { .. } => return,
        };
        (self.direction, self.reason) = (direction, reason);
    }

    fn step_entry(&mut self, index: usize, entry: &JournalEntry) {
        self.last_at = Some(entry.at);
        let step = &mut self.steps[index];
        let (status, reason) = match &entry.event {
            JournalEvent::Started => {
                step.started_at.get_or_insert(entry.at);
                step.attempts += 1;
                step.not_before = None;
                (StepStatus::Running, None)
            }
            JournalEvent::Succeeded { output } => {
                step.output = output.clone();
                (StepStatus::Succeeded, None)
            }
            JournalEvent::Failed { reason, retry_at } => {
                step.not_before = *retry_at;
                (StepStatus::Failed, Some(reason.clone()))
            }
            JournalEvent::Waiting { reason, .. } => (StepStatus::Waiting, Some(reason.clone())),
            JournalEvent::UndoStarted => (StepStatus::Undoing, None),
            JournalEvent::Undone => (StepStatus::Undone, None),
            JournalEvent::UndoFailed { reason } => (StepStatus::UndoFailed, Some(reason.clone())),
            JournalEvent::Unwinding { .. }
            | JournalEvent::Parked { .. }
            | JournalEvent::Retried
            | JournalEvent::Cancelled { .. } => return,
        };
        let ended =
            matches!(status, StepStatus::Succeeded | StepStatus::Failed | StepStatus::Undone | StepStatus::UndoFailed);
        step.ended_at = ended.then_some(entry.at);
        (step.status, step.reason) = (status, reason);
    }

    fn finish(self) -> Progress {
        let pending = self.steps.iter().position(|step| step.status != StepStatus::Succeeded);
        let (status, next) = match (self.direction, pending) {
            (Direction::Cancelled, _) => (OperationStatus::Cancelled, NextMove::Rest),
            (Direction::Parked, _) => (OperationStatus::NeedsAttention, NextMove::Rest),
            (Direction::Forward, None) => (OperationStatus::Succeeded, NextMove::Rest),
            (Direction::Forward, Some(index)) => match (self.steps[index].status, self.steps[index].not_before) {
                (StepStatus::Failed, None) => (OperationStatus::Running, NextMove::Decide(index)),
                (StepStatus::Waiting | StepStatus::Failed, _) => (OperationStatus::Waiting, NextMove::Do(index)),
                _ => (OperationStatus::Running, NextMove::Do(index)),
            },
            (Direction::Back, _) => match self.steps.iter().rposition(StepProgress::must_be_undone) {
                Some(index) => (OperationStatus::Unwinding, NextMove::Undo(index)),
                None => (OperationStatus::Failed, NextMove::Rest),
            },
        };
        let step_reason = match next {
            NextMove::Do(index) => self.steps[index].reason.clone(),
            NextMove::Decide(_) | NextMove::Undo(_) | NextMove::Rest => None,
        };
        let ended_at = if status.is_over() { self.last_at } else { None };
        Progress {
            status,
            reason: self.reason.or(step_reason),
            ended_at,
            was_retried: self.was_retried,
            steps: self.steps,
            next,
        }
    }
}

impl StepProgress {
    /// Whether this step may have left something behind that unwinding must take back.
    fn must_be_undone(&self) -> bool {
        match self.status {
            StepStatus::Pending | StepStatus::Undone | StepStatus::UndoFailed => false,
            StepStatus::Running
            | StepStatus::Waiting
            | StepStatus::Succeeded
            | StepStatus::Failed
            | StepStatus::Undoing => true,
        }
    }
}
