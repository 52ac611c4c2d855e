//! `rackseed gate …`: installs the join gate on a member, shows who has it, and takes it away.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::ensure;
use clap::{Args, Subcommand};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{
    client::Client,
    host::text,
    output::{Printer, table},
    typed_password::ask_hidden,
};
use crate::settings::read_private_file;

/// Verbs on the join gate.
#[derive(Debug, Subcommand)]
pub(super) enum GateVerb {
    /// Install it on a member, or bring it up to date. Root's password is asked for, or read from standard input, and used once
    Install(InstallArguments),
    /// List the members that have it
    List,
    /// Take it off a member
    Remove {
        /// The member's IPv4 address
        #[arg(long, value_name = "ADDRESS")]
        node: Ipv4Addr,
        /// Only take it off the list: the member is gone for good
        #[arg(long)]
        forget: bool,
    },
}

/// Where to install it, and how to log in for this once.
#[derive(Debug, Args)]
pub(super) struct InstallArguments {
    /// The member's IPv4 address
    #[arg(long, value_name = "ADDRESS")]
    node: Ipv4Addr,
    /// The text of its `/etc/ssh/ssh_host_ed25519_key.pub`; not needed for a host of ours, and for `proxmox.existing_node`
    #[arg(long, value_name = "KEY")]
    host_key: Option<String>,
    /// A file with root's password there, mode 0600
    #[arg(long, value_name = "FILE", group = "login")]
    password_file: Option<PathBuf>,
    /// An OpenSSH Ed25519 private key that root there accepts, mode 0600
    #[arg(long, value_name = "FILE", group = "login")]
    key_file: Option<PathBuf>,
    /// Log in with `proxmox.key_file` or `proxmox.root_password_file` of the settings
    #[arg(long, group = "login")]
    as_in_settings: bool,
}

/// Does a verb on the join gate.
pub(super) async fn run(verb: &GateVerb, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let client = Client::new(config)?;
    match verb {
        GateVerb::Install(arguments) => install(arguments, &client, printer).await?,
        GateVerb::List => {
            let gates = client.ask(Method::GET, "/api/cluster/gates", None).await?;
            printer.print(&gates, || list(&gates));
        }
        GateVerb::Remove { node, forget } => {
            let path = format!("/api/cluster/gates/{node}?forget={forget}");
            client.ask(Method::DELETE, &path, None).await?;
            let done = if *forget { "is forgotten" } else { "is removed, and its key lets nobody in any more" };
            let sentence = format!("the join gate of {node} {done}");
            printer.print(&json!({ "done": sentence }), || sentence.clone());
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn install(arguments: &InstallArguments, client: &Client, printer: &Printer) -> anyhow::Result<()> {
    let node = arguments.node;
    let mut body = json!({ "address": node, "ssh_host_key": arguments.host_key });
    let read = |path: &Path| read_private_file(path).map_err(anyhow::Error::msg);
    let secret = match (&arguments.password_file, &arguments.key_file) {
        (Some(path), _) => Some(("password", read(path)?)),
        (None, Some(path)) => Some(("key", read(path)?)),
        (None, None) if arguments.as_in_settings => None,
        (None, None) => Some(("password", ask_password(node)?)),
    };
    if let Some((field, secret)) = &secret {
        body[*field] = secret.expose_secret().into();
    }
    let gate = client.ask(Method::POST, "/api/cluster/gates", Some(&body)).await?;
    printer.print(&gate, || {
        format!(
            "the join gate is installed on {} ({node}) and proved: its key can have the gate's commands done and nothing else",
            text(&gate, "node")
        )
    });
    Ok(())
}

/// Asks for root's password.
fn ask_password(node: Ipv4Addr) -> anyhow::Result<SecretString> {
    let password = ask_hidden(&format!("root's password on {node} (used for this one login, and forgotten): "))?;
    ensure!(
        !password.expose_secret().is_empty(),
        "no password was given; it comes from the terminal, standard input or --password-file"
    );
    Ok(password)
}

fn list(gates: &Value) -> String {
    let row = |gate: &Value| {
        let script = if gate["current"] == true { "current" } else { "older: install again" };
        let mut row = ["address", "node", "installed_at", "ssh_host_key_fingerprint"]
            .map(|key| text(gate, key).to_owned())
            .to_vec();
        row.insert(2, script.to_owned());
        row
    };
    let rows: Vec<_> = gates.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        return "no member has the join gate yet; hosts that are installed from here get it, and `rackseed gate install --node ADDRESS` puts it on others".to_owned();
    }
    table(&["ADDRESS", "NODE", "SCRIPT", "INSTALLED", "HOST KEY"], &rows)
}
