//! Logs in to the fresh node for the first time, and makes sure that we will still get in after the join.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    domain::host_lifecycle::{HostEvent, HostState},
    operations::{
        Outcome, Step, StepContext, StepError, StepKind, World,
        cluster_access::{node_login, plain_public_key, run},
    },
    provisioning::Move,
};

/// The step.
pub(super) struct ReachNode;

#[async_trait]
impl Step for ReachNode {
    fn name(&self) -> &'static str {
        "reach_node"
    }

    fn kind(&self) -> StepKind {
        StepKind::ForwardOnly
    }

    fn deadline(&self, _world: &World) -> Duration {
        Duration::from_secs(10 * 60)
    }

    /// The join replaces `authorized_keys` by the cluster's file, so the key also goes into `authorized_keys2` (the first-boot script puts
    /// it there too; whoever comes first wins, the line stands there once).
    async fn perform(&self, context: &StepContext<'_>) -> Result<Outcome, StepError> {
        let login = node_login(context.world, &context.host, &context.rebuild)?;
        let key = plain_public_key(&context.rebuild.public_key)
            .ok_or_else(|| StepError::lasting("the ephemeral public key is damaged; rebuild the host"))?;
        let line = format!(
            "umask 077; file=/root/.ssh/authorized_keys2; grep -qF '{key}' $file 2>/dev/null || echo '{key}' >> $file; grep -qF '{key}' $file && uname -n"
        );
        let name = run(context.world, &login, &line).await?.output;
        if name.trim() != context.host.hostname.as_str() {
            return Err(StepError::lasting(format!(
                "the node calls itself `{}` and not `{}`; nothing was joined",
                name.trim(),
                context.host.hostname
            )));
        }
        if matches!(context.host.state, HostState::FirstBoot | HostState::Failed) {
            context.world.keeper.apply(&context.host, HostEvent::JoinStarted, Move::default()).await?;
        }
        Ok(Outcome::DONE)
    }
}
