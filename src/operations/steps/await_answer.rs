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

    /// The answer is out as soon as it is marked, also when the journal does not know it yet.
    async fn may_have_happened(&self, context: &StepContext<'_>) -> bool {
        context.rebuild.marks.answered_at.is_some()
    }

    async fn perform(&self, context: &StepContext<'_>) -> Result<Outcome, StepError> {
        let answered = context.rebuild.marks.answered_at.is_some();
        let outcome =
            super::await_network_boot::await_mark(context, answered, "waiting for the installer to ask for its answer");
        outcome.map_err(|error| match context.rebuild.marks.left_cluster_at {
            Some(_) => StepError {
                reason: format!(
                    "{}; it has left its cluster and was not installed: leave its old system switched off, press Rebuild and boot it from the network",
                    error.reason
                ),
                ..error
            },
            None => error,
        })
    }
}
