//! Waits for the post-installation webhook.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    domain::host_lifecycle::HostState,
    operations::{Outcome, Step, StepContext, StepError, StepKind, World},
};

/// The step.
pub(super) struct AwaitInstallation;

#[async_trait]
impl Step for AwaitInstallation {
    fn name(&self) -> &'static str {
        "await_installation"
    }

    fn kind(&self) -> StepKind {
        StepKind::ForwardOnly
    }

    fn deadline(&self, world: &World) -> Duration {
        super::await_network_boot::patience(world, HostState::Installing)
    }

    async fn perform(&self, context: &StepContext<'_>) -> Result<Outcome, StepError> {
        super::await_network_boot::await_mark(
            context,
            context.rebuild.marks.installed_at.is_some(),
            "waiting for the installer to report the end of the installation",
        )
    }
}
