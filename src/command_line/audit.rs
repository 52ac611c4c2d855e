//! `rackseed audit`: who did what; and the rows of commands that work on the data folder themselves.

use std::{os::unix::fs::MetadataExt, path::Path, process::ExitCode};

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::{
    client::Client,
    host::text,
    output::{Printer, seconds, table},
};
use crate::{
    daemon::SystemClock,
    domain::{
        audit::{Asker, NewAuditEntry, Via},
        identity::ImageId,
    },
    ports::{AuditLog, Clock},
};

/// Which rows.
#[derive(Debug, Args)]
pub(super) struct AuditArguments {
    /// Only of this host: its name, id or MAC address; the id also after the host was removed
    #[arg(long)]
    host: Option<String>,
    /// Only rows older than the one with this number
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
    /// How many rows, at most 1000
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

/// Shows rows of the log, the newest first.
pub(super) async fn run(arguments: &AuditArguments, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let client = Client::new(config)?;
    let mut path = format!("/api/audit?limit={}", arguments.limit);
    if let Some(before) = arguments.before {
        path += &format!("&before={before}");
    }
    if let Some(wanted) = &arguments.host {
        let host = match client.find_host(wanted).await {
            Ok(host) => text(&host, "id").to_owned(),
            Err(_) if wanted.parse::<crate::domain::identity::HostId>().is_ok() => wanted.clone(),
            Err(error) => return Err(error),
        };
        path += &format!("&host={host}");
    }
    let rows = client.ask(Method::GET, &path, None).await?;
    printer.print(&rows, || told(&rows));
    Ok(ExitCode::SUCCESS)
}

fn told(rows: &Value) -> String {
    let row = |row: &Value| {
        let who = row["actor"].as_str().unwrap_or(text(row, "via"));
        vec![
            row["number"].to_string(),
            seconds(text(row, "at")),
            format!("{who} {}", text(row, "peer")),
            text(row, "sentence").to_owned(),
        ]
    };
    let rows: Vec<_> = rows.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() { "no row".to_owned() } else { table(&["NUMBER", "AT", "WHO", "WHAT"], &rows) }
}

/// Writes what a command did to the data folder by itself.
pub(super) async fn record(
    log: &dyn AuditLog,
    action: &str,
    image: Option<ImageId>,
    sentence: String,
) -> anyhow::Result<()> {
    // The process's folder belongs to whom the process belongs.
    let user = std::fs::metadata("/proc/self").map(|process| format!("user {}", process.uid())).unwrap_or_default();
    let asker = Asker { actor: None, via: Via::CommandLine, peer: user, agent: "rackseed" };
    let entry = NewAuditEntry { image, ..NewAuditEntry::new(asker, action, sentence) };
    Ok(log.record(&entry, SystemClock.now()).await?)
}
