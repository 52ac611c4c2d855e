//! Reads a backup and believes nothing of it that does not agree with its manifest.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufReader, Read},
    path::{Component, Path},
};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tar::{Archive, EntryType};

use super::{
    KeepingError,
    gather::{LARGEST_SMALL_BYTES, sum},
    manifest::{CATALOG, DATA_FILES, DATABASE, FORM, IMAGES, KEY, MANIFEST, Manifest, Part, SETTINGS},
};
use crate::{
    domain::{identity::ImageId, image::ImagePart},
    store::check_copy,
};

/// A larger database is not read: it is held in memory whole.
const LARGEST_DATABASE_BYTES: u64 = 2 << 30;

/// A backup of which every byte was read and found as its manifest says.
pub struct Checked {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Every part but the images.
    pub(super) parts: BTreeMap<String, Vec<u8>>,
}

/// Reads a backup from its first byte to its last. Blocks; writes nothing.
pub fn check(file: &Path) -> Result<Checked, KeepingError> {
    let unusable = |problem: String| KeepingError::Unusable { file: file.to_owned(), problem };
    let (mut manifest, mut parts) = (None, BTreeMap::new());
    let mut seen = BTreeSet::new();
    for_each_entry(file, |path, entry| {
        let Some(known) = &manifest else {
            manifest = Some(read_manifest(path, entry)?);
            return Ok(());
        };
        let part = part_of(known, path)?;
        if !seen.insert(part.path.clone()) {
            return Err(format!("`{path}` is in it twice"));
        }
        if path.starts_with(IMAGES) {
            let found = sum(entry).map_err(|error| cut(path, &error))?;
            return agrees(part, found.0, &found.1);
        }
        let limit = if path == DATABASE { LARGEST_DATABASE_BYTES } else { LARGEST_SMALL_BYTES };
        let bytes = read_bounded(entry, limit, path)?;
        agrees(part, bytes.len() as u64, &HEXLOWER.encode(&Sha256::digest(&bytes)))?;
        parts.insert(path.to_owned(), bytes);
        Ok(())
    })?;
    let manifest: Manifest = manifest.ok_or_else(|| unusable("it is empty".into()))?;
    if let Some(missing) = manifest.parts.iter().find(|part| !seen.contains(&part.path)) {
        return Err(unusable(format!("`{}` is missing: the file was cut short", missing.path)));
    }
    let database = parts.get(DATABASE).ok_or_else(|| unusable("it has no database".into()))?;
    let facts = check_copy(database).map_err(unusable)?;
    if facts.schema != manifest.schema {
        return Err(unusable(format!(
            "its database has tables of version {} and its manifest says {}",
            facts.schema, manifest.schema
        )));
    }
    Ok(Checked { manifest, parts })
}

/// Reads the files of the images once more and hands each one that is wanted to `take`.
pub(super) fn each_image_part(
    file: &Path,
    manifest: &Manifest,
    mut take: impl FnMut(&Part, &mut dyn Read) -> io::Result<()>,
) -> Result<(), KeepingError> {
    for_each_entry(file, |path, entry| {
        if !path.starts_with(IMAGES) {
            return Ok(());
        }
        let part = part_of(manifest, path)?;
        let mut reader = Summing { inner: entry, hasher: Sha256::new(), bytes: 0 };
        take(part, &mut reader).map_err(|error| format!("`{path}` cannot be taken out: {error}"))?;
        // It was good a moment ago; whoever changes it between two looks is noticed.
        agrees(part, reader.bytes, &HEXLOWER.encode(&reader.hasher.finalize()))
    })
}

fn for_each_entry(
    file: &Path,
    mut look: impl FnMut(&str, &mut dyn Read) -> Result<(), String>,
) -> Result<(), KeepingError> {
    let unusable = |problem: String| KeepingError::Unusable { file: file.to_owned(), problem };
    let no_tar = |error: io::Error| unusable(format!("it is not a whole tar file ({error})"));
    let opened = File::open(file).map_err(KeepingError::file("open", file))?;
    let mut archive = Archive::new(BufReader::new(opened));
    for entry in archive.entries().map_err(no_tar)? {
        let mut entry = entry.map_err(no_tar)?;
        let path = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| unusable("it has a name that is not UTF-8".into()))?;
        if entry.header().entry_type() != EntryType::Regular {
            return Err(unusable(format!("`{path}` is not a plain file")));
        }
        look(&path, &mut entry).map_err(unusable)?;
    }
    Ok(())
}

fn read_manifest(path: &str, entry: &mut dyn Read) -> Result<Manifest, String> {
    if path != MANIFEST {
        return Err(format!("it begins with `{path}` and not with `{MANIFEST}`: Rackseed did not write it"));
    }
    let bytes = read_bounded(entry, LARGEST_SMALL_BYTES, path)?;
    let form = serde_json::from_slice::<serde_json::Value>(&bytes).ok().and_then(|value| value["form"].as_u64());
    if form.is_some_and(|form| form > u64::from(FORM)) {
        return Err("a newer Rackseed wrote it; use that version or a later one".into());
    }
    let manifest: Manifest =
        serde_json::from_slice(&bytes).map_err(|error| format!("its {MANIFEST} cannot be read: {error}"))?;
    match manifest.parts.iter().find(|part| !is_known_place(&part.path)) {
        Some(part) => Err(format!("`{}` is nothing that belongs into a backup", part.path)),
        None => Ok(manifest),
    }
}

/// Only names that we write ourselves; none of them leads out of its folder.
fn is_known_place(path: &str) -> bool {
    let is_plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    let below = |folder: &str| path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    let is_catalog =
        ["answer-templates", "server-types", "ipxe"].iter().any(|name| below(&format!("{CATALOG}/{name}")).is_some());
    let is_image = below(IMAGES).and_then(|rest| rest.split_once('/')).is_some_and(|(id, name)| {
        id.parse::<ImageId>().is_ok() && ImagePart::ALL.iter().any(|part| part.file_name() == name)
    });
    let is_data = path == DATABASE || below("data").is_some_and(|name| DATA_FILES.contains(&name));
    is_plain && (path == SETTINGS || is_data || is_catalog || is_image)
}

fn part_of<'a>(manifest: &'a Manifest, path: &str) -> Result<&'a Part, String> {
    manifest.parts.iter().find(|part| part.path == path).ok_or_else(|| format!("`{path}` is not in its {MANIFEST}"))
}

fn agrees(part: &Part, bytes: u64, sha256: &str) -> Result<(), String> {
    if (bytes, sha256) == (part.bytes, part.sha256.as_str()) {
        return Ok(());
    }
    let whose = if part.path == KEY { " (the key file)" } else { "" };
    Err(format!("`{}`{whose} is damaged: its checksum is {sha256}, not {}", part.path, part.sha256))
}

fn read_bounded(entry: &mut dyn Read, limit: u64, path: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    entry.take(limit + 1).read_to_end(&mut bytes).map_err(|error| cut(path, &error))?;
    if bytes.len() as u64 > limit {
        return Err(format!("`{path}` has more than {} MiB", limit >> 20));
    }
    Ok(bytes)
}

fn cut(path: &str, error: &io::Error) -> String {
    format!("`{path}` cannot be read to its end: {error}")
}

/// Sums up what passes.
struct Summing<'a> {
    inner: &'a mut dyn Read,
    hasher: Sha256,
    bytes: u64,
}

impl Read for Summing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}
