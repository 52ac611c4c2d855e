//! How pages say things: times, colours, steps.

use jiff::Timestamp;

use crate::domain::{
    host::Host,
    host_lifecycle::HostState,
    host_list::tone,
    operation::{OperationStatus, StepStatus},
};
use crate::operations::OperationView;

/// A moment, as pages show it: how long ago, and exactly.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// `3 min`.
    pub(super) ago: String,
    /// For machines, and for the script that keeps `ago` true.
    pub(super) exact: String,
    /// `2026-09-21 14:13:20 UTC`.
    pub(super) full: String,
}

impl Moment {
    /// Spells a moment, seen from now.
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self {
            ago: span(now.as_second() - at.as_second()),
            exact: at.to_string(),
            full: at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        }
    }
}

/// Spells a number of seconds in its largest unit; the script of the pages has the same rule.
pub(super) fn span(seconds: i64) -> String {
    match seconds {
        // A clock that was set back makes nothing happen in the future.
        ..=59 => format!("{} s", seconds.max(0)),
        60..=5399 => format!("{} min", seconds / 60),
        5400..=129_599 => format!("{} h", (seconds + 1800) / 3600),
        _ => format!("{} d", (seconds + 43_200) / 86_400),
    }
}

/// Spells how long something took, to the second as long as that matters.
pub(super) fn precise(seconds: u64) -> String {
    match seconds {
        0 => "less than 1 s".to_owned(),
        1..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..=86_399 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// The colour of a host's bubble: a class of the style sheet.
pub(super) fn state_tone(state: HostState, operation: Option<&OperationView>) -> &'static str {
    tone(state, operation.map(|view| view.progress.status)).word()
}

/// The colour of an operation.
pub(super) fn operation_tone(status: OperationStatus) -> &'static str {
    match status {
        OperationStatus::Running | OperationStatus::Waiting => "busy",
        OperationStatus::Unwinding | OperationStatus::Cancelling => "armed",
        OperationStatus::NeedsAttention | OperationStatus::Failed => "bad",
        OperationStatus::Succeeded => "good",
        OperationStatus::Cancelled => "calm",
    }
}

/// The colour of a step.
pub(super) fn step_tone(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Pending | StepStatus::Undone | StepStatus::Skipped => "calm",
        StepStatus::Running | StepStatus::Waiting => "busy",
        StepStatus::Undoing => "armed",
        StepStatus::Succeeded => "good",
        StepStatus::Failed | StepStatus::UndoFailed => "bad",
    }
}

/// A word of a table as a person reads it: `needs_attention` is `needs attention`.
pub(super) fn plain(word: &str) -> String {
    word.replace('_', " ")
}

/// The name of a step as the beginning of a sentence: `await_network_boot` is `Await network boot`.
pub(super) fn title(word: &str) -> String {
    let text = plain(word);
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// An operation by what is pressed to start it: `Rebuild pve-01`.
pub(super) fn operation_words(plan: &str, hostname: &str) -> String {
    match plan.strip_suffix("_host") {
        Some(verb) => format!("{} {hostname}", title(verb)),
        None => format!("{} of {hostname}", title(plan)),
    }
}

/// What the host is doing and why, in one sentence; empty when there is nothing to say.
pub(super) fn doing(host: &Host, operation: Option<&OperationView>) -> String {
    if let Some(pause) = operation.and_then(|view| view.pause.as_ref()) {
        return pause.reason.clone();
    }
    let waits_for = operation.filter(|view| !view.progress.status.is_over()).and_then(|view| {
        let step = view.progress.current_step().map(|step| title(&step.name));
        match (view.progress.reason.clone(), step) {
            (Some(reason), _) => Some(reason),
            (None, Some(step)) => Some(step),
            (None, None) => None,
        }
    });
    // An operation that was cancelled says what a person must know now.
    let cancelled = operation.filter(|view| view.progress.status == OperationStatus::Cancelled);
    let cancelled = cancelled.filter(|_| host.state == HostState::Failed).and_then(|view| view.progress.reason.clone());
    waits_for.or(cancelled).or_else(|| host.reason.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_something_took_is_told_to_the_second_and_later_to_the_minute() {
        for (seconds, told) in
            [(0, "less than 1 s"), (59, "59 s"), (252, "4 min 12 s"), (3600, "1 h 0 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(precise(seconds), told);
        }
    }

    #[test]
    fn a_span_is_told_in_its_largest_unit() {
        for (seconds, told) in
            [(-5, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (5399, "89 min"), (7200, "2 h"), (259_200, "3 d")]
        {
            assert_eq!(span(seconds), told);
        }
    }
}
