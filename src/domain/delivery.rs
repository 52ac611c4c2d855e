//! How a message reaches a target: when it is sent, collected, tried again and given up.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::notification::Moment;

super::words::words!(
    /// How a delivery is doing.
    DeliveryState, "delivery state" {
        /// Not sent yet, or tried without success.
        Waiting = "waiting",
        /// The target took it.
        Sent = "sent",
        /// Given up.
        GivenUp = "given_up",
    }
);

/// How often one delivery is tried; with the pauses below that takes about a day. More keeps old news for longer.
pub const MOST_ATTEMPTS: u32 = 30;
/// The first pause after a failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(15);
/// The longest pause between two tries, also where the target asks for a longer one.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
/// The window in which messages to one target are counted.
pub const RATE_WINDOW: Duration = Duration::from_secs(60 * 60);

/// One moment on its way to one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Rises with every delivery.
    pub number: i64,
    /// The name of the target.
    pub target: String,
    /// What is told.
    pub moment: Moment,
    /// How it is doing.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// Not before this moment is it tried again.
    pub not_before: Option<Timestamp>,
    /// When it was sent or given up.
    pub ended_at: Option<Timestamp>,
    /// Why the latest try failed.
    pub problem: Option<String>,
}

/// What to do for a target now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Send these in one message.
    Send(Vec<Delivery>),
    /// Look again at this moment, or when something happens.
    NotBefore(Timestamp),
    /// Nothing waits.
    Rest,
}

/// Finds what to do for a target, from what waits for it (oldest first) and when the messages of the last hour were sent.
///
/// At most `per_hour` messages leave in any hour. The last place is kept for everything that still waits, in one digest.
pub fn next(waiting: &[Delivery], sent: &[Timestamp], per_hour: u32, now: Timestamp) -> Next {
    let is_due = |delivery: &&Delivery| delivery.not_before.is_none_or(|moment| not_ahead(moment, now));
    let due: Vec<&Delivery> = waiting.iter().filter(is_due).collect();
    let Some(first) = due.first() else {
        let soonest = waiting.iter().filter_map(|delivery| delivery.not_before).min();
        return soonest.map_or(Next::Rest, Next::NotBefore);
    };
    let window = signed(RATE_WINDOW);
    let in_window: Vec<Timestamp> =
        sent.iter().copied().filter(|at| *at <= now && now.duration_since(*at) < window).collect();
    let places = usize::try_from(per_hour.max(1)).unwrap_or(usize::MAX).saturating_sub(in_window.len());
    match (places, in_window.iter().min()) {
        (0, Some(oldest)) => Next::NotBefore(*oldest + window),
        (1, _) => Next::Send(due.into_iter().cloned().collect()),
        _ => Next::Send(vec![(*first).clone()]),
    }
}

/// A pause that is longer than any of ours comes from a clock that was set back: it is over.
fn not_ahead(moment: Timestamp, now: Timestamp) -> bool {
    moment <= now || moment.duration_since(now) > signed(LONGEST_PAUSE)
}

/// The pause after the given number of tries; a target may ask for a longer one.
pub fn pause_after(attempts: u32, asked: Option<Duration>) -> SignedDuration {
    let pause = FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(10));
    signed(pause.max(asked.unwrap_or_default()).min(LONGEST_PAUSE))
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::{super::notification::MomentKind, *};

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn seconds(count: i64) -> SignedDuration {
        SignedDuration::from_secs(count)
    }

    fn delivery(number: i64, not_before: Option<Timestamp>) -> Delivery {
        let kind = MomentKind::Ready;
        let moment = Moment {
            number,
            at: NOW,
            kind,
            host: None,
            hostname: None,
            operation: None,
            batch: None,
            detail: String::new(),
        };
        let target = "phone".to_owned();
        let state = DeliveryState::Waiting;
        Delivery { number, target, moment, state, attempts: 0, not_before, ended_at: None, problem: None }
    }

    fn numbers(next: &Next) -> Vec<i64> {
        match next {
            Next::Send(deliveries) => deliveries.iter().map(|delivery| delivery.number).collect(),
            Next::NotBefore(_) | Next::Rest => Vec::new(),
        }
    }

    #[test]
    fn the_last_place_of_an_hour_takes_everything_that_waits() {
        let waiting: Vec<_> = (1..=9).map(|number| delivery(number, None)).collect();
        assert_eq!(numbers(&next(&waiting, &[], 3, NOW)), [1]);
        let sent = [NOW - seconds(10)];
        assert_eq!(numbers(&next(&waiting[1..], &sent, 3, NOW)), [2]);
        let sent = [NOW - seconds(10), NOW - seconds(5)];
        assert_eq!(numbers(&next(&waiting[2..], &sent, 3, NOW)), (3..=9).collect::<Vec<_>>());
        let sent = [NOW - seconds(10), NOW - seconds(5), NOW];
        assert_eq!(next(&waiting, &sent, 3, NOW), Next::NotBefore(NOW + seconds(3590)));
        assert_eq!(numbers(&next(&waiting, &[NOW - seconds(3600)], 1, NOW)).len(), 9, "an hour has passed");
    }

    #[test]
    fn what_was_tried_waits_for_its_pause_and_what_is_new_does_not_wait_for_it() {
        let later = NOW + seconds(30);
        assert_eq!(next(&[delivery(1, Some(later))], &[], 20, NOW), Next::NotBefore(later));
        assert_eq!(numbers(&next(&[delivery(1, Some(later)), delivery(2, None)], &[], 20, NOW)), [2]);
        assert_eq!(next(&[], &[], 20, NOW), Next::Rest);
    }

    #[test]
    fn a_clock_that_was_set_back_by_hours_holds_nothing_up() {
        let waiting = [delivery(1, Some(NOW + seconds(5 * 3600)))];
        assert_eq!(numbers(&next(&waiting, &[NOW + seconds(5 * 3600)], 1, NOW)), [1]);
    }

    #[test]
    fn pauses_grow_to_an_hour_and_all_tries_take_about_a_day() {
        let pauses: Vec<i64> = (1..MOST_ATTEMPTS).map(|attempts| pause_after(attempts, None).as_secs()).collect();
        assert_eq!(pauses[..5], [15, 30, 60, 120, 240]);
        assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]) && pauses.last() == Some(&3600));
        let hours = pauses.iter().sum::<i64>() / 3600;
        assert!((20..=26).contains(&hours), "{hours}");
        assert_eq!(pause_after(1, Some(Duration::from_secs(120))).as_secs(), 120);
        assert_eq!(pause_after(1, Some(Duration::from_secs(1 << 40))).as_secs(), 3600);
    }
}
