//! What remembers the machines that are seen: the diary of their boots, and the sightings of those that are not registered.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::adapters::Adapters;
use crate::{
    ports::BootTrace,
    provisioning::{BootDiary, BootTable, DiaryQueue, RememberingTrace, Sightings},
};

/// What remembers them.
pub(super) struct Watchers {
    pub(super) trace: Arc<dyn BootTrace>,
    pub(super) diary: Arc<BootDiary>,
    pub(super) sightings: Arc<Sightings>,
    queue: Option<DiaryQueue>,
}

impl Watchers {
    pub(super) fn new(adapters: &Adapters, boot_table: &Arc<BootTable>) -> Self {
        let Adapters { store, clock, boot_memory, .. } = adapters;
        let (diary, queue) = BootDiary::new(boot_table.clone(), clock.clone(), store.clone());
        let sightings = Sightings::new(boot_table.clone(), clock.clone(), store.clone(), store.clone());
        let trace = RememberingTrace { memory: boot_memory.clone(), clock: clock.clone(), next: diary.clone() };
        Self { trace: Arc::new(trace), diary, sightings: Arc::new(sightings), queue: Some(queue) }
    }

    /// Remembers what was written before the last stop, and keeps both up to date until the next.
    pub(super) async fn start(&mut self, stop: &CancellationToken, tasks: &mut JoinSet<anyhow::Result<()>>) {
        let (diary, sightings) = (Arc::clone(&self.diary), Arc::clone(&self.sightings));
        // Nothing depends on them: a daemon that has lost them serves all the same.
        for restored in [diary.restore().await, sightings.restore().await] {
            if let Err(error) = restored {
                tracing::warn!(%error, "what was seen on the network before the last stop cannot be read");
            }
        }
        if let Some(queue) = self.queue.take() {
            let stop = stop.clone();
            tasks.spawn(async move {
                diary.run(queue, stop).await;
                Ok(())
            });
        }
        let stop = stop.clone();
        tasks.spawn(async move {
            sightings.run(stop).await;
            Ok(())
        });
    }
}
