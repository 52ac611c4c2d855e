//! Turns overstayed states into events, so that nothing waits for ever in silence.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::host_keeper::{HostKeeper, KeeperError, Move};
use crate::{
    domain::{host::Host, host_lifecycle::HostState},
    ports::{Clock, HostLedger, LedgerError},
};

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
    pub patience: Patience,
}

impl Watchdog {
    /// Looks at every host once.
    pub async fn look(&self) -> Result<(), LedgerError> {
        for host in self.hosts.hosts().await? {
            if let Some(reason) = self.overdue(&host)
                && let Some((_, event)) = host.state.facts().patience
            {
                match self.keeper.apply(&host, event, Move::failing(reason)).await {
                    // It moved while we looked: not overdue any more.
                    Ok(_) | Err(KeeperError::Ledger(LedgerError::Conflict)) => {}
                    Err(error) => {
                        tracing::error!(host.id = host.id.as_str(), %error, "cannot raise that the host is overdue")
                    }
                }
            }
        }
        Ok(())
    }

    fn overdue(&self, host: &Host) -> Option<String> {
        let patience = self.patience.of(host.state)?;
        let stayed = self.clock.now().duration_since(host.state_since);
        let is_over = !stayed.is_negative() && stayed.unsigned_abs() > patience;
        is_over.then(|| {
            format!("{} for more than {} min; {}", host.state.label(), patience.as_secs() / 60, advice(host.state))
        })
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
