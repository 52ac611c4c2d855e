//! `rackseed demo`.

use std::process::ExitCode;

use clap::Args;

use super::output::Printer;

/// Options of the demo.
#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// End with a summary when all hosts are ready
    #[arg(long)]
    once: bool,
}

/// Runs the demo.
pub(super) async fn run(_options: &DemoArguments, printer: &Printer) -> anyhow::Result<ExitCode> {
    printer.line("");
    anyhow::bail!("not here yet")
}
