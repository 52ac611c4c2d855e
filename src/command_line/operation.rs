//! `rackseed operation …`: what an operation did and said, and what a person decides about it.

use std::{path::Path, process::ExitCode};

use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;

use super::{
    client::Client,
    host::text,
    output::{Printer, seconds, table},
};

/// Verbs on operations.
#[derive(Debug, Subcommand)]
pub(super) enum OperationVerb {
    /// List the operations, the newest first
    List {
        /// Only those of this status: `running`, `attention` or `ended`, or one that the list shows
        #[arg(long)]
        status: Option<String>,
        /// Only of this host: its name, MAC address or id
        #[arg(long)]
        host: Option<String>,
        /// Only of this plan
        #[arg(long)]
        plan: Option<String>,
        /// How many
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show an operation: its steps, what their commands said, and what can be done about it
    Show {
        /// Its id, or a host's name, MAC address or id for the latest operation of that host
        operation: String,
    },
    /// Try the failed step of an operation that needs attention again
    Retry {
        /// Its id, or a host
        operation: String,
    },
    /// Leave out the step at which an operation stands, where that is safe; `show` says what it means
    Skip {
        /// Its id, or a host
        operation: String,
    },
    /// End an operation; `show` says what it means
    Cancel {
        /// Its id, or a host
        operation: String,
    },
}

/// Does a verb on operations.
pub(super) async fn run(verb: &OperationVerb, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let client = Client::new(config)?;
    let (wanted, action) = match verb {
        OperationVerb::List { status, host, plan, limit } => {
            let fields = [("status", status.as_deref()), ("host", host.as_deref()), ("plan", plan.as_deref())];
            let operations = client.list("/api/operations", &fields, *limit).await?;
            printer.print(&operations.clone().into(), || listed(&operations));
            return Ok(ExitCode::SUCCESS);
        }
        OperationVerb::Show { operation } => (operation, None),
        OperationVerb::Retry { operation } => (operation, Some("retry")),
        OperationVerb::Skip { operation } => (operation, Some("skip")),
        OperationVerb::Cancel { operation } => (operation, Some("cancel")),
    };
    let id = find(&client, wanted).await?;
    if let Some(action) = action {
        client.ask(Method::POST, &format!("/api/operations/{id}/{action}"), None).await?;
    }
    let operation = client.ask(Method::GET, &format!("/api/operations/{id}"), None).await?;
    printer.print(&operation, || told(&operation));
    Ok(ExitCode::SUCCESS)
}

/// The id of an operation: as it was given, or the latest one of a host.
async fn find(client: &Client, wanted: &str) -> anyhow::Result<String> {
    if wanted.parse::<crate::domain::identity::OperationId>().is_ok()
        && client.ask(Method::GET, &format!("/api/operations/{wanted}"), None).await.is_ok()
    {
        return Ok(wanted.to_owned());
    }
    let host = client.find_host(wanted).await?;
    match host["operation"]["id"].as_str() {
        Some(id) => Ok(id.to_owned()),
        None => anyhow::bail!("{} has had no operation yet", text(&host, "hostname")),
    }
}

fn listed(operations: &[Value]) -> String {
    let row = |operation: &Value| {
        let said = ["paused", "reason"].map(|key| text(operation, key)).into_iter().find(|said| !said.is_empty());
        let mut row: Vec<_> = ["id", "hostname", "plan"].map(|key| text(operation, key).to_owned()).to_vec();
        row.push(text(operation, "status").replace('_', " "));
        row.push(seconds(text(operation, "started_at")));
        row.push(said.unwrap_or_default().to_owned());
        row
    };
    if operations.is_empty() {
        return "there is no such operation".to_owned();
    }
    table(&["ID", "HOST", "PLAN", "STATUS", "BEGUN", "REASON"], &operations.iter().map(row).collect::<Vec<_>>())
}

fn told(operation: &Value) -> String {
    let mut lines = vec![format!(
        "operation {} ({}): {}",
        text(operation, "id"),
        text(operation, "plan"),
        text(operation, "status").replace('_', " ")
    )];
    for key in ["reason", "paused"] {
        let said = text(operation, key);
        if !said.is_empty() {
            lines.push(said.to_owned());
        }
    }
    for step in operation["steps"].as_array().into_iter().flatten() {
        let count = |key: &str| step[key].as_u64().unwrap_or_default();
        let tries =
            if count("total_attempts") > 1 { format!(", {} tries", count("total_attempts")) } else { String::new() };
        let spent = if count("spent_seconds") > 0 { format!(", {} s", count("spent_seconds")) } else { String::new() };
        let name = text(step, "name").replace('_', " ");
        let reason = Some(text(step, "reason")).filter(|reason| !reason.is_empty()).map(|reason| format!(": {reason}"));
        lines.push(format!("  {:<12} {name}{tries}{spent}{}", text(step, "status"), reason.unwrap_or_default()));
        for output in step["outputs"].as_array().into_iter().flatten() {
            lines.push(format!("      attempt {} said", output["attempt"]));
            lines.extend(text(output, "text").lines().map(|line| format!("      | {line}")));
        }
    }
    for offer in operation["actions"].as_array().into_iter().flatten().filter(|offer| offer["possible"] == true) {
        lines.push(format!(
            "\n`rackseed operation {} {}`: {}",
            text(offer, "action"),
            text(operation, "id"),
            text(offer, "consequence")
        ));
    }
    lines.join("\n")
}
