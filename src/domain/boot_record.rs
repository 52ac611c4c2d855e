//! What was seen of one machine's latest boots: a bounded list of milestones, told apart by boot.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::boot_trace::{Milestone, Stage};

/// How many milestones of a machine are kept. A whole installation has about fifteen, and a firmware's repetitions count as one.
const MOST_SEEN: usize = 96;
/// A question after this silence begins another boot, whatever came before. Firmware repeats itself for about a minute.
const SILENCE_BETWEEN_BOOTS: SignedDuration = SignedDuration::from_secs(300);

/// What was seen of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootRecord {
    seen: VecDeque<Seen>,
}

/// One milestone of one boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The boot's number, from 1.
    pub boot: u32,
    /// When it was first seen in this boot.
    pub at: Timestamp,
    /// When it was last seen.
    pub last_at: Timestamp,
    /// How often.
    pub times: u32,
    /// What was seen.
    #[serde(flatten)]
    pub milestone: Milestone,
}

impl BootRecord {
    /// Takes what was seen at a moment.
    pub fn saw(&mut self, milestone: Milestone, at: Timestamp) {
        let milestone = milestone.within_bounds();
        let boot = match self.seen.back() {
            None => 1,
            Some(last) if self.begins_a_boot(&milestone, at) => last.boot.wrapping_add(1),
            Some(last) => last.boot,
        };
        if let Some(same) = self.repeated(boot, &milestone) {
            same.times = same.times.saturating_add(1);
            same.last_at = same.last_at.max(at);
            same.milestone = milestone;
            return;
        }
        if self.seen.len() == MOST_SEEN {
            self.seen.pop_front();
        }
        self.seen.push_back(Seen { boot, at, last_at: at, times: 1, milestone });
    }

    /// Firmware that asks after it was already loading, or iPXE that asks after it had its script, has been started anew.
    fn begins_a_boot(&self, milestone: &Milestone, at: Timestamp) -> bool {
        if milestone.stage() != Stage::Asked {
            return false;
        }
        let is_late = self.seen.back().is_some_and(|last| at.duration_since(last.last_at) > SILENCE_BETWEEN_BOOTS);
        let beyond = if milestone.is_of_ipxe() { Stage::ScriptFetched } else { Stage::LoaderFetched };
        is_late
            || self.latest().any(|seen| {
                seen.milestone.stage() >= beyond || (seen.milestone.is_of_ipxe() && !milestone.is_of_ipxe())
            })
    }

    /// The same thing, seen before in this boot with nothing new since. Questions and offers alternate, so they are looked for among each other.
    fn repeated(&mut self, boot: u32, milestone: &Milestone) -> Option<&mut Seen> {
        let is_talk = |stage: Stage| stage <= Stage::AskedBootServer;
        let stage = milestone.stage();
        let same_run = self.seen.iter_mut().rev().take_while(|seen| {
            let other = seen.milestone.stage();
            seen.boot == boot && (other == stage || (is_talk(other) && is_talk(stage)))
        });
        let mut same_run = same_run;
        same_run.find(|seen| is_the_same(&seen.milestone, milestone))
    }

    /// Everything that is kept, the oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Seen> {
        self.seen.iter()
    }

    /// The milestones of the latest boot.
    pub fn latest(&self) -> impl DoubleEndedIterator<Item = &Seen> + Clone {
        let boot = self.seen.back().map(|last| last.boot);
        self.seen.iter().filter(move |seen| Some(seen.boot) == boot)
    }

    /// When the boot of a milestone began.
    pub fn began(&self, boot: u32) -> Option<Timestamp> {
        self.seen.iter().find(|seen| seen.boot == boot).map(|seen| seen.at)
    }

    /// How many questions it asked altogether.
    pub fn questions(&self) -> u32 {
        let asked = self.seen.iter().filter(|seen| seen.milestone.stage() == Stage::Asked);
        asked.fold(0, |sum, seen| sum.saturating_add(seen.times))
    }

    /// How long this machine last took from one stage to the next of some others; `None` where that was never seen.
    pub fn took(&self, from: Stage, to: &[Stage]) -> Option<SignedDuration> {
        let mut began = None;
        let mut took = None;
        for seen in &self.seen {
            let stage = seen.milestone.stage();
            if stage == from {
                began = Some(seen.last_at);
            } else if to.contains(&stage)
                && let Some(began) = began.take()
            {
                took = Some(seen.at.duration_since(began)).filter(|took| !took.is_negative());
            }
        }
        took
    }
}

/// Whether two milestones say the same of a boot; the figures of a transfer may differ.
fn is_the_same(one: &Milestone, other: &Milestone) -> bool {
    let is_whole = |milestone: &Milestone| milestone.transfer().map(|transfer| transfer.complete);
    match (one, other) {
        (Milestone::LoaderFetched { file: one_file, .. }, Milestone::LoaderFetched { file: other_file, .. }) => {
            one_file == other_file && is_whole(one) == is_whole(other)
        }
        _ if one.transfer().is_some() => one.stage() == other.stage() && is_whole(one) == is_whole(other),
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::boot_trace::Transfer;

    fn asked(client: &str) -> Milestone {
        Milestone::Asked { client: client.into() }
    }

    fn loader(complete: bool) -> Milestone {
        let transfer = Transfer { bytes: 9, milliseconds: 1, complete };
        Milestone::LoaderFetched { file: "snponly.efi".into(), transfer }
    }

    fn script(script: &str) -> Milestone {
        Milestone::ScriptFetched { script: script.into() }
    }

    fn record(seen: Vec<(i64, Milestone)>) -> BootRecord {
        let mut record = BootRecord::default();
        for (second, milestone) in seen {
            record.saw(milestone, Timestamp::from_second(second).unwrap());
        }
        record
    }

    fn told(record: &BootRecord) -> Vec<(u32, &'static str, u32)> {
        record.all().map(|seen| (seen.boot, seen.milestone.stage().word(), seen.times)).collect()
    }

    #[test]
    fn a_firmware_that_repeats_itself_is_one_line_with_a_count() {
        let offered = || Milestone::Offered { what: "b/1/snponly.efi".into() };
        let record = record(vec![
            (0, asked("UEFI")),
            (0, offered()),
            (4, asked("UEFI")),
            (4, offered()),
            (12, asked("UEFI")),
            (12, offered()),
            (13, loader(false)),
            (13, loader(true)),
            (14, loader(true)),
        ]);
        assert_eq!(
            told(&record),
            [(1, "asked", 3), (1, "offered", 3), (1, "loader_fetched", 1), (1, "loader_fetched", 2)]
        );
        assert_eq!(record.questions(), 3);
    }

    #[test]
    fn boots_are_told_apart() {
        let one_boot = |start: i64| {
            vec![
                (start, asked("BIOS")),
                (start + 1, loader(true)),
                (start + 5, asked("iPXE 2.0 on BIOS")),
                (start + 6, script("identify")),
                (start + 6, script("install")),
            ]
        };
        let twice = record([one_boot(0), one_boot(60)].concat());
        assert_eq!(twice.all().map(|seen| seen.boot).collect::<Vec<_>>(), [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
        assert_eq!(twice.began(2), Timestamp::from_second(60).ok());
        let loop_of_loaders =
            record(vec![(0, asked("BIOS")), (1, loader(true)), (60, asked("BIOS")), (61, loader(true))]);
        assert_eq!(loop_of_loaders.all().next_back().unwrap().boot, 2);
        let own_ipxe = record(vec![(0, asked("iPXE")), (1, script("install")), (60, asked("iPXE"))]);
        assert_eq!(own_ipxe.all().next_back().unwrap().boot, 2);
        let both_ways = record(vec![(0, asked("UEFI")), (30, asked("UEFI HTTP boot")), (200, asked("UEFI"))]);
        assert_eq!(both_ways.latest().count(), 2);
        let next_day = record(vec![(0, asked("UEFI")), (90_000, asked("UEFI"))]);
        assert_eq!(told(&next_day), [(1, "asked", 1), (2, "asked", 1)]);
        let installed = record(vec![(0, asked("BIOS")), (1, loader(true)), (9000, Milestone::PhonedHome)]);
        assert_eq!(installed.latest().count(), 3, "only a question begins a boot");
    }

    #[test]
    fn a_record_is_bounded_and_says_how_long_the_machine_took() {
        let mut long = record((0..10_000).map(|number| (number * 400, script(&number.to_string()))).collect());
        assert_eq!(long.all().count(), MOST_SEEN);
        assert_eq!(long.took(Stage::Installed, &[Stage::PhonedHome]), None);
        for (second, milestone) in [(5_000_000, Milestone::Installed), (5_000_170, Milestone::PhonedHome)] {
            long.saw(milestone, Timestamp::from_second(second).unwrap());
        }
        assert_eq!(long.took(Stage::Installed, &[Stage::PhonedHome]), Some(SignedDuration::from_secs(170)));
        let stored = serde_json::to_string(&long).unwrap();
        assert_eq!(serde_json::from_str::<BootRecord>(&stored).unwrap(), long);
        assert!(stored.len() < MOST_SEEN * 250);
    }
}
