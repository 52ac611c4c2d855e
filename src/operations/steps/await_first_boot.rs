//! Waits for the phone-home of the installed system.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    domain::host_lifecycle::HostState,
    operations::{Outcome, Step, StepContext, StepError, StepKind, World},
};

/// The step.
pub(super) struct AwaitFirstBoot;

#[async_trait]
impl Step for AwaitFirstBoot {
    fn name(&self) -> &'static str {
        "await_first_boot"
    }

    fn kind(&self) -> StepKind {
        StepKind::ForwardOnly
    }

    fn deadline(&self, world: &World) -> Duration {
        super::await_network_boot::patience(world, HostState::Installed)
    }

    async fn perform(&self, context: &StepContext<'_>) -> Result<Outcome, StepError> {
        super::await_network_boot::await_mark(
            context,
            context.rebuild.marks.phoned_home_at.is_some(),
            "waiting for the installed system to phone home",
        )
    }
}
