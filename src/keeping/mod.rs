//! Keeping it: one file with everything that a daemon is, the way back from it, and the way on when the key file is lost.
//!
//! A backup is a plain tar file, because it must be readable in ten years and without us: `tar -xf` is enough to come to the key file or the
//! database. It is not compressed: what is large in it (images, on request) is compressed already. Its first entry is `manifest.json`, which
//! names every other entry with its length and SHA-256; nothing is taken from an archive that does not agree with it entirely.
//!
//! Like `daemon`, this room puts others together: it may use store, catalog folders, images and settings; only the command line and the
//! daemon use it.

mod archive;
mod gather;
mod manifest;
mod new_key;
mod places;
mod restore;
mod settle;
mod write;

use std::{io, path::PathBuf};

pub use archive::{Checked, check};
pub use manifest::{ListedImage, Manifest, Part};
pub use new_key::{NewKey, renew_key, sealed_in};
pub use restore::{RestoreWish, Restored, SettingsOutcome, restore};
pub use write::{BackupWish, Written, write};

use crate::{
    ports::{ImageRefusal, LedgerError},
    settings::InvalidSettings,
    store::StoreError,
};

/// Why nothing was kept or brought back.
#[derive(Debug, thiserror::Error)]
pub enum KeepingError {
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
    /// This is no backup, or not one that can be trusted.
    #[error("{} cannot be used as a backup: {problem}", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// It would harm something.
    #[error("{0}")]
    Refused(String),
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] InvalidSettings),
    /// The database or the key file cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database cannot be changed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An image cannot be checked.
    #[error(transparent)]
    Image(#[from] ImageRefusal),
}

impl KeepingError {
    /// Says what was being done when the file system refused.
    fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
