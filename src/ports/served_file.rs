//! A file as machines see it: pieces of files on disk and bytes that lie between them.

use std::{fs::File, ops::Range, sync::Arc};

use bytes::Bytes;

/// A file that never changes while it is served: every range of it is a part of the same whole.
#[derive(Debug, Clone)]
pub struct ServedFile {
    entity_tag: String,
    segments: Vec<Segment>,
}

/// A run of bytes, wherever they lie.
#[derive(Debug, Clone)]
pub enum Segment {
    /// Bytes of a file on disk.
    Disk {
        /// The file, which nobody changes.
        file: Arc<File>,
        /// Which of its bytes.
        range: Range<u64>,
    },
    /// Bytes in memory.
    Memory(Bytes),
}

impl ServedFile {
    /// Makes a file of these segments, one after the other. `entity_tag` is a strong one, in quotes: the same bytes, the same tag
    /// (RFC 9110 §8.8.3).
    pub fn new(entity_tag: String, segments: Vec<Segment>) -> Self {
        Self { entity_tag, segments }
    }

    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.segments.iter().map(Segment::length).sum()
    }

    /// Its entity tag.
    pub fn entity_tag(&self) -> &str {
        &self.entity_tag
    }

    /// The segments of a range. What lies past the end is left out.
    pub fn part(&self, range: Range<u64>) -> Vec<Segment> {
        let mut begin = 0;
        let mut part = Vec::new();
        for segment in &self.segments {
            let end = begin + segment.length();
            let within = range.start.clamp(begin, end) - begin..range.end.clamp(begin, end) - begin;
            if within.start < within.end {
                part.push(segment.part(&within));
            }
            begin = end;
        }
        part
    }
}

impl Segment {
    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        match self {
            Self::Disk { range, .. } => range.end - range.start,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// A part of it; the range lies within its length.
    fn part(&self, within: &Range<u64>) -> Self {
        match self {
            Self::Disk { file, range } => {
                Self::Disk { file: Arc::clone(file), range: range.start + within.start..range.start + within.end }
            }
            // What lies in memory has a length that fits.
            Self::Memory(bytes) => Self::Memory(bytes.slice(within.start as usize..within.end as usize)),
        }
    }
}
