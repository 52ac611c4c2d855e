//! An ingested installer image.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::identity::ImageId;

/// The product that hosts are rebuilt with, as `PRODUCT` of `.cd-info` says it.
pub const REBUILD_PRODUCT: &str = "pve";

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
    /// Whether an operator made it the default.
    pub is_default: bool,
    /// What its files were when it was added; absent for images that an earlier version took in.
    pub files: Option<ImageFiles>,
}

/// What the files of an image were when it was added: whatever differs now is damage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFiles {
    /// The kernel.
    pub kernel: FileRecord,
    /// The initial RAM disk.
    pub initrd: FileRecord,
    /// The PXE copy of the ISO.
    pub installer_iso: FileRecord,
    /// What the initial RAM disk unpacks to, in bytes.
    pub initrd_unpacked_bytes: u64,
}

/// What one file was when its image was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Its size.
    pub size_bytes: u64,
    /// SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// When it was last written to.
    pub modified_at: Timestamp,
}

impl ImageFiles {
    /// The record of a part.
    pub fn of(&self, part: ImagePart) -> &FileRecord {
        match part {
            ImagePart::Kernel => &self.kernel,
            ImagePart::Initrd => &self.initrd,
            ImagePart::InstallerIso => &self.installer_iso,
        }
    }

    /// The record of a part, to be brought up to date.
    pub fn of_mut(&mut self, part: ImagePart) -> &mut FileRecord {
        match part {
            ImagePart::Kernel => &mut self.kernel,
            ImagePart::Initrd => &mut self.initrd,
            ImagePart::InstallerIso => &mut self.installer_iso,
        }
    }
}

impl Image {
    /// Its name for a person: `Proxmox VE 9.2-1`.
    pub fn title(&self) -> String {
        format!("{} {}-{}", self.product_name, self.release, self.iso_release)
    }

    /// Why no host can be rebuilt with it, in one sentence; `None` when hosts can be. Such an image is kept and listed all the same.
    pub fn unfit_for_rebuild(&self) -> Option<String> {
        if self.product != REBUILD_PRODUCT {
            return Some(format!(
                "{} installs {}, which cannot be a member of a Proxmox VE cluster, and a rebuild ends there; boot it by other means",
                self.id, self.product_name
            ));
        }
        (self.release < OLDEST_INSTALLER).then(|| {
            format!(
                "{} has the installer of {} {}; {OLDEST_INSTALLER} or newer is needed, because older installers know neither the \
                 post-installation webhook (which reports the SSH host key) nor first-boot scripts",
                self.id, self.product_name, self.release
            )
        })
    }
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
