//! Takes the turn to change the cluster's membership: joins and leaves are serialised from here to the verified end, because two at once
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
        Ok(take(context).await?.unwrap_or(Outcome::DONE))
    }
}

/// Takes the turn, or says whom we wait for. Who has it already keeps it. Leaving takes one turn and joining another, so that nobody waits
/// for an installation in between, and nobody holds one turn while waiting for a second.
pub(super) async fn take(context: &StepContext<'_>) -> Result<Option<Outcome>, StepError> {
    let holder = context.world.journal.take_turn(&context.world.cluster.cluster_name, &context.operation.id).await?;
    Ok((holder != context.operation.id).then(|| {
        Outcome::NotYet(format!(
            "another host is joining or leaving the cluster (operation {holder}); that is done one at a time"
        ))
    }))
}

/// Gives the turn back, and wakes who waits for it. Idempotent.
pub(super) async fn give_back(context: &StepContext<'_>) -> Result<(), StepError> {
    context.world.journal.give_back_turn(&context.operation.id).await?;
    context.world.keeper.wake();
    Ok(())
}
