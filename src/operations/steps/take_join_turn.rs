//! Takes the turn to change the cluster's membership: joins are serialised from here to the verified end, because two joins at once
//! leave a node in the list that never comes online (seen on a real cluster).

use std::time::Duration;

use async_trait::async_trait;

use crate::operations::{Outcome, Step, StepContext, StepError, StepKind, World};

/// The step.
pub(super) struct TakeJoinTurn;

#[async_trait]
impl Step for TakeJoinTurn {
    fn name(&self) -> &'static str {
        "take_join_turn"
    }

    fn kind(&self) -> StepKind {
        StepKind::ForwardOnly
    }

    fn deadline(&self, _world: &World) -> Duration {
        Duration::from_secs(2 * 60 * 60)
    }

    async fn perform(&self, context: &StepContext<'_>) -> Result<Outcome, StepError> {
        let holder =
            context.world.journal.take_turn(&context.world.cluster.cluster_name, &context.operation.id).await?;
        if holder == context.operation.id {
            return Ok(Outcome::DONE);
        }
        Ok(Outcome::NotYet(format!(
            "another host is joining the cluster (operation {holder}); joins are made one at a time"
        )))
    }
}
