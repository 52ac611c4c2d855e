//! The command line: what a person types, and one readable sentence with an exit code when it fails.

mod activity;
mod answer;
mod audit;
mod backup;
mod batch;
mod boots;
mod client;
mod completion;
mod config;
mod demo;
mod doctor;
mod fetch;
mod first_visit;
mod gate;
mod host;
mod host_import;
mod host_look;
mod image;
mod look;
mod notify;
mod operation;
mod output;
mod power;
mod rebuild;
mod support;
mod token;
mod typed_password;
mod user;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{daemon::RunningDaemon, domain::identity::MacAddress};
use output::Printer;

/// Turns bare metal into ready Proxmox VE cluster nodes.
#[derive(Debug, Parser)]
#[command(name = "rackseed", version, arg_required_else_help = true)]
pub struct Arguments {
    /// The settings file
    #[arg(long, short, global = true, env = "RACKSEED_CONFIG", default_value = "rackseed.yaml", value_name = "FILE")]
    config: PathBuf,

    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the daemon
    Serve,
    /// Show the whole story with simulated machines: no root, no hardware
    Demo(demo::DemoArguments),
    /// Installer images
    #[command(subcommand)]
    Image(image::ImageVerb),
    /// Hosts (asks the running daemon)
    #[command(subcommand)]
    Host(host::HostVerb),
    /// The join gate on members: how new nodes join without a standing password (asks the running daemon)
    #[command(subcommand)]
    Gate(gate::GateVerb),
    /// Operations (asks the running daemon)
    #[command(subcommand)]
    Operation(operation::OperationVerb),
    /// Answers (asks the running daemon)
    #[command(subcommand)]
    Answer(answer::AnswerVerb),
    /// Notifications
    #[command(subcommand)]
    Notify(notify::NotifyVerb),
    /// Who did what (asks the running daemon)
    Audit(audit::AuditArguments),
    /// What happened, the newest first (asks the running daemon)
    Activity(activity::ActivityArguments),
    /// The daemon: its version, its listeners, and whether it is well (asks the running daemon)
    About,
    /// What the catalog holds, and what is wrong with its files (asks the running daemon)
    Catalog,
    /// The cluster: its members and its quorum, and who waits to join (asks the running daemon, which asks a member)
    Cluster,
    /// Where booting machines are answered (asks the running daemon)
    Network,
    /// Tokens with which programs are let in (asks the running daemon)
    #[command(subcommand)]
    Token(token::TokenVerb),
    /// Users; on the computer of the daemon, whether it runs or not
    #[command(subcommand)]
    User(user::UserVerb),
    /// The settings file
    #[command(subcommand)]
    Config(config::ConfigVerb),
    /// Reinstall several hosts, some at a time or one after the other. This wipes their disks. (asks the running daemon)
    Rebuild(batch::RebuildArguments),
    /// Batches of rebuilds (asks the running daemon)
    #[command(subcommand)]
    Batch(batch::BatchVerb),
    /// Write everything that this daemon is into one file, while it runs or not
    Backup(backup::BackupArguments),
    /// Bring a backup back: on this computer, or on another one
    Restore(backup::RestoreArguments),
    /// Write everything that helps somebody else to see what is wrong into one file, without secrets; while the daemon runs or not
    SupportBundle(support::SupportArguments),
    /// The key file, with which secrets in the database are sealed
    #[command(subcommand)]
    Key(backup::KeyVerb),
    /// Print what a shell needs to complete these words: `rackseed completion bash > /etc/bash_completion.d/rackseed`
    Completion(completion::CompletionArguments),
    /// Look for what would keep machines from booting; with `--mac`, why one machine's boot stands still (asks the running daemon)
    Doctor {
        /// The machine: its MAC address, or the name or id of its host
        #[arg(long, value_name = "MACHINE")]
        mac: Option<String>,
        /// Ask the network as if we were this machine, to see what it would get; else as a machine that nobody knows
        #[arg(long = "as", value_name = "MAC", conflicts_with = "mac")]
        imitated: Option<MacAddress>,
    },
}

/// Does what was typed. Errors have been printed when this returns.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let printer = Printer { json: arguments.json };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return printer.fail(&anyhow::Error::new(error).context("cannot start the asynchronous runtime")),
    };
    let result = runtime.block_on(dispatch(&arguments, &printer));
    // Blocking work that is still under way (a read of a large file) must not hold the exit.
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) => printer.fail(&error),
    }
}

async fn dispatch(arguments: &Arguments, printer: &Printer) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Verb::Serve => {
            let tell = |daemon: &RunningDaemon| first_visit::tell(daemon, printer);
            crate::daemon::serve(&arguments.config, tell).await.map(|()| ExitCode::SUCCESS)
        }
        Verb::Demo(options) => demo::run(options, printer).await,
        Verb::Image(verb) => image::run(verb, &arguments.config, printer).await,
        Verb::Host(verb) => host::run(verb, &arguments.config, printer).await,
        Verb::Gate(verb) => gate::run(verb, &arguments.config, printer).await,
        Verb::Operation(verb) => operation::run(verb, &arguments.config, printer).await,
        Verb::Answer(verb) => answer::run(verb, &arguments.config, printer).await,
        Verb::Notify(verb) => notify::run(verb, &arguments.config, printer).await,
        Verb::Audit(options) => audit::run(options, &arguments.config, printer).await,
        Verb::Activity(options) => activity::run(options, &arguments.config, printer).await,
        Verb::About => look::about(&arguments.config, printer).await,
        Verb::Catalog => look::catalog(&arguments.config, printer).await,
        Verb::Cluster => look::cluster(&arguments.config, printer).await,
        Verb::Network => look::network(&arguments.config, printer).await,
        Verb::Completion(options) => completion::run(options),
        Verb::Token(verb) => token::run(verb, &arguments.config, printer).await,
        Verb::User(verb) => user::run(verb, &arguments.config, printer).await,
        Verb::Config(verb) => config::run(verb, &arguments.config, printer).await,
        Verb::Rebuild(asked) => batch::rebuild(asked, &arguments.config, printer).await,
        Verb::Batch(verb) => batch::run(verb, &arguments.config, printer).await,
        Verb::Backup(options) => backup::run(options, &arguments.config, printer).await,
        Verb::Restore(options) => backup::restore(options, &arguments.config, printer).await,
        Verb::SupportBundle(options) => support::run(options, &arguments.config, printer).await,
        Verb::Key(verb) => backup::key(verb, &arguments.config, printer).await,
        Verb::Doctor { mac: Some(machine), .. } => boots::diagnose(machine, &arguments.config, printer).await,
        Verb::Doctor { mac: None, imitated } => doctor::run(&arguments.config, *imitated, printer).await,
    }
}
