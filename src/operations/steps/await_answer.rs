//! Waits until the installer was given its answer. The answer desk commits that before the first byte leaves: from then on the disk may be wiped.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    domain::host_lifecycle::HostState,
    operations::{Outcome, Step, StepContext, StepError, StepKind, World},
};

/// The step.
pub(super) struct AwaitAnswer;

#[async_trait]
impl Step for AwaitAnswer {
    fn name(&self) -> &'static str {
        "await_answer"
    }

    fn kind(&self) -> StepKind {
        StepKind::PointOfNoReturn
    }

    fn deadline(&self, world: &World) -> Duration {
        super::await_network_boot::patience(world, HostState::PxeBooted)
    }

    async fn perform(&self, context: &StepContext<'_>) -> Result<Outcome, StepError> {
        super::await_network_boot::await_mark(
            context,
            context.rebuild.marks.answered_at.is_some(),
            "waiting for the installer to ask for its answer",
        )
    }
}
