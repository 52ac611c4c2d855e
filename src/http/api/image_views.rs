//! The forms in which programs read what there is of images.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::{
        identity::ImageId, image::Image, image_addition::Addition, image_memory::memory_need, image_use::ImageUse,
    },
    http::{OperatorState, schema::described},
    ports::LedgerError,
};

described! {
    /// The installer images, and those on their way.
    #[derive(Debug, Serialize)]
    pub(crate) struct ImagesJson as "Images" {
        /// Every image, newest release first.
        images: Vec<ImageJson>,
        /// What is being added, and what ended lately.
        additions: Vec<AdditionJson>,
    }
}

impl ImagesJson {
    /// Looks at all of it.
    pub(crate) async fn new(state: &OperatorState) -> Result<Self, LedgerError> {
        let uses = state.image_uses().await?;
        let images = state.images.images().await?;
        Ok(Self {
            images: images.iter().map(|image| ImageJson::new(image, &uses)).collect(),
            additions: state.intake.additions().iter().map(AdditionJson::new).collect(),
        })
    }
}

described! {
    /// One installer image.
    #[derive(Debug, Serialize)]
    pub(crate) struct ImageJson as "Image" {
        /// Its id.
        id: String,
        /// `pve`, `pbs`.
        product: String,
        /// `Proxmox VE`.
        product_name: String,
        /// Such as `9.2`.
        release: String,
        /// Such as `1`.
        iso_release: String,
        /// The name of the file that was added.
        source_name: String,
        /// SHA-256 of the file that was added.
        source_sha256: String,
        /// Size of the copy that machines load.
        iso_size_bytes: u64,
        /// The memory that a machine needs to boot it over legacy BIOS, about.
        memory_bios_bytes: u64,
        /// The memory that a machine needs to boot it over UEFI, about.
        memory_uefi_bytes: u64,
        /// Whether it is installed where nothing else was chosen.
        is_default: bool,
        /// Why no host can be rebuilt with it; absent when hosts can be.
        unfit_because: Option<String>,
        /// Who uses it, and so keeps it from being removed.
        users: Vec<String>,
        /// When it was added.
        added_at: Timestamp,
    }
}

impl ImageJson {
    /// Spells an image.
    pub(crate) fn new(image: &Image, uses: &[(ImageId, ImageUse)]) -> Self {
        let need = memory_need(image);
        Self {
            id: image.id.to_string(),
            product: image.product.clone(),
            product_name: image.product_name.clone(),
            release: image.release.to_string(),
            iso_release: image.iso_release.clone(),
            source_name: image.source_name.clone(),
            source_sha256: image.source_sha256.clone(),
            iso_size_bytes: image.iso_size_bytes,
            memory_bios_bytes: need.bios_bytes,
            memory_uefi_bytes: need.uefi_bytes,
            is_default: image.is_default,
            unfit_because: image.unfit_for_rebuild(),
            users: uses.iter().filter(|(id, _)| *id == image.id).map(|(_, user)| user.to_string()).collect(),
            added_at: image.added_at,
        }
    }
}

described! {
    /// An image on its way into the library.
    #[derive(Debug, Serialize)]
    pub(crate) struct AdditionJson as "ImageAddition" {
        /// Twelve characters, safe in URLs.
        id: String,
        /// The name of the file.
        name: String,
        /// Where it is fetched from, without password and query; absent for uploads.
        url: Option<String>,
        /// `uploading`, `downloading`, `waiting`, `checking`, `extracting`, `packing`, `finishing`, `done` or `failed`.
        stage: String,
        /// How many bytes of the stage are done.
        done_bytes: u64,
        /// How many there are, as far as that is known.
        total_bytes: Option<u64>,
        /// How far it is, in one sentence.
        message: String,
        /// Why it failed, or makes no progress at the moment.
        problem: Option<String>,
        /// The image that it became.
        image: Option<String>,
        /// When it began.
        started_at: Timestamp,
    }
}

impl AdditionJson {
    /// Spells an addition.
    pub(crate) fn new(addition: &Addition) -> Self {
        Self {
            id: addition.id.to_string(),
            name: addition.name.clone(),
            url: addition.url.clone(),
            stage: addition.stage.to_string(),
            done_bytes: addition.done_bytes,
            total_bytes: addition.total_bytes,
            message: addition.sentence(),
            problem: addition.problem.clone(),
            image: addition.image.as_ref().map(ToString::to_string),
            started_at: addition.started_at,
        }
    }
}
