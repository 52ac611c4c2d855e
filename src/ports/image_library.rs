//! The library of installer images and the private view that each rebuild has of its ISO.

use async_trait::async_trait;

use super::{LedgerError, ServedFile};
use crate::domain::{
    identity::ImageId,
    image::{Image, ImagePart},
};

/// Why the library could not do what it promises.
#[derive(Debug, thiserror::Error)]
pub enum ImageLibraryError {
    /// There is no such image.
    #[error("there is no image `{0}`; `rackseed image list` shows what there is")]
    UnknownImage(ImageId),
    /// A file of the image is missing, has another size than when it was added, or cannot be opened.
    #[error("the image `{image}` is damaged: {reason}; remove it and add it again")]
    Damaged {
        /// The image.
        image: ImageId,
        /// What is wrong.
        reason: String,
    },
    /// The private settings do not fit into the place that was kept for them.
    #[error("the private settings need {needed} bytes and the image `{image}` has room for {room}")]
    SettingsTooLarge {
        /// The image.
        image: ImageId,
        /// What they need.
        needed: u64,
        /// What there is.
        room: u64,
    },
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Keeps installer images.
#[async_trait]
pub trait ImageLibrary: Send + Sync {
    /// Returns every image, newest release first.
    async fn images(&self) -> Result<Vec<Image>, LedgerError>;

    /// Returns an image.
    async fn image(&self, id: &ImageId) -> Result<Option<Image>, LedgerError>;

    /// Opens a part of an image. `settings` is the text of `auto-installer-mode.toml` for [`ImagePart::InstallerIso`]; the other parts
    /// have none. The same settings give the same bytes and the same entity tag, also after a restart.
    async fn open(
        &self,
        id: &ImageId,
        part: ImagePart,
        settings: Option<&str>,
    ) -> Result<ServedFile, ImageLibraryError>;
}
