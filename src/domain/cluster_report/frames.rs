//! The frame around each piece of a report.

use std::collections::BTreeMap;

use super::{Reading, Unread};

/// Stands before the name of a piece.
const BEGIN: &str = "== ";
/// Stands before every line of its content.
const CONTENT: char = '|';
/// Stands before the word that says how the reading went.
const END: &str = "-- ";
/// The last line of a whole report.
const WHOLE: &str = "== end";

/// The pieces of a report by name.
pub(super) struct Frames(BTreeMap<String, Frame>);

struct Frame {
    content: String,
    /// `ok`, `absent`, or why it was not read; empty when the report ends before the piece does.
    ending: String,
}

impl Frames {
    /// Reads the frames. A report without its last line was cut off, and is refused as a whole.
    pub(super) fn read(text: &str) -> Reading<Self> {
        let mut frames: BTreeMap<String, Frame> = BTreeMap::new();
        let mut name = String::new();
        if text.lines().next_back() != Some(WHOLE) {
            let why = "it ends in the middle; ask again, and look at the member's load".to_owned();
            return Err(Unread { what: "the cluster's report".into(), why });
        }
        for line in text.lines() {
            if let Some(begun) = line.strip_prefix(BEGIN) {
                begun.clone_into(&mut name);
                frames.insert(name.clone(), Frame { content: String::new(), ending: String::new() });
            } else if let Some(frame) = frames.get_mut(&name) {
                if let Some(content) = line.strip_prefix(CONTENT) {
                    frame.content.push_str(content);
                    frame.content.push('\n');
                } else if let Some(ending) = line.strip_prefix(END) {
                    ending.clone_into(&mut frame.ending);
                }
            }
        }
        Ok(Self(frames))
    }

    /// The content of a piece that must be there.
    pub(super) fn content(&self, name: &str) -> Reading<&str> {
        self.optional(name)?.ok_or_else(|| unread(name, "it is not there"))
    }

    /// The content of a piece that need not be there: a cluster without replication has no such file.
    pub(super) fn optional(&self, name: &str) -> Reading<Option<&str>> {
        let frame = self.0.get(name).ok_or_else(|| unread(name, "the member did not report it"))?;
        match frame.ending.as_str() {
            "ok" => Ok(Some(&frame.content)),
            "absent" => Ok(None),
            "cut" => Err(unread(name, "it is larger than the report may be")),
            "late" => Err(unread(name, "the member was too slow")),
            "" => Err(unread(name, "the member broke off")),
            other => Err(unread(name, &failure(other, &frame.content))),
        }
    }
}

/// A command that failed, with the last thing that it said.
fn failure(ending: &str, content: &str) -> String {
    let said = content.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let said: String = said.trim().chars().filter(|c| !c.is_control()).take(160).collect();
    match (ending, said.as_str()) {
        // `timeout` ends what takes too long, with 124.
        ("failed 124", _) => "the member did not answer it in time".to_owned(),
        (_, "") => ending.to_owned(),
        (_, said) => format!("{ending}: {said}"),
    }
}

/// What a piece is called where it could not be read.
fn unread(name: &str, why: &str) -> Unread {
    Unread { what: format!("`{name}`"), why: why.to_owned() }
}
