//! What a person does with the images that there are, and the sweeping-up after what was interrupted.

use std::{fs, io};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    AddError, ImageFolder,
    records::record_file,
    staging::{Partial, Turn},
};
use crate::{
    domain::{
        identity::ImageId,
        image::{Image, ImagePart},
        image_use::ImageUse,
    },
    ports::{ImageKeeper, ImageRefusal, LedgerError, PartCheck, Removal},
};

impl ImageFolder {
    /// Removes what interrupted additions and removals left behind, unless one goes on right now. Returns how many there were.
    pub async fn clean_up(&self) -> Result<usize, AddError> {
        match Turn::take(&self.folder) {
            Ok(turn) => self.remove_leftovers(&turn).await,
            Err(AddError::Busy) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Removes unfinished folders, and folders of images without a row: an addition that ended just before its row was written, or a
    /// removal that ended just after.
    pub(super) async fn remove_leftovers(&self, turn: &Turn) -> Result<usize, AddError> {
        let doing = "removing what was left of an image";
        let mut orphans = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(AddError::folder(doing))? {
            let name = entry.map_err(AddError::folder(doing))?.file_name();
            let id = name.to_str().and_then(|name| name.parse::<ImageId>().ok());
            if let Some(id) = id.filter(|id| self.holds_only_parts(id))
                && self.ledger.get(&id).await?.is_none()
            {
                orphans.push(id);
            }
        }
        for id in &orphans {
            drop(self.take_out(id).map_err(AddError::folder(doing))?);
        }
        let library = self.folder.clone();
        let unfinished = turn.remove_unfinished(&library)?;
        Ok(orphans.len() + unfinished)
    }

    /// Whether a folder has nothing in it but the files of an image: whatever else a person put here is not ours to remove.
    fn holds_only_parts(&self, id: &ImageId) -> bool {
        let is_part = |name: &std::ffi::OsStr| ImagePart::ALL.iter().any(|part| name == part.file_name());
        fs::read_dir(self.place(id))
            .is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(|entry| is_part(&entry.file_name()))))
    }

    /// Compares every file with its checksum. Where only the time differs (restored from a backup, for instance), the new time is
    /// recorded, so that the image can be used again.
    async fn check_image(&self, mut image: Image) -> Result<Vec<PartCheck>, ImageRefusal> {
        let Some(files) = &mut image.files else {
            let problem =
                "no checksum was recorded by the version that added it; remove it and add it again".to_owned();
            let unknown = |part: &ImagePart| PartCheck { part: *part, problem: Some(problem.clone()) };
            return Ok(ImagePart::ALL.iter().map(unknown).collect());
        };
        let (mut checks, mut is_changed) = (Vec::new(), false);
        for part in ImagePart::ALL {
            let path = self.place(&image.id).join(part.file_name());
            let seen = tokio::task::spawn_blocking(move || record_file(&path)).await;
            let record = files.of_mut(*part);
            let problem = match seen.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok(seen) if seen.sha256 == record.sha256 => {
                    is_changed |= *record != seen;
                    *record = seen;
                    None
                }
                Ok(seen) => Some(format!("it has the SHA-256 checksum {}, not {}", seen.sha256, record.sha256)),
                Err(error) => Some(format!("it cannot be read: {error}")),
            };
            checks.push(PartCheck { part: *part, problem });
        }
        if is_changed {
            self.ledger.set_files(&image.id, files).await?;
        }
        Ok(checks)
    }
}

#[async_trait]
impl ImageKeeper for ImageFolder {
    async fn uses(&self) -> Result<Vec<(ImageId, ImageUse)>, LedgerError> {
        self.ledger.uses().await
    }

    async fn remove(&self, id: &ImageId, others: &[ImageUse], now: Timestamp) -> Result<(), ImageRefusal> {
        let turn = Turn::take(&self.folder).map_err(refusal)?;
        // The row first: what has none is nobody's, and is swept up at the next start if we do not come that far.
        match self.ledger.remove(id, others, now).await? {
            Removal::Removed => {}
            Removal::Unknown => return Err(ImageRefusal::Unknown(id.clone())),
            Removal::Used(users) => return Err(ImageRefusal::InUse { image: id.clone(), users }),
        }
        let removed: io::Result<Option<Partial>> = self.take_out(id);
        drop(turn);
        match removed {
            Ok(files) => drop(tokio::task::spawn_blocking(move || drop(files)).await),
            Err(error) => {
                tracing::warn!(%error, image = id.as_str(), "files of a removed image are left; the next start removes them")
            }
        }
        Ok(())
    }

    async fn make_default(&self, id: &ImageId, now: Timestamp) -> Result<(), ImageRefusal> {
        let image = self.ledger.get(id).await?.ok_or_else(|| ImageRefusal::Unknown(id.clone()))?;
        if let Some(why) = image.unfit_for_rebuild() {
            return Err(ImageRefusal::Unfit(why));
        }
        if self.ledger.set_default(id, now).await? { Ok(()) } else { Err(ImageRefusal::Unknown(id.clone())) }
    }

    async fn check(&self, id: &ImageId) -> Result<Vec<PartCheck>, ImageRefusal> {
        let image = self.ledger.get(id).await?.ok_or_else(|| ImageRefusal::Unknown(id.clone()))?;
        self.check_image(image).await
    }
}

fn refusal(error: AddError) -> ImageRefusal {
    if matches!(error, AddError::Busy) { ImageRefusal::Busy } else { ImageRefusal::Folder(error.to_string()) }
}
