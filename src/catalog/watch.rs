//! Notices edits. Folders are watched and never files: an editor's rename over a file ends a watch on it without a word, and a swapped
//! folder ends a watch on the folder, so its parent is watched too and everything is looked at again now and then.

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use notify::{EventKind, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, new_debouncer};

use super::FolderCatalog;
use crate::domain::catalog::CatalogStatus;

/// How long a burst of events is gathered. Longer reads a half-saved file less often; a saved edit must be in use within a second.
const GATHER: Duration = Duration::from_millis(300);
/// How often the folders are read without an event: network file systems send none, and a swapped folder must be watched anew.
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
    /// Reloads the catalog after every edit and tells of the result.
    pub fn start(
        catalog: Arc<FolderCatalog>,
        on_change: impl Fn(&CatalogStatus) + Send + 'static,
    ) -> Result<Self, WatchError> {
        let (sender, wakes) = mpsc::channel();
        let stop = sender.clone();
        let mut debouncer = new_debouncer(GATHER, None, move |result: DebounceEventResult| {
            // Our own reading raises access events; reacting to those would never end.
            let is_edit =
                result.is_ok_and(|events| events.iter().any(|event| !matches!(event.kind, EventKind::Access(_))));
            if is_edit {
                let _ = sender.send(Wake::Edited);
            }
        })?;
        let folders = [&catalog.folders.answer_templates, &catalog.folders.server_types, &catalog.folders.ipxe]
            .map(PathBuf::clone);
        for folder in &folders {
            debouncer.watch(folder, RecursiveMode::NonRecursive)?;
            if let Some(parent) = folder.parent() {
                debouncer.watch(parent, RecursiveMode::NonRecursive)?;
            }
        }
        let thread = thread::spawn(move || {
            loop {
                match wakes.recv_timeout(LOOK_ANYWAY) {
                    Ok(Wake::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
                    Ok(Wake::Edited) | Err(mpsc::RecvTimeoutError::Timeout) => {}
                }
                if let Some(status) = catalog.reload() {
                    on_change(&status);
                    // A swapped folder is another folder under the same name: the old watch sees nothing of it.
                    for folder in &folders {
                        let _ = debouncer.unwatch(folder);
                        let _ = debouncer.watch(folder, RecursiveMode::NonRecursive);
                    }
                }
            }
        });
        Ok(Self { stop: Some(stop), thread: Some(thread) })
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
