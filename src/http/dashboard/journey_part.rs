//! The way of a host through its latest rebuild as its page draws it: every state with how long it took and what is usual, and the evidence
//! that the rebuild left.

use jiff::{SignedDuration, Timestamp};

use super::{
    shell::PageProblem,
    words::{Moment, precise, state_tone},
};
use crate::{
    domain::{
        evidence::{Evidence, KEY_EVIDENCE, Standing},
        host::Host,
        host_lifecycle::HostState,
        journey::Passage,
    },
    http::{
        Visit,
        api::lifecycle::{LegJson, LifecycleJson, evidence_of, lifecycle},
    },
};

/// So much longer than usual is worth a word: short states vary by more than their double.
const SLOW_SECONDS: u64 = 60;

/// The way.
pub(super) struct JourneyPart {
    pub(super) operation: Option<String>,
    pub(super) began: Option<Moment>,
    pub(super) ended: Option<Moment>,
    pub(super) took: String,
    pub(super) legs: Vec<LegRow>,
}

/// One state of it.
pub(super) struct LegRow {
    pub(super) label: String,
    /// A class of the style sheet.
    pub(super) passage: String,
    pub(super) tone: &'static str,
    /// The same as a word, for those who see no colour.
    pub(super) word: &'static str,
    pub(super) entered: Option<Moment>,
    pub(super) took: String,
    /// For the state in which the host is: its time goes on.
    pub(super) since: Option<Moment>,
    pub(super) usual: String,
    pub(super) is_slow: bool,
    /// The length of its bar and the place of what is usual, in hundredths of the longest.
    pub(super) bar: u64,
    pub(super) mark: Option<u64>,
    pub(super) setbacks: Vec<SetbackRow>,
}

/// A failure in it.
pub(super) struct SetbackRow {
    pub(super) at: Moment,
    pub(super) because: String,
    pub(super) went_on: String,
}

/// What is proved.
pub(super) struct EvidencePart {
    pub(super) rows: Vec<EvidenceRow>,
    pub(super) proved: usize,
    pub(super) tone: &'static str,
    /// That the key of the rebuild is gone, once all of it is proved.
    pub(super) key_gone: Option<Moment>,
}

/// One line of it.
pub(super) struct EvidenceRow {
    pub(super) id: &'static str,
    pub(super) claim: &'static str,
    pub(super) proof: String,
    pub(super) tone: &'static str,
    pub(super) sign: &'static str,
    pub(super) word: &'static str,
    pub(super) at: Option<Moment>,
}

impl JourneyPart {
    /// Reads the way of a host.
    pub(super) async fn new(state: &Visit, host: &Host) -> Result<Self, PageProblem> {
        let way: LifecycleJson = lifecycle(state, host).await?;
        let now = state.clock.now();
        let times = way.legs.iter().flat_map(|leg| [leg.seconds, leg.usual_seconds]).flatten();
        let longest = times.max().unwrap_or_default().max(1);
        Ok(Self {
            operation: way.operation,
            began: way.began_at.map(|at| Moment::new(at, now)),
            ended: way.ended_at.map(|at| Moment::new(at, now)),
            took: way.seconds.map(precise).unwrap_or_default(),
            legs: way.legs.into_iter().map(|leg| LegRow::new(leg, longest, now)).collect(),
        })
    }
}

impl LegRow {
    fn new(leg: LegJson, longest: u64, now: Timestamp) -> Self {
        let passage = leg.passage.parse().unwrap_or(Passage::NotReached);
        let state = leg.state.parse().unwrap_or(HostState::Registered);
        let is_here = passage == Passage::Here;
        let since = leg
            .seconds
            .and_then(|seconds| now.checked_sub(SignedDuration::from_secs(i64::try_from(seconds).ok()?)).ok());
        let since = since.or(leg.entered_at).filter(|_| is_here).map(|since| Moment::new(since, now));
        let is_slow = leg
            .seconds
            .zip(leg.usual_seconds)
            .is_some_and(|(took, usual)| took > 2 * usual && took > usual + SLOW_SECONDS);
        let (tone, word) = match passage {
            Passage::Passed => ("good", "passed"),
            Passage::Here => (state_tone(state, None), "now"),
            Passage::Stopped => ("bad", "stopped here"),
            Passage::NotReached => ("calm", "not reached"),
        };
        Self {
            label: leg.label,
            passage: leg.passage,
            tone,
            word,
            entered: leg.entered_at.map(|at| Moment::new(at, now)),
            took: leg.seconds.map(precise).unwrap_or_default(),
            since,
            usual: leg.usual_seconds.map(precise).unwrap_or_default(),
            is_slow,
            bar: leg.seconds.unwrap_or_default() * 100 / longest,
            mark: leg.usual_seconds.map(|usual| usual * 100 / longest),
            setbacks: leg
                .setbacks
                .into_iter()
                .map(|setback| SetbackRow {
                    at: Moment::new(setback.at, now),
                    because: setback.because,
                    went_on: setback.went_on_at.map(|at| Moment::new(at, now).full).unwrap_or_default(),
                })
                .collect(),
        }
    }
}

impl EvidencePart {
    /// Lists what the latest rebuild of a host proves; `None` where there was none.
    pub(super) async fn new(state: &Visit, host: &Host) -> Result<Option<Self>, PageProblem> {
        let Some(list) = evidence_of(state, host).await? else { return Ok(None) };
        let now = state.clock.now();
        let is_proved = |one: &&Evidence| one.standing == Standing::Proved;
        let of_key: Vec<_> = list.iter().filter(|one| KEY_EVIDENCE.contains(&one.id)).collect();
        let is_gone = !of_key.is_empty() && of_key.iter().all(is_proved);
        let refused_at = list.iter().find(|one| one.id == "key_refused").and_then(|one| one.at);
        let (proved, refuted) =
            (list.iter().filter(is_proved).count(), |one: &Evidence| one.standing == Standing::Refuted);
        Ok(Some(Self {
            proved,
            tone: match (proved == list.len(), list.iter().any(refuted)) {
                (true, _) => "good",
                (false, true) => "bad",
                (false, false) => "calm",
            },
            key_gone: refused_at.filter(|_| is_gone).map(|at| Moment::new(at, now)),
            rows: list.iter().map(|one| EvidenceRow::new(one, now)).collect(),
        }))
    }
}

impl EvidenceRow {
    fn new(one: &Evidence, now: Timestamp) -> Self {
        let (tone, sign, word) = match one.standing {
            Standing::Proved => ("good", "✓", "proved"),
            Standing::Awaited => ("calm", "…", "awaited"),
            Standing::Unproved => ("armed", "?", "not proved"),
            Standing::Refuted => ("bad", "✗", "refuted"),
        };
        let at = one.at.map(|at| Moment::new(at, now));
        Self { id: one.id, claim: one.claim, proof: one.proof.clone(), tone, sign, word, at }
    }
}
