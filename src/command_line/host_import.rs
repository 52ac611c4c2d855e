//! `rackseed host import`: registers the hosts of a list, all of them or none.

use std::{io::Read, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use super::{
    client::Client,
    host::text,
    output::{Printer, table},
};

/// The longest list that is read, in bytes; the daemon takes less.
const LONGEST_LIST: u64 = 4 << 20;

/// Which list.
#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// A CSV file with the columns hostname, mac and `server_type`; `-` is standard input
    file: PathBuf,
    /// Only look at it, line by line
    #[arg(long)]
    dry_run: bool,
    /// Register the good lines although others are wrong
    #[arg(long)]
    skip_wrong: bool,
    /// The server type of lines that say none
    #[arg(long)]
    server_type: Option<String>,
}

/// Registers the hosts. The exit code is 1 when a line is wrong.
pub(super) async fn run(arguments: &ImportArguments, client: &Client, printer: &Printer) -> anyhow::Result<ExitCode> {
    let fields = [
        ("dry_run", arguments.dry_run.then_some("true")),
        ("skip_wrong", arguments.skip_wrong.then_some("true")),
        ("server_type", arguments.server_type.as_deref()),
    ];
    let list = read(arguments)?;
    let answer = client.send_text("/api/hosts/import", &fields, "text/csv", list).await?;
    printer.print(&answer, || told(&answer));
    Ok(if answer["wrong"] == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(arguments: &ImportArguments) -> anyhow::Result<Vec<u8>> {
    let mut list = Vec::new();
    let read = if arguments.file.as_os_str() == "-" {
        std::io::stdin().take(LONGEST_LIST).read_to_end(&mut list)
    } else {
        std::fs::File::open(&arguments.file).and_then(|file| file.take(LONGEST_LIST).read_to_end(&mut list))
    };
    read.with_context(|| format!("cannot read {}", arguments.file.display()))?;
    Ok(list)
}

fn told(answer: &Value) -> String {
    let row = |line: &Value| {
        let problems = line["problems"].as_array().into_iter().flatten();
        let problems: Vec<_> = problems.map(|problem| text(problem, "detail")).collect();
        let mut row = vec![line["line"].to_string()];
        row.extend(["hostname", "mac", "server_type"].map(|key| text(line, key).to_owned()));
        row.push(if problems.is_empty() { "good".to_owned() } else { problems.join("; ") });
        row
    };
    let lines: Vec<_> = answer["lines"].as_array().into_iter().flatten().map(row).collect();
    let registered = answer["registered"].as_array().map_or(0, Vec::len);
    format!("{}{registered} registered", table(&["LINE", "NAME", "MAC", "SERVER TYPE", "WHAT"], &lines))
}
