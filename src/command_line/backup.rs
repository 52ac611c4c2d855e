//! `rackseed backup`, `rackseed restore`, `rackseed key …`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use serde_json::json;

use super::output::Printer;
use crate::{
    daemon::SystemClock,
    domain::host::Host,
    keeping::{self, BackupWish, KeepingError, ListedImage, Manifest, RestoreWish, Restored, SettingsOutcome},
    ports::Clock,
    settings::Settings,
};

/// What is to be kept, and where.
#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// The file to write, for its owner alone; in a folder it is named by date and time
    file: PathBuf,
    /// Keep the images, too; else they are only listed, and added again after a restore
    #[arg(long, conflicts_with = "check")]
    images: bool,
    /// Write nothing: read this backup whole and say whether it is good
    #[arg(long)]
    check: bool,
}

/// What is to be brought back, and where to.
#[derive(Debug, Args)]
pub(super) struct RestoreArguments {
    /// The backup
    file: PathBuf,
    /// The data folder to restore into; else the one that the settings name
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Move aside what is there already
    #[arg(long)]
    force: bool,
}

/// Verbs on the key file.
#[derive(Debug, Subcommand)]
pub(super) enum KeyVerb {
    /// Go on without a key file that is lost: erase what it sealed, and make a new one. The daemon must not run.
    Renew {
        /// Yes, erase the sealed secrets
        #[arg(long)]
        yes: bool,
    },
}

/// Writes or checks a backup.
pub(super) async fn run(options: &BackupArguments, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let file = options.file.clone();
    if options.check {
        let checked = blocking(move || keeping::check(&file)).await?;
        print_manifest(&checked.manifest, &options.file, "is whole", printer);
        return Ok(ExitCode::SUCCESS);
    }
    let (settings, settings_file) = (Settings::load(config)?, config.to_owned());
    let (images, now) = (options.images, SystemClock.now());
    let written = blocking(move || {
        let wish = BackupWish { settings: &settings, settings_file: &settings_file, target: &file, images, now };
        keeping::write(&wish)
    })
    .await?;
    print_manifest(&written.manifest, &written.file, "is written and was read again", printer);
    Ok(ExitCode::SUCCESS)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeepingError> + Send + 'static,
) -> anyhow::Result<T> {
    Ok(tokio::task::spawn_blocking(work).await.context("the work was cut off")??)
}

fn print_manifest(manifest: &Manifest, file: &Path, what: &str, printer: &Printer) {
    let mut shown = json!(manifest);
    shown["file"] = json!(file);
    printer.print(&shown, || {
        let mut lines = vec![format!(
            "{} {what}: {} hosts, {} parts, {} KiB; Rackseed {}, tables of version {}, {}",
            file.display(),
            manifest.hosts,
            manifest.parts.len(),
            manifest.bytes().div_ceil(1 << 10),
            manifest.program,
            manifest.schema,
            manifest.written_at
        )];
        let left_out: Vec<_> = manifest.images.iter().filter(|image| !image.included).collect();
        if !left_out.is_empty() {
            lines.push("images that are only listed; after a restore elsewhere they are added again:".into());
            lines.extend(left_out.into_iter().map(image_line));
        }
        if !manifest.not_included.is_empty() {
            lines.push("files of yours that the settings name and that are not in it; keep them elsewhere:".into());
            lines.extend(manifest.not_included.iter().map(|path| format!("  {}", path.display())));
        }
        lines.push("it holds the key file: whoever reads it can read every secret of the database".into());
        lines.join("\n")
    });
}

fn image_line(image: &ListedImage) -> String {
    format!("  rackseed image add {} --sha256 {}", image.source_name, image.source_sha256)
}

/// Restores a backup.
pub(super) async fn restore(options: &RestoreArguments, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let wish = RestoreWish {
        file: options.file.clone(),
        settings_file: config.to_owned(),
        data_folder: options.data.clone(),
        force: options.force,
        now: SystemClock.now(),
    };
    let restored = keeping::restore(wish).await?;
    let shown = json!({
        "data_folder": restored.data_folder,
        "written_at": restored.manifest.written_at,
        "hosts": restored.manifest.hosts,
        "aside": restored.aside,
        "disarmed": names(&restored.disarmed),
        "missing_images": restored.missing_images,
        "missing_files": restored.missing_files,
    });
    printer.print(&shown, || tell(&restored, config));
    Ok(ExitCode::SUCCESS)
}

fn tell(restored: &Restored, config: &Path) -> String {
    let manifest = &restored.manifest;
    let data = restored.data_folder.display();
    let mut lines = vec![format!("restored {} hosts as of {} into {data}", manifest.hosts, manifest.written_at)];
    lines.push(match &restored.settings {
        SettingsOutcome::Written => format!("the settings are {}", config.display()),
        SettingsOutcome::Same => format!("the settings in {} are the same", config.display()),
        SettingsOutcome::Beside(other) => {
            format!("{} stays as it is; the backup's settings are {}", config.display(), other.display())
        }
    });
    if restored.settings_name_another {
        lines.push(format!("action: set `data_folder: {data}` in {}, which names another one", config.display()));
    }
    lines.extend(restored.aside.iter().map(|path| format!("what was there before is now {}", path.display())));
    if !restored.disarmed.is_empty() {
        let names = names(&restored.disarmed).join(", ");
        lines.push(format!(
            "these were being rebuilt when the backup was written; they were ended and nothing is armed: {names}"
        ));
    }
    if !restored.missing_images.is_empty() {
        lines.push("action: these images are not here; add them again:".into());
        lines.extend(restored.missing_images.iter().map(image_line));
    }
    lines.extend(restored.missing_files.iter().map(|path| {
        format!("action: {} is named in the settings and is not here; bring it from the old computer", path.display())
    }));
    lines.push("next: look through the settings (addresses and interfaces of this computer), `rackseed config check`, `rackseed doctor`, `rackseed serve`".into());
    lines.join("\n")
}

fn names(hosts: &[Host]) -> Vec<String> {
    hosts.iter().map(|host| host.hostname.to_string()).collect()
}

/// Does a verb on the key file.
pub(super) async fn key(verb: &KeyVerb, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let KeyVerb::Renew { yes } = verb;
    let settings = Settings::load(config)?;
    ensure!(
        *yes,
        "this erases the secrets that are sealed in {} ({}) and ends every rebuild that is under way; say --yes if the key file cannot be brought back",
        settings.data_folder.display(),
        keeping::sealed_in(&settings.data_folder)?
    );
    let renewed = keeping::renew_key(&settings.data_folder, SystemClock.now()).await?;
    let ended = names(&renewed.disarmed);
    printer.print(&json!({ "erased": renewed.erased, "disarmed": ended, "aside": renewed.aside }), || {
        let mut lines = vec!["a new key file is made".to_owned()];
        if !renewed.erased.is_empty() {
            lines.push(format!(
                "erased: {}; store passwords again with `rackseed host power-secret HOST`",
                renewed.erased
            ));
        }
        if !ended.is_empty() {
            lines.push(format!("these rebuilds were ended: {}", ended.join(", ")));
        }
        lines.extend(renewed.aside.iter().map(|path| format!("the old key file is now {}", path.display())));
        lines.join("\n")
    });
    Ok(ExitCode::SUCCESS)
}
