//! Composition: builds the adapters, gives them to the desks, runs everything in one set of tasks, and stops in order.

mod access;
mod adapters;
mod appliance;
mod assemble;
mod certificate;
mod clock;
mod cluster;
mod desks;
mod doctor;
mod known_secrets;
mod logging;
mod network_boot;
mod network_start;
mod notifications;
mod offline;
mod settings_words;
mod tasks;
mod validity;
mod watchers;

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use anyhow::Context;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{catalog::CatalogWatch, settings::SettingsFile};

pub use assemble::Daemon;
pub use clock::SystemClock;
pub use doctor::{Notes as DoctorNotes, examine};
pub use logging::start_logging;
pub use network_boot::{Decide, NetworkBoard, NetworkBoot, NetworkBootConfig, OpenTftp};
pub use notifications::notifications;
pub use offline::offline_support_bundle;

/// How long the tasks may take to end after the stop.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What the first visitor of a daemon needs, whom nobody has claimed yet.
#[derive(Debug, Clone)]
pub struct FirstVisit {
    /// The page.
    pub url: String,
    /// The set-up code.
    pub code: String,
}

/// A daemon that serves.
pub struct RunningDaemon {
    /// Where people reach it.
    pub operator_address: SocketAddr,
    /// Where booting machines reach it.
    pub boot_address: SocketAddr,
    /// Where installers and nodes reach it.
    pub machine_address: SocketAddr,
    /// What the first visitor needed when the daemon started; `None` where somebody had claimed it before.
    pub first_visit: Option<FirstVisit>,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
    _watch: CatalogWatch,
}

impl RunningDaemon {
    /// Returns when a task has ended by itself, which none should: with its error.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        match self.tasks.join_next().await {
            Some(Ok(result)) => result.context("a part of the daemon ended"),
            Some(Err(panic)) => Err(panic).context("a part of the daemon panicked"),
            None => Ok(()),
        }
    }

    /// Stops in order: no new connection, open ones are given a moment, a step that is under way goes on at the next start.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_LIMIT, all_ended).await.is_err() {
            tracing::warn!("some parts did not end in time and were cut off");
        }
    }
}

/// Runs until the system says stop. Once it serves, that is told.
pub async fn serve(config: &Path, tell: impl FnOnce(&RunningDaemon)) -> anyhow::Result<()> {
    let (settings, file) = SettingsFile::load(config)?;
    start_logging();
    let mut daemon = Daemon::start_from(settings, Some(file)).await?;
    tell(&daemon);
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let ended = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        ended = daemon.ended() => ended,
    };
    tracing::info!("stopping");
    daemon.stop().await;
    ended
}

/// An HTTP client for short requests: the process's provider of cryptography, no proxy, no redirect, one bound for everything.
pub fn http_client(limit: Duration) -> anyhow::Result<reqwest::Client> {
    http_client_from(limit, None)
}

/// The same, leaving from one of our addresses.
pub fn http_client_from(limit: Duration, from: Option<IpAddr>) -> anyhow::Result<reqwest::Client> {
    // Already installed is fine; reqwest is built without one of its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().timeout(limit).no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.local_address(from).build().context("cannot make an HTTP client")
}
