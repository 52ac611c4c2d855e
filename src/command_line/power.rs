//! `rackseed host power …`: looks at a host's power and switches it, and stores the secret that this needs.

use std::io::{IsTerminal, Read};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{client::Client, output::Printer};

/// The longest secret that is read from standard input, in bytes.
const LONGEST_SECRET: u64 = 4096;

/// What to do with a host's power.
#[derive(Debug, Args)]
pub(super) struct PowerArguments {
    /// Its id, name or MAC address
    host: String,
    /// What to do
    #[arg(value_enum)]
    verb: PowerVerb,
    /// The host's name once more; needed by all but status and on, which stop nothing
    #[arg(long, value_name = "HOSTNAME")]
    confirm: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PowerVerb {
    /// Look whether it is on
    Status,
    /// Switch it on
    On,
    /// Cut its power at once
    Off,
    /// Cut its power and give it back
    Cycle,
    /// Let it boot from the network once, now
    NetworkBoot,
}

/// Looks or switches.
pub(super) async fn power(arguments: &PowerArguments, client: &Client, printer: &Printer) -> anyhow::Result<()> {
    let host = client.find_host(&arguments.host).await?;
    let path = format!("/api/hosts/{}/power", text(&host, "id"));
    let action = match arguments.verb {
        PowerVerb::Status => {
            let seen = client.ask(Method::GET, &path, None).await?;
            printer.print(&seen, || {
                format!("{} is {} ({})", text(&host, "hostname"), text(&seen, "state"), text(&seen, "driver"))
            });
            return Ok(());
        }
        PowerVerb::On => "on",
        PowerVerb::Off => "off",
        PowerVerb::Cycle => "cycle",
        PowerVerb::NetworkBoot => "network_boot",
    };
    let body = json!({ "action": action, "confirm": arguments.confirm });
    let done = client.ask(Method::POST, &path, Some(&body)).await?;
    printer.print(&done, || text(&done, "done").to_owned());
    Ok(())
}

/// Which secret to store.
#[derive(Debug, Args)]
pub(super) struct SecretArguments {
    /// Its id, name or MAC address
    host: String,
    /// Erase the stored one
    #[arg(long)]
    erase: bool,
}

/// Stores what standard input says, so that the secret is neither in the arguments nor in the shell's history.
pub(super) async fn secret(arguments: &SecretArguments, client: &Client, printer: &Printer) -> anyhow::Result<()> {
    let host = client.find_host(&arguments.host).await?;
    let secret = if arguments.erase { None } else { Some(read_secret()?) };
    let body = json!({ "secret": secret.as_ref().map(|secret| secret.as_str()) });
    client.ask(Method::PUT, &format!("/api/hosts/{}/power-secret", text(&host, "id")), Some(&body)).await?;
    let done = if arguments.erase { "erased" } else { "stored" };
    let sentence = format!("the power secret of {} is {done}", text(&host, "hostname"));
    printer.print(&json!({ "done": sentence }), || sentence.clone());
    Ok(())
}

fn read_secret() -> anyhow::Result<Zeroizing<String>> {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        anyhow::bail!(
            "give the secret on standard input, so that it is not shown: `rackseed host power-secret HOST < FILE`"
        );
    }
    let mut secret = Zeroizing::new(String::new());
    input.by_ref().take(LONGEST_SECRET).read_to_string(&mut secret).context("cannot read the secret")?;
    let line = Zeroizing::new(secret.trim_end_matches(['\r', '\n']).to_owned());
    ensure!(!line.is_empty(), "standard input holds no secret; `--erase` erases the stored one");
    Ok(line)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}
