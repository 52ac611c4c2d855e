//! `rackseed image …`: works on the data folder itself, whether the daemon runs or not. Only a URL is given to the daemon, if one runs: it
//! goes on with the download when it breaks.

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    audit::record,
    fetch::fetch,
    output::{Printer, table},
};
use crate::{
    catalog::{CatalogFolders, FolderCatalog},
    daemon::SystemClock,
    domain::{
        identity::ImageId,
        image::Image,
        image_memory::{gibibytes, memory_need},
        image_use::{ImageUse, server_types_with},
    },
    images::{ImageFolder, Progress},
    ports::{Catalog, Clock, ImageKeeper, ImageLibrary},
    settings::Settings,
    store::Store,
};

/// Verbs on images.
#[derive(Debug, Subcommand)]
pub(super) enum ImageVerb {
    /// Add an installer ISO
    Add {
        /// The ISO: a file, or an http or https URL
        source: String,
        /// The SHA-256 that it must have, as the download page shows it
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
    },
    /// List the images
    List,
    /// Install an image where nothing else was chosen
    Default {
        /// Its id
        image: String,
    },
    /// Compare every file of an image with its checksum
    Check {
        /// Its id
        image: String,
    },
    /// Remove an image that nobody uses
    Remove {
        /// Its id
        image: String,
    },
}

/// Does a verb on images.
pub(super) async fn run(verb: &ImageVerb, config: &Path, printer: &Printer) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(config)?;
    let open_store = || Store::open_shared(&settings.data_folder).map(Arc::new);
    let library = |store: &Arc<Store>| ImageFolder::new(settings.data_folder.join("images"), store.clone());
    let open = || -> anyhow::Result<ImageFolder> { Ok(library(&open_store()?)) };
    match verb {
        ImageVerb::Add { source, sha256 } if is_url(source) => {
            let id = fetch(&settings, config, source, sha256.as_deref(), &show_line).await?;
            end_progress();
            let image = open()?.image(&id.parse()?).await?.context("the image was removed at once")?;
            tell_added(printer, &image);
        }
        ImageVerb::Add { source, sha256 } => {
            let store = open_store()?;
            let (library, file) = (library(&store), PathBuf::from(source));
            let added = library.add(&file, sha256.as_deref(), SystemClock.now(), &show_progress).await;
            end_progress();
            let image = added?;
            let sentence = format!("add the image {} from the file {}: done", image.id, image.source_name);
            record(store.as_ref(), "image add", Some(image.id.clone()), sentence).await?;
            tell_added(printer, &image);
        }
        ImageVerb::List => {
            let library = open()?;
            let (images, uses) = (library.images().await?, all_uses(&library, &settings).await?);
            let views = images.iter().map(|image| view(image, &uses)).collect::<Vec<_>>();
            printer.print(&views.into(), || list(&images, &uses));
        }
        ImageVerb::Default { image } => {
            let (store, id) = (open_store()?, image.parse()?);
            library(&store).make_default(&id, SystemClock.now()).await?;
            record(store.as_ref(), "image default", Some(id), format!("make {image} the default: done")).await?;
            printer.print(&json!({ "default": image }), || format!("{image} is the default"));
        }
        ImageVerb::Check { image } => return check(&open()?, &image.parse()?, printer).await,
        ImageVerb::Remove { image } => {
            let id = image.parse()?;
            let others = server_types_with(&id, &open_catalog(&settings)?.server_types());
            let store = open_store()?;
            library(&store).remove(&id, &others, SystemClock.now()).await?;
            record(store.as_ref(), "image remove", Some(id), format!("remove the image {image}: done")).await?;
            printer.print(&json!({ "removed": image }), || format!("removed {image}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn is_url(source: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| source.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme)))
}

/// The server types that may have chosen an image. A broken catalog is empty, and then nobody knows who uses what.
fn open_catalog(settings: &Settings) -> anyhow::Result<FolderCatalog> {
    let folders = CatalogFolders {
        answer_templates: settings.catalog.answer_templates.clone(),
        server_types: settings.catalog.server_types.clone(),
        ipxe: settings.catalog.ipxe.clone(),
    };
    let catalog = FolderCatalog::open(folders, Arc::new(SystemClock)).context("cannot read the catalog's folders")?;
    match catalog.status().problems.first() {
        Some(problem) => bail!("the server types cannot be read, so who uses an image is unknown: {problem}"),
        None => Ok(catalog),
    }
}

async fn all_uses(library: &ImageFolder, settings: &Settings) -> anyhow::Result<Vec<(ImageId, ImageUse)>> {
    let mut uses = library.uses().await?;
    // A list is worth something without the server types, too.
    if let Ok(catalog) = open_catalog(settings) {
        let server_types = catalog.server_types();
        for image in library.images().await? {
            uses.extend(server_types_with(&image.id, &server_types).into_iter().map(|user| (image.id.clone(), user)));
        }
    }
    Ok(uses)
}

async fn check(library: &ImageFolder, id: &ImageId, printer: &Printer) -> anyhow::Result<ExitCode> {
    let checks = library.check(id).await?;
    let is_whole = checks.iter().all(|check| check.problem.is_none());
    let rows: Vec<_> =
        checks.iter().map(|check| json!({ "file": check.part.file_name(), "problem": check.problem })).collect();
    printer.print(&json!({ "image": id, "is_whole": is_whole, "files": rows }), || {
        let lines = checks.iter().map(|check| {
            format!(
                "{:<14} {}",
                check.part.file_name(),
                check.problem.as_deref().unwrap_or("as it was when it was added")
            )
        });
        let advice = (!is_whole).then(|| format!("{id} is damaged; remove it and add it again"));
        lines.chain(advice).collect::<Vec<_>>().join("\n")
    });
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell_added(printer: &Printer, image: &Image) {
    printer.print(&view(image, &[]), || {
        let need = memory_need(image);
        let mut text = format!(
            "added {}: {}; machines need about {} of memory to boot it over BIOS, {} over UEFI",
            image.id,
            image.title(),
            gibibytes(need.bios_bytes),
            gibibytes(need.uefi_bytes)
        );
        if let Some(why) = image.unfit_for_rebuild() {
            text += &format!("\nnote: no host can be rebuilt with it: {why}");
        }
        text
    });
}

fn view(image: &Image, uses: &[(ImageId, ImageUse)]) -> Value {
    let (mut view, need) = (serde_json::to_value(image).unwrap_or_default(), memory_need(image));
    view["release"] = image.release.to_string().into();
    view["memory_bios_bytes"] = need.bios_bytes.into();
    view["memory_uefi_bytes"] = need.uefi_bytes.into();
    view["unfit_because"] = image.unfit_for_rebuild().into();
    view["users"] = users(image, uses).into();
    view
}

fn users(image: &Image, uses: &[(ImageId, ImageUse)]) -> Vec<String> {
    uses.iter().filter(|(id, _)| *id == image.id).map(|(_, user)| user.to_string()).collect()
}

fn list(images: &[Image], uses: &[(ImageId, ImageUse)]) -> String {
    if images.is_empty() {
        return "there is no image yet; `rackseed image add FILE` adds one".to_owned();
    }
    let row = |image: &Image| {
        let need = memory_need(image);
        let used = match (image.unfit_for_rebuild(), uses.iter().filter(|(id, _)| *id == image.id).count()) {
            (Some(_), _) => "cannot rebuild hosts".to_owned(),
            (None, _) if image.is_default => "default".to_owned(),
            (None, 0) => String::new(),
            (None, count) => format!("in use ({count})"),
        };
        vec![
            image.id.to_string(),
            image.title(),
            format!("{} MiB", image.iso_size_bytes.div_ceil(1 << 20)),
            format!("{} / {}", gibibytes(need.bios_bytes), gibibytes(need.uefi_bytes)),
            used,
            image.source_name.clone(),
        ]
    };
    let rows: Vec<_> = images.iter().map(row).collect();
    table(&["ID", "RELEASE", "SIZE", "MEMORY BIOS / UEFI", "USE", "ADDED FROM"], &rows)
}

/// Shows progress on a terminal, in one line that is written over.
fn show_progress(progress: Progress) {
    show_line(&match progress {
        Progress::Hashing { done_bytes, total_bytes } => {
            format!("checking {} of {} MiB", done_bytes >> 20, total_bytes >> 20)
        }
        Progress::Reading => "reading the ISO".into(),
        Progress::Extracting => "extracting kernel and initrd".into(),
        Progress::WritingCopy => "writing the copy for network boot".into(),
        Progress::Finishing => "finishing".into(),
    });
}

fn show_line(text: &str) {
    if std::io::stderr().is_terminal() {
        let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
    }
}

fn end_progress() {
    show_line("");
}
