//! What was done to a simulated node, one line after the other in a file beside it. It outlives the daemon that did it, and a second
//! installation of the node, so that tests can tell what really happened from what the daemon believes.
//!
//! Every line begins with one of: `installed:`, `login accepted:`, `login refused:`, `command started:`, `command ended:`, `key added:`,
//! `key removed:`, `pvecm started:`, `pvecm ended:`. What went into a command's standard input is not there.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
};

/// The log of one node.
#[derive(Debug, Clone)]
pub struct NodeLog {
    file: PathBuf,
}

impl NodeLog {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// Writes a line, in one piece: several programs write there.
    pub(super) fn note(&self, what: &str, text: &str) {
        let line = format!("{what}: {}\n", text.replace('\\', "\\\\").replace('\n', "\\n"));
        let written = OpenOptions::new().create(true).append(true).open(&self.file);
        if let Err(error) = written.and_then(|mut file| file.write_all(line.as_bytes())) {
            tracing::error!(%error, file = %self.file.display(), "a simulated node cannot write its log");
        }
    }

    /// All lines until now.
    pub fn lines(&self) -> Vec<String> {
        fs::read_to_string(&self.file).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// What was noted of one kind, such as `pvecm started`.
    pub fn noted(&self, what: &str) -> Vec<String> {
        let beginning = format!("{what}: ");
        self.lines().iter().filter_map(|line| line.strip_prefix(&beginning)).map(str::to_owned).collect()
    }
}
