//! How often a password or a set-up code may be guessed.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// How many failures cost nothing: people mistype.
const FREE_FAILURES: u32 = 5;
/// How long the first wait is; each further failure doubles it.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(5);
/// The longest wait. Longer would let whoever fails on purpose keep the administrator out.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(15);
/// After this long without an attempt, failures are forgotten.
const MEMORY: SignedDuration = SignedDuration::from_hours(24);
/// How many names or addresses are remembered. With more, whoever changes the address for each guess fills our memory.
const MOST_REMEMBERED: usize = 2_000;

/// The attempts of one name or one address that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    failures: u32,
    last: Timestamp,
}

impl Attempts {
    /// When the next attempt may be made.
    fn free_at(self) -> Timestamp {
        let Some(beyond) = self.failures.checked_sub(FREE_FAILURES) else { return self.last };
        // Beyond eight doublings it is longer than the longest wait anyway.
        let wait = FIRST_WAIT.checked_mul(1 << beyond.min(8)).map_or(LONGEST_WAIT, |wait| wait.min(LONGEST_WAIT));
        self.last.checked_add(wait).unwrap_or(self.last)
    }
}

/// The attempts of many names or addresses.
#[derive(Debug, Default)]
pub struct AttemptTable(BTreeMap<String, Attempts>);

impl AttemptTable {
    /// How long this name or address has to wait, if at all.
    pub fn wait(&self, key: &str, now: Timestamp) -> Option<SignedDuration> {
        let wait = self.0.get(key)?.free_at().duration_since(now);
        // A clock that was set back by years must not keep anybody out for years.
        wait.is_positive().then_some(wait.min(LONGEST_WAIT))
    }

    /// Counts an attempt as failed. It is counted before it is made, so that many at once are no more than many one after the other.
    pub fn count(&mut self, key: &str, now: Timestamp) {
        self.0.retain(|_, attempts| now.duration_since(attempts.last).abs() < MEMORY);
        if self.0.len() >= MOST_REMEMBERED && !self.0.contains_key(key) {
            let oldest = self.0.iter().min_by_key(|(_, attempts)| attempts.last).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.0.remove(&oldest);
            }
        }
        let attempts = self.0.entry(key.to_owned()).or_insert(Attempts { failures: 0, last: now });
        attempts.failures = attempts.failures.saturating_add(1);
        attempts.last = now;
    }

    /// Forgets the failures of a name or address, because an attempt succeeded.
    pub fn forgive(&mut self, key: &str) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn five_failures_are_free_and_then_the_wait_doubles_up_to_a_quarter_of_an_hour() {
        let mut table = AttemptTable::default();
        for _ in 0..4 {
            table.count("admin", at(0));
            assert_eq!(table.wait("admin", at(0)), None);
        }
        let mut waits = Vec::new();
        for _ in 0..10 {
            table.count("admin", at(0));
            waits.push(table.wait("admin", at(0)).unwrap().as_secs());
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
        assert_eq!(table.wait("admin", at(900)), None);
        assert_eq!(table.wait("another", at(0)), None);
    }

    #[test]
    fn success_and_a_day_forget() {
        let mut table = AttemptTable::default();
        (0..6).for_each(|_| table.count("admin", at(0)));
        table.forgive("admin");
        assert_eq!(table.wait("admin", at(0)), None);
        (0..6).for_each(|_| table.count("admin", at(0)));
        table.count("admin", at(2 * 86_400));
        assert_eq!(table.wait("admin", at(2 * 86_400)), None);
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nobody_out_for_long() {
        let mut table = AttemptTable::default();
        (0..20).for_each(|_| table.count("admin", at(1_000_000)));
        assert_eq!(table.wait("admin", at(0)), Some(LONGEST_WAIT));
    }

    #[test]
    fn no_more_names_are_remembered_than_the_bound_and_the_oldest_goes() {
        let mut table = AttemptTable::default();
        for number in 0..3_000 {
            table.count(&format!("name-{number}"), at(number));
        }
        assert_eq!(table.0.len(), MOST_REMEMBERED);
        assert!(table.0.contains_key("name-2999") && !table.0.contains_key("name-0"));
    }
}
