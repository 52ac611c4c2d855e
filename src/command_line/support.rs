//! `rackseed support-bundle`: everything that helps somebody else to see what is wrong, without secrets, in one file.

use std::{
    fs::File,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{
    client::{Client, Fetched},
    output::Printer,
};
use crate::settings::SettingsFile;

/// Where it is written.
#[derive(Debug, Args)]
pub(super) struct SupportArguments {
    /// The file to write, for its owner alone; one that is there is left as it is
    file: PathBuf,
}

/// Asks the running daemon for the bundle; without one, makes it from the data folder.
pub(super) async fn run(options: &SupportArguments, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let (bytes, source) = match Client::new(config)?.fetch("/api/support-bundle").await? {
        Fetched::Bytes(bytes) => (bytes, "daemon"),
        Fetched::NobodyAnswers => {
            let (settings, file) = SettingsFile::load(config)?;
            (crate::daemon::offline_support_bundle(settings, file).await?, "data folder")
        }
    };
    let shown = options.file.display();
    let write = || {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&options.file)?;
        file.write_all(&bytes)?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {shown}"))?;
    printer.print(&json!({ "file": options.file, "bytes": bytes.len(), "source": source }), || {
        format!(
            "{shown} is written, {} KiB, from the {source}. Secrets are taken out; `tar -xOf {shown} rackseed-support/manifest.json` says \
             what is in it. Look through it before you give it away: names, addresses and serial numbers are in it.",
            bytes.len().div_ceil(1 << 10)
        )
    });
    Ok(ExitCode::SUCCESS)
}
