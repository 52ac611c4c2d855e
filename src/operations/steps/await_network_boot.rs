//! Waits until the machine has booted from the network and fetched its script; and how every step waits for a machine.

use std::time::Duration;

use async_trait::async_trait;

use super::power_on::waiting_for_boot;
use crate::{
    domain::{host_lifecycle::HostState, patience::MOST_RAISE},
    operations::{Outcome, Step, StepContext, StepError, StepKind, World},
};

/// How much longer than the watchdog a step waits: the watchdog speaks first, and in words about the machine.
const GRACE: Duration = Duration::from_secs(60);

/// The step.
pub(super) struct AwaitNetworkBoot;

#[async_trait]
impl Step for AwaitNetworkBoot {
    fn name(&self) -> &'static str {
        "await_network_boot"
    }

    fn kind(&self) -> StepKind {
        StepKind::Reversible
    }

    fn deadline(&self, world: &World) -> Duration {
        patience(world, HostState::PxeReady)
    }

    async fn perform(&self, context: &StepContext<'_>) -> Result<Outcome, StepError> {
        let seen = context.rebuild.marks.script_address.is_some();
        await_mark(context, seen, waiting_for_boot(context))
    }

    /// Disarms: the host has left its armed state when the operation began to unwind, and with the secrets the tokens go too.
    async fn undo(&self, context: &StepContext<'_>) -> Result<(), StepError> {
        Ok(context.world.rebuilds.end(&context.operation.id, context.now).await?)
    }
}

/// How long to wait for what moves a host on from a state: longer than the watchdog's limit may be raised.
pub(super) fn patience(world: &World, state: HostState) -> Duration {
    let limit = world.patience.of(state).unwrap_or_default();
    limit.saturating_mul(MOST_RAISE).saturating_add(GRACE)
}

/// Done when the machine has reported; failed when the host was given up in the meantime; else to be waited for.
pub(super) fn await_mark(context: &StepContext<'_>, seen: bool, waiting: &str) -> Result<Outcome, StepError> {
    if seen {
        return Ok(Outcome::DONE);
    }
    if let Some((at, said)) = &context.rebuild.marks.reported_failure
        && context.progress.retried_at.is_none_or(|retried| retried <= *at)
    {
        return Err(StepError::lasting(format!("the machine reported a failure of its own: {said}")));
    }
    // After a retry a failed host is waited for again: a slow machine may still report.
    if context.host.state == HostState::Failed && !context.progress.was_retried {
        return Err(StepError::lasting(context.host.reason.clone().unwrap_or_else(|| "the host has failed".into())));
    }
    Ok(Outcome::NotYet(waiting.to_owned()))
}
