//! The rows of the image library.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{
    Store,
    columns::{all, execute, first, number, optional_json, text, to_json},
    live_feed::tell,
    writer::Write,
};
use crate::{
    domain::{
        identity::ImageId,
        image::{Image, ImageFiles, InstallerRelease},
        image_use::ImageUse,
        live_event::{NewLiveEvent, Topic},
    },
    ports::{ImageLedger, LedgerError, Removal},
};

#[async_trait]
impl ImageLedger for Store {
    async fn insert(&self, image: &Image) -> Result<(), LedgerError> {
        let image = image.clone();
        self.write(move |write| {
            let inserted = execute(
                write,
                "INSERT INTO images (id, product, product_name, release_major, release_minor, iso_release, source_name,
                     source_sha256, iso_size_bytes, settings_offset_bytes, settings_size_bytes, added_at, files)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT (id) DO NOTHING",
                params![
                    image.id.as_str(),
                    image.product,
                    image.product_name,
                    image.release.major,
                    image.release.minor,
                    image.iso_release,
                    image.source_name,
                    image.source_sha256,
                    size(image.iso_size_bytes)?,
                    size(image.settings_offset_bytes)?,
                    size(image.settings_size_bytes)?,
                    image.added_at.to_string(),
                    image.files.as_ref().map(to_json).transpose()?,
                ],
            )?;
            if inserted == 0 {
                return Err(LedgerError::Conflict);
            }
            tell_of(write, format!("the image {} ({}) was added", image.id, image.title()), image.added_at)
        })
        .await
    }

    async fn list(&self) -> Result<Vec<Image>, LedgerError> {
        self.read(|connection| {
            // The ISO's own release is a number in all that are known; of equal ones, the one that was added last.
            let sql = "SELECT * FROM images
                       ORDER BY release_major DESC, release_minor DESC, CAST(iso_release AS INTEGER) DESC, number DESC";
            all(connection, sql, [], read_image)
        })
        .await
    }

    async fn get(&self, id: &ImageId) -> Result<Option<Image>, LedgerError> {
        let id = id.clone();
        self.read(move |connection| first(connection, "SELECT * FROM images WHERE id = ?1", [id.as_str()], read_image))
            .await
    }

    async fn remove(&self, id: &ImageId, others: &[ImageUse], now: Timestamp) -> Result<Removal, LedgerError> {
        let (id, mut users) = (id.clone(), others.to_vec());
        self.write(move |write| {
            if !exists(write, &id)? {
                return Ok(Removal::Unknown);
            }
            users.extend(uses(write)?.into_iter().filter(|(image, _)| *image == id).map(|(_, user)| user));
            if !users.is_empty() {
                users.sort();
                return Ok(Removal::Used(users));
            }
            execute(write, "DELETE FROM images WHERE id = ?1", [id.as_str()])?;
            tell_of(write, format!("the image {id} was removed"), now)?;
            Ok(Removal::Removed)
        })
        .await
    }

    async fn uses(&self) -> Result<Vec<(ImageId, ImageUse)>, LedgerError> {
        self.read(uses).await
    }

    async fn set_default(&self, id: &ImageId, now: Timestamp) -> Result<bool, LedgerError> {
        let id = id.clone();
        self.write(move |write| {
            if !exists(write, &id)? {
                return Ok(false);
            }
            // In this order, because at no moment may there be two.
            execute(write, "UPDATE images SET is_default = 0 WHERE is_default = 1", [])?;
            execute(write, "UPDATE images SET is_default = 1 WHERE id = ?1", [id.as_str()])?;
            tell_of(write, format!("the image {id} is now the default"), now)?;
            Ok(true)
        })
        .await
    }

    async fn set_files(&self, id: &ImageId, files: &ImageFiles) -> Result<(), LedgerError> {
        let (id, files) = (id.clone(), to_json(files)?);
        self.write(move |write| {
            execute(write, "UPDATE images SET files = ?2 WHERE id = ?1", params![id.as_str(), files])?;
            Ok(())
        })
        .await
    }
}

/// Refuses what is to use an image that is not there any more: with the removal, which looks for users, in the same order of
/// transactions, an image is never used and removed at once.
pub(super) fn require_image(write: &Write<'_>, id: &ImageId) -> Result<(), LedgerError> {
    if exists(write, id)? { Ok(()) } else { Err(LedgerError::Conflict) }
}

fn exists(connection: &Connection, id: &ImageId) -> Result<bool, LedgerError> {
    Ok(first(connection, "SELECT 1 FROM images WHERE id = ?1", [id.as_str()], |_| Ok(()))?.is_some())
}

/// Every use of an image that is in the database.
fn uses(connection: &Connection) -> Result<Vec<(ImageId, ImageUse)>, LedgerError> {
    let of_rebuilds =
        "SELECT image, hostname FROM rebuilds JOIN hosts ON hosts.id = rebuilds.host WHERE ended_at IS NULL";
    let mut uses =
        all(connection, of_rebuilds, [], |row| Ok((text(row, "image")?, ImageUse::Rebuild(text(row, "hostname")?))))?;
    let of_hosts = "SELECT options ->> '$.image' AS image, hostname FROM hosts WHERE image IS NOT NULL";
    uses.extend(all(connection, of_hosts, [], |row| {
        Ok((text(row, "image")?, ImageUse::Host(text(row, "hostname")?)))
    })?);
    let default = "SELECT id FROM images WHERE is_default = 1";
    uses.extend(all(connection, default, [], |row| Ok((text(row, "id")?, ImageUse::Default)))?);
    Ok(uses)
}

fn tell_of(write: &Write<'_>, message: String, at: Timestamp) -> Result<(), LedgerError> {
    tell(write, &NewLiveEvent { topic: Topic::Image, host: None, operation: None, message }, at)
}

fn read_image(row: &Row<'_>) -> Result<Image, LedgerError> {
    Ok(Image {
        id: text(row, "id")?,
        product: row.get("product")?,
        product_name: row.get("product_name")?,
        release: InstallerRelease { major: number(row, "release_major")?, minor: number(row, "release_minor")? },
        iso_release: row.get("iso_release")?,
        source_name: row.get("source_name")?,
        source_sha256: row.get("source_sha256")?,
        iso_size_bytes: number(row, "iso_size_bytes")?,
        settings_offset_bytes: number(row, "settings_offset_bytes")?,
        settings_size_bytes: number(row, "settings_size_bytes")?,
        added_at: text(row, "added_at")?,
        is_default: row.get("is_default")?,
        files: optional_json(row, "files")?,
    })
}

fn size(bytes: u64) -> Result<i64, LedgerError> {
    i64::try_from(bytes).map_err(|_| LedgerError::Database(format!("{bytes} bytes are more than a file can have")))
}
