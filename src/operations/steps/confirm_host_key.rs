//! Waits for a person to compare the node's SSH fingerprint, when the setting `join.confirm_host_key` asks for it: pinning does not
//! defend against an attacker on the boot network, a person at the console does.

use std::time::Duration;

use async_trait::async_trait;

use crate::operations::{Outcome, Step, StepContext, StepError, StepKind, World};

/// The step.
pub(super) struct ConfirmHostKey;

#[async_trait]
impl Step for ConfirmHostKey {
    fn name(&self) -> &'static str {
        "confirm_host_key"
    }

    fn kind(&self) -> StepKind {
        StepKind::ForwardOnly
    }

    fn deadline(&self, _world: &World) -> Duration {
        Duration::from_secs(24 * 60 * 60)
    }

    async fn perform(&self, context: &StepContext<'_>) -> Result<Outcome, StepError> {
        if !context.world.cluster.confirm_host_key || context.rebuild.marks.host_key_confirmed_at.is_some() {
            return Ok(Outcome::DONE);
        }
        Ok(Outcome::NotYet(
            "waiting for you to compare the SSH fingerprint on the node's console (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`) with the one on the host's page".into(),
        ))
    }
}
