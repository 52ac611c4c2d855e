//! A part of an image as it is served: a file that never changes, with one rebuild's settings in their room.

use std::{fs::File, sync::Arc};

use bytes::Bytes;

use crate::ports::{Segment, ServedFile};

/// The bytes that are shown in place of the file's own; none by default.
#[derive(Debug, Default)]
pub(super) struct Patch {
    pub(super) offset: u64,
    pub(super) bytes: Bytes,
}

/// Shows a file of `length` bytes with a patch over it. What of the patch would lie past the end is not shown.
pub(super) fn view(file: File, length: u64, mut patch: Patch, entity_tag: String) -> ServedFile {
    let file = Arc::new(file);
    let begin = patch.offset.min(length);
    let end = patch.offset.saturating_add(patch.bytes.len() as u64).min(length);
    // At most what the patch has.
    patch.bytes.truncate((end - begin) as usize);
    let disk = |range| Segment::Disk { file: Arc::clone(&file), range };
    ServedFile::new(entity_tag, vec![disk(0..begin), Segment::Memory(patch.bytes), disk(end..length)])
}
