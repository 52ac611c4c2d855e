//! Where things lie on this computer.

use std::path::{Path, PathBuf};

use crate::settings::Settings;

/// The catalog's folders with their names in the archive.
pub(super) fn catalog_folders(settings: &Settings) -> [(&'static str, &Path); 3] {
    let catalog = &settings.catalog;
    [("answer-templates", &catalog.answer_templates), ("server-types", &catalog.server_types), ("ipxe", &catalog.ipxe)]
}

/// Files that the settings name and that belong to the operator.
pub(super) fn operators_files(settings: &Settings) -> Vec<PathBuf> {
    let named = [&settings.proxmox.key_file, &settings.proxmox.root_password_file, &settings.infrastructure.token_file];
    named.into_iter().filter(|path| !path.as_os_str().is_empty()).cloned().collect()
}

/// The same place with something after its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!("{name}{suffix}"))
}
