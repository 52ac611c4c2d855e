//! Where the rows of the image library are kept; the files are the library's own business.

use async_trait::async_trait;
use jiff::Timestamp;

use super::LedgerError;
use crate::domain::{
    identity::ImageId,
    image::{Image, ImageFiles},
    image_use::ImageUse,
};

/// What came of a removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// The row is gone.
    Removed,
    /// There was none.
    Unknown,
    /// Somebody uses the image; nothing was changed.
    Used(Vec<ImageUse>),
}

/// Keeps what is known of each installer image. A row exists only while its files lie complete in the library. Whatever changes a row
/// tells the live feed of it in the same transaction.
#[async_trait]
pub trait ImageLedger: Send + Sync {
    /// Writes a new image; [`LedgerError::Conflict`] when there is one of this id.
    async fn insert(&self, image: &Image) -> Result<(), LedgerError>;

    /// Returns every image, newest release first.
    async fn list(&self) -> Result<Vec<Image>, LedgerError>;

    /// Returns an image.
    async fn get(&self, id: &ImageId) -> Result<Option<Image>, LedgerError>;

    /// Removes an image unless somebody uses it. `others` are users that the ledger does not know. Looking and removing are one
    /// transaction, and no rebuild begins with an image that has no row: nobody can begin to use it in between.
    async fn remove(&self, id: &ImageId, others: &[ImageUse], now: Timestamp) -> Result<Removal, LedgerError>;

    /// Returns every use of an image that the ledger knows: rebuilds that have not ended, options of hosts, the default.
    async fn uses(&self) -> Result<Vec<(ImageId, ImageUse)>, LedgerError>;

    /// Makes an image the default, in place of whichever was. Returns false when there is no such image.
    async fn set_default(&self, id: &ImageId, now: Timestamp) -> Result<bool, LedgerError>;

    /// Replaces what is recorded of an image's files.
    async fn set_files(&self, id: &ImageId, files: &ImageFiles) -> Result<(), LedgerError>;
}
