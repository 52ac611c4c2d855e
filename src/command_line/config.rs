//! `rackseed config …`.

use std::{path::Path, process::ExitCode};

use clap::Subcommand;
use serde_json::json;

use super::output::Printer;
use crate::settings::Settings;

/// Verbs on the settings file.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigVerb {
    /// Check the settings file and name everything that is wrong with it
    Check,
    /// Print a settings file with every key, its default and what it means
    Example,
}

/// Does a verb on the settings file.
pub(super) fn run(verb: &ConfigVerb, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    match verb {
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
