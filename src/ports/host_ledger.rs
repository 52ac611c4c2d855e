//! Where hosts, their states and their histories are kept.

use async_trait::async_trait;
use jiff::Timestamp;

use super::LedgerError;
use crate::domain::{
    boot_order::BootOrder,
    change::Change,
    hardware::Hardware,
    host::{HistoryEntry, Host, NewHost},
    host_options::HostOptions,
    identity::{HostId, Hostname, MacAddress, ServerTypeName},
    live_event::NewLiveEvent,
};

/// Why a host was not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Another host has this MAC address.
    #[error("the MAC address {mac} belongs to the host {other}")]
    DuplicateMac {
        /// The address.
        mac: MacAddress,
        /// The name of the other host.
        other: Hostname,
    },
    /// Another host has this name.
    #[error("the host name {hostname} is taken by the host with the MAC address {other}")]
    DuplicateHostname {
        /// The name.
        hostname: Hostname,
        /// The address of the other host.
        other: MacAddress,
    },
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Keeps hosts.
#[async_trait]
pub trait HostLedger: Send + Sync {
    /// Registers a host in state `registered` and tells the live feed; nothing is written when name or address are taken.
    async fn register(&self, host: &NewHost, feed: &NewLiveEvent) -> Result<Host, RegisterError>;

    /// Registers several hosts in one transaction: all of them, or none when a name or an address of one is taken.
    async fn register_all(&self, hosts: &[(NewHost, NewLiveEvent)]) -> Result<Vec<Host>, RegisterError>;

    /// Returns a host.
    async fn host(&self, id: &HostId) -> Result<Option<Host>, LedgerError>;

    /// Returns the host with a MAC address.
    async fn host_by_mac(&self, mac: MacAddress) -> Result<Option<Host>, LedgerError>;

    /// Returns every host, by name.
    async fn hosts(&self) -> Result<Vec<Host>, LedgerError>;

    /// Returns the latest `limit` lines of a host's history, newest first.
    async fn history(&self, id: &HostId, limit: u32) -> Result<Vec<HistoryEntry>, LedgerError>;

    /// Returns the latest lines of the histories of all hosts of a server type, newest first.
    async fn history_of_type(
        &self,
        server_type: &ServerTypeName,
        limit: u32,
    ) -> Result<Vec<(HostId, HistoryEntry)>, LedgerError>;

    /// Tells the live feed that a host is overdue in its state, unless that was told before or the host has moved. Returns whether it was told.
    async fn tell_overdue(&self, host: &Host, feed: &NewLiveEvent, now: Timestamp) -> Result<bool, LedgerError>;

    /// Writes a change in one transaction: the host *where its state is still `from`*, history, live feed, spent token, marks,
    /// opened and ended rebuild. [`LedgerError::Conflict`] when the state is another one, or the token does not exist.
    async fn record(&self, change: &Change) -> Result<Host, LedgerError>;

    /// Keeps what an operator chose for a host and tells the live feed. Returns the host, or `None` when there is none.
    async fn set_options(
        &self,
        id: &HostId,
        options: &HostOptions,
        feed: &NewLiveEvent,
        now: Timestamp,
    ) -> Result<Option<Host>, LedgerError>;

    /// Keeps what was reported of a host's hardware.
    async fn set_hardware(&self, id: &HostId, hardware: &Hardware) -> Result<(), LedgerError>;

    /// Keeps what a host was seen to do first when it starts.
    async fn set_boot_order(&self, id: &HostId, order: BootOrder) -> Result<(), LedgerError>;

    /// Removes a host with its history, operations and rebuilds. Returns false when there is none, and
    /// [`LedgerError::Conflict`] when it is in a transitional state.
    async fn remove(&self, id: &HostId, feed: &NewLiveEvent, now: Timestamp) -> Result<bool, LedgerError>;
}
