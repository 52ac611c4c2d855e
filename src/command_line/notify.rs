//! `rackseed notify …`: whom we tell and what became of it; and a test message to the targets of the settings.

use std::{path::Path, process::ExitCode};

use anyhow::bail;
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    client::Client,
    host::text,
    output::{Printer, table},
};
use crate::{daemon, ports::Targets, settings::Settings};

/// Verbs on notifications.
#[derive(Debug, Subcommand)]
pub(super) enum NotifyVerb {
    /// List the targets and the latest deliveries (asks the running daemon)
    List,
    /// Send a test message; works beside a running daemon, and without one
    Test {
        /// The target's name in the settings; left out: all of them
        target: Option<String>,
    },
}

/// Does a verb on notifications. The exit code is 1 when a target did not take its message.
pub(super) async fn run(verb: &NotifyVerb, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let wanted = match verb {
        NotifyVerb::Test { target } => target,
        NotifyVerb::List => return list(config, printer).await,
    };
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

async fn list(config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let notifications = Client::new(config)?.ask(Method::GET, "/api/notifications", None).await?;
    printer.print(&notifications, || {
        let rows = |list: &Value, keys: &[&str]| -> Vec<Vec<String>> {
            let row = |one: &Value| keys.iter().map(|key| text(one, key).to_owned()).collect();
            list.as_array().into_iter().flatten().map(row).collect()
        };
        let targets = rows(&notifications["targets"], &["name", "kind", "place"]);
        if targets.is_empty() {
            return "nobody is told; `rackseed config example` shows targets under `notifications.targets`".to_owned();
        }
        let deliveries = rows(&notifications["deliveries"], &["at", "target", "state", "title", "problem"]);
        let targets = table(&["TARGET", "KIND", "PLACE"], &targets);
        if deliveries.is_empty() {
            return format!("{targets}\nnothing was told yet");
        }
        format!("{targets}\n{}", table(&["AT", "TARGET", "STATE", "WHAT", "PROBLEM"], &deliveries))
    });
    Ok(ExitCode::SUCCESS)
}
