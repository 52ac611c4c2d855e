//! How images get in while the daemon runs: fetched from a URL, or sent to us piece by piece.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;

use super::LedgerError;
use crate::domain::image_addition::{Addition, AdditionId};

/// A part of a file as it arrives.
pub type UploadChunks = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// Why an addition was refused, or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum IntakeRefusal {
    /// A field of the request is wrong.
    #[error("{rule}")]
    Invalid {
        /// Which.
        field: &'static str,
        /// The rule and what to do.
        rule: String,
    },
    /// There is no such addition.
    #[error("there is no addition {0}; it has ended, or was given up")]
    Unknown(AdditionId),
    /// An upload is to go on at another place than where it stopped.
    #[error("the upload goes on at byte {offset}")]
    WrongOffset {
        /// Where it goes on.
        offset: u64,
    },
    /// The upload is already being continued, or all of it has arrived.
    #[error("{0}")]
    NotNow(String),
    /// The connection broke.
    #[error("the upload broke off at byte {offset}: {reason}; go on from there")]
    BrokenOff {
        /// Where it goes on.
        offset: u64,
        /// Why.
        reason: String,
    },
    /// There are too many additions.
    #[error("{0} images are being added already; wait until one has ended")]
    TooMany(usize),
    /// The disk is too small, or the file too large.
    #[error("{0}")]
    NoRoom(String),
    /// More arrives than was agreed; what is too much is not kept.
    #[error("{0}")]
    TooLong(String),
    /// The library's folder cannot be written.
    #[error("{0}")]
    Folder(String),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Takes images in.
#[async_trait]
pub trait ImageIntake: Send + Sync {
    /// Every addition, those that ended lately too, oldest first.
    fn additions(&self) -> Vec<Addition>;

    /// An addition.
    fn addition(&self, id: &AdditionId) -> Option<Addition>;

    /// Begins to fetch an installer; what is being fetched from this URL already is not begun twice. A fetch that was broken off goes on
    /// where it stopped, also after a restart.
    async fn fetch(&self, url: &str, sha256: Option<&str>) -> Result<Addition, IntakeRefusal>;

    /// Makes room for an upload of `length` bytes, or of as many as come.
    async fn begin_upload(
        &self,
        name: &str,
        length: Option<u64>,
        sha256: Option<&str>,
    ) -> Result<Addition, IntakeRefusal>;

    /// Takes a part of an upload that begins at `offset`. With the last byte (or, where the length was not told, with the end of the
    /// part) the image is made. What arrived before a connection broke is kept.
    async fn upload(&self, id: &AdditionId, offset: u64, chunks: UploadChunks) -> Result<Addition, IntakeRefusal>;

    /// At which byte an upload goes on; its length when all of it has arrived.
    async fn upload_offset(&self, id: &AdditionId) -> Result<u64, IntakeRefusal>;

    /// Gives an addition up and removes what there is of it; one that has ended is forgotten.
    async fn cancel(&self, id: &AdditionId) -> Result<(), IntakeRefusal>;
}
