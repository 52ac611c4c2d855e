//! The fold: a journal, entry by entry, to the progress of its operation and the next move.
//!
//! It never fails: what another version of the program wrote and this one cannot read is told in `not_understood`, and the next move is to
//! park. An operation that was cancelled stays cancelled, and one that goes back never goes forward again.

use jiff::Timestamp;

use super::{
    JournalEntry, JournalEvent, NextMove, Operation, OperationStatus, PROGRAM, Progress, StepProgress, StepStatus,
    written_by,
};

/// Folds a journal to the progress of its operation.
pub fn fold(operation: &Operation, journal: &[JournalEntry]) -> Progress {
    let mut fold = Fold::new(operation);
    for entry in journal {
        fold.last_at = Some(entry.at);
        if let JournalEvent::Unknown { word, program } = &entry.event {
            fold.not_understood.get_or_insert(unknown_word(word, &entry.step, program.as_deref()));
        } else if entry.step.is_empty() {
            fold.operation_entry(entry);
        } else if let Some(index) = operation.steps.iter().position(|step| *step == entry.step) {
            fold.step_entry(index, entry);
        } else {
            fold.not_understood.get_or_insert(format!(
                "the journal tells of the step `{}`, which is not in this operation's plan (begun by {}; this is rackseed {PROGRAM})",
                entry.step,
                operation.writer()
            ));
        }
    }
    fold.finish()
}

fn unknown_word(word: &str, step: &str, program: Option<&str>) -> String {
    let about = if step.is_empty() { String::new() } else { format!(" of the step `{step}`") };
    format!(
        "the journal says `{word}`{about}, which this program (rackseed {PROGRAM}) does not know; {} wrote it: start that version or a newer one",
        written_by(program)
    )
}

/// The direction in which an operation moves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Back,
    Stopping,
    Cancelled,
}

struct Fold {
    steps: Vec<StepProgress>,
    /// When the running attempt of each step began.
    attempt_began: Vec<Option<Timestamp>>,
    direction: Direction,
    is_cancelling: bool,
    reason: Option<String>,
    /// Why it is parked, while it is.
    parked: Option<String>,
    retried_at: Option<Timestamp>,
    not_understood: Option<String>,
    last_at: Option<Timestamp>,
}

impl Fold {
    fn new(operation: &Operation) -> Self {
        let steps = operation.steps.iter().map(|name| StepProgress {
            name: name.clone(),
            status: StepStatus::Pending,
            reason: None,
            started_at: None,
            first_started_at: None,
            ended_at: None,
            attempts: 0,
            total_attempts: 0,
            spent_seconds: 0,
            is_touched: false,
            until: None,
            not_before: None,
            output: serde_json::Value::Null,
        });
        Self {
            steps: steps.collect(),
            attempt_began: vec![None; operation.steps.len()],
            direction: Direction::Forward,
            is_cancelling: false,
            reason: None,
            parked: None,
            retried_at: None,
            not_understood: None,
            last_at: None,
        }
    }

    fn operation_entry(&mut self, entry: &JournalEntry) {
        if self.direction == Direction::Cancelled {
            return;
        }
        match &entry.event {
            JournalEvent::Unwinding { reason } => self.turn(Direction::Back, reason),
            JournalEvent::Parked { reason } => self.parked = Some(reason.clone()),
            JournalEvent::Cancelling { reason } => {
                self.is_cancelling = true;
                self.turn(Direction::Stopping, reason);
            }
            JournalEvent::Cancelled { reason } => self.turn(Direction::Cancelled, reason),
            JournalEvent::Retried => self.retry(entry.at),
            JournalEvent::Started
            | JournalEvent::Succeeded { .. }
            | JournalEvent::Failed { .. }
            | JournalEvent::Waiting { .. }
            | JournalEvent::UndoStarted
            | JournalEvent::Undone
            | JournalEvent::UndoFailed { .. }
            | JournalEvent::Skipped { .. }
            | JournalEvent::Unknown { .. } => {}
        }
    }

    fn turn(&mut self, direction: Direction, reason: &str) {
        (self.direction, self.reason, self.parked) = (direction, Some(reason.to_owned()), None);
    }

    /// Goes on in the direction in which it was stopped. What steps may have left behind stays known.
    fn retry(&mut self, at: Timestamp) {
        (self.retried_at, self.parked) = (Some(at), None);
        if self.direction == Direction::Forward {
            self.reason = None;
        }
        for step in self.steps.iter_mut().filter(|step| !step.is_done() && step.status != StepStatus::Undone) {
            (step.status, step.started_at, step.not_before, step.attempts) = (StepStatus::Pending, None, None, 0);
        }
    }

    fn step_entry(&mut self, index: usize, entry: &JournalEntry) {
        let step = &mut self.steps[index];
        step.until = if let JournalEvent::Waiting { until, .. } = &entry.event { Some(*until) } else { None };
        let (status, reason) = match &entry.event {
            JournalEvent::Started => {
                step.started_at.get_or_insert(entry.at);
                step.first_started_at.get_or_insert(entry.at);
                self.attempt_began[index] = Some(entry.at);
                step.attempts += 1;
                step.total_attempts += 1;
                (step.not_before, step.is_touched) = (None, true);
                (StepStatus::Running, None)
            }
            JournalEvent::Succeeded { output } => {
                (step.output, step.is_touched) = (output.clone(), true);
                (StepStatus::Succeeded, None)
            }
            JournalEvent::Failed { reason, retry_at } => {
                step.not_before = *retry_at;
                (StepStatus::Failed, Some(reason.clone()))
            }
            JournalEvent::Waiting { reason, .. } => (StepStatus::Waiting, Some(reason.clone())),
            JournalEvent::Skipped { .. } if self.direction != Direction::Forward => return,
            JournalEvent::Skipped { consequence } => {
                (self.retried_at, self.parked) = (Some(entry.at), None);
                (StepStatus::Skipped, Some(consequence.clone()))
            }
            JournalEvent::UndoStarted => (StepStatus::Undoing, None),
            JournalEvent::Undone => {
                step.is_touched = false;
                (StepStatus::Undone, None)
            }
            JournalEvent::UndoFailed { reason } => (StepStatus::UndoFailed, Some(reason.clone())),
            JournalEvent::Unwinding { .. }
            | JournalEvent::Parked { .. }
            | JournalEvent::Retried
            | JournalEvent::Cancelling { .. }
            | JournalEvent::Cancelled { .. }
            | JournalEvent::Unknown { .. } => return,
        };
        let ended = matches!(
            status,
            StepStatus::Succeeded
                | StepStatus::Skipped
                | StepStatus::Failed
                | StepStatus::Undone
                | StepStatus::UndoFailed
        );
        if ended && let Some(began) = self.attempt_began[index].take() {
            // A clock that was set back makes nothing take less than nothing.
            step.spent_seconds += (entry.at.as_second() - began.as_second()).max(0);
        }
        step.ended_at = ended.then_some(entry.at);
        (step.status, step.reason) = (status, reason);
    }

    fn finish(self) -> Progress {
        let (status, next) = self.next();
        let step_reason = match next {
            NextMove::Do(index) => self.steps[index].reason.clone(),
            NextMove::Decide(_)
            | NextMove::Undo(_)
            | NextMove::Park
            | NextMove::Stop
            | NextMove::EndCancelled
            | NextMove::Rest => None,
        };
        let ended_at = if status.is_over() { self.last_at } else { None };
        Progress {
            status,
            reason: self.parked.or(self.reason).or(step_reason),
            ended_at,
            was_retried: self.retried_at.is_some(),
            retried_at: self.retried_at,
            not_understood: self.not_understood,
            steps: self.steps,
            next,
        }
    }

    fn next(&self) -> (OperationStatus, NextMove) {
        let pending = self.steps.iter().position(|step| !step.is_done());
        match (self.direction, pending) {
            (Direction::Cancelled, _) => (OperationStatus::Cancelled, NextMove::Rest),
            _ if self.parked.is_some() => (OperationStatus::NeedsAttention, NextMove::Rest),
            (Direction::Stopping, _) => (OperationStatus::Cancelling, NextMove::Stop),
            (Direction::Back, _) => {
                match (self.steps.iter().rposition(StepProgress::must_be_undone), self.is_cancelling) {
                    (Some(index), true) => (OperationStatus::Cancelling, NextMove::Undo(index)),
                    (None, true) => (OperationStatus::Cancelling, NextMove::EndCancelled),
                    (Some(_), false) if self.not_understood.is_some() => (OperationStatus::Unwinding, NextMove::Park),
                    (Some(index), false) => (OperationStatus::Unwinding, NextMove::Undo(index)),
                    (None, false) => (OperationStatus::Failed, NextMove::Rest),
                }
            }
            (Direction::Forward, None) => (OperationStatus::Succeeded, NextMove::Rest),
            (Direction::Forward, Some(_)) if self.not_understood.is_some() => {
                (OperationStatus::Running, NextMove::Park)
            }
            (Direction::Forward, Some(index)) => match (self.steps[index].status, self.steps[index].not_before) {
                (StepStatus::Failed, None) => (OperationStatus::Running, NextMove::Decide(index)),
                (StepStatus::Waiting | StepStatus::Failed, _) => (OperationStatus::Waiting, NextMove::Do(index)),
                (
                    StepStatus::Pending
                    | StepStatus::Running
                    | StepStatus::Succeeded
                    | StepStatus::Skipped
                    | StepStatus::Undoing
                    | StepStatus::Undone
                    | StepStatus::UndoFailed,
                    _,
                ) => (OperationStatus::Running, NextMove::Do(index)),
            },
        }
    }
}
