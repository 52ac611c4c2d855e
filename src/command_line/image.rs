//! `rackseed image …`: works on the data folder itself, whether the daemon runs or not.

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Subcommand;
use serde_json::{Value, json};

use super::output::{Printer, table};
use crate::{
    daemon::SystemClock,
    domain::image::Image,
    images::{ImageFolder, Progress},
    ports::{Clock, ImageLibrary, RebuildLedger},
    settings::Settings,
    store::Store,
};

/// Verbs on images.
#[derive(Debug, Subcommand)]
pub(super) enum ImageVerb {
    /// Add an installer ISO
    Add {
        /// The ISO file
        file: PathBuf,
        /// The SHA-256 that it must have, as the download page shows it
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
    },
    /// List the images
    List,
    /// Remove an image that no rebuild uses
    Remove {
        /// Its id
        image: String,
    },
}

/// Does a verb on images.
pub(super) async fn run(verb: &ImageVerb, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(config)?;
    let store = Arc::new(Store::open_shared(&settings.data_folder)?);
    let library = ImageFolder::new(settings.data_folder.join("images"), store.clone());
    match verb {
        ImageVerb::Add { file, sha256 } => {
            let image = library.add(file, sha256.as_deref(), SystemClock.now(), &show_progress).await?;
            end_progress();
            printer.print(&view(&image), || {
                format!("added {}: {} {}-{}", image.id, image.product_name, image.release, image.iso_release)
            });
        }
        ImageVerb::List => {
            let images = library.images().await?;
            printer.print(&images.iter().map(view).collect::<Vec<_>>().into(), || list(&images));
        }
        ImageVerb::Remove { image } => {
            let id = image.parse()?;
            library.remove(&id, store.image_is_in_use(&id).await?).await?;
            printer.print(&json!({ "removed": image }), || format!("removed {image}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn view(image: &Image) -> Value {
    let mut view = serde_json::to_value(image).unwrap_or_default();
    view["release"] = image.release.to_string().into();
    view
}

fn list(images: &[Image]) -> String {
    if images.is_empty() {
        return "there is no image yet; `rackseed image add FILE` adds one".to_owned();
    }
    let mebibytes = |bytes: u64| format!("{} MiB", bytes >> 20);
    let rows: Vec<_> = images
        .iter()
        .map(|image| {
            let release = format!("{} {}-{}", image.product_name, image.release, image.iso_release);
            vec![image.id.to_string(), release, mebibytes(image.iso_size_bytes), image.source_name.clone()]
        })
        .collect();
    table(&["ID", "RELEASE", "SIZE", "ADDED FROM"], &rows)
}

/// Shows progress on a terminal, in one line that is written over.
fn show_progress(progress: Progress) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let text = match progress {
        Progress::Hashing { done_bytes, total_bytes } => {
            format!("checking {} of {} MiB", done_bytes >> 20, total_bytes >> 20)
        }
        Progress::Reading => "reading the ISO".into(),
        Progress::Extracting => "extracting kernel and initrd".into(),
        Progress::WritingCopy => "writing the copy for network boot".into(),
        Progress::Finishing => "finishing".into(),
    };
    let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
}

fn end_progress() {
    if std::io::stderr().is_terminal() {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
}
