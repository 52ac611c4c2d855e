//! Opens what the daemon works on: store, key file, catalog, image library, clock.

use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::{SystemClock, notifications::notifications};
use crate::{
    catalog::{CatalogFolders, FolderCatalog},
    images::{ImageFolder, Intake},
    notifications::Notifications,
    ports::Clock,
    provisioning::BootMemory,
    settings::Settings,
    store::{KeyFile, Store},
};

/// The adapters.
pub(super) struct Adapters {
    pub(super) store: Arc<Store>,
    pub(super) key_file: Arc<KeyFile>,
    pub(super) catalog: Arc<FolderCatalog>,
    pub(super) images: Arc<ImageFolder>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) boot_memory: Arc<BootMemory>,
    pub(super) notifications: Arc<Notifications>,
}

impl Adapters {
    pub(super) async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Arc::new(Store::open(&settings.data_folder)?);
        let key_file = Arc::new(store.open_key(&settings.data_folder).await?);
        let folders = CatalogFolders {
            answer_templates: settings.catalog.answer_templates.clone(),
            server_types: settings.catalog.server_types.clone(),
            ipxe: settings.catalog.ipxe.clone(),
        };
        let catalog = FolderCatalog::open(folders, Arc::clone(&clock)).context("cannot make the catalog's folders")?;
        let images = Arc::new(ImageFolder::new(settings.data_folder.join("images"), store.clone()));
        let boot_memory = Arc::new(BootMemory::default());
        let notifications = Arc::new(notifications(settings));
        Ok(Self { store, key_file, catalog: Arc::new(catalog), images, clock, boot_memory, notifications })
    }

    /// Removes what additions and removals of images left behind that were interrupted.
    pub(super) async fn clean_up_images(&self) {
        match self.images.clean_up().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "removed what interrupted additions and removals of images had left"),
            // Another process may be adding one at this moment.
            Err(error) => tracing::warn!(%error, "left-overs of image additions were not removed"),
        }
    }

    /// Opens the door for new images, and goes on with those that a restart interrupted.
    pub(super) fn intake(&self, stop: &CancellationToken) -> Intake {
        let library = ImageFolder::clone(&self.images);
        let intake = Intake::new(library, self.store.clone(), Arc::clone(&self.clock), stop.clone());
        match intake.resume() {
            0 => {}
            count => tracing::info!(count, "going on with additions of images"),
        }
        intake
    }
}
