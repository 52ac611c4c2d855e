//! `rackseed doctor`: looks for what would keep machines from booting, and says what to do.

use std::{
    path::Path,
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

use serde_json::json;

use super::output::Printer;
use crate::{
    daemon::{DoctorNotes, examine},
    domain::{
        checkup::{Finding, Verdict},
        identity::MacAddress,
    },
    settings::Settings,
};

/// Everything that was found, in its order.
#[derive(Default)]
struct Found(Mutex<Vec<Finding>>);

impl DoctorNotes for Found {
    fn looking_at(&self, _: &str) {}

    fn found(&self, finding: Finding) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(finding);
    }
}

/// Makes every check; the exit code is a failure when one of them found a problem.
pub(super) async fn run(config: &Path, imitated: Option<MacAddress>, printer: &Printer) -> anyhow::Result<ExitCode> {
    let (settings, found) = (Settings::load(config)?, Found::default());
    examine(&settings, imitated, &found).await;
    let findings = found.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    let row = |it: &Finding| {
        json!({ "check": it.check, "verdict": it.verdict.word(), "detail": it.sentence(), "sign": it.sign,
            "confirm": it.confirm, "fix": it.fix })
    };
    let list: Vec<_> = findings.iter().map(row).collect();
    printer.print(&list.into(), || {
        let lines = findings.iter().map(|it| {
            let line = format!("{:<8} {:<20} {}", it.verdict.word(), it.check, it.sentence());
            match it.confirm.as_ref().filter(|_| it.verdict != Verdict::Good) {
                Some(command) => format!("{line}\n{:<30}make sure: {command}", ""),
                None => line,
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    });
    let is_bad = findings.iter().any(|finding| finding.verdict == Verdict::Bad);
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
