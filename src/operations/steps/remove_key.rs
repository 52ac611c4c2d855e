//! Removes the ephemeral key from every place on the node where it was put, reads each back, and proves that it no longer lets anyone in.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    operations::{
        Outcome, Step, StepContext, StepError, StepKind, World,
        cluster_access::{SHORT_COMMAND, node_login, plain_public_key, run},
    },
    ports::{Command, RemoteShellError},
};

/// Where the key may stand: the answer's place, the one that survives the join, and the cluster's file that the first became.
const PLACES: &str = "/root/.ssh/authorized_keys /root/.ssh/authorized_keys2 /etc/pve/priv/authorized_keys";

/// The step.
pub(super) struct RemoveKey;

#[async_trait]
impl Step for RemoveKey {
    fn name(&self) -> &'static str {
        "remove_key"
    }

    fn kind(&self) -> StepKind {
        StepKind::ForwardOnly
    }

    fn deadline(&self, _world: &World) -> Duration {
        Duration::from_secs(10 * 60)
    }

    async fn perform(&self, context: &StepContext<'_>) -> Result<Outcome, StepError> {
        let world = context.world;
        let login = node_login(world, &context.host, &context.rebuild)?;
        let key = plain_public_key(&context.rebuild.public_key)
            .ok_or_else(|| StepError::lasting("the ephemeral public key is damaged"))?;
        if !is_refused(world, &login).await? {
            // `cat >` keeps the link that `authorized_keys` became, and pmxcfs knows no rename over an open file of ours. The last command
            // fails while any place still has the key.
            let line = format!(
                "umask 077; rest=$(mktemp); for file in {PLACES}; do [ -e $file ] || continue; \
                 if grep -qF '{key}' $file; then grep -vF '{key}' $file > $rest; cat $rest > $file; fi; done; rm -f $rest; \
                 [ -s /root/.ssh/authorized_keys2 ] || rm -f /root/.ssh/authorized_keys2; ! grep -qF '{key}' {PLACES} 2>/dev/null"
            );
            run(world, &login, &line).await?;
        }
        if is_refused(world, &login).await? {
            return Ok(Outcome::DONE);
        }
        Err(StepError::passing("the node still accepts the ephemeral key after its removal"))
    }
}

/// Tries to log in. Only a refused login is a proof; a node that cannot be reached proves nothing.
async fn is_refused(world: &World, login: &crate::ports::Login) -> Result<bool, StepError> {
    match world.shell.run(login, &Command::new("true", SHORT_COMMAND)).await {
        Ok(_) => Ok(false),
        Err(RemoteShellError::LoginRefused { .. }) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
