//! The first entry of a backup: what it is, and what every other entry must be.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The form of the archive. A program refuses a higher one.
pub(super) const FORM: u32 = 1;
/// The manifest's name in the archive.
pub(super) const MANIFEST: &str = "manifest.json";
/// The database's name in the archive.
pub(super) const DATABASE: &str = "data/rackseed.db";
/// The key file's name in the archive.
pub(super) const KEY: &str = "data/secret.key";
/// The files of the data folder beside the database.
pub(super) const DATA_FILES: &[&str] = &["secret.key", "certificate.pem", "certificate.key"];
/// The settings file's name in the archive.
pub(super) const SETTINGS: &str = "settings/rackseed.yaml";
/// The folder of the archive with the catalog's three folders.
pub(super) const CATALOG: &str = "catalog";
/// The folder of the archive with the images.
pub(super) const IMAGES: &str = "data/images";

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the archive.
    pub form: u32,
    /// The version of the program that wrote it.
    pub program: String,
    /// The number of the last migration of its database.
    pub schema: i32,
    /// When it was written.
    pub written_at: Timestamp,
    /// The data folder that it was taken from.
    pub data_folder: PathBuf,
    /// How many hosts it has.
    pub hosts: u64,
    /// The images of its library.
    pub images: Vec<ListedImage>,
    /// Files that the settings name and that are not in the backup, because they are the operator's: keys and passwords of members.
    pub not_included: Vec<PathBuf>,
    /// Every other entry of the archive.
    pub parts: Vec<Part>,
}

/// An image of the library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedImage {
    /// Its id.
    pub id: String,
    /// The file that it was made from.
    pub source_name: String,
    /// That file's SHA-256.
    pub source_sha256: String,
    /// Whether its files are in the backup.
    pub included: bool,
}

/// One entry of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name in the archive.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal form.
    pub sha256: String,
    /// Its rights.
    pub mode: u32,
}

impl Manifest {
    /// The length of all parts.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// Whether an image's files are in the archive.
    pub(super) fn has_image(&self, id: &str) -> bool {
        self.images.iter().any(|image| image.id == id && image.included)
    }
}
