//! `rackseed token`: with what programs are let in.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, bail};
use clap::{Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    client::Client,
    host::text,
    output::{Printer, table},
};
use crate::domain::access::Scope;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum WantedScope {
    /// To look at everything, and to change nothing
    ReadOnly,
    /// To do everything, also to wipe machines
    Operator,
}

/// Verbs on tokens.
#[derive(Debug, Subcommand)]
pub(super) enum TokenVerb {
    /// Show the tokens, without their texts
    List,
    /// Make a token; its text is shown this once
    Create {
        /// What it is for, such as `monitoring`
        name: String,
        /// What it allows
        #[arg(long, value_enum, default_value = "read-only")]
        scope: WantedScope,
    },
    /// Revoke a token: it lets nobody in any more
    Revoke {
        /// Its name or id
        token: String,
    },
}

/// Does a verb on tokens.
pub(super) async fn run(verb: &TokenVerb, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let client = Client::new(config)?;
    match verb {
        TokenVerb::List => {
            let tokens = client.ask(Method::GET, "/api/tokens", None).await?;
            printer.print(&tokens, || list(&tokens));
        }
        TokenVerb::Create { name, scope } => {
            let scope = match scope {
                WantedScope::ReadOnly => Scope::ReadOnly,
                WantedScope::Operator => Scope::Operator,
            };
            let body = json!({ "name": name, "scope": scope });
            let token = client.ask(Method::POST, "/api/tokens", Some(&body)).await?;
            printer.print(&token, || {
                format!(
                    "{}\n\nThis is shown once. Programs send it as `Authorization: Bearer TOKEN`.",
                    text(&token, "token")
                )
            });
        }
        TokenVerb::Revoke { token } => {
            let tokens = client.ask(Method::GET, "/api/tokens", None).await?;
            let found = find(&tokens, token)?;
            client.ask(Method::DELETE, &format!("/api/tokens/{}", text(found, "id")), None).await?;
            let sentence = format!("the token {} is revoked", text(found, "name"));
            printer.print(&json!({ "done": sentence }), || sentence.clone());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The token in use with this name or id.
fn find<'a>(tokens: &'a Value, wanted: &str) -> anyhow::Result<&'a Value> {
    let in_use = tokens.as_array().into_iter().flatten().filter(|token| token["revoked_at"].is_null());
    let names = |token: &&Value| {
        text(token, "name").eq_ignore_ascii_case(wanted) || text(token, "id").eq_ignore_ascii_case(wanted)
    };
    let mut found = in_use.filter(names);
    let token = found
        .next()
        .with_context(|| format!("no token in use is called `{wanted}`; `rackseed token list` shows what there is"))?;
    if found.next().is_some() {
        bail!("`{wanted}` is the name of one token and the id of another; say the id of the one that is meant");
    }
    Ok(token)
}

fn list(tokens: &Value) -> String {
    let row = |token: &Value| {
        let state = if token["revoked_at"].is_null() { "in use" } else { "revoked" };
        let mut row = ["id", "name", "scope", "created_by", "created_at", "last_used_at"]
            .map(|key| text(token, key).to_owned())
            .to_vec();
        row.insert(3, state.to_owned());
        row
    };
    let rows: Vec<_> = tokens.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        return "there is no token yet; `rackseed token create NAME` makes one".to_owned();
    }
    table(&["ID", "NAME", "SCOPE", "STATE", "MADE BY", "MADE", "LAST USED"], &rows)
}
