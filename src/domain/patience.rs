//! How long a host may stay in a state: what the settings say, improved by what this server type usually needs; and how time is counted
//! so that a clock that jumps by hours makes nothing overdue.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{
    host::HistoryEntry,
    host_lifecycle::{HostEvent, HostState},
    identity::HostId,
};

/// So many past passages are looked at, the newest ones. More follow a change of hardware or release more slowly.
pub const MOST_PASSAGES: usize = 20;
/// Fewer passages than this tell nothing.
const FEWEST_PASSAGES: usize = 3;
/// A host is not overdue before it took this much longer than usual: states of a few seconds vary by more than their double.
const SLACK: Duration = Duration::from_secs(5 * 60);
/// A limit is raised to so many times the setting at most. More waits longer for a machine that is dead.
pub const MOST_RAISE: u32 = 2;
/// So long must we have watched ourselves before a host is given up, however long it has been: after a restart machines that tried to
/// report in the meantime are heard first.
const WATCHED_AT_LEAST: Duration = Duration::from_secs(2 * 60);

/// What is expected of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expectation {
    /// How long it usually takes, if enough hosts of this server type passed it.
    pub usual: Option<Duration>,
    /// From when on it is shown as overdue.
    pub overdue_after: Duration,
    /// When the host is given up.
    pub limit: Duration,
    /// The limit of the settings, where this server type usually needs so long that it was raised.
    pub raised_from: Option<Duration>,
}

impl Expectation {
    /// From the limit of the settings and past passages, newest first. The limit is never below the setting, and at least one and a half
    /// times what is usual, up to twice the setting; overdue is always before the limit.
    pub fn new(setting: Duration, passages: &[Duration]) -> Self {
        let usual = usual(passages);
        let limit = usual.map_or(setting, |usual| setting.max((usual + usual / 2).min(setting * MOST_RAISE)));
        let overdue_after = match usual {
            Some(usual) => (limit - limit / 4).min((usual * 2).max(usual + SLACK)),
            None => limit / 2,
        };
        Self { usual, overdue_after, limit, raised_from: (limit > setting).then_some(setting) }
    }
}

/// The median of the newest passages, if there are enough.
pub fn usual(passages: &[Duration]) -> Option<Duration> {
    let mut newest: Vec<_> = passages.iter().take(MOST_PASSAGES).copied().collect();
    if newest.len() < FEWEST_PASSAGES {
        return None;
    }
    newest.sort_unstable();
    let middle = newest.len() / 2;
    Some(if newest.len() % 2 == 1 { newest[middle] } else { (newest[middle - 1] + newest[middle]) / 2 })
}

/// The event that ends a state well.
fn success(state: HostState) -> Option<HostEvent> {
    match state {
        HostState::PxeBooted => Some(HostEvent::AnswerServed),
        HostState::Installing => Some(HostEvent::InstallReported),
        HostState::Installed => Some(HostEvent::PhonedHome),
        HostState::FirstBoot => Some(HostEvent::JoinStarted),
        HostState::Joining => Some(HostEvent::JoinVerified),
        // It waits for a person: how long that one took last time says nothing.
        HostState::PxeReady | HostState::Registered | HostState::Ready | HostState::Failed => None,
    }
}

/// How long hosts of one server type took whenever the state ended well, newest first. `history` is newest first, of all of them.
pub fn passages_of_type(history: &[(HostId, HistoryEntry)], state: HostState) -> Vec<Duration> {
    let mut by_host: BTreeMap<&HostId, Vec<&HistoryEntry>> = BTreeMap::new();
    for (host, entry) in history {
        by_host.entry(host).or_default().push(entry);
    }
    let mut found: Vec<_> = by_host.values().flat_map(|history| passages(history, state)).collect();
    found.sort_by_key(|(ended, _)| std::cmp::Reverse(*ended));
    found.into_iter().map(|(_, took)| took).collect()
}

/// When a state ended well, and how long it took. A host that was given up and then reported late counts with all its time; one that failed
/// otherwise does not count: a person's time is in between.
fn passages(history: &[&HistoryEntry], state: HostState) -> Vec<(Timestamp, Duration)> {
    let Some(success) = success(state) else { return Vec::new() };
    let mut began: Option<Timestamp> = None;
    let mut found = Vec::new();
    for entry in history.iter().rev() {
        if entry.to == state && entry.from != state {
            began = Some(entry.at);
        } else if entry.event == success && entry.from != entry.to {
            let took = began.take().and_then(|began| Duration::try_from(entry.at.duration_since(began)).ok());
            found.extend(took.map(|took| (entry.at, took)));
        } else if entry.event != HostEvent::Overdue && entry.to != state {
            began = None;
        }
    }
    found
}

/// Counts time by what we have watched: the wall clock is believed once, at the first look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    before: Duration,
    began: Duration,
}

impl Watch {
    /// Begins to watch something that began at `since`; `running` is a clock that never jumps.
    pub fn begin(since: Timestamp, now: Timestamp, running: Duration) -> Self {
        let before = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        Self { before, began: running }
    }

    /// How long it has taken.
    pub fn elapsed(&self, running: Duration) -> Duration {
        self.before + running.saturating_sub(self.began)
    }

    /// Whether it has taken longer than a limit, and we have watched long enough to say so.
    pub fn is_past(&self, limit: Duration, running: Duration) -> bool {
        let watched = running.saturating_sub(self.began);
        self.elapsed(running) > limit && watched >= WATCHED_AT_LEAST.min(limit / 4)
    }
}

/// How long a host has been in its state, in words: `installing 14 min, usually 6`. For waiting on a person the words are others.
pub fn sentence(state: HostState, stayed: Duration, expectation: &Expectation) -> String {
    let minutes = |duration: Duration| duration.as_secs() / 60;
    let (label, now, limit) = (state.label(), spell(stayed), minutes(expectation.limit));
    let is_overdue = stayed > expectation.overdue_after;
    if state == HostState::PxeReady {
        let asks =
            if is_overdue { "; nobody has started it from the network yet, and it is disarmed" } else { "; disarmed" };
        return format!("armed for {now}{asks} after {limit} min");
    }
    let usual = expectation.usual.map(|usual| match usual.as_secs() {
        0..60 => ", usually less than one".to_owned(),
        seconds => format!(", usually {}", (seconds + 30) / 60),
    });
    let mut text = format!("{label} {now}{}", usual.unwrap_or_default());
    if is_overdue {
        text.push_str(&format!(": overdue, given up after {limit} min"));
    }
    if let Some(setting) = expectation.raised_from {
        text.push_str(&format!(
            " (more than the {} min of the settings, because this server type usually needs it)",
            minutes(setting)
        ));
    }
    text
}

/// The same without the state and its time, for where those stand already: `usually 6 min`.
pub fn aside(state: HostState, stayed: Duration, expectation: &Expectation) -> String {
    let is_overdue = stayed > expectation.overdue_after;
    let limit = expectation.limit.as_secs() / 60;
    if state == HostState::PxeReady {
        let asks = if is_overdue { "nobody has started it from the network yet; " } else { "" };
        return format!("{asks}disarmed after {limit} min");
    }
    let usual = expectation.usual.map(|usual| match usual.as_secs() {
        0..60 => "usually less than a minute".to_owned(),
        seconds => format!("usually {} min", (seconds + 30) / 60),
    });
    let overdue = is_overdue.then(|| format!("overdue, given up after {limit} min"));
    usual.into_iter().chain(overdue).collect::<Vec<_>>().join("; ")
}

fn spell(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(60 * count)
    }

    #[test]
    fn overdue_comes_before_the_limit_and_the_limit_is_never_below_the_setting() {
        // setting, past passages → usual, overdue, limit (minutes)
        type Row<'a> = (u64, &'a [u64], Option<u64>, u64, u64);
        let table: &[Row<'_>] = &[
            (60, &[], None, 30, 60),
            (60, &[6, 6], None, 30, 60),
            (60, &[6, 5, 90], Some(6), 12, 60),
            (60, &[2, 2, 2, 2], Some(2), 7, 60),
            (60, &[20, 30, 25, 25], Some(25), 45, 60),
            (60, &[70, 60, 80], Some(70), 78, 105),
            (60, &[300, 300, 300], Some(300), 90, 120),
            (1, &[0, 0, 0], Some(0), 0, 1),
        ];
        for (setting, past, usual, overdue, limit) in table {
            let past: Vec<_> = past.iter().map(|count| minutes(*count)).collect();
            let expected = Expectation::new(minutes(*setting), &past);
            let whole = |duration: Duration| duration.as_secs() / 60;
            assert_eq!(
                (expected.usual.map(whole), whole(expected.overdue_after), whole(expected.limit)),
                (*usual, *overdue, *limit),
                "{setting} {past:?}"
            );
            assert!(expected.overdue_after < expected.limit && expected.limit >= minutes(*setting));
            assert_eq!(expected.raised_from.is_some(), expected.limit > minutes(*setting));
        }
    }

    #[test]
    fn only_the_newest_twenty_passages_count() {
        let past: Vec<_> = (0..40).map(|place| minutes(if place < 20 { 10 } else { 500 })).collect();
        assert_eq!(Expectation::new(minutes(60), &past).usual, Some(minutes(10)));
    }

    fn entry(second: i64, event: HostEvent, from: HostState, to: HostState) -> HistoryEntry {
        HistoryEntry { at: Timestamp::from_second(second).unwrap(), event, from, to, because: String::new() }
    }

    #[test]
    fn a_passage_is_counted_when_it_ended_well_late_or_not_and_not_when_it_failed() {
        use HostEvent as E;
        use HostState as S;
        let history = |mut entries: Vec<HistoryEntry>| {
            entries.reverse();
            let host: HostId = "aaaaaaaaaaaa".parse().unwrap();
            let entries: Vec<_> = entries.into_iter().map(|entry| (host.clone(), entry)).collect();
            passages_of_type(&entries, S::Installing)
        };
        let begun = entry(100, E::AnswerServed, S::PxeBooted, S::Installing);
        let done = |at, from| entry(at, E::InstallReported, from, S::Installed);
        assert_eq!(history(vec![begun.clone(), done(400, S::Installing)]), [Duration::from_secs(300)]);
        let overdue = entry(300, E::Overdue, S::Installing, S::Failed);
        assert_eq!(history(vec![begun.clone(), overdue, done(700, S::Failed)]), [Duration::from_secs(600)]);
        let failed = entry(300, E::OperationFailed, S::Installing, S::Failed);
        assert!(history(vec![begun.clone(), failed, done(700, S::Failed)]).is_empty());
        assert!(history(vec![begun]).is_empty(), "it is still at it");
        assert!(passages_of_type(&[], S::PxeReady).is_empty(), "a person's time says nothing");
    }

    #[test]
    fn a_clock_that_jumps_makes_nothing_overdue() {
        let start = Timestamp::from_second(1_000_000).unwrap();
        let watch = Watch::begin(start, start, minutes(0));
        // Whatever the wall clock does, ten minutes were watched.
        assert_eq!(watch.elapsed(minutes(10)), minutes(10));
        assert!(!watch.is_past(minutes(20), minutes(10)) && watch.is_past(minutes(20), minutes(21)));
        let restarted = Watch::begin(start, Timestamp::from_second(1_000_000 + 7200).unwrap(), minutes(500));
        assert!(!restarted.is_past(minutes(20), minutes(500)), "after a restart machines are heard first");
        assert!(restarted.is_past(minutes(20), minutes(502)));
        let set_back = Watch::begin(start, Timestamp::from_second(900_000).unwrap(), minutes(0));
        assert_eq!(set_back.elapsed(minutes(3)), minutes(3));
    }

    #[test]
    fn sentences_tell_what_is_usual_what_is_overdue_and_whose_turn_it_is() {
        let usual = Expectation::new(minutes(60), &[minutes(6), minutes(6), minutes(6)]);
        assert_eq!(sentence(HostState::Installing, minutes(4), &usual), "installing 4 min, usually 6");
        assert_eq!(
            sentence(HostState::Installing, minutes(14), &usual),
            "installing 14 min, usually 6: overdue, given up after 60 min"
        );
        let slow = Expectation::new(minutes(60), &[minutes(70); 3]);
        assert!(sentence(HostState::Installing, minutes(4), &slow).contains("more than the 60 min of the settings"));
        let armed = Expectation::new(minutes(60), &[]);
        assert_eq!(sentence(HostState::PxeReady, minutes(4), &armed), "armed for 4 min; disarmed after 60 min");
        assert!(sentence(HostState::PxeReady, minutes(40), &armed).contains("nobody has started it"));
        assert_eq!(aside(HostState::Installing, minutes(4), &usual), "usually 6 min");
        assert_eq!(aside(HostState::Installing, minutes(14), &usual), "usually 6 min; overdue, given up after 60 min");
        assert_eq!(aside(HostState::Installing, minutes(4), &armed), "");
        assert_eq!(aside(HostState::PxeReady, minutes(4), &armed), "disarmed after 60 min");
    }
}
