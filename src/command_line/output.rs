//! What is printed: text for people, JSON for programs. The only place of the program that writes to standard output.
#![expect(clippy::print_stdout, reason = "printing is what this file is for")]

use std::process::ExitCode;

use serde_json::{Value, json};

/// Prints in the form that was asked for.
pub(super) struct Printer {
    /// Whether `--json` was given.
    pub(super) json: bool,
}

impl Printer {
    /// Prints a value: as JSON, or by the words of `text`.
    pub(super) fn print(&self, value: &Value, text: impl FnOnce() -> String) {
        if self.json {
            println!("{value:#}");
        } else {
            println!("{}", text().trim_end());
        }
    }

    /// Prints one of many values as they come: as JSON on one line, or by the words of `text`.
    pub(super) fn event(&self, value: &Value, text: impl FnOnce() -> String) {
        if self.json {
            println!("{value}");
        } else {
            println!("{}", text());
        }
    }

    /// Prints a line of text that has no JSON form of its own.
    pub(super) fn line(&self, text: &str) {
        if !self.json {
            println!("{text}");
        }
    }

    /// Prints text as it is, whatever was asked for: a file that may be redirected.
    pub(super) fn raw(text: &str) {
        print!("{text}");
    }

    /// Prints an error with its causes, once, and returns the exit code.
    pub(super) fn fail(&self, error: &anyhow::Error) -> ExitCode {
        if self.json {
            println!("{:#}", json!({ "error": format!("{error:#}") }));
        } else {
            eprintln!("rackseed: {error:#}");
        }
        ExitCode::FAILURE
    }
}

/// A time to the second, `2026-09-21T14:13:20`.
pub(super) fn seconds(time: &str) -> String {
    time.chars().take(19).collect()
}

/// Sets rows under their headings, each column as wide as its widest cell.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |row: &[String], column: usize| row.get(column).map_or(0, |cell| cell.chars().count());
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(column, heading)| rows.iter().map(|row| cells(row, column)).chain([heading.len()]).max().unwrap_or(0))
        .collect();
    let line = |row: Vec<&str>| {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(headings.to_vec());
    for row in rows {
        text += &line(row.iter().map(String::as_str).collect());
    }
    text
}
