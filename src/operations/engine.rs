//! Moves one operation by one entry, forward or back, from its journal alone: fold, find what is next, write the intent, do it, write
//! the result. Killed between any two writes, the next start folds the same journal and goes on.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{
    World,
    step::{Outcome, Step, StepContext, StepError, StepKind},
    steps,
};
use crate::{
    domain::{
        host_lifecycle::{self, HostEvent},
        identity::OperationId,
        live_event::{NewLiveEvent, Topic},
        operation::{self, JournalEntry, JournalEvent, NextMove, Operation, Progress, StepStatus},
    },
    ports::LedgerError,
    provisioning::{KeeperError, Move},
};

/// How soon a waiting step is looked at again when nobody rings. Shorter notices sooner and reads the database more often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The first pause after a failure that may pass; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long one call of a step may take before it counts as failed; every await inside has a shorter bound of its own.
const LONGEST_CALL: Duration = Duration::from_secs(300);

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
}

impl Engine {
    /// Works in this world.
    pub fn new(world: Arc<World>) -> Self {
        Self { world }
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
        let progress =
            operation::fold(&operation, &journal).map_err(|error| LedgerError::Unreadable(error.to_string()))?;
        let run = Run {
            world: &self.world,
            operation: &operation,
            progress: &progress,
            length: journal.len(),
            now: self.world.clock.now(),
        };
        match progress.next {
            NextMove::Do(index) => run.perform(index).await,
            NextMove::Decide(index) => run.decide(index).await,
            NextMove::Undo(index) => run.undo(index).await,
            NextMove::Rest => run.rest().await,
        }
    }
}

/// One look at one operation.
struct Run<'a> {
    world: &'a World,
    operation: &'a Operation,
    progress: &'a Progress,
    length: usize,
    now: Timestamp,
}

impl Run<'_> {
    async fn perform(&self, index: usize) -> Result<Advance, LedgerError> {
        let progress = &self.progress.steps[index];
        if let Some(moment) = progress.not_before.filter(|moment| self.now < *moment) {
            return Ok(Advance::NotBefore(moment));
        }
        let Some(step) = steps::step(&progress.name) else {
            let reason = format!(
                "this program does not know the step `{}`; an older or newer one began this operation",
                progress.name
            );
            return self.write(&progress.name, JournalEvent::Failed { reason, retry_at: None }).await;
        };
        // A step that waits has its intent written already; each look of its own would only lengthen the journal.
        if !matches!(progress.status, StepStatus::Waiting | StepStatus::Running) {
            return self.write(step.name(), JournalEvent::Started).await;
        }
        let deadline = progress.started_at.unwrap_or(self.now) + signed(step.deadline(self.world));
        match self.call(step).await {
            Ok(Outcome::Done(output)) => self.write(step.name(), JournalEvent::Succeeded { output }).await,
            Ok(Outcome::NotYet(reason)) if self.now >= deadline => {
                let reason = format!("not within {} min: {reason}", step.deadline(self.world).as_secs() / 60);
                self.write(step.name(), JournalEvent::Failed { reason, retry_at: None }).await
            }
            Ok(Outcome::NotYet(reason)) => {
                if progress.status != StepStatus::Waiting || progress.reason.as_ref() != Some(&reason) {
                    self.write(step.name(), JournalEvent::Waiting { reason, until: deadline }).await?;
                }
                Ok(Advance::NotBefore(self.now + signed(LOOK_AGAIN)))
            }
            Err(error) => {
                let again = error.may_pass && step.kind() == StepKind::ForwardOnly && self.now < deadline;
                let retry_at = again.then(|| self.world.clock.now() + signed(pause_after(progress.attempts)));
                self.write(step.name(), JournalEvent::Failed { reason: error.reason, retry_at }).await
            }
        }
    }

    /// A step was given up: unwind before the point of no return, park after it. The host follows first, so that a crash in between only
    /// decides again.
    async fn decide(&self, index: usize) -> Result<Advance, LedgerError> {
        let failed = &self.progress.steps[index];
        let reason = failed.reason.clone().unwrap_or_default();
        let step = steps::step(&failed.name);
        // The machine may have gone on at the very moment at which we gave up: look once more before anything is disarmed.
        if let Some(step) = step.filter(|step| step.kind() != StepKind::ForwardOnly)
            && let Ok(Outcome::Done(output)) = self.call(step).await
        {
            return self.write(step.name(), JournalEvent::Succeeded { output }).await;
        }
        self.fail_host(&reason).await?;
        let event = if self.is_past_the_point().await? {
            JournalEvent::Parked { reason }
        } else {
            JournalEvent::Unwinding { reason }
        };
        self.write("", event).await
    }

    async fn is_past_the_point(&self) -> Result<bool, LedgerError> {
        let context = self.context().await?;
        for progress in self.progress.steps.iter().filter(|progress| progress.status != StepStatus::Pending) {
            let is_done = progress.status == StepStatus::Succeeded;
            let is_past = match (steps::step(&progress.name), &context) {
                (Some(step), Some(context)) if step.kind() == StepKind::PointOfNoReturn => {
                    is_done || step.may_have_happened(context).await
                }
                (Some(step), _) => is_done && step.kind() == StepKind::PointOfNoReturn,
                // What an unknown step did cannot be known, so it counts as past.
                (None, _) => is_done,
            };
            if is_past {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn fail_host(&self, reason: &str) -> Result<(), LedgerError> {
        let host = match self.world.keeper.host(&self.operation.host).await {
            Ok(host) => host,
            Err(KeeperError::Ledger(error)) => return Err(error),
            Err(_) => return Ok(()),
        };
        let is_ours = host.operation.as_ref() == Some(&self.operation.id);
        if !is_ours || host_lifecycle::next(host.state, HostEvent::OperationFailed).is_err() {
            return Ok(());
        }
        match self.world.keeper.apply(&host, HostEvent::OperationFailed, Move::failing(reason)).await {
            Ok(_) => Ok(()),
            Err(KeeperError::Ledger(error)) => Err(error),
            Err(error) => Err(LedgerError::Unreadable(error.to_string())),
        }
    }

    async fn undo(&self, index: usize) -> Result<Advance, LedgerError> {
        let progress = &self.progress.steps[index];
        if progress.status != StepStatus::Undoing {
            return self.write(&progress.name, JournalEvent::UndoStarted).await;
        }
        let event = match (steps::step(&progress.name), self.context().await?) {
            (Some(step), Some(context)) => match bounded(step.undo(&context)).await {
                Ok(()) => JournalEvent::Undone,
                Err(error) => JournalEvent::UndoFailed { reason: error.reason },
            },
            (None, _) => JournalEvent::UndoFailed { reason: "this program does not know the step".into() },
            (_, None) => JournalEvent::UndoFailed { reason: "the host or its rebuild is gone".into() },
        };
        self.write(&progress.name, event).await
    }

    /// Nothing is left to do. What is over leaves no secret behind, in whatever way it ended.
    async fn rest(&self) -> Result<Advance, LedgerError> {
        if self.progress.status.is_over() {
            self.world.rebuilds.end(&self.operation.id, self.now).await?;
            self.world.journal.close(&self.operation.id, self.now).await?;
        }
        Ok(Advance::Rest)
    }

    async fn call(&self, step: &dyn Step) -> Result<Outcome, StepError> {
        let context = self.context().await?.ok_or_else(|| StepError::lasting("the host or its rebuild is gone"))?;
        if let Some(refused) = &context.rebuild.marks.refused {
            return Err(StepError::lasting(refused.clone()));
        }
        bounded(step.perform(&context)).await
    }

    async fn context(&self) -> Result<Option<StepContext<'_>>, LedgerError> {
        let host = self.world.hosts.host(&self.operation.host).await?;
        let rebuild = self.world.rebuilds.rebuild(&self.operation.id).await?;
        Ok(host.zip(rebuild).map(|(host, rebuild)| StepContext {
            world: self.world,
            operation: self.operation,
            progress: self.progress,
            host,
            rebuild,
            now: self.now,
        }))
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

/// Puts a bound on one call of a step.
async fn bounded<T>(call: impl Future<Output = Result<T, StepError>>) -> Result<T, StepError> {
    tokio::time::timeout(LONGEST_CALL, call)
        .await
        .unwrap_or_else(|_| Err(StepError::passing(format!("no result within {} s", LONGEST_CALL.as_secs()))))
}

fn pause_after(attempts: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(10)).min(LONGEST_PAUSE)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// What a person watching is told of an entry. Plain words; outputs are not shown.
fn sentence(step: &str, event: &JournalEvent) -> Option<String> {
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
        JournalEvent::Cancelled { reason } => format!("the operation was cancelled: {reason}"),
    })
}
