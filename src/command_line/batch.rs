//! `rackseed rebuild HOST…` and `rackseed batch …`: many hosts at once.

use std::{
    io::{IsTerminal, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    client::Client,
    host::text,
    output::{Printer, table},
};
use crate::domain::batch::confirmation;

/// Which hosts are to be rebuilt, and how.
#[derive(Debug, Args)]
pub(super) struct RebuildArguments {
    /// Ids, names or MAC addresses, in the order of their turns
    #[arg(required = true, value_name = "HOST")]
    hosts: Vec<String>,
    /// How many at the same time
    #[arg(long, value_name = "N", conflicts_with = "rolling", default_value_t = 1)]
    at_most: u32,
    /// One after the other, each when the one before is ready and the cluster is quorate with every other member online
    #[arg(long)]
    rolling: bool,
    /// The image to install; else what each host would get by itself
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Accept what speaks against a rebuild without forbidding it; else it pauses the batch
    #[arg(long)]
    accept_warnings: bool,
    /// Yes, wipe the disks of all of them
    #[arg(long)]
    yes: bool,
}

/// Verbs on batches.
#[derive(Debug, Subcommand)]
pub(super) enum BatchVerb {
    /// List the batches, newest first
    List,
    /// Show a batch with its hosts
    Show {
        /// Its id
        batch: String,
    },
    /// Go on with a paused batch
    Resume {
        /// Its id
        batch: String,
    },
    /// Leave a host out
    Skip {
        /// The batch's id
        batch: String,
        /// The host: id, name or MAC address
        host: String,
    },
    /// Start nothing more; what is under way goes on
    Cancel {
        /// Its id
        batch: String,
    },
}

/// Makes a batch.
pub(super) async fn rebuild(asked: &RebuildArguments, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let client = Client::new(config)?;
    let confirm = confirmation(asked.hosts.len());
    if !asked.yes {
        ensure!(std::io::stdin().is_terminal(), "this wipes the disks of {} hosts; say --yes", asked.hosts.len());
        let question = format!("This wipes the disks of {}. Type `{confirm}` to go on: ", asked.hosts.join(", "));
        std::io::stderr().write_all(question.as_bytes()).context("cannot ask")?;
        let mut typed = String::new();
        std::io::stdin().read_line(&mut typed).context("cannot read the answer")?;
        ensure!(typed.trim() == confirm, "nothing was started");
    }
    let body = json!({
        "hosts": asked.hosts,
        "at_most": asked.at_most,
        "rolling": asked.rolling,
        "image": asked.image,
        "accept_warnings": asked.accept_warnings,
        "confirm": confirm,
    });
    let batch = client.ask(Method::POST, "/api/batches", Some(&body)).await?;
    printer.print(&batch, || {
        let id = text(&batch, "id");
        format!("batch {id} of {} rebuilds; `rackseed batch show {id}` tells how it is doing", asked.hosts.len())
    });
    Ok(ExitCode::SUCCESS)
}

/// Does a verb on batches.
pub(super) async fn run(verb: &BatchVerb, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let client = Client::new(config)?;
    let (method, path, body) = match verb {
        BatchVerb::List => {
            let batches = client.ask(Method::GET, "/api/batches", None).await?;
            printer.print(&batches, || list(&batches));
            return Ok(ExitCode::SUCCESS);
        }
        BatchVerb::Show { batch } => (Method::GET, batch.clone(), None),
        BatchVerb::Resume { batch } => (Method::POST, format!("{batch}/resume"), None),
        BatchVerb::Skip { batch, host } => (Method::POST, format!("{batch}/skip"), Some(json!({ "host": host }))),
        BatchVerb::Cancel { batch } => (Method::POST, format!("{batch}/cancel"), None),
    };
    let batch = client.ask(method, &format!("/api/batches/{path}"), body.as_ref()).await?;
    printer.print(&batch, || show(&batch));
    Ok(ExitCode::SUCCESS)
}

fn turns(batch: &Value) -> impl Iterator<Item = &Value> {
    batch["turns"].as_array().into_iter().flatten()
}

fn list(batches: &Value) -> String {
    let row = |batch: &Value| {
        let is_over = |turn: &&Value| ["ready", "skipped", "untouched"].contains(&text(turn, "state"));
        let done = format!("{} of {}", turns(batch).filter(is_over).count(), turns(batch).count());
        vec![text(batch, "id").to_owned(), text(batch, "state").to_owned(), done, text(batch, "note").to_owned()]
    };
    let rows: Vec<_> = batches.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        return "there is no batch yet; `rackseed rebuild HOST…` makes one".to_owned();
    }
    table(&["ID", "STATE", "DONE", "NOTE"], &rows)
}

fn show(batch: &Value) -> String {
    let mut lines = vec![format!("batch {} is {}", text(batch, "id"), text(batch, "state"))];
    lines.extend(Some(text(batch, "note").to_owned()).filter(|note| !note.is_empty()));
    let rows: Vec<_> = turns(batch)
        .map(|turn| ["hostname", "state", "operation", "reason"].map(|key| text(turn, key).to_owned()).to_vec())
        .collect();
    lines.push(table(&["HOST", "STATE", "OPERATION", "REASON"], &rows));
    lines.join("\n")
}
