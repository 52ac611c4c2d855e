//! What there is of a file that is on its way: `.incoming/<id>/` with the bytes so far, and what was asked for. It is all that a restart
//! needs to go on.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{domain::image_addition::AdditionId, images::staging::Partial};

const FOLDER: &str = ".incoming";
const MANIFEST: &str = "addition.json";
const SOURCE: &str = "source";

/// What was asked for, and by what the rest of the file is recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The name of the file.
    pub(super) name: String,
    /// Where it is fetched from; absent for uploads.
    pub(super) url: Option<String>,
    /// The checksum that it must have.
    pub(super) sha256: Option<String>,
    /// How long it is, as far as that is known.
    pub(super) length: Option<u64>,
    /// The entity tag, or else the date, with which the server told one version of the file from another.
    pub(super) validator: Option<String>,
    /// Whether all of it has arrived.
    #[serde(default)]
    pub(super) is_complete: bool,
    /// When it began.
    pub(super) started_at: Timestamp,
}

/// The folder of one addition.
#[derive(Debug, Clone)]
pub(super) struct Incoming {
    library: PathBuf,
    folder: PathBuf,
}

impl Incoming {
    pub(super) fn new(library: &Path, id: &AdditionId) -> Self {
        Self { library: library.to_owned(), folder: library.join(FOLDER).join(id.as_str()) }
    }

    /// Makes the folder.
    pub(super) fn create(library: &Path, id: &AdditionId, manifest: &Manifest) -> io::Result<Self> {
        let incoming = Self::new(library, id);
        fs::create_dir_all(&incoming.folder)?;
        incoming.save(manifest)?;
        fs::File::create(incoming.source())?;
        Ok(incoming)
    }

    /// Every addition that was not finished. What cannot be understood is removed: it is half of a beginning.
    pub(super) fn all(library: &Path) -> Vec<(AdditionId, Self, Manifest)> {
        let mut found = Vec::new();
        for entry in fs::read_dir(library.join(FOLDER)).into_iter().flatten().flatten() {
            let id = entry.file_name().to_str().and_then(|name| name.parse::<AdditionId>().ok());
            let incoming = id.as_ref().map(|id| Self::new(library, id));
            let manifest = incoming.as_ref().and_then(|incoming| incoming.read().ok());
            match (id, incoming, manifest) {
                (Some(id), Some(incoming), Some(manifest)) => found.push((id, incoming, manifest)),
                (_, Some(incoming), None) => incoming.remove(),
                _ => {}
            }
        }
        found.sort_by_key(|(_, _, manifest)| manifest.started_at);
        found
    }

    fn read(&self) -> io::Result<Manifest> {
        fs::metadata(self.source())?;
        serde_json::from_slice(&fs::read(self.folder.join(MANIFEST))?).map_err(io::Error::other)
    }

    /// Writes what was asked for, whole or not at all. A URL may hold a password, so that nobody else may read it.
    pub(super) fn save(&self, manifest: &Manifest) -> io::Result<()> {
        let (new, place) = (self.folder.join("addition.new"), self.folder.join(MANIFEST));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(manifest).map_err(io::Error::other)?)?;
        file.sync_all()?;
        fs::rename(new, place)
    }

    /// The file with the bytes so far.
    pub(super) fn source(&self) -> PathBuf {
        self.folder.join(SOURCE)
    }

    /// How many bytes there are.
    pub(super) fn received(&self) -> u64 {
        fs::metadata(self.source()).map_or(0, |metadata| metadata.len())
    }

    /// When the last of them arrived.
    pub(super) fn touched_at(&self) -> Option<Timestamp> {
        fs::metadata(self.source()).and_then(|metadata| metadata.modified()).ok()?.try_into().ok()
    }

    /// Whether there is anything of it.
    pub(super) fn exists(&self) -> bool {
        self.read().is_ok()
    }

    /// Removes all of it; what cannot be removed now is removed at the next addition.
    pub(super) fn remove(&self) {
        match Partial::take_out(&self.library, &self.folder) {
            Ok(taken) => drop(taken),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, folder = %self.folder.display(), "cannot remove what is left of an addition")
            }
        }
    }
}
