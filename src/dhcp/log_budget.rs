//! How many lines the listener may write: packets come from anybody, and a log must not be a way to fill a disk.

use std::time::{Duration, Instant};

/// How many lines a second may have. Fewer hide machines of a rack that starts all at once; more let a storm write megabytes.
const MOST_LINES: u32 = 50;
const SECOND: Duration = Duration::from_secs(1);

/// Counts the lines of one kind.
#[derive(Debug, Default)]
pub(super) struct LogBudget {
    began: Option<Instant>,
    written: u32,
    withheld: u64,
}

impl LogBudget {
    /// Takes one line; `false` when this second has had its lines. The first line after a storm is preceded by how many were withheld.
    pub(super) fn spend(&mut self, now: Instant) -> bool {
        if self.began.is_none_or(|began| now.duration_since(began) >= SECOND) {
            (self.began, self.written) = (Some(now), 0);
        }
        if self.written == MOST_LINES {
            self.withheld += 1;
            return false;
        }
        self.written += 1;
        let withheld = std::mem::take(&mut self.withheld);
        if withheld > 0 {
            tracing::warn!(withheld, "DHCP packets came in a storm; most of them are not in this log");
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_writes_a_bounded_number_of_lines_in_each_second() {
        let (mut budget, start) = (LogBudget::default(), Instant::now());
        assert_eq!((0..1000).filter(|_| budget.spend(start)).count(), 50);
        assert_eq!(budget.withheld, 950);
        assert!(budget.spend(start + SECOND));
        assert_eq!(budget.withheld, 0);
    }
}
