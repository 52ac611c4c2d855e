//! `rackseed config …`.

use std::{path::Path, process::ExitCode};

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    client::Client,
    host::text,
    output::{Printer, table},
};
use crate::settings::Settings;

/// Verbs on the settings file.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigVerb {
    /// Check the settings file and name everything that is wrong with it
    Check,
    /// Show every setting that the running daemon uses, and where it comes from
    Show,
    /// Print a settings file with every key, its default and what it means
    Example,
}

/// Does a verb on the settings file.
pub(super) async fn run(verb: &ConfigVerb, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    match verb {
        ConfigVerb::Show => {
            let settings = Client::new(config)?.ask(Method::GET, "/api/settings", None).await?;
            printer.print(&settings, || shown(&settings));
        }
        ConfigVerb::Example => Printer::raw(Settings::example()),
        ConfigVerb::Check => match Settings::load(config) {
            Ok(_) => printer.print(&json!({ "problems": [] }), || format!("{} is good", config.display())),
            Err(invalid) if printer.json => {
                printer.print(&json!({ "problems": invalid.0 }), String::new);
                return Ok(ExitCode::FAILURE);
            }
            Err(invalid) => return Err(invalid.into()),
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(settings: &Value) -> String {
    let row = |setting: &Value| {
        let place = setting["line"].as_u64().map(|line| format!(", line {line}")).unwrap_or_default();
        let later = setting["after_restart"].as_str().map(|value| format!("; {value} after a restart"));
        vec![
            text(setting, "path").to_owned(),
            format!("{}{}", text(setting, "value"), later.unwrap_or_default()),
            format!("{}{place}", text(setting, "source")),
        ]
    };
    let sections = settings["sections"].as_array().into_iter().flatten();
    let rows: Vec<_> =
        sections.flat_map(|section| section["settings"].as_array().into_iter().flatten()).map(row).collect();
    let problem = |problem: &Value| format!("{}: {}\n", text(problem, "path"), text(problem, "problem"));
    let problems: String = settings["problems"].as_array().into_iter().flatten().map(problem).collect();
    format!("{}{problems}", table(&["SETTING", "VALUE", "FROM"], &rows))
}
