//! Starts what answers booting machines on the wire.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::settings_words::set;
use crate::{
    dhcp::{DhcpConfig, DhcpListener, interface_address},
    provisioning::BootOffers,
    settings::Settings,
    tftp::{BootFiles, TftpServer},
};

/// Binds DHCP and TFTP on the interface of the machines and answers there until the stop.
pub(super) fn start_network_boot(
    settings: &Settings,
    offers: &Arc<BootOffers>,
    boot_files: Arc<BootFiles>,
    stop: &CancellationToken,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let pxe = &settings.pxe;
    let subnet = set(&pxe.subnet).map(|subnet| subnet.parse()).transpose().context("pxe.subnet")?;
    let address = interface_address(&pxe.interface, subnet)?;
    let dhcp = DhcpListener::bind(DhcpConfig {
        interface: pxe.interface.clone(),
        address,
        dhcp_port: pxe.dhcp_port,
        proxy_port: pxe.proxy_port,
        reply_to_source: pxe.reply_to_source,
    })?;
    let tftp = TftpServer::bind(SocketAddr::from((address, pxe.tftp_port)), boot_files)?;
    tracing::info!(interface = pxe.interface, %address, "answering booting machines");
    let (offers, dhcp_stop, tftp_stop) = (Arc::clone(offers), stop.clone(), stop.clone());
    tasks.spawn(async move {
        dhcp.run(move |request, our| offers.offer(request, our), dhcp_stop).await.context("the DHCP socket was lost")
    });
    tasks.spawn(async move {
        tftp.run(tftp_stop).await;
        Ok(())
    });
    Ok(())
}
