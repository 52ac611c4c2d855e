//! What an operator sees who edits the catalog's folders.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
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

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn server_types(&self) -> PathBuf {
        self.path("server-types/server-types.yaml")
    }

    /// Makes a folder beside with one server type in it.
    fn make(&self, name: &str, server_type: &str) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("server-types.yaml"), ONE_TYPE.replace("small", server_type)).unwrap();
        folder
    }
}

/// Everything that is wrong after an edit, as a person reads it.
fn problems(catalog: &FolderCatalog) -> Vec<String> {
    catalog.reload().expect("something has changed").problems.iter().map(ToString::to_string).collect()
}

/// Waits until the catalog holds just this server type.
fn sees(changes: &mpsc::Receiver<CatalogStatus>, server_type: &str, limit: Duration) -> bool {
    std::iter::from_fn(|| changes.recv_timeout(limit).ok()).any(|status| status.server_types == [server_type])
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
    assert_eq!(status.scripts, ["identify", "install", "local", "refuse", "wait"]);
    assert_eq!(status.answer_templates, ["default", "static-network", "zfs-mirror"]);
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
    let current = folder.path("server-types");
    let new = folder.make("new", "swapped");
    fs::rename(&current, folder.path("old")).unwrap();
    fs::rename(new, &current).unwrap();
    assert!(sees(&changes, "swapped", RELOAD_LIMIT), "the swap is seen");
    fs::write(folder.server_types(), ONE_TYPE.replace("small", "edited")).unwrap();
    assert!(sees(&changes, "edited", RELOAD_LIMIT), "an edit in the new folder is seen");
}

#[test]
fn an_edit_is_seen_at_once_after_a_swap_that_changed_nothing() {
    let (folder, catalog) = Folders::new();
    fs::write(folder.server_types(), ONE_TYPE).unwrap();
    catalog.reload().unwrap();
    let (_watch, changes) = watch(&catalog);
    let current = folder.path("server-types");
    for (now, next) in [("small", "medium"), ("medium", "large"), ("large", "huge")] {
        let new = folder.make(&format!("{now}-again"), now);
        fs::rename(&current, folder.path(&format!("{now}-old"))).unwrap();
        fs::rename(new, &current).unwrap();
        thread::sleep(Duration::from_millis(1200));
        fs::write(folder.server_types(), ONE_TYPE.replace("small", next)).unwrap();
        assert!(
            sees(&changes, next, Duration::from_secs(3)),
            "{next} is seen without waiting for the next look anyway"
        );
    }
}

#[test]
fn a_folder_that_is_removed_and_made_again_is_read_again() {
    let (folder, catalog) = Folders::new();
    let before = catalog.status().server_types;
    let (_watch, changes) = watch(&catalog);
    fs::remove_dir_all(folder.path("server-types")).unwrap();
    let status = changes.recv_timeout(RELOAD_LIMIT).expect("the removal is seen");
    assert!(!status.problems.is_empty() && status.server_types == before, "the last good one is kept: {status:?}");
    folder.make("server-types", "again");
    assert!(sees(&changes, "again", RELOAD_LIMIT));
    fs::write(folder.server_types(), ONE_TYPE).unwrap();
    assert!(sees(&changes, "small", RELOAD_LIMIT), "and watched again");
}

#[test]
fn a_link_that_points_to_another_folder_is_followed() {
    let folder = Folders(tempfile::tempdir().unwrap());
    let (first, second) = (folder.make("v1", "first"), folder.make("v2", "second"));
    symlink(first, folder.path("server-types")).unwrap();
    let catalog = folder.open();
    assert_eq!(catalog.status().server_types, ["first"]);
    let (_watch, changes) = watch(&catalog);
    symlink(second, folder.path("link.new")).unwrap();
    fs::rename(folder.path("link.new"), folder.path("server-types")).unwrap();
    assert!(sees(&changes, "second", RELOAD_LIMIT));
    fs::write(folder.path("v2/server-types.yaml"), ONE_TYPE).unwrap();
    assert!(sees(&changes, "small", RELOAD_LIMIT), "an edit behind the link is seen");
}

#[test]
fn a_dropped_watch_tells_nothing_any_more() {
    let (folder, catalog) = Folders::new();
    let (watch, changes) = watch(&catalog);
    drop(watch);
    fs::write(folder.server_types(), ONE_TYPE).unwrap();
    let after = changes.recv_timeout(RELOAD_LIMIT);
    assert!(matches!(after, Err(mpsc::RecvTimeoutError::Disconnected)), "{after:?}");
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
fn a_disk_filter_with_the_same_key_twice_is_refused() {
    let (folder, catalog) = Folders::new();
    let filter = "disk_filter: {ID_SERIAL: one, ID_SERIAL: two}";
    fs::write(folder.server_types(), ONE_TYPE.replace("boot_disk: /dev/sda", filter)).unwrap();
    let found = problems(&catalog);
    assert!(found[0].contains("server-types/server-types.yaml") && found[0].contains("duplicate"), "{found:?}");
}

#[test]
fn a_server_type_may_be_called_like_one_of_its_keys() {
    let (folder, catalog) = Folders::new();
    let text = format!("# gpu: none\n{ONE_TYPE}    gpu: none\n  gpu :\n    display_name: x\n    boot_disk: sda\n");
    fs::write(folder.server_types(), text).unwrap();
    let found = problems(&catalog);
    assert!(found[0].starts_with("server-types/server-types.yaml:7: server type `gpu`"), "{found:?}");
}

#[test]
fn a_server_type_without_its_template_is_refused() {
    let (folder, catalog) = Folders::new();
    fs::write(folder.server_types(), format!("{ONE_TYPE}    answer_template: nowhere\n")).unwrap();
    let found = problems(&catalog);
    assert!(found[0].starts_with("server-types/server-types.yaml:2: ") && found[0].contains("`nowhere`"), "{found:?}");
}

#[test]
fn a_broken_rule_of_a_template_is_told_with_its_line() {
    let (folder, catalog) = Folders::new();
    let file = folder.path("answer-templates/default.toml");
    let good = fs::read_to_string(&file).unwrap();
    for (from, to, complaint) in [
        ("keyboard = \"en-us\"", "keyboard = ", ""),
        ("keyboard = \"en-us\"", "= \"en-us\"", ""),
        ("keyboard = \"en-us\"", "keyboard = \"xx\"", "global.keyboard"),
        ("root@{{ fqdn }}", "root@{{ nothing }}", "undefined value"),
        ("timezone = \"UTC\"", "time_zone = \"UTC\"", "unknown field `time-zone`"),
        ("timezone = \"UTC\"", "timezone = \"UTC\"\nreboot-mode = \"kexec\"", "global.reboot-mode"),
        ("source = \"from-dhcp\"", "source = \"from-dhcp\"\ncidr = \"192.0.2.1/24\"", "network with source"),
        ("[network]", "[first-boot]\nsource = \"from-iso\"\n[network]", "[first-boot] is the daemon's"),
        ("[network]", "[disk-setup]\nfilesystem = \"ntfs\"\n[network]", "disk-setup.filesystem is `ntfs`"),
    ] {
        let text = good.replacen(from, to, 1);
        let changed = text.lines().zip(good.lines()).position(|(new, old)| new != old);
        let changed = changed.unwrap_or(good.lines().count()) + 1;
        fs::write(&file, text).unwrap();
        let found = problems(&catalog);
        let place = found[0].strip_prefix("answer-templates/default.toml:").and_then(|rest| rest.split_once(':'));
        let (line, rule) = place.unwrap_or_else(|| panic!("{to}: no line in {found:?}"));
        // A rule about a whole section has the line of the section.
        let line: usize = line.parse().unwrap();
        assert!(
            (changed - 2..=changed + 1).contains(&line) && rule.contains(complaint),
            "{to} in {changed}: {found:?}"
        );
        assert_eq!(found.len(), 1, "once for both dialects: {found:?}");
    }
}

#[test]
fn a_server_type_must_agree_with_its_template_about_disks() {
    let (folder, catalog) = Folders::new();
    let kind = |lines: &str| format!("server_types:\n  big:\n    display_name: Big\n{lines}");
    for (lines, complaint) in [
        ("    boot_disk: /dev/sda\n    answer_template: zfs-mirror\n", "the server type names some too; keep one"),
        ("    answer_template: default\n", "disk-setup names no disk"),
        (
            "    filesystem: ext4\n    answer_template: zfs-mirror\n",
            "`ext4` in the server type and `zfs` in the template",
        ),
        (
            "    disks: [{model: X, count: 3}]\n    filesystem: zfs\n    raid: raidz-2\n",
            "raid = raidz-2 needs at least 4 disks, got 3",
        ),
        ("    disks: [{model: X, count: 2}]\n    filesystem: zfs\n", "disk-setup.zfs.raid is needed with 2 disks"),
        ("    disks: [{path: sda}]\n", "`disks[0].path` must be a full device name"),
        ("    boot_disk: /dev/sda\n    disks: [{path: /dev/sdb}]\n", "exclude each other"),
    ] {
        fs::write(folder.server_types(), kind(lines)).unwrap();
        let found = problems(&catalog);
        assert!(
            found.iter().any(|problem| problem.starts_with("server-types/server-types.yaml:2: server type `big`")
                && problem.contains(complaint)),
            "{lines}: {found:?}"
        );
    }
    // What only a host can settle is left to it: its variables, and the disks that it will report.
    for good in [
        "    answer_template: zfs-mirror\n",
        "    boot_disk: /dev/sda\n    answer_template: static-network\n",
        "    disks: [{model: X, count: 2}]\n    filesystem: zfs\n    raid: raid1\n",
        "    disks: [{min_size_gib: 100}]\n",
    ] {
        fs::write(folder.server_types(), kind(good)).unwrap();
        assert_eq!(catalog.reload().unwrap().problems, [], "{good}");
    }
}

#[test]
fn a_template_may_ask_for_what_only_newer_installers_have() {
    let (folder, catalog) = Folders::new();
    let file = folder.path("answer-templates/default.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("[network]", "subscription-key = \"pve1c-0123456789\"\n\n[network]", 1)).unwrap();
    assert_eq!(catalog.reload().unwrap().problems, []);
}

#[test]
fn everything_that_is_wrong_in_any_folder_is_told_at_once() {
    let (folder, catalog) = Folders::new();
    fs::write(folder.server_types(), "server_types: 1\n").unwrap();
    fs::write(folder.path("answer-templates/default.toml"), "[global\n").unwrap();
    fs::write(folder.path("answer-templates/Bad Name.toml"), "").unwrap();
    fs::write(folder.path("ipxe/local.ipxe"), "#!ipxe\necho hi\necho {{ nothing }}\n").unwrap();
    let found = problems(&catalog);
    for expected in [
        "server-types/server-types.yaml:1: ",
        "answer-templates/default.toml:1: ",
        "answer-templates/Bad Name.toml: ",
        "ipxe/local.ipxe:3: ",
    ] {
        assert!(found.iter().any(|problem| problem.starts_with(expected)), "{expected} in {found:?}");
    }
}

#[test]
fn a_file_that_was_meant_for_us_is_named_and_others_are_let_be() {
    let (folder, catalog) = Folders::new();
    for name in ["server-types.yaml~", ".server-types.yaml.swp", "README.md", "4913", ".hidden.yaml"] {
        fs::write(folder.path("server-types").join(name), "nothing for us").unwrap();
    }
    assert!(catalog.reload().is_none(), "nothing of ours has changed");
    fs::write(folder.path("server-types/more.yml"), ONE_TYPE).unwrap();
    fs::write(folder.path("answer-templates/Default.TOML"), "").unwrap();
    let found = problems(&catalog);
    assert!(found[0].starts_with("server-types/more.yml: is not read") && found[0].contains("`.yaml`"), "{found:?}");
    assert!(found[1].starts_with("answer-templates/Default.TOML: is not read"), "{found:?}");
}

#[test]
fn a_pipe_or_a_huge_file_is_not_read() {
    let (folder, catalog) = Folders::new();
    nix::unistd::mkfifo(&folder.path("server-types/pipe.yaml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::write(folder.path("answer-templates/huge.toml"), "#".repeat((1 << 20) + 1)).unwrap();
    let found = problems(&catalog);
    assert!(found.iter().any(|problem| problem == "server-types/pipe.yaml: is not a file"), "{found:?}");
    assert!(found.iter().any(|problem| problem.contains("huge.toml: has 1048577 bytes")), "{found:?}");
}

#[test]
fn a_catalog_that_is_broken_at_the_start_is_empty_and_says_so() {
    let (folder, catalog) = Folders::new();
    drop(catalog);
    fs::write(folder.server_types(), "nonsense").unwrap();
    let status = folder.open().status();
    assert!(status.server_types.is_empty() && status.problems.len() == 1, "{status:?}");
}

#[test]
fn a_folder_of_scripts_from_before_a_script_existed_is_good_and_that_script_comes_from_the_program() {
    let (folder, _) = Folders::new();
    fs::remove_file(folder.path("ipxe/wait.ipxe")).unwrap();
    let status = folder.open().status();
    assert_eq!((status.problems, status.scripts.contains(&"wait".to_owned())), (vec![], true));
}
