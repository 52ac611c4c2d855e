//! `rackseed activity`: what happened, and with `--follow` what happens.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, ensure};
use clap::Args;
use futures_util::StreamExt;
use serde_json::Value;

use super::{
    client::Client,
    host::text,
    output::{Printer, seconds, table},
};

/// The longest event that is read, in bytes: far more than one sentence has.
const LONGEST_EVENT: usize = 1 << 20;

/// Which rows.
#[derive(Debug, Args)]
pub(super) struct ActivityArguments {
    /// Only of this host: its name, MAC address or id
    #[arg(long)]
    host: Option<String>,
    /// Only of this operation
    #[arg(long, value_name = "ID")]
    operation: Option<String>,
    /// Only of this topic: host, operation, catalog, warning, overdue, image or sighting
    #[arg(long)]
    topic: Option<String>,
    /// Only what a person should look at
    #[arg(long)]
    attention: bool,
    /// How many rows
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Go on, and print what happens from now on
    #[arg(long, conflicts_with_all = ["host", "operation", "topic", "attention", "limit"])]
    follow: bool,
}

/// Shows rows of the live feed.
pub(super) async fn run(arguments: &ActivityArguments, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let client = Client::new(config)?;
    if arguments.follow {
        return follow(&client, printer).await;
    }
    let fields = [
        ("host", arguments.host.as_deref()),
        ("operation", arguments.operation.as_deref()),
        ("topic", arguments.topic.as_deref()),
        ("attention", arguments.attention.then_some("true")),
    ];
    let rows = client.list("/api/activity", &fields, arguments.limit).await?;
    printer.print(&rows.clone().into(), || told(&rows));
    Ok(ExitCode::SUCCESS)
}

fn told(rows: &[Value]) -> String {
    let row =
        |row: &Value| vec![seconds(text(row, "at")), text(row, "topic").to_owned(), text(row, "message").to_owned()];
    if rows.is_empty() {
        return "nothing of this kind has happened".to_owned();
    }
    table(&["AT", "TOPIC", "WHAT"], &rows.iter().map(row).collect::<Vec<_>>())
}

/// Prints every event, one line each, until the daemon stops.
async fn follow(client: &Client, printer: &Printer) -> anyhow::Result<ExitCode> {
    let mut parts = client.stream("/events").await?.bytes_stream();
    let mut buffer = Vec::new();
    while let Some(part) = parts.next().await {
        buffer.extend_from_slice(&part.context("the daemon broke off its answer")?);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            // What has no message is for pages: a boot that goes on (WHATWG HTML §9.2.6 tells the form of a stream).
            let event = line.strip_prefix(b"data:").and_then(|data| serde_json::from_slice::<Value>(data).ok());
            if let Some(event) = event.filter(|event| event["message"].is_string()) {
                printer.event(&event, || format!("{}  {}", seconds(text(&event, "at")), text(&event, "message")));
            }
        }
        ensure!(buffer.len() <= LONGEST_EVENT, "the daemon sent an event that is too long");
    }
    Ok(ExitCode::SUCCESS)
}
