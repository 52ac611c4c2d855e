//! The iPXE binaries that firmware loads.

use super::ServedFile;

/// Keeps the boot files of the firmware table in memory.
pub trait BootFileShelf: Send + Sync {
    /// Returns the file with this name, a row of `domain::firmware::BOOT_FILES`; `None` when the iPXE folder has none, or one that is too old.
    fn boot_file(&self, name: &str) -> Option<ServedFile>;

    /// Whether there is such a file.
    fn has(&self, name: &str) -> bool;
}
