//! Starts network boot as the settings say it.

use std::sync::Arc;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    desks::Desks,
    network_boot::{Decide, NetworkBoard, NetworkBoot, NetworkBootConfig, OpenTftp},
};
use crate::{
    dhcp::Ear,
    domain::sighting::Question,
    settings::{PxeSettings, Settings},
    tftp::{Places, TftpServer},
};

/// Answers booting machines until the stop; when this returns, every interface that is there is served.
pub(super) async fn start_network_boot(
    settings: &Settings,
    desks: &Desks,
    board: Arc<NetworkBoard>,
    stop: &CancellationToken,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let (offers, sightings) = (Arc::clone(&desks.offers), Arc::clone(&desks.watchers.sightings));
    let (listening, files, places) = (Arc::clone(&offers), Arc::clone(&offers), Places::default());
    let ear = Ear::new(move |taken| listening.overheard(taken));
    let decide: Decide = Arc::new(move |request, met| {
        sightings.asked(&Question::for_boot(request, &met.interface));
        offers.offer(request, met.our)
    });
    let open_tftp: OpenTftp =
        Box::new(move |address| Ok(TftpServer::bind(address, Arc::clone(&files))?.sharing(places.clone())));
    let config = NetworkBootConfig { ear, ..config(&settings.pxe) };
    let network_boot = NetworkBoot::start(config, decide, open_tftp, board).await;
    let network_boot = network_boot.context("booting machines cannot be answered")?;
    let stop = stop.clone();
    tasks.spawn(async move {
        network_boot.run(stop).await;
        Ok(())
    });
    Ok(())
}

fn config(pxe: &PxeSettings) -> NetworkBootConfig {
    NetworkBootConfig {
        interfaces: pxe.wanted_interfaces(),
        dhcp_port: pxe.dhcp_port,
        proxy_port: pxe.proxy_port,
        tftp_port: pxe.tftp_port,
        is_dhcp_port_shared: pxe.dhcp_port_is_shared,
        relays: pxe.relay_networks(),
        reply_to_source: pxe.reply_to_source,
        ear: Ear::default(),
    }
}
