//! The only writer of a host's state: table → change → ledger, in one transaction; then the boot table and the doorbell.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::{
    boot_table::{ArmedHost, BootTable, KnownHost},
    tokens::RebuildTokens,
};
use crate::{
    domain::{
        answer::ServedAnswer,
        boot_order::BootOrder,
        change::{Change, OpenedRebuild},
        hardware::Hardware,
        host::{Host, HostFacts},
        host_lifecycle::{self, HostEvent, IllegalTransition},
        identity::{HostId, MacAddress, OperationId},
        live_event::{NewLiveEvent, Topic},
        rebuild::{Rebuild, RebuildMarks, TokenHash, TokenPurpose},
    },
    ports::{Clock, Doorbell, HostLedger, LedgerError, RebuildLedger, Secrets, SecretsError},
};

/// Why a host did not move.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// There is no such host.
    #[error("there is no host {0}")]
    UnknownHost(HostId),
    /// The table does not know this move.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A stored secret cannot be read.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

/// An event with all that comes with it.
#[derive(Debug, Default)]
pub struct Move {
    /// A sentence of its own for the history; else the table's.
    pub because: Option<String>,
    /// What it teaches us about the host.
    pub facts: HostFacts,
    /// What it teaches us about the rebuild.
    pub marks: Option<(OperationId, RebuildMarks)>,
    /// The token that proves it.
    pub spends: Option<TokenHash>,
    /// The rebuild that it opens.
    pub opens: Option<Box<OpenedRebuild>>,
    /// The rebuild that it ends.
    pub ends: Option<OperationId>,
    /// The answer that is given with it, to compare with later.
    pub served: Option<ServedAnswer>,
}

impl Move {
    /// A move to `failed`, with its reason.
    pub fn failing(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self {
            because: Some(reason.clone()),
            facts: HostFacts { reason: Some(reason), ..HostFacts::default() },
            ..Self::default()
        }
    }
}

/// Keeps the hosts.
pub struct HostKeeper {
    hosts: Arc<dyn HostLedger>,
    rebuilds: Arc<dyn RebuildLedger>,
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    doorbell: Arc<Doorbell>,
    boot_table: Arc<BootTable>,
    /// Held from commit to boot table, so that the table shows commits in their order.
    publishing: Mutex<()>,
}

impl HostKeeper {
    /// Works on these ledgers.
    pub fn new(
        hosts: Arc<dyn HostLedger>,
        rebuilds: Arc<dyn RebuildLedger>,
        secrets: Arc<dyn Secrets>,
        clock: Arc<dyn Clock>,
        doorbell: Arc<Doorbell>,
    ) -> Self {
        Self { hosts, rebuilds, secrets, clock, doorbell, boot_table: Arc::default(), publishing: Mutex::default() }
    }

    /// The snapshot from which DHCP is answered.
    pub fn boot_table(&self) -> Arc<BootTable> {
        Arc::clone(&self.boot_table)
    }

    /// Wakes whoever moves operations: something that one of them may wait for has happened.
    pub fn wake(&self) {
        self.doorbell.ring();
    }

    /// Fills the boot table from the ledger; once, at start.
    pub async fn restore(&self) -> Result<(), KeeperError> {
        let _turn = self.publishing.lock().await;
        for host in self.hosts.hosts().await? {
            self.publish(&host).await?;
        }
        Ok(())
    }

    /// Returns a host.
    pub async fn host(&self, id: &HostId) -> Result<Host, KeeperError> {
        self.hosts.host(id).await?.ok_or_else(|| KeeperError::UnknownHost(id.clone()))
    }

    /// Applies an event to a host as it was read. [`LedgerError::Conflict`] when it has moved since: read again, decide again.
    pub async fn apply(&self, host: &Host, event: HostEvent, details: Move) -> Result<Host, KeeperError> {
        let row = host_lifecycle::next(host.state, event)?;
        let because = details.because.unwrap_or_else(|| row.because.to_owned());
        let operation =
            details.opens.as_ref().map(|opened| opened.operation.id.clone()).or_else(|| host.operation.clone());
        let message = format!("{}: {} ({because})", host.hostname, row.to.label());
        let feed = NewLiveEvent { topic: Topic::Host, host: Some(host.id.clone()), operation, message };
        let change = Change {
            host: host.id.clone(),
            from: row.from,
            to: row.to,
            event,
            because,
            at: self.clock.now(),
            facts: details.facts,
            marks: details.marks,
            spends: details.spends,
            opens: details.opens,
            ends: details.ends,
            served: details.served,
            feed: if row.from == row.to { vec![] } else { vec![feed] },
        };
        let _turn = self.publishing.lock().await;
        let moved = self.hosts.record(&change).await?;
        tracing::info!(
            host.id = moved.id.as_str(), host.mac = %moved.mac, from = change.from.word(), to = change.to.word(), event = event.word(),
            "{} is {}: {}", moved.hostname, moved.state.label(), change.because
        );
        self.publish(&moved).await?;
        self.doorbell.ring();
        Ok(moved)
    }

    /// Writes what was seen of the machine without moving the host, and rings.
    pub async fn mark(
        &self,
        operation: &OperationId,
        marks: &RebuildMarks,
        spends: Option<&TokenHash>,
        feed: Option<&NewLiveEvent>,
    ) -> Result<Rebuild, KeeperError> {
        let now = self.clock.now();
        let _turn = self.publishing.lock().await;
        let rebuild = self.rebuilds.mark(operation, marks, spends.map(|hash| (hash, now)), feed, now).await?;
        if let Some(host) = self.hosts.host(&rebuild.host).await? {
            self.publish(&host).await?;
        }
        self.doorbell.ring();
        Ok(rebuild)
    }

    /// Keeps what a report teaches of a host's hardware. It is told in passing: where it cannot be kept, the machine goes on all the same.
    pub async fn learn(&self, id: &HostId, teach: impl FnOnce(&mut Hardware)) {
        let _turn = self.publishing.lock().await;
        let learned = async {
            let Some(host) = self.hosts.host(id).await? else { return Ok(()) };
            let mut hardware = host.hardware.clone().unwrap_or_default();
            teach(&mut hardware);
            if host.hardware.as_ref() == Some(&hardware) {
                Ok(())
            } else {
                self.hosts.set_hardware(id, &hardware).await
            }
        };
        if let Err(error) = learned.await {
            tracing::warn!(host.id = id.as_str(), %error, "what a machine said of its hardware was not kept");
        }
    }

    /// Shows the boot table a host that was registered or whose options were changed, as the ledger has it now.
    pub async fn show(&self, id: &HostId) -> Result<(), KeeperError> {
        let _turn = self.publishing.lock().await;
        match self.hosts.host(id).await? {
            Some(host) => self.publish(&host).await,
            None => Ok(()),
        }
    }

    /// Keeps what a host was seen to do first when it starts.
    pub async fn learn_boot_order(&self, mac: MacAddress, order: BootOrder) -> Result<(), KeeperError> {
        let _turn = self.publishing.lock().await;
        let Some(host) = self.hosts.host_by_mac(mac).await?.filter(|host| host.boot_order != Some(order)) else {
            return Ok(());
        };
        self.hosts.set_boot_order(&host.id, order).await?;
        tracing::info!(host.id = host.id.as_str(), host.mac = %mac, order = order.word(), "learned the boot order of {}", host.hostname);
        self.publish(&Host { boot_order: Some(order), ..host }).await
    }

    /// Removes a host that rests in a stable state.
    pub async fn remove(&self, host: &Host) -> Result<bool, KeeperError> {
        let message = format!("{} was removed", host.hostname);
        let feed = NewLiveEvent { topic: Topic::Host, host: Some(host.id.clone()), operation: None, message };
        let _turn = self.publishing.lock().await;
        let removed = self.hosts.remove(&host.id, &feed, self.clock.now()).await?;
        self.boot_table.set(host.mac, None);
        Ok(removed)
    }

    /// Opens the secret of a rebuild that has not ended and returns its tokens.
    pub fn tokens(&self, rebuild: &Rebuild) -> Result<Option<RebuildTokens>, SecretsError> {
        let Some(sealed) = &rebuild.sealed else { return Ok(None) };
        let secret = self.secrets.open(&secret_place(&rebuild.operation, "token_secret"), &sealed.token_secret)?;
        Ok(Some(RebuildTokens::new(secret)))
    }

    /// Shows the boot table what a host may boot now.
    async fn publish(&self, host: &Host) -> Result<(), KeeperError> {
        let armed = if host.state.boots_installer() { self.armed(host).await? } else { None };
        let known = KnownHost {
            host: host.id.clone(),
            hostname: host.hostname.clone(),
            state: host.state,
            boot: host.options.boot.clone(),
            boot_order: host.boot_order,
            armed,
        };
        self.boot_table.set(host.mac, Some(known));
        Ok(())
    }

    async fn armed(&self, host: &Host) -> Result<Option<ArmedHost>, KeeperError> {
        let Some(rebuild) = self.rebuilds.latest_rebuild(&host.id).await? else { return Ok(None) };
        if !rebuild.is_armed(self.clock.now()) {
            return Ok(None);
        }
        Ok(self.tokens(&rebuild)?.map(|tokens| ArmedHost {
            boot_token: tokens.token(TokenPurpose::Boot),
            armed_from: rebuild.requested_at,
            armed_until: rebuild.armed_until,
        }))
    }
}

/// The place for which a secret of a rebuild is sealed: `rebuild/ID/COLUMN`.
pub fn secret_place(operation: &OperationId, column: &str) -> String {
    format!("rebuild/{operation}/{column}")
}
