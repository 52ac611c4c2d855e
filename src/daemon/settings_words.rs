//! Settings whose empty value means that they are not set.

use std::path::{Path, PathBuf};

/// A text setting that is set.
pub(super) fn set(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// A path setting that is set.
pub(super) fn set_path(path: &Path) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then(|| path.to_owned())
}
