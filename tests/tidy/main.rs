//! Style as a test: who may use whom, how long files are, that every file says what it is for, and that the README tells the truth.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The table of design: room, and the rooms that it may use. Arrows point one way only.
const ROOMS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("ports", &["domain"]),
    ("provisioning", &["ports", "domain"]),
    ("operations", &["provisioning", "ports", "domain"]),
    ("store", &["ports", "domain"]),
    ("catalog", &["ports", "domain"]),
    ("images", &["ports", "domain"]),
    ("infrastructure", &["ports", "domain"]),
    ("power", &["ports", "domain"]),
    ("notifications", &["ports", "domain"]),
    ("remote_shell", &["ports", "domain"]),
    ("dhcp", &["provisioning", "ports", "domain"]),
    ("tftp", &["provisioning", "ports", "domain"]),
    ("http", &["operations", "provisioning", "ports", "domain"]),
    ("simulator", &["ports", "domain"]),
    ("settings", &["domain"]),
    ("keeping", &["domain", "images", "ports", "settings", "store"]),
    (
        "daemon",
        &[
            "catalog",
            "dhcp",
            "domain",
            "http",
            "images",
            "infrastructure",
            "notifications",
            "keeping",
            "operations",
            "ports",
            "power",
            "provisioning",
            "remote_shell",
            "settings",
            "simulator",
            "store",
            "tftp",
        ],
    ),
    (
        "command_line",
        &[
            "catalog",
            "daemon",
            "dhcp",
            "domain",
            "http",
            "images",
            "keeping",
            "ports",
            "provisioning",
            "settings",
            "simulator",
            "store",
            "tftp",
        ],
    ),
];

/// What `operations` may take from `provisioning`: the host keeper and what comes with it, never a desk that answers machines.
const FROM_PROVISIONING: &[&str] =
    &["AnswerDesk", "HostKeeper", "KeeperError", "Move", "Patience", "RebuildTokens", "secret_place", "self", "{"];

/// The longest file. A longer one is a room that wants a wall.
const LONGEST_FILE_LINES: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// The room of a file below `src`, if it is in one.
fn room(path: &Path) -> Option<String> {
    let relative = path.strip_prefix(root().join("src")).ok()?;
    let first = relative.components().next()?.as_os_str().to_str()?;
    (relative.components().count() > 1).then(|| first.to_owned())
}

/// The rooms that a text names as `crate::ROOM` or inside `use crate::{…}`.
fn used_rooms(text: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    let mut rest = text;
    while let Some(place) = rest.find("crate::") {
        rest = &rest[place + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut word) = (0_i32, String::new());
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => used.extend(first_word(&std::mem::take(&mut word))),
                    other if depth == 0 => word.push(other),
                    _ => {}
                }
            }
            used.extend(first_word(&word));
        } else {
            used.extend(first_word(rest));
        }
    }
    used
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    ROOMS.iter().any(|(room, _)| *room == word).then_some(word)
}

#[test]
fn every_room_uses_only_the_rooms_of_the_table() {
    let mut seen = BTreeSet::new();
    for path in files("src", "rs") {
        let Some(room) = room(&path) else { continue };
        let allowed = ROOMS
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("the room `{room}` is not in the table"))
            .1;
        for used in used_rooms(&fs::read_to_string(&path).unwrap()) {
            assert!(
                used == room || allowed.contains(&used.as_str()),
                "{} uses `{used}`, which `{room}` may not",
                name(&path)
            );
        }
        seen.insert(room);
    }
    assert_eq!(seen.len(), ROOMS.len(), "rooms in the table without files, or the other way round: {seen:?}");
}

#[test]
fn the_table_has_no_circles() {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    while done.len() < ROOMS.len() {
        let next =
            ROOMS.iter().find(|(room, uses)| !done.contains(room) && uses.iter().all(|used| done.contains(used)));
        done.insert(next.expect("the rest of the table goes in a circle").0);
    }
}

#[test]
fn the_domain_knows_no_runtime_socket_file_or_clock() {
    for path in files("src/domain", "rs") {
        let text = fs::read_to_string(&path).unwrap();
        for banned in [
            "tokio",
            "axum",
            "rusqlite",
            "russh",
            "std::fs",
            "std::net::Tcp",
            "std::net::Udp",
            "Timestamp::now",
            "SystemTime",
        ] {
            assert!(!text.contains(banned), "{} names `{banned}`", name(&path));
        }
    }
}

#[test]
fn operations_take_the_host_keeper_and_no_desk_that_answers_machines() {
    for path in files("src/operations", "rs") {
        let text = fs::read_to_string(&path).unwrap();
        for desk in ["BootDesk", "BootOffers", "CheckIn", "Enrolment", "Watchdog", "BootTable"] {
            assert!(!text.contains(desk) || FROM_PROVISIONING.contains(&desk), "{} uses `{desk}`", name(&path));
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_fits_in_one_head() {
    for path in files("src", "rs").into_iter().chain(files("tests", "rs")).chain(files("benches", "rs")) {
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().find(|line| !line.starts_with("#!")).unwrap_or_default();
        assert!(first.starts_with("//!"), "{} does not open with what it is for", name(&path));
        assert!(text.lines().count() <= LONGEST_FILE_LINES, "{} has {} lines", name(&path), text.lines().count());
    }
}

#[test]
fn nothing_is_called_utils() {
    for path in files("src", "rs").into_iter().chain(files("tests", "rs")) {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert!(!["util", "utils", "common", "helper", "helpers", "misc"].contains(&stem), "{}", name(&path));
    }
}

#[test]
fn the_readme_shows_the_state_diagram_of_the_table() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let diagram = rackseed::domain::host_lifecycle::diagram();
    assert!(readme.contains(&diagram), "the README must hold this diagram:\n{diagram}");
}

#[test]
fn the_readme_lists_every_route() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for route in rackseed::http::ROUTES {
        let line = format!(
            "| {} | {} | `{}` | {} |",
            format!("{:?}", route.audience).to_lowercase(),
            route.method,
            route.path,
            route.summary
        );
        assert!(readme.contains(&line), "the README must hold: {line}");
    }
}

#[test]
fn no_document_or_source_names_a_place_of_one_machine() {
    let texts = ["src", "tests", "docker", ".ci", "ipxe", "answer-templates", "server-types", "migrations"];
    let here = ["/wo", "rk/"].concat();
    for extension in ["rs", "md", "toml", "yaml", "yml", "sh", "ipxe", "sql"] {
        for path in texts.iter().flat_map(|folder| files(folder, extension)) {
            assert!(!fs::read_to_string(&path).unwrap().contains(&here), "{}", name(&path));
        }
    }
}
