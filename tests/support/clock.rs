//! A clock that tests move.

use std::{sync::Mutex, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rackseed::ports::Clock;

/// Stands still until it is moved: what the wall shows, and how long it has really been.
#[derive(Debug)]
pub(crate) struct TestClock(Mutex<(Timestamp, Duration)>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Mutex::new((Timestamp::constant(1_790_000_000, 0), Duration::ZERO)))
    }
}

impl TestClock {
    /// Lets time pass; a clock that goes back was set back, and no time passed.
    pub(crate) fn advance(&self, by: SignedDuration) {
        let mut time = self.0.lock().unwrap();
        time.0 += by;
        time.1 += Duration::try_from(by).unwrap_or_default();
    }

    /// Sets the clock on the wall to another time; no time passes.
    pub(crate) fn jump(&self, by: SignedDuration) {
        self.0.lock().unwrap().0 += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().0
    }

    fn running(&self) -> Duration {
        self.0.lock().unwrap().1
    }
}
