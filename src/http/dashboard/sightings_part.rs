//! The machines on the list page that asked for a boot and are not registered, each with a form that registers it.

use std::collections::BTreeSet;

use super::words::Moment;
use crate::{
    domain::{host::Host, sighting::suggested_hostname},
    http::Visit,
};

/// How many are shown; the API has all of them.
const MOST_SHOWN: usize = 25;

/// What the page shows.
pub(super) struct SightingsPart {
    pub(super) rows: Vec<SightingRow>,
    pub(super) more: usize,
}

/// One machine.
pub(super) struct SightingRow {
    pub(super) mac: String,
    pub(super) client: String,
    pub(super) interface: String,
    pub(super) uuid: String,
    pub(super) vendor_class: String,
    pub(super) count: u64,
    pub(super) first: Moment,
    pub(super) last: Moment,
    /// The suggested name, with the first kind of server.
    pub(super) hostname: String,
    /// The kinds of server: key, name for people, suggested host name.
    pub(super) kinds: Vec<(String, String, String)>,
}

impl SightingsPart {
    /// Looks at what was seen, with names that are still free.
    pub(super) fn new(state: &Visit, hosts: &[&Host]) -> Self {
        let (all, now) = (state.sightings.all(), state.clock.now());
        let kinds = state.catalog.server_types();
        let mut taken: BTreeSet<String> = hosts.iter().map(|host| host.hostname.to_string()).collect();
        let rows = all.iter().take(MOST_SHOWN).map(|sighting| {
            let named = kinds.iter().map(|kind| {
                let name = suggested_hostname(kind.hostname_prefix.as_deref(), taken.iter().map(String::as_str));
                (kind.name.to_string(), format!("{} – {}", kind.display_name, kind.disk_rule()), name)
            });
            let named: Vec<_> = named.collect();
            taken.extend(named.iter().map(|(_, _, name)| name.clone()));
            SightingRow {
                mac: sighting.mac.to_string(),
                client: sighting.client.clone(),
                interface: sighting.interface.clone(),
                uuid: sighting.uuid.clone().unwrap_or_default(),
                vendor_class: sighting.vendor_class.clone(),
                count: sighting.count,
                first: Moment::new(sighting.first_seen, now),
                last: Moment::new(sighting.last_seen, now),
                hostname: named.first().map(|(_, _, name)| name.clone()).unwrap_or_default(),
                kinds: named,
            }
        });
        Self { rows: rows.collect(), more: all.len().saturating_sub(MOST_SHOWN) }
    }

    /// How many machines wait.
    pub(super) fn seen(&self) -> usize {
        self.rows.len() + self.more
    }
}
