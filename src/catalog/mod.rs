//! Server types, answer templates and iPXE scripts from the operator's folders: read all, check all, swap at once, or keep the last good
//! ones and say which file, line and rule.

mod answer;
mod built_in;
mod places;
mod read;
mod redact;
mod render;
mod server_types;
mod watch;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::{
    domain::{
        answer::{AnswerNote, AnswerReview, AnswerValues},
        catalog::{CatalogProblem, CatalogStatus, ScriptName, ScriptValues},
        catalog_view::{BrokenEdit, CatalogContents, CatalogView, GoodEdit},
        identity::{ServerTypeName, TemplateName},
        server_type::ServerType,
    },
    ports::{CannotRender, Catalog, Clock},
};

pub use answer::check_dialect;
pub use read::check_template;
pub use redact::redact;
pub use watch::{CatalogWatch, WatchError};

/// The three folders.
#[derive(Debug, Clone)]
pub struct CatalogFolders {
    /// `*.toml`.
    pub answer_templates: PathBuf,
    /// `*.yaml`.
    pub server_types: PathBuf,
    /// `*.ipxe`.
    pub ipxe: PathBuf,
}

/// The catalog of a running daemon.
pub struct FolderCatalog {
    folders: CatalogFolders,
    clock: Arc<dyn Clock>,
    contents: ArcSwap<CatalogContents>,
    state: Mutex<ReadState>,
    /// Hash of everything that was read last, so that an event without a change reloads nothing. Held while the files are read, so that of
    /// two readers the later one also has the last word.
    seen: Mutex<Option<u64>>,
}

#[derive(Clone)]
struct ReadState {
    loaded_at: Timestamp,
    problems: Vec<CatalogProblem>,
    /// The last edit that was good, since the start.
    last_edit: Option<GoodEdit>,
    /// What the files hold now, where that is not good.
    broken: Option<BrokenEdit>,
}

impl FolderCatalog {
    /// Reads the folders; a missing one is made with the built-in defaults first. When they are broken the catalog is empty (nothing can
    /// be armed) and says what is wrong.
    pub fn open(folders: CatalogFolders, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        built_in::make_missing(&folders)?;
        let state =
            Mutex::new(ReadState { loaded_at: clock.now(), problems: Vec::new(), last_edit: None, broken: None });
        let catalog = Self { folders, clock, contents: ArcSwap::default(), state, seen: Mutex::default() };
        catalog.reload();
        Ok(catalog)
    }

    /// Reads the folders again. Returns the new status if anything has changed since the last time.
    pub fn reload(&self) -> Option<CatalogStatus> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let files = read::read_files(&self.folders);
        let fingerprint = files.fingerprint();
        if seen.replace(fingerprint) == Some(fingerprint) {
            return None;
        }
        let checked = read::check_files(&files);
        // Nobody who asks for the status waits for a slow disk: this lock is held for the swap alone.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if checked.problems.is_empty() {
            self.take(checked.contents, &mut state);
        } else {
            let since = state.broken.as_ref().map_or_else(|| self.clock.now(), |broken| broken.since);
            state.broken = Some(BrokenEdit {
                since,
                problems: checked.problems.iter().map(|problem| files.quoted(problem)).collect(),
                usable_types: checked.usable_types,
                usable_templates: checked.usable_templates,
                scripts_are_good: checked.scripts_are_good,
            });
            state.problems = checked.problems;
        }
        drop(state);
        Some(self.status())
    }

    /// Takes contents into use.
    fn take(&self, contents: CatalogContents, state: &mut ReadState) {
        let now = self.clock.now();
        let before = self.contents.swap(Arc::new(contents));
        // A broken edit that was taken back and the first reading are no edits.
        let is_edit = *before != **self.contents.load() && !before.server_types.is_empty();
        let last_edit = if is_edit { Some(GoodEdit { at: now, before }) } else { state.last_edit.take() };
        *state = ReadState { loaded_at: now, problems: Vec::new(), last_edit, broken: None };
    }
}

impl Catalog for FolderCatalog {
    fn status(&self) -> CatalogStatus {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let contents = self.contents.load();
        CatalogStatus {
            loaded_at: state.loaded_at,
            problems: state.problems.clone(),
            server_types: contents.server_types.keys().map(ToString::to_string).collect(),
            answer_templates: contents.answer_templates.keys().map(ToString::to_string).collect(),
            scripts: contents.scripts.keys().map(|script| script.word().to_owned()).collect(),
        }
    }

    fn view(&self) -> CatalogView {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ReadState { loaded_at, last_edit, broken, .. } = state.clone();
        CatalogView { loaded_at, contents: self.contents.load_full(), last_edit, broken }
    }

    fn readable_template(&self, text: &str) -> String {
        redact::redact_template(text)
    }

    fn server_type(&self, name: &ServerTypeName) -> Option<ServerType> {
        self.contents.load().server_types.get(name).map(|placed| placed.value.clone())
    }

    fn server_types(&self) -> Vec<ServerType> {
        self.contents.load().server_types.values().map(|placed| placed.value.clone()).collect()
    }

    fn answer_template(&self, name: &TemplateName) -> Option<String> {
        self.contents.load().answer_templates.get(name).map(|placed| placed.value.clone())
    }

    fn render_answer(&self, template_text: &str, values: &AnswerValues) -> Result<String, CannotRender> {
        let composed = answer::compose(template_text, values, answer::Purpose::Host);
        composed.toml.ok_or_else(|| CannotRender {
            what: format!("the answer for {}", values.hostname),
            problems: composed.notes.problems().to_vec(),
        })
    }

    fn review_answer(&self, name: &TemplateName, template_text: &str, values: &AnswerValues) -> AnswerReview {
        let composed = answer::compose(template_text, values, answer::Purpose::Host);
        let place = |text: &String| AnswerNote {
            place: answer::place_of(text, name, template_text, values),
            text: text.clone(),
        };
        let (disks, wiped) = composed.disks.map(|settled| (settled.sentence, settled.disks)).unzip();
        AnswerReview {
            problems: composed.notes.problems().iter().map(place).collect(),
            warnings: composed.notes.warnings().iter().map(place).collect(),
            toml: composed.toml,
            disks,
            wiped: wiped.unwrap_or_default(),
        }
    }

    fn redact_answer(&self, toml: &str) -> String {
        redact(toml)
    }

    fn render_script(&self, script: ScriptName, values: &ScriptValues) -> Result<String, CannotRender> {
        let contents = self.contents.load();
        let text = contents.scripts.get(&script).ok_or_else(|| CannotRender {
            what: format!("iPXE script {}", script.word()),
            problems: vec!["it is not in the catalog; see /api/catalog".into()],
        })?;
        render::script(script, &text.value, values)
    }
}
