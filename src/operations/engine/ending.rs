//! How an operation stops: parked for a person, unwound after a failure, or ended for the operator.

use super::Run;
use crate::{
    domain::{
        host::HostFacts,
        host_lifecycle::{self, HostEvent, HostState},
        operation::{JournalEvent, StepProgress, StepStatus, aftermath},
        rebuild::Rebuild,
    },
    operations::{Advance, step::StepKind, steps},
    ports::LedgerError,
    provisioning::{KeeperError, Move},
};

/// The reason of an operation that the operator ended.
pub(in crate::operations) const CANCELLED: &str = "cancelled by the operator";
/// How much of a host's history is looked at to find where it came from.
const HISTORY_LINES: u32 = 50;

impl Run<'_> {
    /// Stops for a person. The host follows first, so that a crash in between only decides again; what was armed is disarmed with it.
    pub(super) async fn park(&self, reason: String) -> Result<Advance, LedgerError> {
        self.fail_host(HostEvent::OperationFailed, Move::failing(&reason)).await?;
        self.write("", JournalEvent::Parked { reason }).await
    }

    /// A step was given up: unwind before the point of no return, park after it.
    pub(super) async fn give_up(&self, reason: String) -> Result<Advance, LedgerError> {
        self.fail_host(HostEvent::OperationFailed, Move::failing(&reason)).await?;
        let event = if self.is_past_the_point().await? {
            JournalEvent::Parked { reason }
        } else {
            JournalEvent::Unwinding { reason }
        };
        self.write("", event).await
    }

    /// Ends an operation for the operator: disarms the machine, and only then looks whether its disk may have been touched.
    pub(super) async fn stop(&self) -> Result<Advance, LedgerError> {
        let facts = HostFacts { is_member: self.is_still_a_member().await?, ..Move::failing(CANCELLED).facts };
        self.fail_host(HostEvent::Cancelled, Move { facts, ..Move::failing(CANCELLED) }).await?;
        if self.is_past_the_point().await? {
            let is_answered = self.rebuild().await?.is_some_and(|rebuild| rebuild.marks.answered_at.is_some());
            return self.end_cancelled(CANCELLED, is_answered).await;
        }
        self.write("", JournalEvent::Unwinding { reason: CANCELLED.into() }).await
    }

    /// Writes the end of a cancelled operation, with what a person must know.
    pub(super) async fn end_cancelled(&self, reason: &str, is_answered: bool) -> Result<Advance, LedgerError> {
        let mut sentences = vec![reason.to_owned()];
        let is_answered = is_answered || self.progress.step("await_answer").is_some_and(StepProgress::is_done);
        if !is_answered && self.progress.not_understood.is_none() {
            sentences.push("nothing was written to its disk".to_owned());
        }
        sentences.extend(aftermath(self.progress, is_answered).into_iter().map(str::to_owned));
        for step in self.progress.steps.iter().filter(|step| step.status == StepStatus::UndoFailed) {
            sentences.push(format!(
                "the step `{}` could not be undone: {}",
                step.name,
                step.reason.as_deref().unwrap_or_default()
            ));
        }
        if let Some(unread) = &self.progress.not_understood {
            sentences.push(format!("what else was done cannot be told: {unread}"));
        }
        self.write("", JournalEvent::Cancelled { reason: sentences.join("; ") }).await
    }

    /// Everything is undone: a host that had never been installed, or was ready, is what it was before.
    pub(super) async fn put_back(&self) -> Result<(), LedgerError> {
        let Some(host) = self.world.hosts.host(&self.operation.host).await? else { return Ok(()) };
        if host.state != HostState::Failed || host.operation.as_ref() != Some(&self.operation.id) {
            return Ok(());
        }
        if host.is_member && host.ssh_host_key.is_some() && self.was_ready().await? {
            self.fail_host(HostEvent::NodeUntouched, Move::default()).await?;
        } else if host.installed_at.is_none() {
            self.fail_host(HostEvent::RebuildWithdrawn, Move::default()).await?;
        }
        Ok(())
    }

    pub(super) async fn undo(&self, index: usize, is_cancelling: bool) -> Result<Advance, LedgerError> {
        let progress = &self.progress.steps[index];
        let step = steps::step(&progress.name).filter(|step| step.kind() != StepKind::ForwardOnly);
        let Some(step) = step else {
            let reason =
                format!("{} cannot undo the step `{}`; {} did it", self.this(), progress.name, self.operation.writer());
            // Who cancels wants an end; who did not is asked.
            return if is_cancelling {
                self.write(&progress.name, JournalEvent::UndoFailed { reason }).await
            } else {
                self.park(format!("{reason}: start that version or a newer one, then retry")).await
            };
        };
        if progress.status != StepStatus::Undoing {
            return self.write(&progress.name, JournalEvent::UndoStarted).await;
        }
        let event = match self.call_undo(step).await? {
            Ok(()) => JournalEvent::Undone,
            Err(error) => JournalEvent::UndoFailed { reason: error.reason },
        };
        self.write(&progress.name, event).await
    }

    /// Whether something may have happened that cannot be taken back. What an unknown step or word did cannot be known, so it counts as past.
    pub(super) async fn is_past_the_point(&self) -> Result<bool, LedgerError> {
        let context = self.context(self.world).await?;
        let is_answered = context.as_ref().is_some_and(|context| context.rebuild.marks.answered_at.is_some());
        if is_answered || self.progress.not_understood.is_some() {
            return Ok(true);
        }
        for progress in self.progress.steps.iter().filter(|progress| progress.is_touched) {
            let is_past = match steps::step(&progress.name) {
                None => true,
                Some(step) => match (step.kind(), &context) {
                    (StepKind::PointOfNoReturn, _) if progress.status == StepStatus::Succeeded => true,
                    (StepKind::PointOfNoReturn, Some(context)) => step.may_have_happened(context).await,
                    (StepKind::PointOfNoReturn, None) | (StepKind::Reversible, _) => false,
                    (StepKind::ForwardOnly, _) => true,
                },
            };
            if is_past {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The first step that this program lacks, from an index on.
    pub(super) fn unknown_step(&self, index: usize) -> Option<&str> {
        let rest = self.progress.steps[index..].iter().filter(|progress| !progress.is_done());
        rest.map(|progress| progress.name.as_str()).find(|name| steps::step(name).is_none())
    }

    /// Why an operation with such a step stands still.
    pub(super) fn lacks(&self, step: &str) -> String {
        format!(
            "{} does not know the step `{step}` of this operation; {} began it: start that version or a newer one, then retry, or cancel it here",
            self.this(),
            self.operation.writer()
        )
    }

    fn this(&self) -> String {
        format!("this program (rackseed {})", crate::domain::operation::PROGRAM)
    }

    pub(super) async fn rebuild(&self) -> Result<Option<Rebuild>, LedgerError> {
        self.world.rebuilds.rebuild(&self.operation.id).await
    }

    /// A member whose rebuild is cancelled before it left its cluster is a member still.
    async fn is_still_a_member(&self) -> Result<Option<bool>, LedgerError> {
        if self.is_past_the_point().await? {
            return Ok(None);
        }
        Ok(self.was_ready().await?.then_some(true))
    }

    /// Whether the host was a ready member when its rebuild was requested.
    async fn was_ready(&self) -> Result<bool, LedgerError> {
        let history = self.world.hosts.history(&self.operation.host, HISTORY_LINES).await?;
        let request = history.iter().find(|entry| entry.event == HostEvent::RebuildRequested);
        Ok(request.is_some_and(|entry| entry.from == HostState::Ready))
    }

    /// Moves the host of this operation where the table has such a move; its own event is never lost by a crash, because it is tried again.
    async fn fail_host(&self, event: HostEvent, details: Move) -> Result<(), LedgerError> {
        let host = match self.world.keeper.host(&self.operation.host).await {
            Ok(host) => host,
            Err(KeeperError::Ledger(error)) => return Err(error),
            Err(_) => return Ok(()),
        };
        let is_ours = host.operation.as_ref() == Some(&self.operation.id);
        if !is_ours || host_lifecycle::next(host.state, event).is_err() {
            return Ok(());
        }
        match self.world.keeper.apply(&host, event, details).await {
            Ok(_) => Ok(()),
            Err(KeeperError::Ledger(error)) => Err(error),
            Err(error) => Err(LedgerError::Unreadable(error.to_string())),
        }
    }
}
