//! The boot files of the firmware table as they lie in the iPXE folder.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use crate::domain::firmware::{FIRMWARE, FirmwareKind, OLDEST_UEFI_IPXE, ipxe_boots_uefi};

/// A larger file is no iPXE.
const LARGEST_FILE_BYTES: u64 = 8 << 20;

/// One boot file that can be served.
#[derive(Debug, Clone)]
pub struct BootFile {
    /// Its bytes.
    pub bytes: Arc<[u8]>,
    /// The version that stands in it, where it can be read (`undionly.kpxe` is compressed).
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
    /// Reads the firmware table's files from a folder.
    pub fn load(folder: &Path) -> Self {
        let mut loaded = Self::default();
        for row in FIRMWARE {
            if loaded.files.contains_key(row.boot_file)
                || loaded.problems.iter().any(|problem| problem.contains(row.boot_file))
            {
                continue;
            }
            match read(&folder.join(row.boot_file), row.kind) {
                Ok(file) => drop(loaded.files.insert(row.boot_file.to_owned(), file)),
                Err(problem) => loaded.problems.push(problem),
            }
        }
        loaded
    }

    /// Finds a file by the name that firmware asks for: with slashes and backslashes, in any case, with a stray NUL or 0xff at its end.
    pub fn find(&self, asked: &str) -> Option<&BootFile> {
        let name = asked.trim_end_matches(['\0', '\u{ff}', '\u{fffd}']).replace('\\', "/").to_ascii_lowercase();
        self.files.get(name.trim_start_matches('/'))
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
            "the boot file {} is iPXE {version}, which loses the installer ISO on UEFI; {OLDEST_UEFI_IPXE} or newer is needed (Debian 12: bookworm-backports)",
            path.display()
        ));
    }
    Ok(BootFile { bytes: bytes.into(), version })
}

/// Finds the text `iPXE 1.21.1+git…` or `iPXE/2.0.0…` in a binary.
fn version(bytes: &[u8]) -> Option<String> {
    let starts = bytes
        .windows(5)
        .enumerate()
        .filter(|(_, window)| window.starts_with(b"iPXE") && matches!(window[4], b' ' | b'/'))
        .map(|(place, _)| place + 5);
    starts.into_iter().find_map(|start| {
        let text: String =
            bytes[start..].iter().take(60).map(|byte| char::from(*byte)).take_while(|c| c.is_ascii_graphic()).collect();
        (text.starts_with(|c: char| c.is_ascii_digit()) && text.contains('.')).then_some(text)
    })
}
