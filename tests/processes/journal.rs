//! The journal, watched from outside: in the database's own files, without a hook in the daemon.

use std::{
    path::Path,
    sync::mpsc::{self, Receiver},
    thread::sleep,
    time::{Duration, Instant},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use rusqlite::{Connection, OpenFlags};

/// How long after a write to the database's files its rows are looked for without a pause: the daemon syncs in between.
const AFTER_WRITE: Duration = Duration::from_millis(30);
/// The pause between two such looks.
const SHORT_PAUSE: Duration = Duration::from_micros(50);
/// How long to wait for the next write before looking all the same.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The entries of all journals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entries {
    /// How many there are.
    pub(crate) count: usize,
    /// Whether no operation is open any more.
    pub(crate) is_over: bool,
}

/// Looks into a database that somebody else writes.
pub(crate) struct JournalWatch {
    database: Connection,
    operations: i64,
    writes: Receiver<()>,
    _watcher: RecommendedWatcher,
}

impl JournalWatch {
    /// `data_folder` must have a database with all its tables. Everything is over when so many operations are.
    pub(crate) fn start(data_folder: &Path, operations: i64) -> Self {
        let (sender, writes) = mpsc::channel();
        let mut watcher = notify::recommended_watcher(move |_| {
            let _ = sender.send(());
        })
        .unwrap();
        watcher.watch(data_folder, RecursiveMode::NonRecursive).unwrap();
        Self { database: open(data_folder), operations, writes, _watcher: watcher }
    }

    /// Waits until there are so many entries, or all operations are over, or the time is.
    pub(crate) fn wait_for(&self, count: usize, limit: Duration) -> Entries {
        let end = Instant::now() + limit;
        loop {
            let quick = Instant::now() + AFTER_WRITE;
            while Instant::now() < quick {
                let entries = self.entries();
                if entries.count >= count || entries.is_over {
                    return entries;
                }
                sleep(SHORT_PAUSE);
            }
            assert!(Instant::now() < end, "waited {limit:?} in vain for entry {count} of the journal");
            let _ = self.writes.recv_timeout(LOOK_AGAIN);
            while self.writes.try_recv().is_ok() {}
        }
    }

    fn entries(&self) -> Entries {
        let question = "SELECT (SELECT count(*) FROM journal), (SELECT count(*) FROM operations), (SELECT count(*) FROM operations WHERE closed_at IS NULL)";
        let answer = self.database.prepare_cached(question).and_then(|mut statement| {
            statement.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))
        });
        // A database that is being restored after a death cannot be read for a moment.
        let (count, operations, open) = answer.unwrap_or((0, 0, 0));
        Entries { count: usize::try_from(count).unwrap(), is_over: operations >= self.operations && open == 0 }
    }
}

/// How many entries the journals of a database have.
pub(crate) fn count(data_folder: &Path) -> usize {
    number(data_folder, "SELECT count(*) FROM journal")
}

/// The public key of the newest rebuild, `TYPE BASE64`.
pub(crate) fn ephemeral_key(data_folder: &Path) -> String {
    let question = "SELECT public_key FROM rebuilds JOIN operations ON operations.id = rebuilds.operation ORDER BY number DESC LIMIT 1";
    let line: String = open(data_folder).query_row(question, [], |row| row.get(0)).unwrap();
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// How many secrets of rebuilds there are.
pub(crate) fn secrets(data_folder: &Path) -> usize {
    number(data_folder, "SELECT count(*) FROM sealed_secrets")
}

fn number(data_folder: &Path, question: &str) -> usize {
    let number: i64 = open(data_folder).query_row(question, [], |row| row.get(0)).unwrap();
    usize::try_from(number).unwrap()
}

fn open(data_folder: &Path) -> Connection {
    let database =
        Connection::open_with_flags(data_folder.join("rackseed.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    database.busy_timeout(Duration::from_secs(5)).unwrap();
    database
}
