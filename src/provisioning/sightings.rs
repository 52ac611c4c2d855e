//! Keeps machines that ask for a boot and are not registered: in memory for the questions, in the database for a restart.
//!
//! At most so many are kept. A storm of made-up addresses pushes out its own kind, and a machine that asked again stays.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::boot_table::BootTable;
use crate::{
    domain::{
        crowd::{Crowd, Standing},
        identity::MacAddress,
        live_event::{NewLiveEvent, Topic},
        sighting::{Question, Sighting},
    },
    ports::{Clock, LedgerError, LiveFeed, SightingLedger},
};

/// How many machines are kept. More shows larger racks; each costs half a kibibyte in memory and in the database.
pub const MOST_SIGHTINGS: usize = 512;
/// A machine that was silent for so long is forgotten.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How often the database is brought up to date.
const WRITE_PAUSE: Duration = Duration::from_secs(3);
/// How many rows of the live feed new machines may have at once, and after how long they may have one more: a storm must not push
/// everything else out of the feed.
const MOST_EVENTS: u32 = 10;
const NEXT_EVENT: SignedDuration = SignedDuration::from_mins(1);

/// Keeps the sightings.
pub struct Sightings {
    boot_table: Arc<BootTable>,
    clock: Arc<dyn Clock>,
    ledger: Arc<dyn SightingLedger>,
    feed: Arc<dyn LiveFeed>,
    kept: Mutex<Kept>,
}

struct Kept {
    crowd: Crowd<Sighting>,
    changed: BTreeSet<MacAddress>,
    has_forgotten: bool,
    news: News,
}

/// New machines of which the live feed has not been told yet.
#[derive(Default)]
struct News {
    count: u64,
    latest: Option<Sighting>,
    spent: u32,
    regained_at: Option<Timestamp>,
}

impl Sightings {
    /// Begins with nothing.
    pub fn new(
        boot_table: Arc<BootTable>,
        clock: Arc<dyn Clock>,
        ledger: Arc<dyn SightingLedger>,
        feed: Arc<dyn LiveFeed>,
    ) -> Self {
        let crowd = Crowd::of_at_most(MOST_SIGHTINGS);
        let kept = Kept { crowd, changed: BTreeSet::new(), has_forgotten: false, news: News::default() };
        Self { boot_table, clock, ledger, feed, kept: Mutex::new(kept) }
    }

    /// Takes a question; from memory alone, because it is called for packets. Those of hosts are nothing to us.
    pub fn asked(&self, question: &Question) {
        if self.boot_table.known(question.mac).is_some() {
            return;
        }
        let now = self.clock.now();
        let mut kept = self.kept();
        let is_new = kept.crowd.get(question.mac).is_none();
        let mut latest = None;
        let begin = || Sighting { count: 0, ..Sighting::new(question, now) };
        kept.crowd.change(question.mac, begin, |sighting| {
            sighting.asked(question, now);
            latest = is_new.then(|| sighting.clone());
            if sighting.count > 1 { Standing::SeenAgain } else { Standing::SeenOnce }
        });
        kept.changed.insert(question.mac);
        if kept.changed.len() > 2 * MOST_SIGHTINGS {
            kept.forget_changes_of_the_forgotten();
        }
        if latest.is_some() {
            kept.news.count += 1;
            kept.news.latest = latest;
            kept.has_forgotten = true;
        }
    }

    /// Remembers what was written before the last stop; once, at start.
    pub async fn restore(&self) -> Result<(), LedgerError> {
        let mut sightings = self.ledger.sightings().await?;
        sightings.sort_by_key(|sighting| sighting.last_seen);
        let mut kept = self.kept();
        for sighting in sightings.into_iter().filter(|sighting| self.boot_table.known(sighting.mac).is_none()) {
            let standing = if sighting.count > 1 { Standing::SeenAgain } else { Standing::SeenOnce };
            kept.crowd.change(sighting.mac, || sighting.clone(), |_| standing);
        }
        Ok(())
    }

    /// Writes down what is seen, until the stop.
    pub async fn run(&self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(WRITE_PAUSE)).await.is_some() {
            self.write().await;
        }
        self.write().await;
    }

    /// Writes what has changed, and tells of new machines.
    pub async fn write(&self) {
        let now = self.clock.now();
        let (changed, kept, event) = {
            let mut kept = self.kept();
            let old: Vec<_> =
                kept.crowd.all().filter(|(_, sighting)| is_old(sighting, now)).map(|(mac, _)| mac).collect();
            for mac in old {
                kept.crowd.forget(mac);
                kept.has_forgotten = true;
            }
            let changed = std::mem::take(&mut kept.changed);
            let changed: Vec<_> = changed.into_iter().filter_map(|mac| kept.crowd.get(mac).cloned()).collect();
            let has_forgotten = std::mem::take(&mut kept.has_forgotten);
            if changed.is_empty() && !has_forgotten {
                return;
            }
            let all: Vec<_> = kept.crowd.all().map(|(mac, _)| mac).collect();
            (changed, all, kept.news.event(now))
        };
        let macs: Vec<_> = changed.iter().map(|sighting| sighting.mac).collect();
        if let Err(error) = self.ledger.keep_sightings(changed, kept).await {
            tracing::warn!(%error, "what was seen on the network was not written down; it is tried again");
            self.kept().changed.extend(macs);
        }
        if let Some(event) = event
            && let Err(error) = self.feed.publish(&event, now).await
        {
            tracing::warn!(%error, "cannot write to the live feed");
        }
    }

    /// Every machine that was seen, the latest first.
    pub fn all(&self) -> Vec<Sighting> {
        let mut all: Vec<_> = self.kept().crowd.all().map(|(_, sighting)| sighting.clone()).collect();
        all.sort_by(|one, other| other.last_seen.cmp(&one.last_seen).then(one.mac.cmp(&other.mac)));
        all
    }

    /// One machine.
    pub fn one(&self, mac: MacAddress) -> Option<Sighting> {
        self.kept().crowd.get(mac).cloned()
    }

    /// Forgets a machine: it was registered, or the operator does not want to see it. Returns false when it was not seen.
    pub fn forget(&self, mac: MacAddress) -> bool {
        let mut kept = self.kept();
        kept.has_forgotten = true;
        kept.crowd.forget(mac).is_some()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn forget_changes_of_the_forgotten(&mut self) {
        let crowd = &self.crowd;
        self.changed.retain(|mac| crowd.get(*mac).is_some());
    }
}

fn is_old(sighting: &Sighting, now: Timestamp) -> bool {
    now.duration_since(sighting.last_seen) > FORGOTTEN_AFTER
}

impl News {
    /// One row for all that are new since the last one, as long as the budget lasts.
    fn event(&mut self, now: Timestamp) -> Option<NewLiveEvent> {
        let since = *self.regained_at.get_or_insert(now);
        let regained = now.duration_since(since).as_secs() / NEXT_EVENT.as_secs();
        if regained > 0 {
            self.spent = self.spent.saturating_sub(u32::try_from(regained).unwrap_or(u32::MAX));
            self.regained_at = Some(now);
        }
        if self.spent >= MOST_EVENTS {
            return None;
        }
        let latest = self.latest.take()?;
        let count = std::mem::take(&mut self.count);
        self.spent += 1;
        let what = format!("{} ({})", latest.mac, latest.client);
        let message = match count {
            ..=1 => format!("{what} asked for a boot and is not registered"),
            more => format!("{more} machines asked for a boot and are not registered, the latest is {what}"),
        };
        Some(NewLiveEvent { topic: Topic::Sighting, host: None, operation: None, message })
    }
}
