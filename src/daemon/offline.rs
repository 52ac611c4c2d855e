//! A support bundle while no daemon runs: everything is opened as for a start, and nothing is started.

use std::sync::Arc;

use anyhow::{Context, bail};
use tokio_util::sync::CancellationToken;

use super::{
    adapters::Adapters,
    appliance::{Addresses, RunningAppliance},
    assemble::{machine_urls, operator_state},
    certificate::own_certificate,
    desks::Desks,
    doctor::Doctor,
    known_secrets::KnownSecrets,
    network_boot::NetworkBoard,
};
use crate::{
    ports::Doorbell,
    settings::{Settings, SettingsFile},
    tftp::BootFiles,
};

/// Makes the bundle of a data folder in which no daemon works; the folder is locked meanwhile.
pub async fn offline_support_bundle(settings: Settings, file: SettingsFile) -> anyhow::Result<Vec<u8>> {
    let adapters = Adapters::open(&settings).await?;
    let (certificate, _) = own_certificate(&settings.data_folder)?;
    let boot_files = Arc::new(BootFiles::load(&settings.pxe.ipxe_folder));
    let doorbell = Arc::new(Doorbell::default());
    let server = &settings.server;
    let addresses = Addresses { operator: server.listen, boot: server.boot_listen, machine: server.machine_listen };
    let urls = machine_urls(&settings, server.boot_listen, server.machine_listen);
    let desks = Desks::build(&settings, &adapters, &doorbell, &urls, &certificate, &boot_files)?;
    desks.world.keeper.restore().await.context("cannot read the hosts")?;
    let (diary, sightings) = (&desks.watchers.diary, &desks.watchers.sightings);
    diary.restore().await.context("cannot read what was seen of boots")?;
    sightings.restore().await.context("cannot read what was seen on the network")?;
    // Nothing that runs in the background is wanted: images on their way wait for the daemon.
    let stopped = CancellationToken::new();
    stopped.cancel();
    let appliance = Arc::new(RunningAppliance {
        started_at: adapters.clock.now(),
        doctor: Doctor::new(settings.clone(), adapters.clock.clone(), CancellationToken::new()),
        secrets: KnownSecrets::new(&adapters, &desks),
        settings: settings.clone(),
        file: Some(file),
        certificate: certificate.clone(),
        addresses,
        boot_files,
    });
    let network = Arc::new(NetworkBoard::default());
    let state = operator_state(&settings, &adapters, &desks, &doorbell, (network, appliance), &stopped).await?;
    match crate::http::support_bundle(&state).await {
        Ok(bytes) => Ok(bytes),
        Err(why) => bail!(why),
    }
}
