//! Why the store could not be opened, and what an error of SQLite means to those who use a ledger.

use std::{io, path::PathBuf};

use rusqlite::{Error, ErrorCode};

use crate::ports::LedgerError;

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another daemon works there.
    #[error(
        "the data folder {} is in use by another rackseed ({process}); stop it first, or give this one a data folder of its own",
        folder.display()
    )]
    InUse {
        /// The data folder.
        folder: PathBuf,
        /// Which: `process 4711`.
        process: String,
    },
    /// A daemon of an older version works there, so its tables cannot be changed under it.
    #[error(
        "the rackseed that works in the data folder {} is older than this one ({process}); restart it with this version first",
        folder.display()
    )]
    DaemonIsOlder {
        /// The data folder.
        folder: PathBuf,
        /// Which: `process 4711`.
        process: String,
    },
    /// A file or folder cannot be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was being tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The key file is not what it should be.
    #[error("the key file {} {problem}", path.display())]
    KeyFile {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// The key file is gone while the database has what it sealed.
    #[error(
        "the key file {} is gone, and without it these cannot be read any more: {lost}. Put it back from a backup (`rackseed restore`, or \
         data/secret.key in the backup, which is a tar file). Without one, `rackseed key renew` makes a new key and erases them: rebuilds under \
         way are ended, passwords of BMCs and webhooks must be stored and join gates installed again. Hosts, histories, images, settings and the certificate stay",
        path.display()
    )]
    KeyLost {
        /// Where it should be.
        path: PathBuf,
        /// What it sealed.
        lost: String,
    },
    /// The key file is another one than the one that sealed what is in the database.
    #[error(
        "the key file {} does not belong to this database and cannot open what is sealed there: {lost}. Put the right one back from a backup, or \
         let `rackseed key renew` erase them and make a new key",
        path.display()
    )]
    KeyOther {
        /// The key file.
        path: PathBuf,
        /// What it cannot open.
        lost: String,
    },
    /// What is stored cannot be read or written.
    #[error("the database {} cannot be used: {reason}", path.display())]
    Unreadable {
        /// The database.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Too little disk is free to bring the tables up to date safely.
    #[error(
        "too little disk is free beside {} to bring its tables up to date: {} MiB are needed for the copy and the new tables. Nothing was \
         changed; free some and start again",
        path.display(), needed_bytes.div_ceil(1 << 20)
    )]
    NoRoomToMigrate {
        /// The database.
        path: PathBuf,
        /// How much must be free.
        needed_bytes: u64,
    },
    /// Bringing the tables up to date failed; nothing of it was written.
    #[error(
        "the tables of the database {} could not be brought up to date, and are as they were: the version of Rackseed that wrote them can go on \
         with it. A copy from before is {}",
        path.display(), copy.display()
    )]
    MigrationFailed {
        /// The database.
        path: PathBuf,
        /// The copy.
        copy: PathBuf,
        /// Why not.
        source: Box<refinery::Error>,
    },
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness(#[source] getrandom::Error),
    /// SQLite cannot work with the file.
    #[error("cannot open the database {}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// Why not.
        source: Error,
    },
    /// The tables cannot be brought up to date, or a newer program made them.
    #[error(
        "the tables of the database {} do not fit this program; use the version that wrote it last, or a newer one",
        path.display()
    )]
    Migration {
        /// The database.
        path: PathBuf,
        /// Why not.
        source: Box<refinery::Error>,
    },
    /// The file system does not carry a write-ahead log.
    #[error(
        "the database {} cannot keep a write-ahead log there; put the data folder on a local disk (not NFS or CIFS)",
        path.display()
    )]
    NoWriteAheadLog {
        /// The database.
        path: PathBuf,
    },
    /// What is stored breaks its own references.
    #[error("the database {} is damaged: a row of `{table}` belongs to nothing; restore it from a backup", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// The table.
        table: String,
    },
    /// The writer thread cannot be started.
    #[error("cannot start the thread that writes to the database")]
    NoThread(#[source] io::Error),
}

impl From<Error> for LedgerError {
    fn from(error: Error) -> Self {
        let code = error.sqlite_error_code();
        if code == Some(ErrorCode::DiskFull) {
            return Self::DiskFull;
        }
        if matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) {
            return Self::Unreadable(format!("the file is damaged ({error})"));
        }
        let is_unreadable = matches!(
            error,
            Error::FromSqlConversionFailure(..)
                | Error::IntegralValueOutOfRange(..)
                | Error::InvalidColumnType(..)
                | Error::Utf8Error(..)
        );
        if is_unreadable { Self::Unreadable(error.to_string()) } else { Self::Database(error.to_string()) }
    }
}
