//! The host is ready: the secrets of its rebuild are erased in the same transaction.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    domain::{
        host::HostFacts,
        host_lifecycle::{HostEvent, HostState},
    },
    operations::{Outcome, Step, StepContext, StepError, StepKind, World},
    provisioning::Move,
};

/// The step.
pub(super) struct Finish;

#[async_trait]
impl Step for Finish {
    fn name(&self) -> &'static str {
        "finish"
    }

    fn kind(&self) -> StepKind {
        StepKind::ForwardOnly
    }

    fn deadline(&self, _world: &World) -> Duration {
        Duration::from_secs(10 * 60)
    }

    async fn perform(&self, context: &StepContext<'_>) -> Result<Outcome, StepError> {
        let keeper = &context.world.keeper;
        let host = match context.host.state {
            HostState::Ready => return Ok(Outcome::DONE),
            // Parked after the join and retried: the join is verified, so the host goes the same way again.
            HostState::Failed => keeper.apply(&context.host, HostEvent::JoinStarted, Move::default()).await?,
            HostState::Registered
            | HostState::PxeReady
            | HostState::PxeBooted
            | HostState::Installing
            | HostState::Installed
            | HostState::FirstBoot
            | HostState::Joining => context.host.clone(),
        };
        let details = Move {
            facts: HostFacts { is_member: Some(true), ..HostFacts::default() },
            ends: Some(context.operation.id.clone()),
            ..Move::default()
        };
        keeper.apply(&host, HostEvent::JoinVerified, details).await?;
        Ok(Outcome::DONE)
    }
}
