//! What an operator sees who edits the catalog's folders.

use std::{
    fs,
    path::Path,
    sync::{Arc, mpsc},
    time::Duration,
};

use rackseed::{
    catalog::{CatalogFolders, CatalogWatch, FolderCatalog},
    domain::catalog::CatalogStatus,
    ports::Catalog,
};

use crate::support::clock::TestClock;

/// A saved edit must be in use within a second; a loaded test machine is given more.
const RELOAD_LIMIT: Duration = Duration::from_secs(8);

struct Folders(tempfile::TempDir);

impl Folders {
    fn new() -> (Self, Arc<FolderCatalog>) {
        let folder = Self(tempfile::tempdir().unwrap());
        let catalog = folder.open();
        (folder, catalog)
    }

    fn open(&self) -> Arc<FolderCatalog> {
        let path = |name: &str| self.0.path().join(name);
        let folders = CatalogFolders {
            answer_templates: path("answer-templates"),
            server_types: path("server-types"),
            ipxe: path("ipxe"),
        };
        Arc::new(FolderCatalog::open(folders, Arc::new(TestClock::default())).unwrap())
    }

    fn server_types(&self) -> std::path::PathBuf {
        self.0.path().join("server-types/server-types.yaml")
    }
}

const ONE_TYPE: &str = "server_types:\n  small:\n    display_name: Small\n    boot_disk: /dev/sda\n";

fn watch(catalog: &Arc<FolderCatalog>) -> (CatalogWatch, mpsc::Receiver<CatalogStatus>) {
    let (sender, changes) = mpsc::channel();
    let watch = CatalogWatch::start(Arc::clone(catalog), move |status| drop(sender.send(status.clone()))).unwrap();
    (watch, changes)
}

/// Writes beside the file and renames over it, as editors do.
fn save_by_rename(file: &Path, text: &str) {
    let beside = file.with_extension("new~");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, file).unwrap();
}

#[test]
fn missing_folders_are_made_with_defaults_that_are_good() {
    let (_folder, catalog) = Folders::new();
    let status = catalog.status();
    assert_eq!(status.problems, [], "{status:?}");
    assert!(status.server_types.contains(&"minisforum-ms-01".to_owned()));
    assert_eq!(status.scripts, ["identify", "install", "local", "refuse"]);
    assert_eq!(status.answer_templates, ["default"]);
}

#[test]
fn edits_are_seen_again_and_again_after_atomic_renames() {
    let (folder, catalog) = Folders::new();
    let (_watch, changes) = watch(&catalog);
    for name in ["small", "medium", "large"] {
        save_by_rename(&folder.server_types(), &ONE_TYPE.replace("small", name));
        assert_eq!(changes.recv_timeout(RELOAD_LIMIT).expect("the edit is seen").server_types, [name]);
    }
}

#[test]
fn an_edit_is_seen_after_the_whole_folder_was_swapped() {
    let (folder, catalog) = Folders::new();
    let (_watch, changes) = watch(&catalog);
    let (old, current, new) =
        (folder.0.path().join("old"), folder.0.path().join("server-types"), folder.0.path().join("new"));
    fs::create_dir(&new).unwrap();
    fs::write(new.join("server-types.yaml"), ONE_TYPE).unwrap();
    fs::rename(&current, old).unwrap();
    fs::rename(new, &current).unwrap();
    let swapped =
        std::iter::from_fn(|| changes.recv_timeout(RELOAD_LIMIT).ok()).find(|status| status.problems.is_empty());
    assert_eq!(swapped.expect("the swap is seen").server_types, ["small"]);
    fs::write(folder.server_types(), ONE_TYPE.replace("small", "edited")).unwrap();
    let edited =
        std::iter::from_fn(|| changes.recv_timeout(RELOAD_LIMIT).ok()).find(|status| status.server_types == ["edited"]);
    assert!(edited.is_some(), "an edit in the new folder is seen");
}

#[test]
fn a_broken_file_leaves_the_previous_catalog_in_use_and_names_file_line_and_rule() {
    let (folder, catalog) = Folders::new();
    let before = catalog.status().server_types;
    fs::write(folder.server_types(), ONE_TYPE.replace("boot_disk: /dev/sda", "boot_disk: sda")).unwrap();
    let status = catalog.reload().expect("the file changed");
    assert_eq!(status.server_types, before);
    let problem = status.problems[0].to_string();
    assert!(
        problem.starts_with("server-types/server-types.yaml:2: ") && problem.contains("full device name"),
        "{problem}"
    );
    fs::write(folder.server_types(), "server_types:\n  small:\n    display_nam: x\n").unwrap();
    let problem = catalog.reload().unwrap().problems[0].to_string();
    assert!(problem.starts_with("server-types/server-types.yaml:3: ") && problem.contains("display_nam"), "{problem}");
    fs::write(folder.server_types(), ONE_TYPE).unwrap();
    let status = catalog.reload().unwrap();
    assert_eq!((status.problems.len(), status.server_types), (0, vec!["small".to_owned()]));
}

#[test]
fn a_server_type_that_is_defined_twice_is_refused_with_both_places() {
    let (folder, catalog) = Folders::new();
    fs::write(folder.server_types(), format!("{ONE_TYPE}{}", ONE_TYPE.trim_start_matches("server_types:\n"))).unwrap();
    let problem = catalog.reload().unwrap().problems[0].to_string();
    assert!(
        problem.starts_with("server-types/server-types.yaml:5: ") && problem.contains("server-types.yaml:2"),
        "{problem}"
    );
    fs::write(folder.server_types(), ONE_TYPE).unwrap();
    fs::write(folder.0.path().join("server-types/more.yaml"), ONE_TYPE).unwrap();
    let problem = catalog.reload().unwrap().problems[0].to_string();
    assert!(problem.contains("server-types.yaml:2") && problem.contains("more.yaml:2"), "{problem}");
}

#[test]
fn a_broken_template_or_script_is_named_with_its_place() {
    let (folder, catalog) = Folders::new();
    fs::write(folder.0.path().join("answer-templates/default.toml"), "[global]\ncountry = \"us\"\nkeyboard = \n")
        .unwrap();
    let problem = catalog.reload().unwrap().problems[0].to_string();
    assert!(problem.starts_with("answer-templates/default.toml:3: "), "{problem}");
    fs::write(folder.0.path().join("ipxe/local.ipxe"), "#!ipxe\necho hi\necho {{ nothing }}\n").unwrap();
    let problems = catalog.reload().unwrap().problems;
    assert!(problems.iter().any(|problem| problem.to_string().starts_with("ipxe/local.ipxe:3: ")), "{problems:?}");
}

#[test]
fn a_catalog_that_is_broken_at_the_start_is_empty_and_says_so() {
    let (folder, catalog) = Folders::new();
    drop(catalog);
    fs::write(folder.server_types(), "nonsense").unwrap();
    let status = folder.open().status();
    assert!(status.server_types.is_empty() && status.problems.len() == 1, "{status:?}");
}
