//! Notices edits. Folders are watched and never files: an editor's rename over a file ends a watch on it without a word. A swapped folder
//! ends a watch on the folder in the same way, so its parent is watched too, and everything is looked at again now and then.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, DebouncedEvent, Debouncer, RecommendedCache, new_debouncer};

use super::FolderCatalog;
use crate::domain::catalog::CatalogStatus;

/// How long a burst of events is gathered. Longer reads a half-saved file less often; a saved edit must be in use within a second.
const GATHER: Duration = Duration::from_millis(300);
/// How often the folders are read without an event: network file systems send none.
const LOOK_ANYWAY: Duration = Duration::from_secs(5);

/// Why edits cannot be noticed.
#[derive(Debug, thiserror::Error)]
#[error("edits of the catalog folders cannot be noticed: {0}")]
pub struct WatchError(#[from] notify::Error);

/// Watches until it is dropped.
pub struct CatalogWatch {
    stop: Option<mpsc::Sender<Wake>>,
    thread: Option<thread::JoinHandle<()>>,
}

enum Wake {
    Edited,
    Stop,
}

impl CatalogWatch {
    /// Reloads the catalog after every edit and tells of the result. A folder that cannot be watched (too many watches, a network file
    /// system) is still looked at every few seconds.
    pub fn start(
        catalog: Arc<FolderCatalog>,
        on_change: impl Fn(&CatalogStatus) + Send + 'static,
    ) -> Result<Self, WatchError> {
        let (sender, wakes) = mpsc::channel();
        let stop = sender.clone();
        let folders = [&catalog.folders.answer_templates, &catalog.folders.server_types, &catalog.folders.ipxe]
            .map(PathBuf::clone);
        let ours = folders.clone();
        let debouncer = new_debouncer(GATHER, None, move |result: DebounceEventResult| {
            // After an error events may be lost, so it counts as an edit.
            if result.map_or(true, |events| events.iter().any(|event| is_edit(event, &ours))) {
                let _ = sender.send(Wake::Edited);
            }
        })?;
        let mut watched = Watched::new(&folders, debouncer);
        watched.follow();
        let thread = thread::spawn(move || {
            loop {
                match wakes.recv_timeout(LOOK_ANYWAY) {
                    Ok(Wake::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
                    Ok(Wake::Edited) | Err(mpsc::RecvTimeoutError::Timeout) => {}
                }
                // First the watches, then the files: what is edited in between wakes us again.
                watched.follow();
                if let Some(status) = catalog.reload() {
                    on_change(&status);
                }
            }
        });
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

/// Our own reading raises access events; reacting to those would never end. The parents hold other things too, a database perhaps.
fn is_edit(event: &DebouncedEvent, folders: &[PathBuf]) -> bool {
    let is_ours = |path: &PathBuf| folders.iter().any(|folder| path.starts_with(folder) || folder.starts_with(path));
    !matches!(event.kind, EventKind::Access(_)) && (event.need_rescan() || event.paths.iter().any(is_ours))
}

/// Folders with the identity under which each is watched: a swapped folder is another one under the same name, and the old watch sees
/// nothing of it.
struct Watched {
    debouncer: Debouncer<RecommendedWatcher, RecommendedCache>,
    folders: Vec<(PathBuf, Option<(u64, u64)>)>,
}

impl Watched {
    fn new(folders: &[PathBuf], debouncer: Debouncer<RecommendedWatcher, RecommendedCache>) -> Self {
        let parent = |folder: &PathBuf| {
            folder.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent }.to_owned())
        };
        let mut all: Vec<_> = folders.iter().filter_map(parent).chain(folders.iter().cloned()).collect();
        all.sort();
        all.dedup();
        Self { debouncer, folders: all.into_iter().map(|folder| (folder, None)).collect() }
    }

    /// Watches every folder that is another one than before, or was not there.
    fn follow(&mut self) {
        for (folder, known) in &mut self.folders {
            let found = fs::metadata(&*folder).ok().map(|metadata| (metadata.dev(), metadata.ino()));
            if *known == found {
                continue;
            }
            let _ = self.debouncer.unwatch(&*folder);
            let is_watched = found.is_some() && self.debouncer.watch(&*folder, RecursiveMode::NonRecursive).is_ok();
            *known = if is_watched { found } else { None };
        }
    }
}

impl Drop for CatalogWatch {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(Wake::Stop);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
