//! Takes an ISO file in: what is checked, in which order, and what is told meanwhile.

use std::{fs::File, io, io::Read, path::Path, time::SystemTime};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{
    AddError, ImageFolder,
    ingest::{self, Source},
    pxe_copy,
    staging::Turn,
};
use crate::domain::image::Image;

/// How much is hashed between two reports.
const HASH_CHUNK_BYTES: usize = 4 << 20;
/// What a full disk would take with it (the database beside the library) keeps at least this much when an image is added.
const SPACE_MARGIN_BYTES: u64 = 64 << 20;

/// How far an addition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The checksum of the source is computed.
    Hashing {
        /// Bytes so far.
        done_bytes: u64,
        /// Bytes in all.
        total_bytes: u64,
    },
    /// The ISO is looked into.
    Reading,
    /// Kernel and initrd are extracted.
    Extracting,
    /// The PXE copy is written.
    WritingCopy,
    /// Everything is written to the disk and given its place.
    Finishing,
}

impl ImageFolder {
    /// Adds an installer ISO: checks it, makes its folder, and writes its row last. The same ISO again returns the image that there is.
    ///
    /// Interrupted in whatever way, it leaves nothing that counts, and can be repeated. Only one addition or removal goes on at a time.
    pub async fn add(
        &self,
        file: &Path,
        expected_sha256: Option<&str>,
        now: Timestamp,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Image, AddError> {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.add_as(name, file, expected_sha256, now, progress).await
    }

    /// The same, with another name than that under which the file lies there.
    pub(super) async fn add_as(
        &self,
        name: String,
        file: &Path,
        expected_sha256: Option<&str>,
        now: Timestamp,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Image, AddError> {
        let expected = expected_sha256.map(read_checksum).transpose()?;
        let unreadable = |source| AddError::UnreadableSource { path: file.to_owned(), source };
        let path = file.canonicalize().map_err(unreadable)?;
        let opened = File::open(&path).map_err(unreadable)?;
        let stamp = Stamp::of(&opened).map_err(unreadable)?;
        let turn = Turn::take(&self.folder)?;
        self.remove_leftovers(&turn).await?;
        let volume_uuid = pxe_copy::read_volume_uuid(&opened)?;
        self.check_space(stamp.length)?;
        let sha256 = hash(&opened, stamp.length, progress).await.map_err(unreadable)?;
        if let Some(expected) = expected.filter(|expected| *expected != sha256) {
            return Err(AddError::WrongChecksum { expected, seen: sha256 });
        }
        if let Some(image) = self.ledger.list().await?.into_iter().find(|image| image.source_sha256 == sha256) {
            return if self.is_whole(&image) { Ok(image) } else { Err(AddError::Damaged(image.id.to_string())) };
        }
        let source = Source { path, name, sha256, volume_uuid };
        let (partial, image) = ingest::prepare(&self.xorriso, &self.folder, &source, now, progress).await?;
        if Stamp::of(&opened).map_err(unreadable)? != stamp {
            return Err(AddError::SourceChanged(file.to_owned()));
        }
        self.settle(partial, &image).await?;
        drop(turn);
        Ok(image)
    }

    fn check_space(&self, source_bytes: u64) -> Result<(), AddError> {
        self.require_space(space_for(source_bytes))
    }

    /// Refuses what the disk has no room for, before anything is written.
    pub(super) fn require_space(&self, needed: u64) -> Result<(), AddError> {
        let free = (self.free_space)(&self.folder).map_err(AddError::folder("asking for the free disk space"))?;
        if free < needed {
            return Err(AddError::NotEnoughSpace { folder: self.folder.clone(), needed, free });
        }
        Ok(())
    }
}

/// How much disk an image of a source of this size needs while it is made: its copy, and kernel and initrd, which the copy no longer has.
/// They are as large as the source together; a quarter more is for what `xorriso` adds.
pub(super) fn space_for(source_bytes: u64) -> u64 {
    source_bytes.saturating_add(source_bytes / 4).saturating_add(SPACE_MARGIN_BYTES)
}

/// What tells that a file was written to.
#[derive(PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: SystemTime,
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(Self { length: metadata.len(), modified: metadata.modified()? })
    }
}

pub(super) fn read_checksum(text: &str) -> Result<String, AddError> {
    let digits = text.trim().to_ascii_lowercase();
    if digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(digits);
    }
    Err(AddError::NotAChecksum(text.chars().take(80).collect()))
}

async fn hash(file: &File, total_bytes: u64, progress: &(dyn Fn(Progress) + Send + Sync)) -> io::Result<String> {
    let mut state = (file.try_clone()?, Sha256::new(), vec![0; HASH_CHUNK_BYTES]);
    let mut done_bytes = 0;
    loop {
        progress(Progress::Hashing { done_bytes, total_bytes });
        let chunk = tokio::task::spawn_blocking(move || {
            let (file, hasher, buffer) = &mut state;
            let read = file.read(buffer)?;
            hasher.update(&buffer[..read]);
            io::Result::Ok((read, state))
        });
        let (read, after) = chunk.await.map_err(io::Error::other)??;
        state = after;
        if read == 0 {
            return Ok(data_encoding::HEXLOWER.encode(&state.1.finalize()));
        }
        done_bytes += read as u64;
    }
}
