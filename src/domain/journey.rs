//! The way of a host through its latest rebuild: where it was, for how long, and what it has not reached. Only what the history says is told:
//! a state that was left out is drawn as left out.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    host::{HistoryEntry, Host},
    host_lifecycle::{HostEvent, HostState},
};

/// The states of a rebuild in their order.
const WAY: [HostState; 7] = [
    HostState::PxeReady,
    HostState::PxeBooted,
    HostState::Installing,
    HostState::Installed,
    HostState::FirstBoot,
    HostState::Joining,
    HostState::Ready,
];

super::words::words!(
    /// How a state stands on the way.
    Passage, "passage" {
        /// The host was in it and went on.
        Passed = "passed",
        /// The host is in it.
        Here = "here",
        /// The rebuild ended in it without reaching the next one.
        Stopped = "stopped",
        /// The host has not been in it.
        NotReached = "not_reached",
    }
);

/// The way through the latest rebuild.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journey {
    /// When the rebuild was requested; absent for a host that never had one.
    pub began_at: Option<Timestamp>,
    /// When the host came to rest; absent while it is under way.
    pub ended_at: Option<Timestamp>,
    /// From registration to `ready`.
    pub legs: Vec<Leg>,
}

/// One state of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// The state.
    pub state: HostState,
    /// How it stands.
    pub passage: Passage,
    /// When the host came to it first.
    pub entered_at: Option<Timestamp>,
    /// How long it was in it, all visits together; absent for states in which a host may rest.
    pub took: Option<Duration>,
    /// What failed in it.
    pub setbacks: Vec<Setback>,
}

/// A failure on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setback {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub because: String,
    /// When the rebuild went on all the same.
    pub went_on_at: Option<Timestamp>,
}

impl Journey {
    /// Reads the way from a host's history, newest first.
    pub fn read(host: &Host, history: &[HistoryEntry], now: Timestamp) -> Self {
        let first = history.iter().position(|entry| entry.event == HostEvent::RebuildRequested);
        let mut entries: Vec<_> = first.map_or(&[][..], |first| &history[..=first]).iter().collect();
        entries.reverse();
        entries.retain(|entry| entry.from != entry.to);
        let is_over = host.state.is_stable();
        let registered = Leg {
            state: HostState::Registered,
            passage: if first.is_none() { Passage::Here } else { Passage::Passed },
            entered_at: Some(host.registered_at),
            took: None,
            setbacks: Vec::new(),
        };
        let way = WAY.iter().map(|state| leg(*state, &entries, host, now));
        Self {
            began_at: entries.first().map(|entry| entry.at),
            ended_at: entries.last().filter(|_| is_over).map(|entry| entry.at),
            legs: std::iter::once(registered).chain(way).collect(),
        }
    }

    /// How long the rebuild took, or takes until now.
    pub fn took(&self, now: Timestamp) -> Option<Duration> {
        Some(between(self.began_at?, self.ended_at.unwrap_or(now)))
    }
}

fn leg(state: HostState, entries: &[&HistoryEntry], host: &Host, now: Timestamp) -> Leg {
    let mut leg = Leg { state, passage: Passage::NotReached, entered_at: None, took: None, setbacks: Vec::new() };
    let mut spent = Duration::ZERO;
    for (place, entry) in entries.iter().enumerate() {
        let next = entries.get(place + 1);
        if entry.to == state {
            leg.entered_at.get_or_insert(entry.at);
            leg.passage = if next.is_some() || host.state != state { Passage::Passed } else { Passage::Here };
            spent += between(entry.at, next.map_or(now, |next| next.at));
        }
        if entry.from == state && entry.to == HostState::Failed {
            // A cancelled rebuild that touched nothing ends as it began: that is no going on.
            let went_on = next.filter(|next| !matches!(next.to, HostState::Registered | HostState::Ready));
            leg.passage = if went_on.is_some() { Passage::Passed } else { Passage::Stopped };
            let because = entry.because.clone();
            leg.setbacks.push(Setback { at: entry.at, because, went_on_at: went_on.map(|next| next.at) });
        }
    }
    // Untouched by a rebuild that was cancelled in time: it is what it was, and the way did not lead there.
    let is_untouched = entries.last().is_some_and(|entry| entry.event == HostEvent::NodeUntouched);
    if state == HostState::Ready && is_untouched {
        return Leg { passage: Passage::NotReached, entered_at: None, ..leg };
    }
    if !state.is_stable() && leg.entered_at.is_some() {
        leg.took = Some(spent);
    }
    leg
}

/// What a host in a state is expected to do next, in one sentence; empty where nothing is under way.
pub fn ahead(state: HostState) -> &'static str {
    match state {
        HostState::PxeReady => {
            "Next, the machine boots from the network and fetches its script; its disk is untouched."
        }
        HostState::PxeBooted => {
            "Next, the installer asks for its answer. From that moment on the disk may be wiped; until then it is untouched."
        }
        HostState::Installing => "Next, the installer reports the end of the installation and the new SSH host key.",
        HostState::Installed => "Next, the machine starts from its disk and phones home.",
        HostState::FirstBoot => {
            "Next, Rackseed logs in with the key of this rebuild and brings the node into the cluster."
        }
        HostState::Joining => {
            "Next, the cluster lists the node with a quorum; then the key of this rebuild is removed."
        }
        HostState::Registered | HostState::Ready | HostState::Failed => "",
    }
}

/// A clock that was set back makes nothing last less than nothing.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
