//! The doctor: looks for what would keep machines from booting. The command line runs it by itself, the daemon for its page.

mod lan;
mod probes;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    domain::checkup::{Checkup, Finding},
    ports::Clock,
    settings::Settings,
};

pub use probes::examine;

/// How long a round may take. An interface with a rival boot server takes some eight seconds.
const ROUND_LIMIT: Duration = Duration::from_secs(120);

/// Is told what the doctor does.
pub trait Notes: Send + Sync {
    /// It looks at something now.
    fn looking_at(&self, what: &str);

    /// It found something.
    fn found(&self, finding: Finding);
}

/// The doctor of a running daemon: one round at a time, the last one is remembered.
pub(super) struct Doctor {
    settings: Settings,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    last: Arc<Mutex<Option<Checkup>>>,
}

impl Doctor {
    /// A doctor who looks at a daemon with these settings.
    pub(super) fn new(settings: Settings, clock: Arc<dyn Clock>, stop: CancellationToken) -> Self {
        Self { settings, clock, stop, last: Arc::default() }
    }

    /// The last round, or the one that is under way.
    pub(super) fn last(&self) -> Option<Checkup> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins a round, unless one is under way. Returns whether it did.
    pub(super) fn begin(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_some_and(|checkup| checkup.ended_at.is_none()) {
            return false;
        }
        *last = Some(Checkup::begun(self.clock.now()));
        let (settings, clock, stop) = (self.settings.clone(), Arc::clone(&self.clock), self.stop.clone());
        let pad = Pad(Arc::clone(&self.last));
        tokio::spawn(async move {
            let round = tokio::time::timeout(ROUND_LIMIT, examine(&settings, None, &pad));
            let cut_off = match stop.run_until_cancelled(round).await {
                Some(Ok(())) => None,
                Some(Err(_)) => Some(format!("it took longer than {} s", ROUND_LIMIT.as_secs())),
                None => Some("the daemon stops".to_owned()),
            };
            pad.write(|checkup| {
                checkup.ended_at = Some(clock.now());
                checkup.looking_at = None;
                checkup.cut_off = cut_off;
            });
        });
        true
    }
}

/// Where the running round is written down.
struct Pad(Arc<Mutex<Option<Checkup>>>);

impl Pad {
    fn write(&self, change: impl FnOnce(&mut Checkup)) {
        if let Some(checkup) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            change(checkup);
        }
    }
}

impl Notes for Pad {
    fn looking_at(&self, what: &str) {
        self.write(|checkup| checkup.looking_at = Some(what.to_owned()));
    }

    fn found(&self, finding: Finding) {
        self.write(|checkup| checkup.findings.push(finding));
    }
}
