//! The defaults that are part of the program: what a missing folder is made with.

use std::{fs, io, path::Path};

use super::CatalogFolders;

const ANSWER_TEMPLATES: &[(&str, &str)] = &[
    ("default.toml", include_str!("../../answer-templates/default.toml")),
    ("static-network.toml", include_str!("../../answer-templates/static-network.toml")),
    ("zfs-mirror.toml", include_str!("../../answer-templates/zfs-mirror.toml")),
];
const SERVER_TYPES: &[(&str, &str)] = &[("server-types.yaml", include_str!("../../server-types/server-types.yaml"))];
/// The script that folders of an earlier version lack.
pub(super) const WAIT_SCRIPT: &str = include_str!("../../ipxe/wait.ipxe");
const SCRIPTS: &[(&str, &str)] = &[
    ("identify.ipxe", include_str!("../../ipxe/identify.ipxe")),
    ("install.ipxe", include_str!("../../ipxe/install.ipxe")),
    ("local.ipxe", include_str!("../../ipxe/local.ipxe")),
    ("refuse.ipxe", include_str!("../../ipxe/refuse.ipxe")),
    ("wait.ipxe", WAIT_SCRIPT),
];

/// Makes every folder that is missing, with the built-in defaults in it. A folder that is there is left alone, also when it is empty.
pub(super) fn make_missing(folders: &CatalogFolders) -> io::Result<()> {
    let all = [
        (&folders.answer_templates, ANSWER_TEMPLATES),
        (&folders.server_types, SERVER_TYPES),
        (&folders.ipxe, SCRIPTS),
    ];
    for (folder, files) in all {
        if !folder.exists() {
            make(folder, files)?;
        }
    }
    Ok(())
}

/// Makes it beside its place and moves it there whole: a folder that is half made would count as the operator's.
fn make(folder: &Path, files: &[(&str, &str)]) -> io::Result<()> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = folder.with_file_name(format!(".{name}.new"));
    fs::create_dir_all(&beside)?;
    for (name, text) in files {
        fs::write(beside.join(name), text)?;
    }
    fs::rename(beside, folder)
}
