//! The system's clock: the only place where the time is read.

use jiff::Timestamp;

use crate::ports::Clock;

/// Tells the system's time.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "everybody else takes the time from here")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
