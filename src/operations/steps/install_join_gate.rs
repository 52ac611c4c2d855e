//! Puts the join gate on the new member over the ephemeral key, so that the next node can join through it without any standing password.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use crate::operations::{
    Outcome, Step, StepContext, StepError, StepKind, World, cluster_access::node_login, member::install_gate,
};

/// The step. It comes before the ephemeral key is removed, and leaves a line that has nothing of that key in it.
pub(super) struct InstallJoinGate;

#[async_trait]
impl Step for InstallJoinGate {
    fn name(&self) -> &'static str {
        "install_join_gate"
    }

    fn kind(&self) -> StepKind {
        StepKind::ForwardOnly
    }

    fn deadline(&self, _world: &World) -> Duration {
        Duration::from_secs(5 * 60)
    }

    async fn perform(&self, context: &StepContext<'_>) -> Result<Outcome, StepError> {
        let login = node_login(context.world, &context.host, &context.rebuild)?;
        let gate = install_gate(context.world, &login).await?;
        Ok(Outcome::Done(json!({ "script_sha256": gate.script_sha256 })))
    }
}
