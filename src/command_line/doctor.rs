//! `rackseed doctor`: looks for what would keep machines from booting, and says what to do.

use std::{path::Path, process::ExitCode};

use serde_json::json;

use super::{output::Printer, probes};
use crate::{domain::identity::MacAddress, settings::Settings};

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Good.
    Good,
    /// It works, but a person should know.
    Warning,
    /// It will not work.
    Bad,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Bad => "problem",
        }
    }
}

/// What a check found.
pub(super) struct Finding {
    /// What was looked at.
    pub(super) what: &'static str,
    /// How it went.
    pub(super) verdict: Verdict,
    /// The sentence: what was seen, and what to do.
    pub(super) detail: String,
}

/// Makes every check; the exit code is a failure when one of them found a problem.
pub(super) async fn run(config: &Path, imitated: Option<MacAddress>, printer: &Printer) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(config)?;
    let findings = probes::all(&settings, imitated).await;
    let list: Vec<_> = findings
        .iter()
        .map(|it| json!({ "check": it.what, "verdict": it.verdict.word(), "detail": it.detail }))
        .collect();
    printer.print(&list.into(), || {
        let lines = findings.iter().map(|it| format!("{:<8} {:<20} {}", it.verdict.word(), it.what, it.detail));
        lines.collect::<Vec<_>>().join("\n")
    });
    let is_bad = findings.iter().any(|finding| finding.verdict == Verdict::Bad);
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
