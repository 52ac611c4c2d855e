//! `rackseed user`: who may sign in, straight from the data folder, for whoever has lost the password.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, bail, ensure};
use clap::Subcommand;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{
    audit::record,
    output::{Printer, table},
    typed_password::ask_hidden,
};
use crate::{
    domain::access::{AccessName, User, check_password},
    ports::{AccessLedger, Passwords},
    settings::Settings,
    store::{Argon2Passwords, Store},
};

/// Verbs on users.
#[derive(Debug, Subcommand)]
pub(super) enum UserVerb {
    /// Show the users
    List,
    /// Give a user another password, asked for on the terminal or read from standard input; all sessions of that user end
    ResetPassword {
        /// The user
        name: String,
    },
}

/// Does a verb on users, beside a running daemon or without one.
pub(super) async fn run(verb: &UserVerb, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(config)?;
    ensure!(
        crate::store::has_database(&settings.data_folder),
        "there is no database in {}; start the daemon first, and make the first user on its page /first-visit",
        settings.data_folder.display()
    );
    let store = Store::open_shared(&settings.data_folder)?;
    let users = store.users().await?;
    match verb {
        UserVerb::List => {
            let rows = users.iter().map(|user| json!({ "name": user.name.as_str(), "created_at": user.created_at }));
            printer.print(&rows.collect(), || list(&users));
        }
        UserVerb::ResetPassword { name } => reset(&store, &users, name, printer).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn reset(store: &Store, users: &[User], name: &str, printer: &Printer) -> anyhow::Result<()> {
    let wanted: AccessName = name.parse().map_err(anyhow::Error::new)?;
    let Some((user, _)) = store.user(&wanted).await? else {
        let names: Vec<_> = users.iter().map(|user| user.name.as_str()).collect();
        match names.is_empty() {
            true => bail!("there is no user yet; the daemon's page /first-visit makes the first one"),
            false => bail!("there is no user `{wanted}`; there are: {}", names.join(", ")),
        }
    };
    let password = ask_twice(user.name.as_str())?;
    check_password(user.name.as_str(), password.expose_secret()).map_err(anyhow::Error::msg)?;
    let hash = Argon2Passwords::default().hash(password).await?;
    let ended = store.set_password(&user.id, &hash, None).await?;
    let sentence = format!("{} has a new password; {ended} sessions have ended", user.name);
    let recorded = record(store, "user reset-password", None, sentence.clone()).await;
    recorded.context("the password is changed, but the audit log has no row of it")?;
    printer.print(&json!({ "done": sentence, "sessions_ended": ended }), || sentence.clone());
    Ok(())
}

/// Asks for a new password, twice where somebody types it.
fn ask_twice(name: &str) -> anyhow::Result<SecretString> {
    let password = ask_hidden(&format!("new password of {name}: "))?;
    if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        let again = ask_hidden("once more: ")?;
        ensure!(
            password.expose_secret() == again.expose_secret(),
            "these are two different passwords; nothing was changed"
        );
    }
    Ok(password)
}

fn list(users: &[User]) -> String {
    if users.is_empty() {
        return "there is no user yet; the daemon's page /first-visit makes the first one".to_owned();
    }
    let row = |user: &User| vec![user.name.to_string(), user.created_at.to_string()];
    table(&["NAME", "MADE"], &users.iter().map(row).collect::<Vec<_>>())
}
