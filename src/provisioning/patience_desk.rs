//! How long each host has been in its state, what is usual for its server type, and whether it is overdue: one answer for the watchdog, the
//! pages and the API.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::watchdog::Patience;
use crate::{
    domain::{
        host::Host,
        host_lifecycle::HostState,
        identity::{HostId, ServerTypeName},
        patience::{Expectation, Watch, aside, passages_of_type, sentence},
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
    /// The same without state and time, for where they stand already.
    pub aside: String,
    /// How long it has until it is overdue.
    pub overdue_in: Duration,
}

/// What the history of a server type taught, and when it was read.
struct Learned {
    at: Duration,
    passages: HashMap<HostState, Vec<Duration>>,
}

/// Answers.
pub struct PatienceDesk {
    hosts: Arc<dyn HostLedger>,
    clock: Arc<dyn Clock>,
    settings: Patience,
    watches: Mutex<HashMap<HostId, (Timestamp, Watch)>>,
    learned: Mutex<HashMap<ServerTypeName, Learned>>,
}

impl PatienceDesk {
    /// Looks at these hosts with this patience.
    pub fn new(hosts: Arc<dyn HostLedger>, clock: Arc<dyn Clock>, settings: Patience) -> Self {
        Self { hosts, clock, settings, watches: Mutex::default(), learned: Mutex::default() }
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
            aside: aside(host.state, stayed, &expectation),
            overdue_in: expectation.overdue_after.saturating_sub(stayed),
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
        let running = self.clock.running();
        let is_believed = |learned: &&Learned| running.saturating_sub(learned.at) < BELIEVED_FOR;
        let expect =
            |learned: &Learned| Expectation::new(setting, learned.passages.get(&state).map_or(&[], Vec::as_slice));
        let known = self.learned().get(server_type).filter(is_believed).map(expect);
        if let Some(expectation) = known {
            return Ok(expectation);
        }
        // One look at the history teaches all states: the hosts of a rack are in several of them at once.
        let history = self.hosts.history_of_type(server_type, HISTORY_LINES).await?;
        let passages = HostState::ALL.iter().map(|state| (*state, passages_of_type(&history, *state)));
        let learned = Learned { at: running, passages: passages.collect() };
        let expectation = expect(&learned);
        self.learned().insert(server_type.clone(), learned);
        Ok(expectation)
    }

    fn learned(&self) -> MutexGuard<'_, HashMap<ServerTypeName, Learned>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
