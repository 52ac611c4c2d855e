//! The registered hosts, and who of them may boot the installer right now: the in-memory snapshot from which DHCP is answered, never the
//! database.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::domain::{
    boot_options::BootOptions,
    boot_order::BootOrder,
    host_lifecycle::HostState,
    identity::{HostId, Hostname, MacAddress},
};

/// One registered host.
#[derive(Debug, Clone)]
pub struct KnownHost {
    /// The host.
    pub host: HostId,
    /// Its name.
    pub hostname: Hostname,
    /// Its state.
    pub state: HostState,
    /// How it boots from the network.
    pub boot: BootOptions,
    /// What it does first when it starts, as far as that was seen.
    pub boot_order: Option<BootOrder>,
    /// What it may boot now, besides its disk.
    pub armed: Option<ArmedHost>,
}

/// What lets a host boot the installer.
#[derive(Debug, Clone)]
pub struct ArmedHost {
    /// Its boot token.
    pub boot_token: String,
    /// Since when it is armed; a clock before this moment has jumped.
    pub armed_from: Timestamp,
    /// Until when.
    pub armed_until: Timestamp,
}

/// The registered hosts by MAC address. Written by the host keeper after every commit, read without a lock.
#[derive(Debug, Default)]
pub struct BootTable(ArcSwap<HashMap<MacAddress, KnownHost>>);

impl BootTable {
    /// Returns the host with this address.
    pub fn known(&self, mac: MacAddress) -> Option<KnownHost> {
        self.0.load().get(&mac).cloned()
    }

    /// Returns what lets the host with this address boot the installer.
    pub fn armed(&self, mac: MacAddress) -> Option<ArmedHost> {
        self.0.load().get(&mac)?.armed.clone()
    }

    /// Shows or removes one host.
    pub(super) fn set(&self, mac: MacAddress, host: Option<KnownHost>) {
        self.0.rcu(|table| {
            let mut table = HashMap::clone(table);
            match &host {
                Some(host) => table.insert(mac, host.clone()),
                None => table.remove(&mac),
            };
            Arc::new(table)
        });
    }
}
