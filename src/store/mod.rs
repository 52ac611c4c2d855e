//! Everything that must survive a restart, in one SQLite file: `rackseed.db` in the data folder.
//!
//! One writer thread takes every change as one IMMEDIATE transaction, so changes never race and a panic in one of them loses that one
//! alone; a few read-only connections answer questions beside it (WAL). What a method of a ledger promises is written in `ports`.
//!
//! - Every commit reaches the disk before it is answered (`synchronous = FULL`): the answer for an installer may only be served once its
//!   commit cannot be lost, and a rebuild has some tens of commits in an hour (`tests/behaviour/store.rs` prints how many a disk takes in a second).
//! - Erased means gone: `secure_delete` overwrites what was deleted, and after a rebuild has ended the write-ahead log is copied back and
//!   cut to nothing. What the file system itself keeps of a cut file is beyond us; it is sealed with the key file.
//! - WAL needs a local disk: the data folder may not lie on NFS or CIFS.

mod access;
mod answers;
mod audit;
mod backup;
mod batches;
mod before_migration;
mod boot_records;
mod change;
mod columns;
mod connection;
mod disarm;
mod error;
mod exchanges;
mod folder;
mod gates;
mod hosts;
mod images;
mod live_feed;
mod member_certificates;
mod migrations;
mod notifications;
mod operations;
mod passwords;
mod past_operations;
mod power_secrets;
mod readers;
mod rebuilds;
mod repeats;
mod sealed;
mod secrets;
mod sightings;
mod token_file;
mod writer;

#[cfg(test)]
mod migration_tests;
#[cfg(test)]
mod tests;

use std::path::Path;

use rusqlite::Connection;
use tokio::sync::watch;

pub use backup::{CopyFacts, check_copy, copy_database, has_database, newest_schema};
pub use error::StoreError;
pub use folder::FolderLock;
pub use passwords::Argon2Passwords;
pub use sealed::sealed_in;
pub use secrets::KeyFile;
pub use token_file::command_line_token;

use crate::ports::LedgerError;
use connection::{is_current, migrate, open_for_writing};
use readers::Readers;
use writer::{Write, Writer};

/// The database. Dropping it finishes what is queued, closes the file, and then lets the next daemon in.
pub struct Store {
    // The order of the fields is the order in which they are dropped: the lock goes last.
    readers: Readers,
    writer: Writer,
    bell: watch::Receiver<i64>,
    _lock: Option<FolderLock>,
}

impl Store {
    /// Opens the database of a data folder for the daemon: makes both if need be, brings the tables up to date, and keeps every
    /// other daemon out until it is dropped.
    pub fn open(data_folder: &Path) -> Result<Self, StoreError> {
        folder::make(data_folder)?;
        let lock = FolderLock::take(data_folder)?;
        let mut connection = open_for_writing(data_folder)?;
        migrate(&mut connection, data_folder)?;
        Self::start(data_folder, connection, Some(lock))
    }

    /// Opens the database for one command, beside a daemon that may be running: `rackseed image add`. The daemon notices what was
    /// written within a second. Only a database with older tables needs the lock, for the moment in which they are brought up to date.
    pub fn open_shared(data_folder: &Path) -> Result<Self, StoreError> {
        folder::make(data_folder)?;
        let mut connection = open_for_writing(data_folder)?;
        if !is_current(&mut connection, data_folder)? {
            let lock = FolderLock::take(data_folder);
            if let Err(StoreError::InUse { folder, process }) = lock {
                return Err(StoreError::DaemonIsOlder { folder, process });
            }
            let _lock = lock?;
            migrate(&mut connection, data_folder)?;
        }
        Self::start(data_folder, connection, None)
    }

    fn start(data_folder: &Path, connection: Connection, lock: Option<FolderLock>) -> Result<Self, StoreError> {
        let (writer, bell) = Writer::start(connection, data_folder)?;
        let readers = Readers::open(data_folder)?;
        Ok(Self { readers, writer, bell, _lock: lock })
    }

    /// Runs one transaction on the writer thread: all of it is written, or nothing. Work that was taken is done even if the caller goes away.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Write<'_>) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.writer.write(work).await
    }

    /// Asks one question; everything in it sees the same moment.
    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.readers.read(question).await
    }
}
