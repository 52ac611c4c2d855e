//! The rows of the image library.

use async_trait::async_trait;
use rusqlite::{Row, params};

use super::{
    Store,
    columns::{all, execute, first, number, text},
};
use crate::{
    domain::{
        identity::ImageId,
        image::{Image, InstallerRelease},
    },
    ports::{ImageLedger, LedgerError},
};

#[async_trait]
impl ImageLedger for Store {
    async fn insert(&self, image: &Image) -> Result<(), LedgerError> {
        let image = image.clone();
        self.write(move |write| {
            let inserted = execute(
                write,
                "INSERT INTO images (id, product, product_name, release_major, release_minor, iso_release, source_name,
                     source_sha256, iso_size_bytes, settings_offset_bytes, settings_size_bytes, added_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (id) DO NOTHING",
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
                ],
            )?;
            if inserted == 1 { Ok(()) } else { Err(LedgerError::Conflict) }
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

    async fn remove(&self, id: &ImageId) -> Result<bool, LedgerError> {
        let id = id.clone();
        self.write(move |write| Ok(execute(write, "DELETE FROM images WHERE id = ?1", [id.as_str()])? == 1)).await
    }
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
    })
}

fn size(bytes: u64) -> Result<i64, LedgerError> {
    i64::try_from(bytes).map_err(|_| LedgerError::Database(format!("{bytes} bytes are more than a file can have")))
}
