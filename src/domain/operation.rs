//! Operations: a straight list of steps, a journal of what was intended and what came of it, and the fold that says what is next.
//!
//! The journal is the whole truth: status, progress and the next move are computed from it alone, so a restart continues exactly
//! where the last written entry left off. After steno's saga log, with a list in place of a graph.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::identity::{HostId, OperationId};

mod aftermath;
mod fold;
#[cfg(test)]
mod tests;

pub use aftermath::aftermath;
pub use fold::fold;

/// The version of this program, as operations and journals note it.
pub const PROGRAM: &str = env!("CARGO_PKG_VERSION");

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
    /// The version of the program that began it; versions before 0.2 did not note theirs.
    pub program: Option<String>,
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

/// What commands on nodes said during one attempt of a step, secrets removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOutput {
    /// The step.
    pub step: String,
    /// The attempt, counted from 1 over all retries.
    pub attempt: u32,
    /// When it was written last.
    pub at: Timestamp,
    /// What they said, the end of it.
    pub text: String,
}

/// What a journal can say. The first eight are about a step, the others about the operation.
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
    /// The operator left the step out: what it does is not done, and the operation goes on.
    Skipped {
        /// What that means, for a person.
        consequence: String,
    },
    /// A step failed before the point of no return, or the operator cancelled there: everything done is undone, last first.
    Unwinding {
        /// Why, for a person.
        reason: String,
    },
    /// It cannot go on by itself: a person must look, and may retry, skip or cancel.
    Parked {
        /// Why, for a person.
        reason: String,
    },
    /// The operator asked to try the failed step again.
    Retried,
    /// The operator asked to end it: the machine is disarmed, and what was done before the point of no return is undone.
    Cancelling {
        /// Why, for a person.
        reason: String,
    },
    /// Ended from outside: by the operator, or by a newer rebuild.
    Cancelled {
        /// Why, and what a person must know, in words.
        reason: String,
    },
    /// Something that another version of the program wrote and this one cannot read. Never written.
    #[serde(skip)]
    Unknown {
        /// What it calls it.
        word: String,
        /// The version that wrote it, where it is noted.
        program: Option<String>,
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
        /// Being ended for the operator.
        Cancelling = "cancelling",
        /// Parked, until a person retries, skips or cancels.
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
        /// Left out by the operator.
        Skipped = "skipped",
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
    /// When it was started for the very first time.
    pub first_started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How many times it was started since the last retry.
    pub attempts: u32,
    /// How many times it was ever started.
    pub total_attempts: u32,
    /// How long its attempts that ended took, all together.
    pub spent_seconds: i64,
    /// Whether it was begun and is not undone: unwinding must take back what it may have left.
    pub is_touched: bool,
    /// Until when it waits at most, while it waits.
    pub until: Option<Timestamp>,
    /// Not before this moment is it tried again.
    pub not_before: Option<Timestamp>,
    /// What it left for later steps.
    #[serde(skip)]
    pub output: serde_json::Value,
}

super::words::words!(
    /// What a person can do about an operation.
    Action, "action" {
        /// Try the failed step again.
        Retry = "retry",
        /// Leave the step out.
        Skip = "skip",
        /// End the operation.
        Cancel = "cancel",
    }
);

/// One of them, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionOffer {
    /// What.
    pub action: Action,
    /// Whether it is possible now.
    pub possible: bool,
    /// What it would mean, or why it is not possible.
    pub consequence: String,
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
    /// The journal holds what this program cannot read: park it, whatever comes next would be a guess.
    Park,
    /// The operator has cancelled: disarm the machine, then see whether anything can be undone.
    Stop,
    /// The operator has cancelled and everything is undone: write the end.
    EndCancelled,
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
    /// When a person last decided to go on.
    pub retried_at: Option<Timestamp>,
    /// What in the journal this program cannot read, for a person.
    pub not_understood: Option<String>,
    /// Its steps.
    pub steps: Vec<StepProgress>,
    /// What must be done next.
    #[serde(skip)]
    pub next: NextMove,
}

impl StepProgress {
    /// Whether the operation goes on behind it.
    pub fn is_done(&self) -> bool {
        matches!(self.status, StepStatus::Succeeded | StepStatus::Skipped)
    }

    /// Whether unwinding must undo it.
    pub fn must_be_undone(&self) -> bool {
        self.is_touched && !matches!(self.status, StepStatus::Undone | StepStatus::UndoFailed)
    }
}

impl Operation {
    /// Who began it, in words.
    pub fn writer(&self) -> String {
        written_by(self.program.as_deref())
    }
}

/// A version of the program, in words.
pub(super) fn written_by(program: Option<&str>) -> String {
    program.map_or_else(|| "a version that did not note itself".to_owned(), |version| format!("rackseed {version}"))
}

impl Progress {
    /// The step that is at work, if any.
    pub fn current_step(&self) -> Option<&StepProgress> {
        match self.next {
            NextMove::Do(index) | NextMove::Decide(index) | NextMove::Undo(index) => self.steps.get(index),
            NextMove::Rest | NextMove::Park | NextMove::Stop | NextMove::EndCancelled => {
                self.steps.iter().find(|step| step.status == StepStatus::Failed)
            }
        }
    }

    /// A step by its name.
    pub fn step(&self, name: &str) -> Option<&StepProgress> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// What a step left for later ones; null when it has not succeeded.
    pub fn output(&self, step: &str) -> &serde_json::Value {
        self.step(step).map_or(&serde_json::Value::Null, |progress| &progress.output)
    }
}
