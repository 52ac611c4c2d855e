//! The folder that holds the library, as the port promises it.

use std::{
    ffi::OsString,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::{
    AddError,
    served::{Patch, view},
    settings_room::fill_room,
    staging::{Partial, Turn},
    xorriso::Xorriso,
};
use crate::{
    domain::{
        identity::ImageId,
        image::{Image, ImagePart},
    },
    ports::{ImageLedger, ImageLibrary, ImageLibraryError, LedgerError, ServedFile},
};

/// Tells how many bytes are free for us on the disk of a folder.
type FreeSpace = Arc<dyn Fn(&Path) -> io::Result<u64> + Send + Sync>;

/// Why an image was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// There is no such image.
    #[error("there is no image `{0}`; `rackseed image list` shows what there is")]
    Unknown(ImageId),
    /// A rebuild that has not ended needs it.
    #[error("the image `{0}` belongs to a rebuild that has not ended; wait for it, or cancel it")]
    InUse(ImageId),
    /// The library cannot be changed now, or its folder cannot be written.
    #[error(transparent)]
    Library(#[from] AddError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The library: one folder for each image, one row for each folder.
#[derive(Clone)]
pub struct ImageFolder {
    pub(super) folder: PathBuf,
    pub(super) ledger: Arc<dyn ImageLedger>,
    pub(super) xorriso: Xorriso,
    pub(super) free_space: FreeSpace,
}

impl ImageFolder {
    /// Uses a folder, `<data_folder>/images`, which is made when the first image is added.
    pub fn new(folder: impl Into<PathBuf>, ledger: Arc<dyn ImageLedger>) -> Self {
        Self {
            folder: folder.into(),
            ledger,
            xorriso: Xorriso { program: OsString::from("xorriso") },
            free_space: Arc::new(free_space),
        }
    }

    /// Uses another program in place of `xorriso` from the search path.
    pub fn with_xorriso(mut self, program: impl Into<OsString>) -> Self {
        self.xorriso.program = program.into();
        self
    }

    /// Asks somebody else how much disk is free.
    pub fn with_free_space(mut self, free_space: impl Fn(&Path) -> io::Result<u64> + Send + Sync + 'static) -> Self {
        self.free_space = Arc::new(free_space);
        self
    }

    /// Removes what interrupted additions and removals left behind, unless one goes on right now. Returns how many there were.
    pub fn clean_up(&self) -> Result<usize, AddError> {
        match Turn::take(&self.folder) {
            Ok(turn) => turn.remove_leftovers(&self.folder),
            Err(AddError::Busy) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Removes an image, row and files; `in_use` tells whether a rebuild that has not ended needs it. A download that still runs is
    /// not disturbed: its file stays open.
    pub async fn remove(&self, id: &ImageId, in_use: bool) -> Result<(), RemoveError> {
        if self.ledger.get(id).await?.is_none() {
            return Err(RemoveError::Unknown(id.clone()));
        }
        if in_use {
            return Err(RemoveError::InUse(id.clone()));
        }
        let turn = Turn::take(&self.folder)?;
        turn.remove_leftovers(&self.folder)?;
        // Files first: a row without files is told as damaged and can be removed again, files without a row would be forgotten.
        let removed = self.take_out(id).map_err(AddError::folder("removing the image's folder"))?;
        self.ledger.remove(id).await?;
        drop(removed);
        drop(turn);
        Ok(())
    }

    /// Gives a prepared folder its place and writes its row.
    pub(super) async fn settle(&self, partial: Partial, image: &Image) -> Result<(), AddError> {
        if self.ledger.get(&image.id).await?.is_some() {
            return Err(LedgerError::Conflict.into());
        }
        // A folder without a row was left by an addition that was interrupted just before its end.
        let leftover = self.take_out(&image.id).map_err(AddError::folder("replacing an unfinished image"))?;
        let (library, place) = (self.folder.clone(), self.place(&image.id));
        tokio::task::spawn_blocking(move || {
            drop(leftover);
            partial.settle(&library, &place)
        })
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(AddError::folder("writing the image to the disk"))?;
        if let Err(error) = self.ledger.insert(image).await {
            let _ = self.take_out(&image.id);
            return Err(error.into());
        }
        Ok(())
    }

    /// Whether the files of an image are as they were when it was added.
    pub(super) fn is_whole(&self, image: &Image) -> bool {
        ImagePart::ALL.iter().all(|part| self.open_part(image, *part).is_ok())
    }

    fn take_out(&self, id: &ImageId) -> io::Result<Option<Partial>> {
        match Partial::take_out(&self.folder, &self.place(id)) {
            Ok(taken) => Ok(Some(taken)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn place(&self, id: &ImageId) -> PathBuf {
        self.folder.join(id.as_str())
    }

    /// Opens a file of an image. Returns it with its length.
    fn open_part(&self, image: &Image, part: ImagePart) -> Result<(File, u64), ImageLibraryError> {
        let name = part.file_name();
        let damaged = |reason: String| ImageLibraryError::Damaged { image: image.id.clone(), reason };
        let opened = File::open(self.place(&image.id).join(name))
            .and_then(|file| file.metadata().map(|metadata| (metadata.len(), file)));
        let (length, file) = opened.map_err(|error| damaged(format!("{name} cannot be opened: {error}")))?;
        let expected = match part {
            ImagePart::InstallerIso => length == image.iso_size_bytes,
            ImagePart::Kernel => length > 0,
            ImagePart::Initrd => length > 0 && length.is_multiple_of(4),
        };
        if !expected {
            return Err(damaged(format!("{name} has another size than when it was added")));
        }
        Ok((file, length))
    }
}

#[async_trait]
impl ImageLibrary for ImageFolder {
    async fn images(&self) -> Result<Vec<Image>, LedgerError> {
        let mut images = self.ledger.list().await?;
        images.sort_by(|a, b| (b.release, &b.iso_release, b.added_at).cmp(&(a.release, &a.iso_release, a.added_at)));
        Ok(images)
    }

    async fn image(&self, id: &ImageId) -> Result<Option<Image>, LedgerError> {
        self.ledger.get(id).await
    }

    async fn open(
        &self,
        id: &ImageId,
        part: ImagePart,
        settings: Option<&str>,
    ) -> Result<ServedFile, ImageLibraryError> {
        let image = self.ledger.get(id).await?.ok_or_else(|| ImageLibraryError::UnknownImage(id.clone()))?;
        let (file, length) = self.open_part(&image, part)?;
        // Without settings the room holds comments only: the installer stops, and nobody ever gets the settings of another rebuild.
        let settings = settings.unwrap_or_default();
        let patch = match part {
            ImagePart::InstallerIso => settings_patch(&image, settings)?,
            ImagePart::Kernel | ImagePart::Initrd => Patch::default(),
        };
        let entity_tag = entity_tag(&image, part, &patch);
        Ok(view(file, length, patch, entity_tag))
    }
}

fn settings_patch(image: &Image, settings: &str) -> Result<Patch, ImageLibraryError> {
    let room = image.settings_size_bytes;
    let bytes = usize::try_from(room).ok().and_then(|room| fill_room(settings, room));
    let too_large =
        || ImageLibraryError::SettingsTooLarge { image: image.id.clone(), needed: settings.len() as u64, room };
    Ok(Patch { offset: image.settings_offset_bytes, bytes: bytes.ok_or_else(too_large)?.into() })
}

/// The source, when it was added (a copy that is made again may differ), the part, and what lies over it.
fn entity_tag(image: &Image, part: ImagePart, patch: &Patch) -> String {
    let mut hasher = Sha256::new();
    for word in [image.source_sha256.as_str(), part.file_name(), &image.added_at.to_string()] {
        hasher.update(word);
        hasher.update([0]);
    }
    hasher.update(&patch.bytes);
    format!("\"{}\"", data_encoding::HEXLOWER.encode(&hasher.finalize()[..16]))
}

fn free_space(folder: &Path) -> io::Result<u64> {
    let disk = nix::sys::statvfs::statvfs(folder)?;
    Ok(disk.blocks_available().saturating_mul(disk.fragment_size()))
}
