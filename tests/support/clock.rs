//! A clock that tests move.

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use rackseed::ports::Clock;

/// Stands still until it is moved.
#[derive(Debug)]
pub(crate) struct TestClock(Mutex<Timestamp>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Mutex::new(Timestamp::constant(1_790_000_000, 0)))
    }
}

impl TestClock {
    /// Moves the time, backwards too.
    pub(crate) fn advance(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}
