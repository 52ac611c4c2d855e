//! Reads what would be served, without a server: the truth with which what arrives is compared.

use std::{ops::Range, os::unix::fs::FileExt};

use rackseed::ports::{Segment, ServedFile};

/// The bytes of a range.
pub(crate) fn bytes_of(file: &ServedFile, range: Range<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for segment in file.part(range) {
        match segment {
            Segment::Memory(part) => bytes.extend_from_slice(&part),
            Segment::Disk { file, range } => {
                let begin = bytes.len();
                bytes.resize(begin + (range.end - range.start) as usize, 0);
                file.read_exact_at(&mut bytes[begin..], range.start).unwrap();
            }
        }
    }
    bytes
}
