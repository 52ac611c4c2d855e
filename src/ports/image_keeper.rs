//! What a person may do with the images that there are.

use async_trait::async_trait;
use jiff::Timestamp;

use super::LedgerError;
use crate::domain::{identity::ImageId, image::ImagePart, image_use::ImageUse};

/// Why nothing was done with an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageRefusal {
    /// There is no such image.
    #[error("there is no image `{0}`; `rackseed image list` shows what there is")]
    Unknown(ImageId),
    /// Somebody uses it.
    #[error("the image `{image}` is in use by {}", users.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    InUse {
        /// The image.
        image: ImageId,
        /// Who uses it.
        users: Vec<ImageUse>,
    },
    /// No host can be rebuilt with it.
    #[error("{0}")]
    Unfit(String),
    /// The library is being changed.
    #[error("another image is being added or removed right now; try again when that is over")]
    Busy,
    /// The library's folder cannot be read or written.
    #[error("{0}")]
    Folder(String),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What the check of one file found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartCheck {
    /// The file.
    pub part: ImagePart,
    /// What is wrong with it; absent when it is as it was.
    pub problem: Option<String>,
}

/// Removes, checks and prefers images.
#[async_trait]
pub trait ImageKeeper: Send + Sync {
    /// Returns every use of an image but that of server types, which are in the catalog.
    async fn uses(&self) -> Result<Vec<(ImageId, ImageUse)>, LedgerError>;

    /// Removes an image, row and files, unless somebody uses it; `others` are the users that only the caller knows. A download that
    /// still runs is not disturbed: its file stays open.
    async fn remove(&self, id: &ImageId, others: &[ImageUse], now: Timestamp) -> Result<(), ImageRefusal>;

    /// Makes an image the one that is installed where nothing else was chosen.
    async fn make_default(&self, id: &ImageId, now: Timestamp) -> Result<(), ImageRefusal>;

    /// Reads every file of an image and compares it with its checksum.
    async fn check(&self, id: &ImageId) -> Result<Vec<PartCheck>, ImageRefusal>;
}
