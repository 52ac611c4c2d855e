//! One call of a step: bounded, with what its commands said written down, and counted by a clock that does not jump.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::Run;
use crate::{
    domain::{
        identity::OperationId,
        operation::{StepOutput, StepProgress},
        patience::Watch,
    },
    operations::{
        World,
        known_secrets::masker,
        step::{Outcome, Step, StepContext, StepError},
        transcript::Transcript,
    },
    ports::LedgerError,
};

/// How long one call of a step may take before it counts as failed; every await inside has a shorter bound of its own.
const LONGEST_CALL: Duration = Duration::from_secs(300);

/// How long each running step has been watched.
#[derive(Default)]
pub(super) struct Watches(Mutex<HashMap<(OperationId, String), (Timestamp, Watch)>>);

impl Watches {
    /// The watch of a step that began at `since`.
    pub(super) fn of(&self, world: &World, operation: &OperationId, step: &str, since: Timestamp) -> Watch {
        let mut watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = || (since, Watch::begin(since, world.clock.now(), world.clock.running()));
        let known = watches.entry((operation.clone(), step.to_owned())).or_insert_with(begin);
        if known.0 != since {
            // Retried since.
            *known = begin();
        }
        known.1
    }

    /// Forgets an operation that rests.
    pub(super) fn forget(&self, operation: &OperationId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(id, _), _| id != operation);
    }
}

impl Run<'_> {
    /// Calls a step, and keeps what its commands said.
    pub(super) async fn call(&self, step: &dyn Step) -> Result<Result<Outcome, StepError>, LedgerError> {
        let masker = masker(self.world, self.rebuild().await?.as_ref());
        let (world, transcript) = Transcript::of(self.world, masker.clone());
        let Some(context) = self.context(&world).await? else {
            return Ok(Err(StepError::lasting("the host or its rebuild is gone")));
        };
        if let Some(refused) = &context.rebuild.marks.refused {
            return Ok(Err(StepError::lasting(refused.clone())));
        }
        let result = bounded(step.perform(&context)).await;
        self.keep(step.name(), &transcript).await?;
        let result = match result {
            Err(error) if error.is_disk_full() => return Err(LedgerError::DiskFull),
            Err(error) => Err(StepError { reason: masker.mask(&error.reason), ..error }),
            Ok(Outcome::NotYet(reason)) => Ok(Outcome::NotYet(masker.mask(&reason))),
            Ok(Outcome::Done(mut output)) => {
                masker.mask_json(&mut output);
                Ok(Outcome::Done(output))
            }
        };
        Ok(result)
    }

    /// Undoes a step, and keeps what its commands said.
    pub(super) async fn call_undo(&self, step: &dyn Step) -> Result<Result<(), StepError>, LedgerError> {
        let masker = masker(self.world, self.rebuild().await?.as_ref());
        let (world, transcript) = Transcript::of(self.world, masker.clone());
        let Some(context) = self.context(&world).await? else {
            return Ok(Err(StepError::lasting("the host or its rebuild is gone")));
        };
        let result = bounded(step.undo(&context)).await;
        self.keep(step.name(), &transcript).await?;
        match result {
            Err(error) if error.is_disk_full() => Err(LedgerError::DiskFull),
            result => Ok(result.map_err(|error| StepError { reason: masker.mask(&error.reason), ..error })),
        }
    }

    async fn keep(&self, step: &str, transcript: &Transcript) -> Result<(), LedgerError> {
        if transcript.is_empty() {
            return Ok(());
        }
        let attempt = self.progress.step(step).map_or(0, |progress| progress.total_attempts);
        let kept = self.world.journal.outputs(&self.operation.id).await?;
        let kept = kept.into_iter().find(|output| output.step == step && output.attempt == attempt);
        let kept = kept.map(|output| output.text).unwrap_or_default();
        let Some(text) = transcript.appended_to(&kept) else { return Ok(()) };
        let output = StepOutput { step: step.to_owned(), attempt, at: self.world.clock.now(), text };
        self.world.journal.keep_output(&self.operation.id, &output).await
    }

    pub(super) async fn context<'a>(&'a self, world: &'a World) -> Result<Option<StepContext<'a>>, LedgerError> {
        let host = self.world.hosts.host(&self.operation.host).await?;
        let rebuild = self.world.rebuilds.rebuild(&self.operation.id).await?;
        Ok(host.zip(rebuild).map(|(host, rebuild)| StepContext {
            world,
            operation: self.operation,
            progress: self.progress,
            host,
            rebuild,
            now: self.now,
        }))
    }

    /// Whether a step has used up its deadline. A clock that jumps does not use it up.
    pub(super) fn is_past_deadline(&self, progress: &StepProgress, deadline: Duration) -> bool {
        let since = progress.started_at.unwrap_or(self.now);
        let watch = self.watches.of(self.world, &self.operation.id, &progress.name, since);
        watch.is_past(deadline, self.world.clock.running())
    }
}

/// Puts a bound on one call of a step.
async fn bounded<T>(call: impl Future<Output = Result<T, StepError>>) -> Result<T, StepError> {
    tokio::time::timeout(LONGEST_CALL, call)
        .await
        .unwrap_or_else(|_| Err(StepError::passing(format!("no result within {} s", LONGEST_CALL.as_secs()))))
}
