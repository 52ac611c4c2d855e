//! Where the rows of the image library are kept; the files are the library's own business.

use async_trait::async_trait;

use super::LedgerError;
use crate::domain::{identity::ImageId, image::Image};

/// Keeps what is known of each installer image. A row exists only while its files lie complete in the library.
#[async_trait]
pub trait ImageLedger: Send + Sync {
    /// Writes a new image; [`LedgerError::Conflict`] when there is one of this id.
    async fn insert(&self, image: &Image) -> Result<(), LedgerError>;

    /// Returns every image, newest release first.
    async fn list(&self) -> Result<Vec<Image>, LedgerError>;

    /// Returns an image.
    async fn get(&self, id: &ImageId) -> Result<Option<Image>, LedgerError>;

    /// Removes an image. Returns false when there is none.
    async fn remove(&self, id: &ImageId) -> Result<bool, LedgerError>;
}
