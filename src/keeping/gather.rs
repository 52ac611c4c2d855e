//! Finds everything that belongs into a backup.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::{
    KeepingError,
    manifest::{CATALOG, DATA_FILES, DATABASE, IMAGES, Part, SETTINGS},
    places::catalog_folders,
};
use crate::{domain::image::ImagePart, settings::Settings};

/// A larger file of a catalog folder is no template, script or list.
pub(super) const LARGEST_SMALL_BYTES: u64 = 16 << 20;
/// More files than this are no catalog folder.
const MOST_FILES: usize = 4_096;
/// How deep catalog folders may be nested.
const DEEPEST: usize = 8;
/// How much is read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Where the bytes of a part are.
pub(super) enum Source {
    Memory(Vec<u8>),
    File(PathBuf),
}

/// A part with its bytes.
pub(super) struct Gathered {
    pub(super) part: Part,
    pub(super) source: Source,
}

/// Gathers all parts but the database.
pub(super) fn gather(settings: &Settings, settings_file: &Path) -> Result<Vec<Gathered>, KeepingError> {
    let mut all = vec![small(settings_file, SETTINGS)?];
    for name in DATA_FILES {
        let path = settings.data_folder.join(name);
        // A folder that was never served has none of them yet; without a key file nothing is sealed there.
        if path.exists() {
            all.push(small(&path, &format!("data/{name}"))?);
        }
    }
    for (name, folder) in catalog_folders(settings) {
        gather_folder(folder, &format!("{CATALOG}/{name}"), 0, &mut all)?;
    }
    Ok(all)
}

/// The part of a database's copy.
pub(super) fn database(bytes: Vec<u8>) -> Gathered {
    memory(DATABASE, bytes, 0o600)
}

/// Gathers the files of one image.
pub(super) fn gather_image(data_folder: &Path, id: &str) -> Result<Vec<Gathered>, KeepingError> {
    let gather_part = |image_part: &ImagePart| {
        let name = image_part.file_name();
        let path = data_folder.join("images").join(id).join(name);
        let failed = || KeepingError::file("read", &path);
        let mut file = File::open(&path).map_err(failed())?;
        let mode = file.metadata().map_err(failed())?.permissions().mode() & 0o777;
        let (bytes, sha256) = sum(&mut file).map_err(failed())?;
        let part = Part { path: format!("{IMAGES}/{id}/{name}"), bytes, sha256, mode };
        Ok(Gathered { part, source: Source::File(path) })
    };
    ImagePart::ALL.iter().map(gather_part).collect()
}

/// Reads to the end; returns length and SHA-256.
pub(super) fn sum(reader: &mut dyn Read) -> io::Result<(u64, String)> {
    let (mut hasher, mut buffer, mut bytes) = (Sha256::new(), vec![0; CHUNK_BYTES], 0);
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok((bytes, HEXLOWER.encode(&hasher.finalize()))),
            read => {
                hasher.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

fn gather_folder(folder: &Path, name: &str, depth: usize, all: &mut Vec<Gathered>) -> Result<(), KeepingError> {
    let mut entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(KeepingError::file("read the folder", folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let Ok(file_name) = entry.file_name().into_string() else {
            return Err(KeepingError::Refused(format!("{} has a name that is not UTF-8; rename it", path.display())));
        };
        let name = format!("{name}/{file_name}");
        // Followed, so that a link is kept as what it leads to.
        let kind = fs::metadata(&path).map_err(KeepingError::file("read", &path))?;
        if kind.is_dir() && depth < DEEPEST {
            gather_folder(&path, &name, depth + 1, all)?;
        } else if kind.is_file() && all.len() < MOST_FILES {
            all.push(small(&path, &name)?);
        } else {
            return Err(KeepingError::Refused(format!(
                "{} is no file of a catalog, or there are more than {MOST_FILES}, or they are nested too deep; move it elsewhere",
                path.display()
            )));
        }
    }
    Ok(())
}

/// Reads a small file whole, so that its sum is that of what is written.
fn small(path: &Path, name: &str) -> Result<Gathered, KeepingError> {
    let failed = || KeepingError::file("read", path);
    let file = File::open(path).map_err(failed())?;
    let metadata = file.metadata().map_err(failed())?;
    let mut bytes = Vec::new();
    file.take(LARGEST_SMALL_BYTES + 1).read_to_end(&mut bytes).map_err(failed())?;
    if bytes.len() as u64 > LARGEST_SMALL_BYTES {
        return Err(KeepingError::Refused(format!(
            "{} has more than {} MiB, which is nothing that belongs there; move it elsewhere",
            path.display(),
            LARGEST_SMALL_BYTES >> 20
        )));
    }
    Ok(memory(name, bytes, metadata.permissions().mode() & 0o777))
}

fn memory(name: &str, bytes: Vec<u8>, mode: u32) -> Gathered {
    let sha256 = HEXLOWER.encode(&Sha256::digest(&bytes));
    let part = Part { path: name.to_owned(), bytes: bytes.len() as u64, sha256, mode };
    Gathered { part, source: Source::Memory(bytes) }
}
