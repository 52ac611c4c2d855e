//! Finds operations that can move: at start, at every ring of the doorbell, and by a timer. The same path for all three.

use std::{any::Any, collections::HashMap, sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Advance, Engine, World};
use crate::{
    domain::identity::OperationId,
    ports::{Doorbell, LedgerError},
};

/// How often the runner looks without being rung for. Shorter polls nodes more often.
const TICK: Duration = Duration::from_secs(1);
/// How many operations move at the same time; the others wait for the next look.
const MOST_AT_ONCE: usize = 16;
/// The first pause of an operation that cannot be moved because of us (a full disk, a panic); it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause. Longer spares a disk that is full; shorter goes on sooner when there is space again.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What is known of an operation while the runner knows it.
#[derive(Default)]
struct Slot {
    is_moving: bool,
    /// How often in a row it could not be moved.
    stuck: u32,
    not_before: Option<Instant>,
}

impl Slot {
    fn may_move(&self, now: Instant) -> bool {
        !self.is_moving && self.not_before.is_none_or(|moment| moment <= now)
    }

    fn ended(&mut self, is_stuck: bool) {
        self.is_moving = false;
        self.stuck = if is_stuck { self.stuck.saturating_add(1) } else { 0 };
        let pause = FIRST_PAUSE.saturating_mul(1 << self.stuck.saturating_sub(1).min(6)).min(LONGEST_PAUSE);
        self.not_before = is_stuck.then(|| Instant::now() + pause);
    }
}

/// Runs until it is stopped. A step that is under way when the stop comes is abandoned; its journal continues at the next start.
pub async fn run_runner(world: Arc<World>, doorbell: Arc<Doorbell>, stop: CancellationToken) {
    let engine = Arc::new(Engine::new(Arc::clone(&world)));
    let mut moving = JoinSet::new();
    let mut slots: HashMap<OperationId, Slot> = HashMap::new();
    loop {
        match world.journal.open_operations().await {
            Ok(open) => {
                slots.retain(|id, slot| slot.is_moving || open.contains(id));
                for id in open {
                    let slot = slots.entry(id.clone()).or_default();
                    if moving.len() < MOST_AT_ONCE && slot.may_move(Instant::now()) {
                        slot.is_moving = true;
                        moving.spawn(survive_panic(Arc::clone(&world), Arc::clone(&engine), id));
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
                Some(Ok((id, is_stuck))) = moving.join_next() => slots.entry(id).or_default().ended(is_stuck),
            }
        }
    }
}

/// Moves one operation in a task of its own, so that a step that panics ends neither the runner nor the operation: it is written down, tried
/// again a few times, and then parked. Returns whether the operation could not be moved because of us.
async fn survive_panic(world: Arc<World>, engine: Arc<Engine>, id: OperationId) -> (OperationId, bool) {
    let moved = tokio::spawn(move_on(Arc::clone(&engine), id.clone())).await;
    let result = match moved {
        Ok(result) => result,
        Err(error) => {
            let said =
                error.try_into_panic().map_or_else(|_| "it was ended".to_owned(), |panic| words_of(panic.as_ref()));
            tracing::error!(operation.id = id.as_str(), "a step panicked");
            engine.note_panic(&id, &said).await
        }
    };
    match result {
        Ok(()) => {
            if world.pauses.end(&id) {
                tracing::info!(operation.id = id.as_str(), "the operation moves again");
            }
            (id, false)
        }
        Err(error) => {
            if world.pauses.begin(&id, world.clock.now(), error.to_string()) {
                tracing::error!(operation.id = id.as_str(), %error, "an operation cannot move; nothing of it is lost, and it is tried again");
            }
            (id, true)
        }
    }
}

/// What a panic said.
fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without words").to_owned()
}

/// Moves one operation until it has to wait.
async fn move_on(engine: Arc<Engine>, id: OperationId) -> Result<(), LedgerError> {
    while engine.advance(&id).await? == Advance::Again {}
    Ok(())
}
