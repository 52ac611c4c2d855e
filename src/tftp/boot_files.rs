//! The boot files of the firmware table as they lie in the iPXE folder.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{
    domain::firmware::{BOOT_FILES, FirmwareKind, OLDEST_UEFI_IPXE, ipxe_boots_uefi},
    ports::{BootFileShelf, Segment, ServedFile},
};

/// A larger file is no iPXE.
const LARGEST_FILE_BYTES: u64 = 8 << 20;

/// One boot file that can be served.
#[derive(Debug, Clone)]
pub struct BootFile {
    /// Its bytes.
    pub bytes: Arc<[u8]>,
    /// Its entity tag for HTTP.
    pub entity_tag: String,
    /// The version that stands in it; `None` where none can be read (`undionly.kpxe` is compressed).
    pub version: Option<String>,
}

/// The boot files, and what is wrong with those that cannot be served.
#[derive(Debug, Clone, Default)]
pub struct BootFiles {
    /// The files by name.
    pub files: BTreeMap<String, BootFile>,
    /// One sentence for each file that is missing or too old.
    pub problems: Vec<String>,
}

impl BootFiles {
    /// Reads the boot files that there are in a folder; only those that the firmware table needs must be there.
    pub fn load(folder: &Path) -> Self {
        let mut loaded = Self::default();
        for row in BOOT_FILES {
            let path = folder.join(row.name);
            if !row.is_needed && !path.exists() {
                continue;
            }
            match read(&path, row.kind) {
                Ok(file) => drop(loaded.files.insert(row.name.to_owned(), file)),
                Err(problem) if row.is_needed => loaded.problems.push(problem),
                // A host that was given it is told so when it asks.
                Err(problem) => tracing::debug!("{problem}"),
            }
        }
        loaded
    }
}

impl BootFileShelf for BootFiles {
    fn boot_file(&self, name: &str) -> Option<ServedFile> {
        let file = self.files.get(name)?;
        let bytes = Segment::Memory(Bytes::from_owner(Arc::clone(&file.bytes)));
        Some(ServedFile::new(file.entity_tag.clone(), vec![bytes]))
    }

    fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }
}

fn read(path: &Path, kind: FirmwareKind) -> Result<BootFile, String> {
    let missing = |error: std::io::Error| {
        format!(
            "the boot file {} cannot be read: {error}; install Debian's package `ipxe`, or set pxe.ipxe_folder",
            path.display()
        )
    };
    let size = fs::metadata(path).map_err(missing)?.len();
    if size > LARGEST_FILE_BYTES {
        return Err(format!("the boot file {} has {size} bytes; that is no iPXE", path.display()));
    }
    let bytes = fs::read(path).map_err(missing)?;
    let version = version(&bytes);
    if kind == FirmwareKind::UefiX64
        && let Some(version) = version.as_deref().filter(|version| !ipxe_boots_uefi(version))
    {
        return Err(format!(
            "the boot file {} is iPXE {version}, which loses the installer ISO on UEFI; {OLDEST_UEFI_IPXE} or newer is needed (the package `ipxe` of Debian 13 has one)",
            path.display()
        ));
    }
    let entity_tag = format!("\"{}\"", data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)[..16]));
    Ok(BootFile { bytes: bytes.into(), entity_tag, version })
}

/// Finds the version in an iPXE binary: in its SBAT line (`ipxe,1,iPXE,snponly.efi,1.21.1+git20250501.dad20602,https://ipxe.org`), which
/// builds from 2023 on have, else as a text of its own between NUL bytes (`1.0.0+git-20190125.36a4c85-5.1` in Debian 12's).
fn version(bytes: &[u8]) -> Option<String> {
    let texts = || bytes.split(|byte| *byte == 0 || *byte == b'\n').filter_map(|text| str::from_utf8(text).ok());
    let declared = texts().find_map(|text| text.strip_prefix("ipxe,")?.split(',').nth(3));
    declared.or_else(|| texts().find(|text| is_version(text))).map(str::to_owned)
}

/// Whether a text reads like `2.0.0`, `1.21.1+git20250501` or `2.0.0+ (g0ab22)`, and like nothing else that a binary may hold.
fn is_version(text: &str) -> bool {
    let (numbers, rest) = text.split_at(text.find('+').unwrap_or(text.len()));
    let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    numbers.split('.').count() == 3
        && numbers.split('.').all(is_number)
        && rest.len() <= 60
        && rest.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_binaries_of_every_age() {
        let sbat = "sbat,1,SBAT Version,sbat,1,x\nipxe,1,iPXE,snponly.efi,2.0.0+ (g0ab22),https://ipxe.org\n";
        let debian_12 = "1.0.0+git-20190125.36a4c85-5.1";
        for (texts, expected) in [
            (vec!["MZ", "1.2.3.4", "iPXE/%s", "1.0.0", sbat, ""], Some("2.0.0+ (g0ab22)")),
            (vec!["MZ", "1.2.3.4", "10.0", "iPXE %s", debian_12, "tail"], Some(debian_12)),
            (vec!["MZ", "2.0.0", ""], Some("2.0.0")),
            (vec!["compressed", "\u{f0}", "1.2"], None),
        ] {
            let binary = texts.join("\0").into_bytes();
            assert_eq!(version(&binary).as_deref(), expected);
        }
    }
}
