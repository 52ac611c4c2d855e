//! Keeps what was seen of booting machines: in memory for everybody, and in the database for registered hosts.
//!
//! Whoever sees something only puts it into a bounded queue; one task takes it out, so that no packet ever waits. Strangers have half of the
//! queue and a bounded place in memory, so that a storm of made-up addresses neither costs memory nor pushes a host's boot out.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::boot_table::BootTable;
use crate::{
    domain::{
        boot_record::BootRecord,
        boot_trace::Milestone,
        crowd::{Crowd, Standing},
        identity::MacAddress,
    },
    ports::{BootRecordLedger, BootTrace, Clock, LedgerError},
};

/// How many milestones may wait to be written down. More endure longer bursts, at some hundred bytes each.
const LONGEST_QUEUE: usize = 2048;
/// How many machines are remembered; hosts are forgotten last.
const MOST_MACHINES: usize = 512;
/// How often what was seen is taken in. Longer makes pages late; shorter asks browsers to look more often.
const TAKE_PAUSE: Duration = Duration::from_millis(100);
/// How often the database is brought up to date. What a crash loses is what was seen since.
const WRITE_PAUSE: Duration = Duration::from_secs(3);
/// How many hosts a page may miss before it is told only that something happened.
const NEWS_KEPT: usize = 256;

/// What was seen, of whom, when.
type Noted = (MacAddress, Milestone, Timestamp);

/// Keeps the records.
pub struct BootDiary {
    boot_table: Arc<BootTable>,
    clock: Arc<dyn Clock>,
    ledger: Arc<dyn BootRecordLedger>,
    queue: mpsc::Sender<Noted>,
    dropped: AtomicU64,
    kept: Mutex<Kept>,
    news: broadcast::Sender<MacAddress>,
}

struct Kept {
    records: Crowd<BootRecord>,
    unwritten: BTreeSet<MacAddress>,
}

/// The other end of the queue, for the task that takes the milestones in.
pub struct DiaryQueue(mpsc::Receiver<Noted>);

impl BootTrace for BootDiary {
    fn saw(&self, mac: MacAddress, milestone: Milestone) {
        let is_host = self.boot_table.known(mac).is_some();
        let has_room = is_host || self.queue.capacity() > LONGEST_QUEUE / 2;
        if !has_room || self.queue.try_send((mac, milestone, self.clock.now())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl BootDiary {
    /// Begins with nothing.
    pub fn new(
        boot_table: Arc<BootTable>,
        clock: Arc<dyn Clock>,
        ledger: Arc<dyn BootRecordLedger>,
    ) -> (Arc<Self>, DiaryQueue) {
        let (queue, taken) = mpsc::channel(LONGEST_QUEUE);
        let kept = Kept { records: Crowd::of_at_most(MOST_MACHINES), unwritten: BTreeSet::new() };
        let (news, _) = broadcast::channel(NEWS_KEPT);
        let (dropped, kept) = (AtomicU64::new(0), Mutex::new(kept));
        (Arc::new(Self { boot_table, clock, ledger, queue, dropped, kept, news }), DiaryQueue(taken))
    }

    /// Remembers what was written before the last stop; once, at start.
    pub async fn restore(&self) -> Result<(), LedgerError> {
        let records = self.ledger.boot_records().await?;
        let mut kept = self.kept();
        for (mac, record) in records {
            kept.records.change(mac, BootRecord::default, |known| {
                *known = record;
                Standing::Registered
            });
        }
        Ok(())
    }

    /// Takes in and writes down what is seen, until the stop and what was seen until then.
    pub async fn run(&self, mut queue: DiaryQueue, stop: CancellationToken) {
        let mut next_write = tokio::time::Instant::now() + WRITE_PAUSE;
        let mut noted = Vec::new();
        loop {
            let is_stopping = tokio::select! {
                () = stop.cancelled() => true,
                () = tokio::time::sleep_until(next_write) => false,
                _ = queue.0.recv_many(&mut noted, LONGEST_QUEUE) => false,
            };
            // What is there is taken even if the timer woke us; never more than a queue at once.
            while noted.len() < LONGEST_QUEUE
                && let Ok(more) = queue.0.try_recv()
            {
                noted.push(more);
            }
            self.take_in(noted.drain(..));
            if is_stopping || tokio::time::Instant::now() >= next_write {
                self.write().await;
                next_write = tokio::time::Instant::now() + WRITE_PAUSE;
            }
            if is_stopping {
                return;
            }
            tokio::time::sleep(TAKE_PAUSE).await;
        }
    }

    fn take_in(&self, noted: impl Iterator<Item = Noted>) {
        let mut hosts = BTreeSet::new();
        let mut kept = self.kept();
        for (mac, milestone, at) in noted {
            let is_host = self.boot_table.known(mac).is_some();
            kept.records.change(mac, BootRecord::default, |record| {
                record.saw(milestone, at);
                match record.questions() {
                    _ if is_host => Standing::Registered,
                    0 | 1 => Standing::SeenOnce,
                    _ => Standing::SeenAgain,
                }
            });
            if is_host {
                kept.unwritten.insert(mac);
                hosts.insert(mac);
            }
        }
        drop(kept);
        for mac in hosts {
            // Nobody may be looking.
            let _ = self.news.send(mac);
        }
    }

    async fn write(&self) {
        let (unwritten, records): (_, Vec<_>) = {
            let mut kept = self.kept();
            let unwritten = std::mem::take(&mut kept.unwritten);
            let hosts = unwritten.iter().filter_map(|mac| Some((self.boot_table.known(*mac)?.host, *mac)));
            let records = hosts.filter_map(|(host, mac)| Some((host, kept.records.get(mac)?.clone()))).collect();
            (unwritten, records)
        };
        if records.is_empty() {
            return;
        }
        if let Err(error) = self.ledger.keep_boot_records(records).await {
            tracing::warn!(%error, "what was seen of booting hosts was not written down; it is tried again");
            self.kept().unwritten.extend(unwritten);
        }
    }

    /// What was seen of a machine; an empty record where nothing was.
    pub fn record(&self, mac: MacAddress) -> BootRecord {
        self.kept().records.get(mac).cloned().unwrap_or_default()
    }

    /// When something was last seen of a machine, and the sentence for it.
    pub fn latest(&self, mac: MacAddress) -> Option<(Timestamp, String)> {
        let kept = self.kept();
        let seen = kept.records.get(mac)?.all().next_back()?;
        Some((seen.last_at, seen.milestone.sentence()))
    }

    /// Forgets a machine, unless it is a host.
    pub fn forget_stranger(&self, mac: MacAddress) {
        if self.boot_table.known(mac).is_none() {
            self.kept().records.forget(mac);
        }
    }

    /// Tells of hosts of which something was seen.
    pub fn news(&self) -> broadcast::Receiver<MacAddress> {
        self.news.subscribe()
    }

    /// How many milestones were dropped because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// How many machines are remembered.
    pub fn machines(&self) -> usize {
        self.kept().records.len()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
