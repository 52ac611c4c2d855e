//! The installer ISO. What changes seldom (a small Debian with a stand-in node) is built once per machine and kept by a hash of what it is
//! made from.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};

use crate::program::run;

/// How long building the system may take, in the words of timeout(1): it took one minute on two cores.
const BUILD_LIMIT: &str = "900";

/// How the names of the folders begin in which systems are kept.
const SYSTEM_PREFIX: &str = "stand-in-system-";

/// Builds the ISO into a folder.
pub(crate) fn build(folder: &Path) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/stand_in");
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let system = kept.join(format!("{SYSTEM_PREFIX}{}", hash(&sources)));
    if !system.join("complete").exists() {
        remove_older(kept);
        eprintln!("building the stand-in system (once per machine, about a minute)");
        eprint!("{}", run(Command::new("timeout").arg(BUILD_LIMIT).arg(sources.join("build-system")).arg(&system)));
    }
    let iso = folder.join("proxmox-ve_9.2-1.iso");
    run(Command::new(sources.join("build-iso")).arg(&system).arg(installer_program()).arg(&iso));
    iso
}

/// Removes systems that were made from other sources.
fn remove_older(kept: &Path) {
    for entry in fs::read_dir(kept).expect("the target folder").flatten() {
        if entry.file_name().to_string_lossy().starts_with(SYSTEM_PREFIX) {
            fs::remove_dir_all(entry.path()).expect("an old system that can be removed");
        }
    }
}

/// Builds the stand-in installer and tells where it is: beside the binary of Rackseed, among the examples.
fn installer_program() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let mut build = Command::new(cargo);
    build.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--example", "stand_in_installer"]);
    let folder = Path::new(env!("CARGO_BIN_EXE_rackseed")).parent().expect("a folder of binaries");
    if folder.ends_with("release") {
        build.arg("--release");
    }
    run(&mut build);
    folder.join("examples/stand_in_installer")
}

/// Hashes every file that the system is made from, with its name.
fn hash(sources: &Path) -> String {
    let mut files = vec![sources.join("build-system")];
    for folder in ["boot", "node"] {
        let entries = fs::read_dir(sources.join(folder)).expect("the stand-in's sources");
        files.extend(entries.map(|entry| entry.expect("the stand-in's sources").path()));
    }
    files.sort();
    let mut hasher = Sha256::new();
    for file in files {
        hasher.update(file.file_name().expect("a file name").as_encoded_bytes());
        hasher.update(fs::read(&file).expect("the stand-in's sources"));
    }
    data_encoding::HEXLOWER.encode(&hasher.finalize()[..8])
}
