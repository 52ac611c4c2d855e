//! How a folder comes into the library whole or not at all.

use std::{
    ffi::OsStr,
    fs::{self, File, Permissions},
    io, mem,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use super::AddError;

/// What every unfinished folder's name begins with; an image's id never begins with a dot.
const PARTIAL: &str = ".partial-";
/// The file whose lock is the turn to change the library.
const LOCK: &str = ".lock";

/// The turn to change the library, for one addition or removal at a time, in this process and in others (the command line adds while
/// the daemon runs). Only who has the turn may remove unfinished folders: without it they might be somebody's.
pub(super) struct Turn(
    #[allow(dead_code, reason = "it is held, not read: dropping it gives the turn back")] Flock<File>,
);

impl Turn {
    pub(super) fn take(library: &Path) -> Result<Self, AddError> {
        let doing = "opening the image library";
        fs::create_dir_all(library).map_err(AddError::folder(doing))?;
        let file = File::create(library.join(LOCK)).map_err(AddError::folder(doing))?;
        Flock::lock(file, FlockArg::LockExclusiveNonblock).map(Self).map_err(|(_, error)| {
            if error == Errno::EWOULDBLOCK { AddError::Busy } else { AddError::folder(doing)(error.into()) }
        })
    }

    /// Removes what interrupted additions and removals left behind. Returns how many there were.
    pub(super) fn remove_unfinished(&self, library: &Path) -> Result<usize, AddError> {
        let doing = "removing what an interrupted addition left behind";
        let mut removed = 0;
        for entry in fs::read_dir(library).map_err(AddError::folder(doing))? {
            let entry = entry.map_err(AddError::folder(doing))?;
            if entry.file_name().as_encoded_bytes().starts_with(PARTIAL.as_bytes()) {
                match fs::remove_dir_all(entry.path()) {
                    // Whoever took it out may be removing it at the same time.
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(AddError::folder(doing)(error));
                    }
                    Ok(()) | Err(_) => removed += 1,
                }
            }
        }
        Ok(removed)
    }
}

/// An unfinished folder; dropped before it is settled, it is removed.
pub(super) struct Partial(PathBuf);

impl Partial {
    pub(super) fn create(library: &Path) -> io::Result<Self> {
        let path = library.join(partial_name()?);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// Takes a finished folder out of the library, to be removed.
    pub(super) fn take_out(library: &Path, folder: &Path) -> io::Result<Self> {
        let path = library.join(partial_name()?);
        fs::rename(folder, &path)?;
        File::open(library)?.sync_all()?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn file(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.0.join(name.as_ref())
    }

    /// Makes the files read-only, writes everything to the disk, and gives the folder its place. Once this returns, it survives a
    /// power cut; when it fails, nothing is left.
    pub(super) fn settle(self, library: &Path, place: &Path) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            fs::set_permissions(&path, Permissions::from_mode(0o444))?;
            File::open(&path)?.sync_all()?;
        }
        File::open(&self.0)?.sync_all()?;
        fs::rename(&self.0, place)?;
        mem::forget(self);
        File::open(library)?.sync_all()
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // What cannot be removed now is removed at the next addition.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn partial_name() -> io::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!("{PARTIAL}{}", data_encoding::HEXLOWER.encode(&random)))
}
