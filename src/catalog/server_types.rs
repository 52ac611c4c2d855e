//! Reads `server-types/*.yaml`.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

use super::read::File;
use crate::domain::{catalog::CatalogProblem, identity::ServerTypeName, server_type::ServerType};

/// One file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerTypesFile {
    server_types: Entries,
}

/// The entries in their order, duplicates included: the YAML reader keeps the last of two equal keys without a word.
struct Entries(Vec<(String, ServerType)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("server types by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Reads all files; each server type with its place.
pub(super) fn read(files: &[File], problems: &mut Vec<CatalogProblem>) -> Vec<(ServerType, String, Option<usize>)> {
    let mut found: BTreeMap<ServerTypeName, (ServerType, String, Option<usize>)> = BTreeMap::new();
    for file in files {
        let problems_before = problems.len();
        let mut broken =
            |line: Option<usize>, rule: String| problems.push(CatalogProblem { file: file.name.clone(), line, rule });
        let parsed: ServerTypesFile = match serde_yaml::from_str(&file.text) {
            Ok(parsed) => parsed,
            Err(error) => {
                broken(error.location().map(|location| location.line()), error.to_string());
                continue;
            }
        };
        let mut lines = EntryLines::new(&file.text);
        for (name, mut kind) in parsed.server_types.0 {
            let line = lines.next_line_of(&name);
            kind.name = match name.parse() {
                Ok(name) => name,
                Err(error) => {
                    broken(line, format!("{error}"));
                    continue;
                }
            };
            kind.check().into_iter().for_each(|rule| broken(line, format!("server type `{name}`: {rule}")));
            if let Some((_, other_file, other_line)) = found.get(&kind.name) {
                let place = other_line.map_or(other_file.clone(), |line| format!("{other_file}:{line}"));
                broken(line, format!("the server type `{name}` is also defined in {place}; remove one"));
                continue;
            }
            found.insert(kind.name.clone(), (kind, file.name.clone(), line));
        }
        // Keys that are twice deeper down, two serials of one disk filter for example, are found only by reading without our types.
        if problems.len() == problems_before
            && let Err(error) = serde_yaml::from_str::<serde_yaml::Value>(&file.text)
        {
            let line = error.location().map(|location| location.line());
            problems.push(CatalogProblem { file: file.name.clone(), line, rule: error.to_string() });
        }
    }
    if found.is_empty() && problems.is_empty() {
        problems.push(CatalogProblem {
            file: "server-types".into(),
            line: None,
            rule: "no server type is defined; write one below `server_types:`".into(),
        });
    }
    found.into_values().collect()
}

/// Finds the lines of entries by their order in the text and their indentation.
struct EntryLines<'a> {
    text: &'a str,
    indentation: usize,
    done: usize,
}

impl<'a> EntryLines<'a> {
    fn new(text: &'a str) -> Self {
        let is_content = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let mut content = text.lines().filter(is_content).skip_while(|line| !line.starts_with("server_types"));
        let indentation = content.nth(1).map(indentation).unwrap_or_default();
        Self { text, indentation, done: 0 }
    }

    fn next_line_of(&mut self, name: &str) -> Option<usize> {
        let is_it = |line: &str| {
            indentation(line) == self.indentation
                && line
                    .trim_start()
                    .trim_start_matches(['"', '\''])
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
        };
        let place = self.text.lines().skip(self.done).position(is_it)? + self.done + 1;
        self.done = place;
        Some(place)
    }
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}
