//! `rackseed demo`: gives the simulator a daemon and prints its story.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    first_visit::sentence,
    output::{Printer, table},
};
use crate::{
    daemon::{Daemon, RunningDaemon, SystemClock, start_logging},
    ports::{Clock, ImageLedger},
    settings::Settings,
    simulator::{Demo, DemoDaemon, DemoStage, DemoSummary, StoryLine},
    store::Store,
};

/// Options of the demo.
#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// End with a summary when all hosts are ready
    #[arg(long)]
    once: bool,

    /// Put everything into this new or empty folder and keep it, instead of a temporary one
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl DemoDaemon for RunningDaemon {
    fn operator_address(&self) -> SocketAddr {
        self.operator_address
    }

    async fn stop(self) {
        RunningDaemon::stop(self).await;
    }
}

/// Runs the demo.
pub(super) async fn run(options: &DemoArguments, printer: &Printer) -> anyhow::Result<ExitCode> {
    // The story is the log of the demo; whoever wants the daemon's own asks for it.
    if std::env::var_os("RACKSEED_LOG").is_some() {
        start_logging();
    }
    printer.line("Three simulated machines, one real daemon, everything on loopback.\n");
    let mut demo = Demo::begin(options.folder.as_deref(), SystemClock.now(), start_daemon).await?;
    if !options.once {
        printer.line(&format!("the dashboard is at {}", demo.dashboard()));
        if let Some(first_visit) = &demo.daemon().first_visit {
            printer.line(&sentence(first_visit));
        }
    }
    let shown = tokio::select! {
        shown = show(&mut demo, options, printer) => shown,
        pressed = stop_signal() => pressed,
    };
    // Also after a failure: the folder goes with the demo.
    demo.end().await;
    shown.map(|()| ExitCode::SUCCESS)
}

/// Tells the story, and stays for people unless it was asked for once.
async fn show(demo: &mut Demo<RunningDaemon>, options: &DemoArguments, printer: &Printer) -> anyhow::Result<()> {
    let tell = |line: &StoryLine| printer.line(&line.to_string());
    let result = demo.run_until_ready(&tell).await;
    if let Ok(summary) = &result {
        print_summary(summary, printer);
    }
    if options.once {
        return Ok(result.map(drop)?);
    }
    if let Err(error) = &result {
        printer.line(&format!("\n{error}"));
    }
    printer.line(&format!("\nThe dashboard stays at {}; Ctrl-C ends the demo.\n", demo.dashboard()));
    demo.stay(&tell).await;
    Ok(())
}

/// Returns when somebody wants the demo to end.
async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => Ok(pressed?),
        _ = terminate.recv() => Ok(()),
    }
}

/// Starts a daemon with the settings of the stage. The image's row goes into the ledger first: its files lie in the library already.
async fn start_daemon(stage: &DemoStage) -> Result<RunningDaemon, String> {
    let readable = |error: anyhow::Error| format!("{error:#}");
    let settings = Settings::load(&stage.settings_file).map_err(|error| error.to_string())?;
    let store = Store::open(&stage.data_folder).map_err(|error| readable(error.into()))?;
    store.insert(&stage.image).await.map_err(|error| readable(error.into()))?;
    drop(store);
    Daemon::start(settings).await.map_err(readable)
}

fn print_summary(summary: &DemoSummary, printer: &Printer) {
    printer.print(&json!(summary), || {
        let rows: Vec<_> = summary
            .hosts
            .iter()
            .map(|host| {
                let seconds = format!("{:.1} s", host.seconds);
                vec![
                    host.hostname.clone(),
                    host.firmware.clone(),
                    host.address.to_string(),
                    host.state.clone(),
                    seconds,
                ]
            })
            .collect();
        format!(
            "\n{}\nAll ready in {:.1} s, members of the cluster `{}`.",
            table(&["HOST", "FIRMWARE", "ADDRESS", "STATE", "AFTER"], &rows),
            summary.seconds,
            summary.cluster
        )
    });
}
