//! Why an image was not added.

use std::{io, path::PathBuf, time::Duration};

use crate::ports::LedgerError;

/// Why an image was not added; in each case the library is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// The source cannot be read.
    #[error("cannot read {}", path.display())]
    UnreadableSource {
        /// The file that was to be added.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The source changed while it was read: a download that still runs, for instance.
    #[error("{} changed while it was read; wait until it is complete, then add it again", .0.display())]
    SourceChanged(PathBuf),
    /// What was given as a checksum is none.
    #[error("`{0}` is not a SHA-256 checksum; it has 64 hexadecimal digits")]
    NotAChecksum(String),
    /// The source is not the file that the checksum belongs to.
    #[error("the file has the SHA-256 checksum {seen}, not {expected}: it is damaged, incomplete or another file")]
    WrongChecksum {
        /// What was expected.
        expected: String,
        /// What it is.
        seen: String,
    },
    /// The disk of the library is too small; nothing was written.
    #[error("the disk of {} needs {} MiB for this image and has {} MiB free", folder.display(), mebibytes(*needed), mebibytes(*free))]
    NotEnoughSpace {
        /// The library.
        folder: PathBuf,
        /// Bytes that are needed, with a margin.
        needed: u64,
        /// Bytes that are there.
        free: u64,
    },
    /// The program that reads and writes ISOs is missing.
    #[error("the program `{0}` is missing; install Debian's package xorriso")]
    MissingXorriso(String),
    /// The source is not an installer ISO of Proxmox.
    #[error("this is not an installer ISO of Proxmox: {0}")]
    NotAnInstaller(String),
    /// The installer cannot install without a person.
    #[error("this ISO has no `/auto-installer-capable`: its installer cannot run without a person")]
    NotAutomatic,
    /// The library has this image, but its files are not what they were.
    #[error("the image `{0}` is in the library already, but damaged; remove it, then add it again")]
    Damaged(String),
    /// Somebody else is adding or removing an image.
    #[error("another image is being added or removed right now; try again when that is over")]
    Busy,
    /// A step with `xorriso` failed.
    #[error("{doing} failed: {said}")]
    Xorriso {
        /// The step.
        doing: &'static str,
        /// What the program said on standard error.
        said: String,
    },
    /// A step with `xorriso` did not end.
    #[error("{doing} did not end within {} s: {said}", limit.as_secs())]
    XorrisoTimedOut {
        /// The step.
        doing: &'static str,
        /// Its limit.
        limit: Duration,
        /// What the program had said on standard error by then.
        said: String,
    },
    /// The copy that `xorriso` wrote is not what was asked for.
    #[error("the PXE copy of the ISO is not as it should be: {0}")]
    UnexpectedCopy(String),
    /// The library's folder cannot be written.
    #[error("{doing} failed")]
    Folder {
        /// The step.
        doing: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl AddError {
    /// Names the step in which a file operation in the library failed.
    pub(super) fn folder(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Folder { doing, source }
    }
}

fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}
