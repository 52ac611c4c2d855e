//! `rackseed host …`: what the dashboard can do, for the terminal.

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::{boots, client::Client, host_import, host_look, output::Printer, power, rebuild};

/// Verbs on hosts.
#[derive(Debug, Subcommand)]
pub(super) enum HostVerb {
    /// Register a host
    Add {
        /// The name that it will have as a node
        hostname: String,
        /// The MAC address of the network card that it boots from
        mac: String,
        /// Its server type, a key of server-types.yaml
        server_type: String,
    },
    /// List the hosts, or some of them
    List(host_look::ListArguments),
    /// Register the hosts of a CSV file: all of them, or none
    Import(host_import::ImportArguments),
    #[command(flatten)]
    Look(host_look::HostLook),
    /// Say that a machine's console shows the SSH fingerprint that its host's page shows, where that is asked for
    ConfirmKey {
        /// Its id, name or MAC address
        host: String,
        /// The fingerprint that the console shows: `SHA256:…`
        fingerprint: String,
    },
    /// List the machines that asked for a boot and are not registered
    Sightings {
        /// Forget this one until it asks again
        #[arg(long, value_name = "MAC")]
        forget: Option<String>,
    },
    /// Show a host with its steps and history
    Show {
        /// Its id, name or MAC address
        host: String,
    },
    /// Reinstall a host. This wipes its disk.
    Rebuild(rebuild::RebuildArguments),
    /// Change what was chosen for a host: `boot.discovery=direct`, `image=null` takes a choice back
    Set {
        /// Its id, name or MAC address
        host: String,
        /// `path=value`; a value that reads as JSON is taken as such, else as text
        #[arg(required = true, value_name = "PATH=VALUE")]
        choices: Vec<String>,
    },
    /// Look whether a host is on, or switch it
    Power(power::PowerArguments),
    /// Store the password of a host's BMC, or its webhook's token: one line on standard input
    PowerSecret(power::SecretArguments),
    /// Remove a host that is not being rebuilt
    Remove {
        /// Its id, name or MAC address
        host: String,
    },
}

/// Does a verb on hosts.
pub(super) async fn run(verb: &HostVerb, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let client = Client::new(config)?;
    match verb {
        HostVerb::Add { hostname, mac, server_type } => {
            let body = json!({ "hostname": hostname, "mac": mac, "server_type": server_type });
            let host = client.ask(Method::POST, "/api/hosts", Some(&body)).await?;
            printer.print(&host, || {
                format!(
                    "{hostname} is registered; rebuild it with `rackseed host rebuild {hostname} --confirm {hostname}`"
                )
            });
        }
        HostVerb::List(arguments) => host_look::list(arguments, &client, printer).await?,
        HostVerb::Import(arguments) => return host_import::run(arguments, &client, printer).await,
        HostVerb::Look(look) => host_look::look(look, &client, printer).await?,
        HostVerb::ConfirmKey { host, fingerprint } => {
            let found = client.find_host(host).await?;
            let path = format!("/api/hosts/{}/confirm-host-key", text(&found, "id"));
            let body = json!({ "fingerprint": fingerprint });
            let host = client.ask(Method::POST, &path, Some(&body)).await?;
            printer.print(&host, || format!("the host key of {} is confirmed", text(&host, "hostname")));
        }
        HostVerb::Sightings { forget } => boots::sightings(forget.as_deref(), &client, printer).await?,
        HostVerb::Show { host } => {
            let host = client.find_host(host).await?;
            printer.print(&host, || show(&host));
        }
        HostVerb::Rebuild(arguments) => return rebuild::run(arguments, &client, printer).await,
        HostVerb::Set { host, choices } => {
            let found = client.find_host(host).await?;
            let body = json!({ "options": patch(choices)? });
            let path = format!("/api/hosts/{}", text(&found, "id"));
            let changed = client.ask(Method::PATCH, &path, Some(&body)).await?;
            printer.print(&changed, || serde_json::to_string_pretty(&changed["options"]).unwrap_or_default());
        }
        HostVerb::Power(arguments) => power::power(arguments, &client, printer).await?,
        HostVerb::PowerSecret(arguments) => power::secret(arguments, &client, printer).await?,
        HostVerb::Remove { host } => {
            let found = client.find_host(host).await?;
            client.ask(Method::DELETE, &format!("/api/hosts/{}", text(&found, "id")), None).await?;
            printer.print(&json!({ "removed": found["id"] }), || format!("{} is removed", text(&found, "hostname")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes one merge patch of `path=value` words.
fn patch(choices: &[String]) -> anyhow::Result<Value> {
    let mut patch = json!({});
    for choice in choices {
        let (path, value) =
            choice.split_once('=').with_context(|| format!("`{choice}` is not of the form path=value"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        let mut place = &mut patch;
        for name in path.split('.') {
            place = &mut place[name];
        }
        *place = value;
    }
    Ok(patch)
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn show(host: &Value) -> String {
    let mut lines = vec![format!("{} ({}), {}", text(host, "hostname"), text(host, "mac"), text(host, "server_type"))];
    lines.push(format!("{} since {}", text(host, "state_label"), text(host, "state_since")));
    for (label, key) in
        [("reason", "reason"), ("address", "address"), ("hardware id", "hardware_id"), ("SSH host key", "ssh_host_key")]
    {
        if !text(host, key).is_empty() {
            lines.push(format!("{label}: {}", text(host, key)));
        }
    }
    let operation = &host["operation"];
    if operation.is_object() {
        lines.push(format!(
            "\noperation {} ({}): {}",
            text(operation, "id"),
            text(operation, "plan"),
            text(operation, "status")
        ));
        for step in operation["steps"].as_array().into_iter().flatten() {
            let reason =
                Some(text(step, "reason")).filter(|reason| !reason.is_empty()).map(|reason| format!(": {reason}"));
            lines.push(format!(
                "  {:<12} {}{}",
                text(step, "status"),
                text(step, "name").replace('_', " "),
                reason.unwrap_or_default()
            ));
        }
    }
    lines.push("\nhistory, newest first".to_owned());
    for entry in host["history"].as_array().into_iter().flatten() {
        lines.push(format!("  {}  {:<10} {}", text(entry, "at"), text(entry, "to"), text(entry, "because")));
    }
    lines.join("\n")
}
