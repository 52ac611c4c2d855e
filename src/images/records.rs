//! What the files of an image are, recorded when it is added and compared ever after.
//!
//! Size and time are compared whenever a file is opened: what a person or a disk did to it is seen before a machine loads it. The
//! checksum is compared when somebody asks for it, because reading a whole ISO takes seconds.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::domain::image::{FileRecord, ImageFiles, ImagePart};

/// How much is hashed at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Records the files of an image that lie in a folder.
pub(super) fn record(folder: &Path, initrd_unpacked_bytes: u64) -> io::Result<ImageFiles> {
    let of = |part: ImagePart| record_file(&folder.join(part.file_name()));
    Ok(ImageFiles {
        kernel: of(ImagePart::Kernel)?,
        initrd: of(ImagePart::Initrd)?,
        installer_iso: of(ImagePart::InstallerIso)?,
        initrd_unpacked_bytes,
    })
}

/// Records one file; reads all of it.
pub(super) fn record_file(path: &Path) -> io::Result<FileRecord> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; CHUNK_BYTES]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    let sha256 = data_encoding::HEXLOWER.encode(&hasher.finalize());
    Ok(FileRecord { size_bytes: metadata.len(), sha256, modified_at: modified_at(&metadata)? })
}

/// Says how an open file differs from its record at a glance; `None` when it does not.
pub(super) fn difference(record: &FileRecord, metadata: &fs::Metadata) -> Option<String> {
    if metadata.len() != record.size_bytes {
        return Some(format!("has {} bytes and had {} when it was added", metadata.len(), record.size_bytes));
    }
    match modified_at(metadata) {
        Ok(at) if at == record.modified_at => None,
        Ok(at) => Some(format!("was written to at {at}, after it was added")),
        Err(error) => Some(format!("does not say when it was written: {error}")),
    }
}

fn modified_at(metadata: &fs::Metadata) -> io::Result<Timestamp> {
    Timestamp::try_from(metadata.modified()?).map_err(io::Error::other)
}
