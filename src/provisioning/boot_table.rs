//! Who may boot the installer right now: the in-memory snapshot from which DHCP is answered, never the database.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::domain::identity::{HostId, MacAddress};

/// One armed host.
#[derive(Debug, Clone)]
pub struct ArmedHost {
    /// The host.
    pub host: HostId,
    /// Its boot token.
    pub boot_token: String,
    /// Since when it is armed; a clock before this moment has jumped.
    pub armed_from: Timestamp,
    /// Until when.
    pub armed_until: Timestamp,
}

/// The armed hosts by MAC address. Written by the host keeper after every commit, read without a lock.
#[derive(Debug, Default)]
pub struct BootTable(ArcSwap<HashMap<MacAddress, ArmedHost>>);

impl BootTable {
    /// Returns the armed host with this address.
    pub fn armed(&self, mac: MacAddress) -> Option<ArmedHost> {
        self.0.load().get(&mac).cloned()
    }

    /// Arms or disarms one address.
    pub(super) fn set(&self, mac: MacAddress, armed: Option<ArmedHost>) {
        self.0.rcu(|table| {
            let mut table = HashMap::clone(table);
            match &armed {
                Some(armed) => table.insert(mac, armed.clone()),
                None => table.remove(&mac),
            };
            Arc::new(table)
        });
    }
}
