//! How long each host has been in its state, what is usual for its server type, and whether it is overdue: one answer for the watchdog, the
//! pages and the API.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::watchdog::Patience;
use crate::{
    domain::{
        host::Host,
        host_lifecycle::HostState,
        identity::{HostId, ServerTypeName},
        patience::{Expectation, Watch, passages_of_type, sentence},
    },
    ports::{Clock, HostLedger, LedgerError},
};

/// How many lines of history of a server type are looked at. More finds rarer passages; fewer keeps pages fast.
const HISTORY_LINES: u32 = 2_000;
/// How long an expectation is believed before history is read again.
const BELIEVED_FOR: Duration = Duration::from_secs(30);

/// How one host is doing in its state.
#[derive(Debug, Clone)]
pub struct HostPatience {
    /// How long it has been in its state.
    pub stayed: Duration,
    /// What is expected.
    pub expectation: Expectation,
    /// Whether it takes longer than it should.
    pub is_overdue: bool,
    /// Whether it is to be given up.
    pub is_given_up: bool,
    /// All of it for a person.
    pub sentence: String,
}

/// Answers.
pub struct PatienceDesk {
    hosts: Arc<dyn HostLedger>,
    clock: Arc<dyn Clock>,
    settings: Patience,
    watches: Mutex<HashMap<HostId, (Timestamp, Watch)>>,
    known: Mutex<HashMap<(ServerTypeName, HostState), (Duration, Expectation)>>,
}

impl PatienceDesk {
    /// Looks at these hosts with this patience.
    pub fn new(hosts: Arc<dyn HostLedger>, clock: Arc<dyn Clock>, settings: Patience) -> Self {
        Self { hosts, clock, settings, watches: Mutex::default(), known: Mutex::default() }
    }

    /// How a host is doing; `None` in a stable state.
    pub async fn look(&self, host: &Host) -> Result<Option<HostPatience>, LedgerError> {
        let Some(setting) = self.settings.of(host.state) else {
            self.watches.lock().unwrap_or_else(PoisonError::into_inner).remove(&host.id);
            return Ok(None);
        };
        let expectation = self.expectation(&host.server_type, host.state, setting).await?;
        let (watch, running) = (self.watch(host), self.clock.running());
        let stayed = watch.elapsed(running);
        Ok(Some(HostPatience {
            stayed,
            is_overdue: stayed > expectation.overdue_after,
            is_given_up: watch.is_past(expectation.limit, running),
            sentence: sentence(host.state, stayed, &expectation),
            expectation,
        }))
    }

    /// How long hosts of this server type usually stay in a state, where enough of them have passed it.
    pub async fn usual(&self, host: &Host, state: HostState) -> Result<Option<Duration>, LedgerError> {
        let Some(setting) = self.settings.of(state) else { return Ok(None) };
        Ok(self.expectation(&host.server_type, state, setting).await?.usual)
    }

    fn watch(&self, host: &Host) -> Watch {
        let begin = || (host.state_since, Watch::begin(host.state_since, self.clock.now(), self.clock.running()));
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let known = watches.entry(host.id.clone()).or_insert_with(begin);
        if known.0 != host.state_since {
            *known = begin();
        }
        known.1
    }

    async fn expectation(
        &self,
        server_type: &ServerTypeName,
        state: HostState,
        setting: Duration,
    ) -> Result<Expectation, LedgerError> {
        let (key, running) = ((server_type.clone(), state), self.clock.running());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        if let Some((_, expectation)) = known.filter(|(at, _)| running.saturating_sub(*at) < BELIEVED_FOR) {
            return Ok(expectation);
        }
        let history = self.hosts.history_of_type(server_type, HISTORY_LINES).await?;
        let expectation = Expectation::new(setting, &passages_of_type(&history, state));
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (running, expectation));
        Ok(expectation)
    }
}
