//! The data folder: made private, and worked in by one daemon at a time.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

use super::StoreError;

/// The file that the daemon keeps locked; it holds its process id. It is never removed: a lock on a removed file keeps nobody out.
const LOCK_FILE: &str = "rackseed.lock";
/// How often the lock is tried. More waits longer for a daemon that is just stopping; a second daemon is refused that much later.
const LOCK_TRIES: u32 = 5;
/// How long to wait between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(100);
/// How much of the lock file is read: a process id is shorter.
const LONGEST_PROCESS_ID: u64 = 20;

/// Makes the data folder, for its owner alone. A folder that is there already keeps its mode: every file in it is private by itself.
pub(super) fn make(folder: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|source| StoreError::File {
        action: "make the data folder",
        path: folder.to_owned(),
        source,
    })
}

/// Makes a file for its owner alone if there is none; SQLite gives its companions the same mode.
pub(super) fn make_private_file(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(|source| StoreError::File { action: "open", path: path.to_owned(), source })
}

/// Keeps every other daemon out of a data folder. The lock ends with the process, however it ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock and writes our process id into it. The folder is made if need be.
    pub fn take(folder: &Path) -> Result<Self, StoreError> {
        make(folder)?;
        let path = folder.join(LOCK_FILE);
        let mut file = make_private_file(&path)?;
        let failed = |action, source| StoreError::File { action, path: path.clone(), source };
        let mut tries = 1;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::InUse { folder: folder.to_owned(), process: holder(&file) });
                }
                Err(TryLockError::Error(source)) => return Err(failed("lock", source)),
            }
            tries += 1;
        }
        file.set_len(0).map_err(|source| failed("write", source))?;
        writeln!(file, "{}", std::process::id()).map_err(|source| failed("write", source))?;
        Ok(Self { _file: file })
    }
}

/// Who has the lock, as far as the file tells: between lock and write it is empty.
fn holder(file: &File) -> String {
    let mut text = String::new();
    let _ = file.take(LONGEST_PROCESS_ID).read_to_string(&mut text);
    match text.trim().parse::<u32>() {
        Ok(process) => format!("process {process}"),
        Err(_) => "its process is not known".to_owned(),
    }
}
