//! Removes the ephemeral key from every place on the node where it was put, reads each back, and proves that it no longer lets anyone in.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::{
    operations::{
        Outcome, Step, StepContext, StepError, StepKind, World,
        cluster_access::{SHORT_COMMAND, node_login, plain_public_key, run},
    },
    ports::{Command, RemoteShellError},
};

/// Where the key may stand: the answer's place, the one that survives the join, and the cluster's file that the first became.
const PLACES: [&str; 3] =
    ["/root/.ssh/authorized_keys", "/root/.ssh/authorized_keys2", "/etc/pve/priv/authorized_keys"];

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
        let mut found = Vec::new();
        if !is_refused(world, &login).await? {
            found = read_back(&run(world, &login, &removal(&key)).await?.output);
        }
        if is_refused(world, &login).await? {
            let refused = json!({ "user": login.user, "address": login.address.ip().to_string() });
            return Ok(Outcome::Done(json!({ "places": found, "refused": refused, "at": world.clock.now() })));
        }
        Err(StepError::passing("the node still accepts the ephemeral key after its removal"))
    }
}

/// The command that takes the key out of every place and says of each what is there afterwards: no new login could ask that any more.
///
/// `cat >` keeps the link that `authorized_keys` became, and pmxcfs knows no rename over an open file of ours. The last command fails while
/// any place still has the key.
fn removal(key: &str) -> String {
    let places = PLACES.join(" ");
    format!(
        "umask 077; rest=$(mktemp); for file in {places}; do [ -e $file ] || continue; \
         if grep -qF '{key}' $file; then grep -vF '{key}' $file > $rest; cat $rest > $file; fi; done; rm -f $rest; \
         [ -s /root/.ssh/authorized_keys2 ] || rm -f /root/.ssh/authorized_keys2; place=0; for file in {places}; do \
         found=absent; if [ -e $file ]; then grep -qF '{key}' $file; case $? in 0) found=left;; 1) found=clean;; *) found=unread;; esac; fi; \
         echo \"place $place $found\"; place=$((place+1)); done; ! grep -qF '{key}' {places} 2>/dev/null"
    )
}

/// What the node says of each place; what it does not say is not made up.
fn read_back(said: &str) -> Vec<Value> {
    let place = |line: &str| {
        let (number, state) = line.trim().strip_prefix("place ")?.split_once(' ')?;
        let path = PLACES.get(number.parse::<usize>().ok()?)?;
        let found = match state {
            "absent" => "no such file",
            "clean" => "read back, without the key",
            _ => return None,
        };
        Some(json!({ "path": path, "found": found }))
    };
    said.lines().filter_map(place).collect()
}

/// Tries to log in. Only a refused login is a proof; a node that cannot be reached proves nothing.
async fn is_refused(world: &World, login: &crate::ports::Login) -> Result<bool, StepError> {
    match world.shell.run(login, &Command::new("true", SHORT_COMMAND)).await {
        Ok(_) => Ok(false),
        Err(RemoteShellError::LoginRefused { .. }) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
