//! A host's boot on its page: where it stands, what is likely wrong, and every milestone with its time.

use jiff::{SignedDuration, Timestamp};

use super::words::Moment;
use crate::{
    domain::{
        boot_diagnosis::{Diagnosis, span},
        boot_record::{BootRecord, Seen},
        boot_trace::Stage,
        host::Host,
    },
    http::{Visit, api::boots::diagnosis},
};

/// What the page shows.
pub(super) struct BootPart {
    pub(super) summary: String,
    pub(super) tone: &'static str,
    pub(super) waiting: Option<Waiting>,
    pub(super) causes: Vec<(String, &'static str)>,
    pub(super) latest: Option<BootRows>,
    pub(super) earlier: Vec<BootRows>,
}

/// What is waited for.
pub(super) struct Waiting {
    pub(super) since: Moment,
    pub(super) usually: String,
    /// Whether the machine itself took so long the last time.
    pub(super) is_learned: bool,
    /// When the page should look again, because it is overdue then; empty when it already is.
    pub(super) look_at: String,
}

/// One boot.
pub(super) struct BootRows {
    pub(super) began: Moment,
    pub(super) rows: Vec<MilestoneRow>,
}

/// One milestone.
pub(super) struct MilestoneRow {
    pub(super) tone: &'static str,
    pub(super) sentence: String,
    pub(super) times: u32,
    /// Since the boot began: `+4.2 s`.
    pub(super) after: String,
    pub(super) at: Moment,
}

impl BootPart {
    /// Looks at what was seen of a host.
    pub(super) fn new(state: &Visit, host: &Host) -> Self {
        let (record, now) = (state.diary.record(host.mac), state.clock.now());
        let diagnosis = diagnosis(state, &record, Some(host));
        let mut boots = boots(&record, now);
        let tone = match (diagnosis.overdue, diagnosis.expectation.is_some()) {
            (true, _) => "bad",
            (false, true) => "busy",
            (false, false) => "calm",
        };
        Self {
            summary: diagnosis.summary.clone(),
            tone,
            waiting: waiting(&diagnosis, now),
            latest: (!boots.is_empty()).then(|| boots.remove(0)),
            earlier: boots,
            causes: diagnosis.causes.into_iter().map(|cause| (cause.cause, cause.fix)).collect(),
        }
    }
}

fn waiting(diagnosis: &Diagnosis, now: Timestamp) -> Option<Waiting> {
    let expectation = diagnosis.expectation.as_ref()?;
    Some(Waiting {
        since: Moment::new(expectation.since, now),
        usually: span(expectation.usually),
        is_learned: expectation.is_learned,
        look_at: if diagnosis.overdue { String::new() } else { expectation.overdue_at.to_string() },
    })
}

/// The boots, the latest first.
fn boots(record: &BootRecord, now: Timestamp) -> Vec<BootRows> {
    let mut boots: Vec<(u32, Timestamp, Vec<MilestoneRow>)> = Vec::new();
    for seen in record.all() {
        if boots.last().is_none_or(|(boot, ..)| *boot != seen.boot) {
            boots.push((seen.boot, seen.at, Vec::new()));
        }
        if let Some((_, began, rows)) = boots.last_mut() {
            rows.push(row(seen, *began, now));
        }
    }
    boots.into_iter().rev().map(|(_, began, rows)| BootRows { began: Moment::new(began, now), rows }).collect()
}

fn row(seen: &Seen, began: Timestamp, now: Timestamp) -> MilestoneRow {
    let is_broken = seen.milestone.transfer().is_some_and(|transfer| !transfer.complete);
    let stage = seen.milestone.stage();
    let tone = match stage {
        Stage::NotOffered => "calm",
        _ if is_broken => "bad",
        Stage::Asked | Stage::Offered | Stage::AskedBootServer => "busy",
        Stage::LoaderFetched
        | Stage::ScriptFetched
        | Stage::KernelFetched
        | Stage::InitrdFetched
        | Stage::ImageFetched
        | Stage::AnswerServed
        | Stage::FirstBootScriptFetched
        | Stage::Installed
        | Stage::PhonedHome => "good",
    };
    MilestoneRow {
        tone,
        sentence: seen.milestone.sentence(),
        times: seen.times,
        after: after(seen.at.duration_since(began)),
        at: Moment::new(seen.at, now),
    }
}

/// Spells the time since a boot began: `+4.2 s`, `+3:05 min`.
fn after(time: SignedDuration) -> String {
    let milliseconds = time.as_millis().max(0);
    let seconds = milliseconds / 1000;
    if seconds < 100 {
        format!("+{seconds}.{} s", milliseconds % 1000 / 100)
    } else {
        format!("+{}:{:02} min", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_since_the_beginning_is_told_in_its_unit() {
        for (milliseconds, told) in
            [(0, "+0.0 s"), (4260, "+4.2 s"), (99_900, "+99.9 s"), (185_000, "+3:05 min"), (-5, "+0.0 s")]
        {
            assert_eq!(after(SignedDuration::from_millis(milliseconds)), told);
        }
    }
}
