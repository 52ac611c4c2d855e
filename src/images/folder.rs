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
    records::difference,
    served::{Patch, view},
    settings_room::fill_room,
    staging::Partial,
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

    pub(super) fn take_out(&self, id: &ImageId) -> io::Result<Option<Partial>> {
        match Partial::take_out(&self.folder, &self.place(id)) {
            Ok(taken) => Ok(Some(taken)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn place(&self, id: &ImageId) -> PathBuf {
        self.folder.join(id.as_str())
    }

    /// Opens a file of an image, which must look as it did when the image was added. Returns it with its length.
    fn open_part(&self, image: &Image, part: ImagePart) -> Result<(File, u64), ImageLibraryError> {
        let name = part.file_name();
        let damaged = |reason: String| ImageLibraryError::Damaged { image: image.id.clone(), reason };
        let opened = File::open(self.place(&image.id).join(name))
            .and_then(|file| file.metadata().map(|metadata| (metadata, file)));
        let (metadata, file) = opened.map_err(|error| damaged(format!("{name} cannot be opened: {error}")))?;
        let length = metadata.len();
        let difference = match (&image.files, part) {
            (Some(files), part) => difference(files.of(part), &metadata),
            (None, ImagePart::InstallerIso) if length != image.iso_size_bytes => Some("has another size".to_owned()),
            (None, _) if length == 0 => Some("is empty".to_owned()),
            (None, _) => None,
        };
        match difference {
            Some(difference) => Err(damaged(format!("{name} {difference}"))),
            None => Ok((file, length)),
        }
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
