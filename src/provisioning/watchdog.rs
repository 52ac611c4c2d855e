//! Turns overstayed states into events, so that nothing waits for ever in silence.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::SignedDuration;

use super::{
    host_keeper::{HostKeeper, KeeperError, Move},
    patience_desk::{HostPatience, PatienceDesk},
};
use crate::{
    domain::{
        host::Host,
        host_lifecycle::HostState,
        live_event::{NewLiveEvent, Topic},
    },
    ports::{Clock, HostLedger, LedgerError},
};

/// How far the clock may be moved, in small corrections, before that is told.
const CLOCK_STEP: SignedDuration = SignedDuration::from_secs(60);

/// How long a host may stay in each transitional state; states that are not named keep the table's patience.
#[derive(Debug, Clone, Default)]
pub struct Patience(pub BTreeMap<HostState, Duration>);

impl Patience {
    /// The patience for a state; `None` for a stable one.
    pub fn of(&self, state: HostState) -> Option<Duration> {
        let (default, _) = state.facts().patience?;
        Some(self.0.get(&state).copied().unwrap_or(default))
    }
}

/// Watches the hosts.
pub struct Watchdog {
    /// Keeps states.
    pub keeper: Arc<HostKeeper>,
    /// Hosts.
    pub hosts: Arc<dyn HostLedger>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How long is too long.
    pub patience: Arc<PatienceDesk>,
}

impl Watchdog {
    /// Looks at every host once. A host that takes long is told of, once for each state; one that takes too long is given up.
    pub async fn look(&self) -> Result<(), LedgerError> {
        for host in self.hosts.hosts().await? {
            let Some(look) = self.patience.look(&host).await? else { continue };
            let given_up = look.is_given_up.then(|| {
                let minutes = look.expectation.limit.as_secs() / 60;
                format!("{} for more than {minutes} min; {}", host.state.label(), advice(host.state))
            });
            if let Some(reason) = given_up.or_else(|| self.disarmed_by_clock(&host))
                && let Some((_, event)) = host.state.facts().patience
            {
                match self.keeper.apply(&host, event, Move::failing(reason)).await {
                    // It moved while we looked: not overdue any more.
                    Ok(_) | Err(KeeperError::Ledger(LedgerError::Conflict)) => {}
                    Err(error) => {
                        tracing::error!(host.id = host.id.as_str(), %error, "cannot raise that the host is overdue")
                    }
                }
            } else if look.is_overdue {
                self.tell_overdue(&host, &look).await?;
            }
        }
        Ok(())
    }

    /// No installer is given out before the moment of the request, nor after the arming has run out, whatever time we watched: the machine
    /// would be waited for in vain and in silence.
    fn disarmed_by_clock(&self, host: &Host) -> Option<String> {
        let now = self.clock.now();
        if !host.state.boots_installer() {
            return None;
        }
        let ahead = host.state_since.duration_since(now);
        if ahead > CLOCK_STEP {
            return Some(format!(
                "the clock of this computer was set back by {} min, so the rebuild is no longer armed; check its time, then rebuild again",
                ahead.as_mins()
            ));
        }
        let armed_until = self.keeper.boot_table().armed(host.mac)?.armed_until;
        (now.duration_since(armed_until) > CLOCK_STEP).then(|| {
            format!(
                "the rebuild was armed until {armed_until:.0}, and the clock of this computer is past that; check its time, then rebuild again"
            )
        })
    }

    async fn tell_overdue(&self, host: &Host, look: &HostPatience) -> Result<(), LedgerError> {
        let message = format!("{}: {}; {}", host.hostname, look.sentence, advice(host.state));
        let feed = NewLiveEvent {
            topic: Topic::Overdue,
            host: Some(host.id.clone()),
            operation: host.operation.clone(),
            message,
        };
        if self.hosts.tell_overdue(host, &feed, self.clock.now()).await? {
            tracing::warn!(host.id = host.id.as_str(), "{}", feed.message);
        }
        Ok(())
    }
}

/// What a person should look at when a state is overdue.
fn advice(state: HostState) -> &'static str {
    match state {
        HostState::PxeReady => "is the machine switched on, on this network, and set to boot from the network?",
        HostState::PxeBooted => {
            "look at its console: too little memory for the ISO, or no route to the machine listener?"
        }
        HostState::Installing => "look at its console: the installer shows its error there",
        HostState::Installed => "does the machine boot its disk, and can it reach the machine listener?",
        HostState::FirstBoot | HostState::Joining => "see the operation's steps",
        HostState::Registered | HostState::Ready | HostState::Failed => "",
    }
}
