//! The time, as something that tests can move.

use std::time::Duration;

use jiff::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// How long it has been since some moment before the program began to look, by a clock that never jumps.
    fn running(&self) -> Duration;
}
