//! An ingested installer image.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::identity::ImageId;

/// The version of the installer on an image, which decides the dialect of its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InstallerRelease {
    /// The part before the point of `RELEASE` in `.cd-info`.
    pub major: u16,
    /// The part after it.
    pub minor: u16,
}

/// The oldest installer that can be rebuilt with: 8.2 knows neither the webhook, nor first boot, nor hashed passwords.
pub const OLDEST_INSTALLER: InstallerRelease = InstallerRelease { major: 8, minor: 3 };

impl InstallerRelease {
    /// Reads `9.2` or `8.3`; `None` when it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for InstallerRelease {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// One installer ISO as it lies in the library: kernel, initrd and the PXE copy of the ISO.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// Our id of it.
    pub id: ImageId,
    /// `PRODUCT` of `.cd-info`: `pve`.
    pub product: String,
    /// `PRODUCTLONG` of `.cd-info`: `Proxmox VE`.
    pub product_name: String,
    /// `RELEASE` of `.cd-info`.
    pub release: InstallerRelease,
    /// `ISORELEASE` of `.cd-info`.
    pub iso_release: String,
    /// The name of the file that was added.
    pub source_name: String,
    /// SHA-256 of the file that was added, 64 lower-case hexadecimal digits.
    pub source_sha256: String,
    /// Size in bytes of the PXE copy of the ISO.
    pub iso_size_bytes: u64,
    /// Where the private settings file lies in the PXE copy, in bytes from its start.
    pub settings_offset_bytes: u64,
    /// Room for the private settings file, in bytes.
    pub settings_size_bytes: u64,
    /// When it was added.
    pub added_at: Timestamp,
}

/// The files of an image that a booting machine loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImagePart {
    /// The kernel, `boot/linux26` on the ISO.
    Kernel,
    /// The initial RAM disk, `boot/initrd.img` on the ISO.
    Initrd,
    /// The ISO itself without `/boot`, with the private settings of one rebuild.
    InstallerIso,
}

impl ImagePart {
    /// Every part.
    pub const ALL: &[Self] = &[Self::Kernel, Self::Initrd, Self::InstallerIso];

    /// Its file name, in the library and in URLs.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Kernel => "linux26",
            Self::Initrd => "initrd.img",
            Self::InstallerIso => "installer.iso",
        }
    }
}
