//! One host as a tile of the list: what a person must see of it from across the room.

use jiff::{SignedDuration, Timestamp};

use super::words::{Moment, doing};
use crate::{
    domain::{host_lifecycle::HostState, host_list::Tone},
    http::{Visit, known_hosts::KnownHost},
};

/// What the page shows.
pub(super) struct Tile {
    pub(super) id: String,
    pub(super) hostname: String,
    pub(super) mac: String,
    pub(super) server_type: String,
    pub(super) address: String,
    pub(super) tone: &'static str,
    pub(super) label: &'static str,
    pub(super) since: Moment,
    /// What is usual, and when it is given up.
    pub(super) aside: String,
    pub(super) is_overdue: bool,
    /// When the page should look again, because it is overdue then.
    pub(super) look_at: Option<Timestamp>,
    /// Whether what is seen of its boot belongs on the tile.
    pub(super) boots: bool,
    pub(super) doing: String,
    pub(super) is_ticked: bool,
}

impl Tile {
    /// Spells a host.
    pub(super) fn new(state: &Visit, known: &KnownHost, now: Timestamp) -> Self {
        let (host, patience) = (&known.host, known.patience.as_ref());
        let look_at = patience.filter(|patience| !patience.is_overdue).and_then(|patience| {
            // A second later, so that it certainly is.
            now.checked_add(SignedDuration::try_from(patience.overdue_in).ok()? + SignedDuration::from_secs(1)).ok()
        });
        Self {
            id: host.id.to_string(),
            hostname: host.hostname.to_string(),
            mac: host.mac.to_string(),
            server_type: host.server_type.to_string(),
            address: host.address.map(|address| address.to_string()).unwrap_or_default(),
            tone: known.tone.word(),
            label: host.state.label(),
            since: Moment::new(host.state_since, now),
            aside: patience.map(|patience| patience.aside.clone()).unwrap_or_default(),
            is_overdue: known.is_overdue(),
            look_at,
            boots: shows_boot(host.state),
            doing: sentence(state, known),
            is_ticked: false,
        }
    }
}

/// The latest sentence of a host's boot while it boots, else what it is doing and why.
fn sentence(state: &Visit, known: &KnownHost) -> String {
    let (host, operation) = (&known.host, known.operation.as_ref());
    if known.tone != Tone::Bad && shows_boot(host.state) {
        let began = operation.map(|view| view.operation.started_at);
        let seen = state.diary.latest(host.mac).filter(|(at, _)| began.is_none_or(|began| *at >= began));
        if let Some((_, sentence)) = seen {
            return sentence;
        }
    }
    doing(host, operation)
}

/// Whether a host in this state is on its way from the network to its installed system.
fn shows_boot(state: HostState) -> bool {
    match state {
        HostState::PxeReady | HostState::PxeBooted | HostState::Installing | HostState::Installed => true,
        HostState::Registered | HostState::FirstBoot | HostState::Joining | HostState::Ready | HostState::Failed => {
            false
        }
    }
}
