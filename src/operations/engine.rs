//! Moves one operation by one entry, forward or back, from its journal alone: fold, find what is next, write the intent, do it, write
//! the result. Killed between any two writes, the next start folds the same journal and goes on.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

mod attempt;
mod ending;

use super::{
    World,
    known_secrets::masker,
    step::{Outcome, StepKind},
    steps,
};
use crate::{
    domain::{
        identity::OperationId,
        live_event::{NewLiveEvent, Topic},
        operation::{self, JournalEntry, JournalEvent, NextMove, Operation, OperationStatus, Progress, StepStatus},
    },
    ports::LedgerError,
};
use attempt::Watches;
pub(super) use ending::CANCELLED;

/// How soon a waiting step is looked at again when nobody rings. Shorter notices sooner and reads the database more often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The first pause after a failure that may pass; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often a step may panic before a person is asked.
const MOST_PANICS: u32 = 3;

/// What the runner does next with an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// It moved: call again.
    Again,
    /// Nothing to do before this moment, unless somebody rings.
    NotBefore(Timestamp),
    /// Over, or parked until a person acts.
    Rest,
}

/// Moves operations.
pub struct Engine {
    world: Arc<World>,
    watches: Watches,
}

impl Engine {
    /// Works in this world.
    pub fn new(world: Arc<World>) -> Self {
        Self { world, watches: Watches::default() }
    }

    /// Moves an operation by one entry. A journal that somebody else moved in the meantime is simply read again.
    pub async fn advance(&self, id: &OperationId) -> Result<Advance, LedgerError> {
        match self.advance_once(id).await {
            Err(LedgerError::Conflict) => Ok(Advance::Again),
            result => result,
        }
    }

    async fn advance_once(&self, id: &OperationId) -> Result<Advance, LedgerError> {
        let Some((operation, journal)) = self.world.journal.operation(id).await? else { return Ok(Advance::Rest) };
        let progress = operation::fold(&operation, &journal);
        let run = self.look(&operation, &progress, journal.len());
        match progress.next {
            NextMove::Do(index) => run.perform(index).await,
            NextMove::Decide(index) => run.decide(index).await,
            NextMove::Undo(index) => run.undo(index, progress.status == OperationStatus::Cancelling).await,
            NextMove::Park => run.park(progress.not_understood.clone().unwrap_or_default()).await,
            NextMove::Stop => run.stop().await,
            NextMove::EndCancelled => {
                run.put_back().await?;
                run.end_cancelled(CANCELLED, false).await
            }
            NextMove::Rest => run.rest().await,
        }
    }

    /// Writes down that a step panicked: it is tried again a few times, then a person is asked.
    pub async fn note_panic(&self, id: &OperationId, said: &str) -> Result<(), LedgerError> {
        let Some((operation, journal)) = self.world.journal.operation(id).await? else { return Ok(()) };
        let progress = operation::fold(&operation, &journal);
        let run = self.look(&operation, &progress, journal.len());
        let said = masker(&self.world, run.rebuild().await?.as_ref()).mask(said);
        let reason = format!("the program failed in this step, which is a fault of ours: {said}");
        match progress.next {
            NextMove::Do(index) if progress.steps[index].attempts < MOST_PANICS => {
                let step = &progress.steps[index];
                let retry_at = Some(self.world.clock.now() + signed(pause_after(step.attempts)));
                run.write(&step.name, JournalEvent::Failed { reason, retry_at }).await?;
            }
            NextMove::Undo(index) => {
                run.write(&progress.steps[index].name, JournalEvent::UndoFailed { reason }).await?;
            }
            NextMove::Do(_) | NextMove::Decide(_) => {
                run.give_up(reason).await?;
            }
            NextMove::Park | NextMove::Stop | NextMove::EndCancelled | NextMove::Rest => {}
        }
        Ok(())
    }

    fn look<'a>(&'a self, operation: &'a Operation, progress: &'a Progress, length: usize) -> Run<'a> {
        Run { world: &self.world, watches: &self.watches, operation, progress, length, now: self.world.clock.now() }
    }
}

/// One look at one operation.
struct Run<'a> {
    world: &'a World,
    watches: &'a Watches,
    operation: &'a Operation,
    progress: &'a Progress,
    length: usize,
    now: Timestamp,
}

impl Run<'_> {
    async fn perform(&self, index: usize) -> Result<Advance, LedgerError> {
        let progress = &self.progress.steps[index];
        if let Some(moment) = self.not_before(progress.not_before) {
            return Ok(Advance::NotBefore(moment));
        }
        // A step that comes later and that we lack is found before the disk is touched; after that, as much is done as can be.
        if let Some(name) = self.unknown_step(index)
            && (name == progress.name || !self.is_past_the_point().await?)
        {
            return self.park(self.lacks(name)).await;
        }
        let Some(step) = steps::step(&progress.name) else { return Ok(Advance::Rest) };
        // A step that waits has its intent written already; each look of its own would only lengthen the journal.
        if !matches!(progress.status, StepStatus::Waiting | StepStatus::Running) {
            return self.write(step.name(), JournalEvent::Started).await;
        }
        let deadline = step.deadline(self.world);
        let result = self.call(step).await?;
        let is_past = self.is_past_deadline(progress, deadline);
        match result {
            Ok(Outcome::Done(output)) => self.write(step.name(), JournalEvent::Succeeded { output }).await,
            Ok(Outcome::NotYet(reason)) if is_past => {
                let reason = format!("not within {} min: {reason}", deadline.as_secs() / 60);
                self.write(step.name(), JournalEvent::Failed { reason, retry_at: None }).await
            }
            Ok(Outcome::NotYet(reason)) => {
                if progress.status != StepStatus::Waiting || progress.reason.as_ref() != Some(&reason) {
                    let until = progress.started_at.unwrap_or(self.now) + signed(deadline);
                    self.write(step.name(), JournalEvent::Waiting { reason, until }).await?;
                }
                Ok(Advance::NotBefore(self.now + signed(LOOK_AGAIN)))
            }
            Err(error) => {
                let again = error.may_pass && step.kind() == StepKind::ForwardOnly && !is_past;
                let retry_at = again.then(|| self.world.clock.now() + signed(pause_after(progress.attempts)));
                self.write(step.name(), JournalEvent::Failed { reason: error.reason, retry_at }).await
            }
        }
    }

    /// The moment to wait for, if there is one. A moment further away than any pause was written before the clock was set back.
    fn not_before(&self, moment: Option<Timestamp>) -> Option<Timestamp> {
        moment.filter(|moment| self.now < *moment && *moment <= self.now + signed(LONGEST_PAUSE))
    }

    /// A step was given up. The machine may have gone on at the very moment at which we gave up: look once more before anything is disarmed.
    async fn decide(&self, index: usize) -> Result<Advance, LedgerError> {
        let failed = &self.progress.steps[index];
        let step = steps::step(&failed.name);
        if let Some(step) = step.filter(|step| step.kind() != StepKind::ForwardOnly)
            && let Ok(Outcome::Done(output)) = self.call(step).await?
        {
            return self.write(step.name(), JournalEvent::Succeeded { output }).await;
        }
        self.give_up(failed.reason.clone().unwrap_or_default()).await
    }

    /// Nothing is left to do. What is over leaves no secret behind, in whatever way it ended.
    async fn rest(&self) -> Result<Advance, LedgerError> {
        if self.progress.status.is_over() {
            self.world.rebuilds.end(&self.operation.id, self.now).await?;
            self.world.journal.close(&self.operation.id, self.now).await?;
        }
        self.watches.forget(&self.operation.id);
        Ok(Advance::Rest)
    }

    async fn write(&self, step: &str, event: JournalEvent) -> Result<Advance, LedgerError> {
        let feed = sentence(step, &event).map(|message| NewLiveEvent {
            topic: Topic::Operation,
            host: Some(self.operation.host.clone()),
            operation: Some(self.operation.id.clone()),
            message,
        });
        tracing::info!(operation.id = self.operation.id.as_str(), step, event = ?event, "journal");
        // Not `self.now`: the call may have taken a while.
        let entry = JournalEntry { at: self.world.clock.now(), step: step.to_owned(), event };
        self.world.journal.append(&self.operation.id, self.length, &entry, feed.as_ref()).await?;
        Ok(Advance::Again)
    }
}

fn pause_after(attempts: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(10)).min(LONGEST_PAUSE)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// What a person watching is told of an entry. Plain words; outputs are not shown.
pub(super) fn sentence(step: &str, event: &JournalEvent) -> Option<String> {
    let step = step.replace('_', " ");
    Some(match event {
        JournalEvent::Started | JournalEvent::UndoStarted => return None,
        JournalEvent::Succeeded { .. } => format!("{step}: done"),
        JournalEvent::Failed { reason, retry_at: Some(_) } => format!("{step}: {reason}; it will be tried again"),
        JournalEvent::Failed { reason, retry_at: None } => format!("{step}: {reason}"),
        JournalEvent::Waiting { reason, .. } => format!("{step}: {reason}"),
        JournalEvent::Undone => format!("{step}: undone"),
        JournalEvent::UndoFailed { reason } => format!("{step} could not be undone: {reason}"),
        JournalEvent::Unwinding { reason } => format!("the operation failed: {reason}"),
        JournalEvent::Parked { reason } => format!("the operation needs attention: {reason}"),
        JournalEvent::Retried => "the operator retries".into(),
        JournalEvent::Skipped { consequence } => format!("{step}: left out by the operator; {consequence}"),
        JournalEvent::Cancelling { .. } => "the operator cancels the operation".into(),
        JournalEvent::Cancelled { reason } => format!("the operation was cancelled: {reason}"),
        JournalEvent::Unknown { .. } => return None,
    })
}
