//! `rackseed notify test`: sends a test message to the targets of the settings, and says what came back.

use std::{path::Path, process::ExitCode};

use anyhow::bail;
use clap::Subcommand;
use serde_json::json;

use super::output::Printer;
use crate::{daemon, ports::Targets, settings::Settings};

/// Verbs on notifications.
#[derive(Debug, Subcommand)]
pub(super) enum NotifyVerb {
    /// Send a test message; works beside a running daemon, and without one
    Test {
        /// The target's name in the settings; left out: all of them
        target: Option<String>,
    },
}

/// Does a verb on notifications. The exit code is 1 when a target did not take its message.
pub(super) async fn run(verb: &NotifyVerb, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let NotifyVerb::Test { target: wanted } = verb;
    let notifications = daemon::notifications(&Settings::load(config)?);
    let names: Vec<String> = notifications.targets().into_iter().map(|target| target.name).collect();
    if names.is_empty() {
        bail!("the settings have no target; `rackseed config example` shows some under `notifications.targets`");
    }
    let chosen: Vec<_> = names.iter().filter(|name| wanted.as_ref().is_none_or(|wanted| wanted == *name)).collect();
    if chosen.is_empty() {
        bail!("there is no such target; the settings have: {}", names.join(", "));
    }
    let (mut rows, mut lines, mut all_taken) = (Vec::new(), Vec::new(), true);
    for name in chosen {
        let Some(result) = notifications.test(name).await else { continue };
        let (is_taken, told) = match result {
            Ok(answer) => (true, answer),
            Err(not_taken) => (false, not_taken.reason),
        };
        all_taken &= is_taken;
        lines.push(format!("{name}: {}: {told}", if is_taken { "taken" } else { "NOT TAKEN" }));
        rows.push(json!({ "target": name, "taken": is_taken, "answer": told }));
    }
    printer.print(&rows.into(), || lines.join("\n"));
    Ok(if all_taken { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
