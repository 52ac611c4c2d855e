//! The one thread that writes: a queue of transactions, the bell of the live feed, and the forgetting of what was erased.

use std::{
    cell::Cell,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use nix::sys::statvfs::statvfs;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{Semaphore, oneshot, watch};

use super::{StoreError, connection::BUSY_PATIENCE, live_feed::newest_event};
use crate::ports::LedgerError;

/// How many changes may wait for the writer; more callers wait for a place. More costs memory, fewer makes bursts wait earlier.
const LONGEST_QUEUE: usize = 256;
/// How often the writer looks for rows that another process wrote, and tries again to forget. Shorter shows `rackseed image add` sooner.
const LOOK_ROUND: Duration = Duration::from_secs(1);
/// How long forgetting waits for a reader that holds an old page; it is tried again at the next look.
const FORGET_PATIENCE: Duration = Duration::from_millis(100);
/// A file system with less room than this is full: SQLite cannot tell a full disk from a broken one where it syncs or maps memory.
const FULL_DISK_BYTES: u64 = 64 * 1024;

type Job = Box<dyn FnOnce(&mut Thread) + Send>;

/// The door to the writer thread. Dropping it finishes what is queued and waits for the thread's end, which closes the database.
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    places: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. Returns also the bell, whose value is the id of the newest row of the live feed.
    pub(super) fn start(
        connection: Connection,
        data_folder: &Path,
    ) -> Result<(Self, watch::Receiver<i64>), StoreError> {
        // A feed that cannot be read yet is told of at the first question, not here.
        let (bell, heard) = watch::channel(newest_event(&connection).unwrap_or_default());
        let (jobs, queue) = channel();
        let mut thread =
            Thread { connection, data_folder: data_folder.to_owned(), bell, must_forget: true, seen_version: None };
        let handle = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                // A crash may have come between the end of a rebuild and the forgetting.
                thread.look_round();
                thread.serve(&queue);
            })
            .map_err(StoreError::NoThread)?;
        let places = Arc::new(Semaphore::new(LONGEST_QUEUE));
        Ok((Self { jobs: Some(jobs), places, thread: Some(handle) }, heard))
    }

    /// Runs one transaction.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Write<'_>) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let ended = || LedgerError::Database("its writer has ended; restart rackseed".into());
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| ended())?;
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |thread| {
            let result = thread.run(work);
            drop(place);
            // The caller may have gone away; what was written stays written.
            let _ = answer.send(result);
        });
        self.jobs.as_ref().ok_or_else(ended)?.send(job).map_err(|_| ended())?;
        answered.await.unwrap_or_else(|_| Err(ended()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One transaction under way.
pub(super) struct Write<'a> {
    transaction: Transaction<'a>,
    newest_event: Cell<Option<i64>>,
    erased: Cell<bool>,
}

impl Write<'_> {
    /// Notes the newest row of the live feed, for which the bell is rung after the commit.
    pub(super) fn note_event(&self, id: i64) {
        self.newest_event.set(Some(id));
    }

    /// Notes that secrets were erased, which must not linger in the write-ahead log.
    pub(super) fn note_erased(&self) {
        self.erased.set(true);
    }
}

impl Deref for Write<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.transaction
    }
}

/// What the thread owns.
struct Thread {
    connection: Connection,
    data_folder: PathBuf,
    bell: watch::Sender<i64>,
    must_forget: bool,
    seen_version: Option<i64>,
}

impl Thread {
    fn serve(&mut self, queue: &Receiver<Job>) {
        let mut next_look = Instant::now() + LOOK_ROUND;
        loop {
            match queue.recv_timeout(next_look.saturating_duration_since(Instant::now())) {
                Ok(job) => job(self),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if Instant::now() >= next_look {
                self.look_round();
                next_look = Instant::now() + LOOK_ROUND;
            }
        }
    }

    /// A panic in a transaction takes that transaction back, and nothing else.
    fn run<T>(&mut self, work: impl FnOnce(&Write<'_>) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        let result = catch_unwind(AssertUnwindSafe(|| self.transact(work)));
        let result = result
            .unwrap_or_else(|_| Err(LedgerError::Database("a change panicked, so nothing of it was written".into())));
        match result {
            Err(LedgerError::Database(_)) if self.disk_is_full() => Err(LedgerError::DiskFull),
            other => other,
        }
    }

    fn transact<T>(&mut self, work: impl FnOnce(&Write<'_>) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        let (result, newest_event, erased) = self.commit(work)?;
        if let Some(id) = newest_event {
            self.bell.send_replace(id);
        }
        if erased {
            self.must_forget = true;
            self.forget();
        }
        Ok(result)
    }

    /// Does the work and commits it. Returns also what the work noted: the newest row of the live feed, and whether secrets were erased.
    fn commit<T>(
        &mut self,
        work: impl FnOnce(&Write<'_>) -> Result<T, LedgerError>,
    ) -> Result<(T, Option<i64>, bool), LedgerError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let write = Write { transaction, newest_event: Cell::new(None), erased: Cell::new(false) };
        let result = work(&write)?;
        write.transaction.commit()?;
        Ok((result, write.newest_event.get(), write.erased.get()))
    }

    fn look_round(&mut self) {
        if self.must_forget {
            self.forget();
        }
        if let Err(error) = self.hear_other_processes() {
            tracing::warn!(%error, "cannot see whether another process wrote to the database; will look again");
        }
    }

    /// Copies the write-ahead log back and cuts it to nothing, so that no earlier state of an erased row is left in it. A reader that
    /// still looks at an earlier state puts it off to the next look.
    fn forget(&mut self) {
        let is_cut = || -> rusqlite::Result<bool> {
            self.connection.busy_timeout(FORGET_PATIENCE)?;
            let busy: i64 = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            self.connection.busy_timeout(BUSY_PATIENCE)?;
            Ok(busy == 0)
        };
        match is_cut() {
            Ok(is_cut) => self.must_forget = !is_cut,
            Err(error) => tracing::warn!(%error, "erased secrets are still in the write-ahead log; will try again"),
        }
    }

    /// Rings the bell for rows that another process wrote: its commits change the data version that this connection sees.
    fn hear_other_processes(&mut self) -> Result<(), LedgerError> {
        let version = self.connection.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0))?;
        if self.seen_version.replace(version) != Some(version) {
            let newest = newest_event(&self.connection)?;
            self.bell.send_if_modified(|id| std::mem::replace(id, newest) != newest);
        }
        Ok(())
    }

    fn disk_is_full(&self) -> bool {
        statvfs(&self.data_folder).is_ok_and(|space| space.blocks_available() * space.fragment_size() < FULL_DISK_BYTES)
    }
}
