//! Finds operations that can move: at start, at every ring of the doorbell, and by a timer. The same path for all three.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Advance, Engine, World};
use crate::{domain::identity::OperationId, ports::Doorbell};

/// How often the runner looks without being rung for. Shorter polls nodes more often.
const TICK: Duration = Duration::from_secs(1);
/// How many operations move at the same time; the others wait for the next look.
const MOST_AT_ONCE: usize = 16;

/// Runs until it is stopped. A step that is under way when the stop comes is abandoned; its journal continues at the next start.
pub async fn run_runner(world: Arc<World>, doorbell: Arc<Doorbell>, stop: CancellationToken) {
    let engine = Arc::new(Engine::new(Arc::clone(&world)));
    let mut moving = JoinSet::new();
    let mut busy: HashSet<OperationId> = HashSet::new();
    loop {
        match world.journal.open_operations().await {
            Ok(open) => {
                for id in open {
                    if moving.len() < MOST_AT_ONCE && busy.insert(id.clone()) {
                        moving.spawn(survive_panic(Arc::clone(&engine), id));
                    }
                }
            }
            Err(error) => tracing::error!(%error, "cannot read the open operations; will look again"),
        }
        let tick = tokio::time::sleep(TICK);
        tokio::pin!(tick);
        // An operation that has come to rest is looked at again when there is a reason to, not as soon as it is seen resting.
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = doorbell.wait() => break,
                () = &mut tick => break,
                Some(Ok(id)) = moving.join_next() => { busy.remove(&id); }
            }
        }
    }
}

/// Moves one operation in a task of its own, so that a step that panics ends neither the runner nor the operation.
async fn survive_panic(engine: Arc<Engine>, id: OperationId) -> OperationId {
    if let Err(error) = tokio::spawn(move_on(engine, id.clone())).await {
        tracing::error!(operation.id = id.as_str(), %error, "a step panicked; it is looked at again");
    }
    id
}

/// Moves one operation until it has to wait.
async fn move_on(engine: Arc<Engine>, id: OperationId) {
    loop {
        match engine.advance(&id).await {
            Ok(Advance::Again) => {}
            Ok(Advance::NotBefore(_) | Advance::Rest) => return,
            Err(error) => {
                tracing::error!(operation.id = id.as_str(), %error, "an operation cannot move; it stays where it is");
                return;
            }
        }
    }
}
