//! `rackseed host …` as far as it only looks: the list, the way of a rebuild, its evidence, what the machine sent.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::{
    client::Client,
    host::text,
    output::{Printer, seconds, table},
};

/// Which hosts, in which order.
#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Only those with this in their name, MAC address or IP address
    #[arg(long, short)]
    search: Option<String>,
    /// Only those in this state
    #[arg(long)]
    state: Option<String>,
    /// Only those of this server type
    #[arg(long)]
    server_type: Option<String>,
    /// Only those that need attention
    #[arg(long)]
    attention: bool,
    /// Only those that take longer than is usual
    #[arg(long)]
    overdue: bool,
    /// The order, as the dashboard has it
    #[arg(long)]
    sort: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    limit: usize,
}

/// What is looked at of one host.
#[derive(Debug, Subcommand)]
pub(super) enum HostLook {
    /// The states that its latest rebuild came through, and how long each took
    Lifecycle {
        /// Its id, name or MAC address
        host: String,
    },
    /// What is proved about its latest rebuild; the exit code tells nothing, the list does
    Evidence {
        /// Its id, name or MAC address
        host: String,
    },
    /// What its machine sent, and what it was answered, without secrets
    Exchanges {
        /// Its id, name or MAC address
        host: String,
        /// At most so many, the newest first
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
}

/// Lists hosts.
pub(super) async fn list(arguments: &ListArguments, client: &Client, printer: &Printer) -> anyhow::Result<()> {
    let fields = [
        ("q", arguments.search.as_deref()),
        ("state", arguments.state.as_deref()),
        ("server_type", arguments.server_type.as_deref()),
        ("attention", arguments.attention.then_some("true")),
        ("overdue", arguments.overdue.then_some("true")),
        ("sort", arguments.sort.as_deref()),
    ];
    let is_narrow = fields.iter().any(|(name, value)| *name != "sort" && value.is_some());
    let hosts = client.list("/api/hosts", &fields, arguments.limit).await?;
    printer.print(&hosts.clone().into(), || match (hosts.is_empty(), is_narrow) {
        (true, true) => "there is no such host".to_owned(),
        (true, false) => {
            "no host is registered yet; `rackseed host add HOSTNAME MAC SERVER_TYPE` registers one".to_owned()
        }
        (false, _) => rows(
            &["ID", "NAME", "MAC", "SERVER TYPE", "STATE", "ADDRESS"],
            &hosts,
            &["id", "hostname", "mac", "server_type", "state_label", "address"],
        ),
    });
    Ok(())
}

/// Looks at one host.
pub(super) async fn look(look: &HostLook, client: &Client, printer: &Printer) -> anyhow::Result<()> {
    let (host, word) = match look {
        HostLook::Lifecycle { host } => (host, "lifecycle"),
        HostLook::Evidence { host } => (host, "evidence"),
        HostLook::Exchanges { host, .. } => (host, "exchanges"),
    };
    let path = format!("/api/hosts/{}/{word}", text(&client.find_host(host).await?, "id"));
    match look {
        HostLook::Lifecycle { .. } => {
            let lifecycle = client.ask(Method::GET, &path, None).await?;
            printer.print(&lifecycle, || way(&lifecycle));
        }
        HostLook::Evidence { .. } => {
            let evidence = client.list(&path, &[], usize::MAX).await?;
            let keys = ["standing", "claim", "proof"];
            printer.print(&evidence.clone().into(), || rows(&["STANDING", "CLAIM", "PROOF"], &evidence, &keys));
        }
        HostLook::Exchanges { limit, .. } => {
            let exchanges = client.list(&path, &[], *limit).await?;
            printer.print(&exchanges.clone().into(), || told(&exchanges));
        }
    }
    Ok(())
}

fn way(lifecycle: &Value) -> String {
    let row = |leg: &Value| {
        let time = |key: &str| leg[key].as_u64().map(|seconds| format!("{seconds} s")).unwrap_or_default();
        let passage = text(leg, "passage").replace('_', " ");
        vec![text(leg, "label").to_owned(), passage, time("seconds"), time("usual_seconds")]
    };
    let legs: Vec<_> = lifecycle["legs"].as_array().into_iter().flatten().map(row).collect();
    table(&["STATE", "PASSAGE", "TOOK", "USUALLY"], &legs)
}

fn told(exchanges: &[Value]) -> String {
    let mut lines = Vec::new();
    for exchange in exchanges {
        lines.push(format!(
            "{}  {} from {}: {}",
            seconds(text(exchange, "at")),
            text(exchange, "label"),
            text(exchange, "peer"),
            exchange["status"]
        ));
        for (key, sign) in [("sent", '>'), ("answered", '<')] {
            lines.extend(text(&exchange[key], "text").lines().map(|line| format!("  {sign} {line}")));
        }
    }
    if lines.is_empty() { "its machine has sent nothing yet".to_owned() } else { lines.join("\n") }
}

/// Things as a table, one key for each column.
fn rows(headings: &[&str], things: &[Value], keys: &[&str]) -> String {
    let row = |thing: &Value| keys.iter().map(|key| text(thing, key).to_owned()).collect();
    table(headings, &things.iter().map(row).collect::<Vec<_>>())
}
