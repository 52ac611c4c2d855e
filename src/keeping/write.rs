//! Writes a backup, and reads it again before it gets its name.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, tz::TimeZone};
use tar::{Builder, EntryType, Header};

use super::{
    KeepingError, archive,
    gather::{Gathered, Source, database, gather, gather_image},
    manifest::{FORM, ListedImage, MANIFEST, Manifest, Part},
    places::{beside, operators_files},
};
use crate::{
    settings::Settings,
    store::{check_copy, copy_database, has_database},
};

/// What is wanted.
pub struct BackupWish<'a> {
    /// The settings of the daemon.
    pub settings: &'a Settings,
    /// The file that they were read from.
    pub settings_file: &'a Path,
    /// The file to write, or the folder to write a file into.
    pub target: &'a Path,
    /// Whether the images are wanted, too.
    pub images: bool,
    /// Now.
    pub now: Timestamp,
}

/// A backup that was written and checked.
pub struct Written {
    /// The file.
    pub file: PathBuf,
    /// What is in it.
    pub manifest: Manifest,
}

/// Writes a backup, whether the daemon runs or not. Blocks. Nothing bears the target's name but a backup that was read again whole.
pub fn write(wish: &BackupWish<'_>) -> Result<Written, KeepingError> {
    let settings = wish.settings;
    if !has_database(&settings.data_folder) {
        return Err(KeepingError::Refused(format!(
            "there is no database in {}; is it the data folder of this computer's daemon?",
            settings.data_folder.display()
        )));
    }
    let file = target_file(wish);
    let (manifest, parts) = contents(wish)?;
    let partial = beside(&file, &format!(".partial-{}", std::process::id()));
    let written = write_archive(&partial, &manifest, &parts)
        .map_err(KeepingError::file("write", &partial))
        .and_then(|()| archive::check(&partial).map(drop))
        .and_then(|()| settle(&partial, &file).map_err(KeepingError::file("write", &file)));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written.map(|()| Written { file, manifest })
}

fn target_file(wish: &BackupWish<'_>) -> PathBuf {
    if !wish.target.is_dir() {
        return wish.target.to_owned();
    }
    let moment = wish.now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    wish.target.join(format!("rackseed-{moment}.tar"))
}

fn contents(wish: &BackupWish<'_>) -> Result<(Manifest, Vec<Gathered>), KeepingError> {
    let data_folder = &wish.settings.data_folder;
    let mut parts = gather(wish.settings, wish.settings_file)?;
    // The database last: what it refers to is older than it.
    let bytes = copy_database(data_folder)?;
    let facts = check_copy(&bytes).map_err(|problem| {
        KeepingError::Refused(format!("{problem}; restore {} from an older backup", data_folder.display()))
    })?;
    parts.push(database(bytes));
    let mut images = Vec::new();
    for (id, source_name, source_sha256) in facts.images {
        if wish.images {
            parts.extend(gather_image(data_folder, &id)?);
        }
        images.push(ListedImage { id, source_name, source_sha256, included: wish.images });
    }
    let manifest = Manifest {
        form: FORM,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        schema: facts.schema,
        written_at: wish.now,
        data_folder: data_folder.clone(),
        hosts: facts.hosts,
        images,
        not_included: operators_files(wish.settings),
        parts: parts.iter().map(|gathered| gathered.part.clone()).collect(),
    };
    Ok((manifest, parts))
}

fn write_archive(partial: &Path, manifest: &Manifest, parts: &[Gathered]) -> io::Result<()> {
    // Only we have it: what is there under this name was left by a process of the same number that is no more.
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(partial)?;
    let mut builder = Builder::new(BufWriter::new(file));
    let text = serde_json::to_vec_pretty(manifest).map_err(io::Error::other)?;
    let part = Part { path: MANIFEST.to_owned(), bytes: text.len() as u64, sha256: String::new(), mode: 0o600 };
    append(&mut builder, manifest, &part, text.as_slice())?;
    for Gathered { part, source } in parts {
        match source {
            Source::Memory(bytes) => append(&mut builder, manifest, part, bytes.as_slice())?,
            Source::File(path) => append(&mut builder, manifest, part, io::Read::take(File::open(path)?, part.bytes))?,
        }
    }
    let mut writer = builder.into_inner()?;
    writer.flush()?;
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn append<W: Write>(
    builder: &mut Builder<W>,
    manifest: &Manifest,
    part: &Part,
    bytes: impl io::Read,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(part.mode);
    header.set_size(part.bytes);
    header.set_mtime(u64::try_from(manifest.written_at.as_second()).unwrap_or_default());
    builder.append_data(&mut header, &part.path, bytes)
}

/// Gives a file that is whole its name, in place of one that may have it, and waits until the disk knows.
fn settle(partial: &Path, file: &Path) -> io::Result<()> {
    fs::rename(partial, file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
