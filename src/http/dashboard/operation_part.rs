//! An operation as pages show it: its steps with what they said, and what a person can do with the consequence of each.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::words::{Moment, operation_tone, plain, span, step_tone, title};
use crate::{
    domain::operation::{Action, ActionOffer, OperationStatus, StepOutput, StepProgress, StepStatus},
    operations::{OperationView, StepKind, steps},
};

/// An operation as pages show it.
pub(super) struct OperationPart {
    pub(super) id: String,
    pub(super) plan: String,
    pub(super) status: String,
    pub(super) tone: &'static str,
    pub(super) started: Moment,
    /// How long it took, once it is over.
    pub(super) took: String,
    pub(super) pause: Option<String>,
    pub(super) offers: Vec<OfferRow>,
    pub(super) steps: Vec<StepRow>,
    pub(super) done: usize,
    /// To which page its forms lead back: `host` or `operation`.
    pub(super) back: &'static str,
}

/// A step as pages show it.
pub(super) struct StepRow {
    pub(super) word: String,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) tone: &'static str,
    pub(super) reason: String,
    pub(super) started: Option<Moment>,
    pub(super) took: String,
    /// How long it usually takes, where that helps whoever waits for it.
    pub(super) usual: String,
    /// Until when it waits, or when it is tried again.
    pub(super) limit: String,
    /// How often it was tried, where that is more than once.
    pub(super) tries: String,
    /// What begins with this step: where the kind of the steps changes.
    pub(super) begins: Option<Stretch>,
    pub(super) outputs: Vec<StepOutput>,
}

/// Steps of one kind.
pub(super) struct Stretch {
    /// A class of the style sheet.
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
    pub(super) means: &'static str,
}

/// What a person can do, or cannot, and what that means.
pub(super) struct OfferRow {
    pub(super) word: &'static str,
    pub(super) label: &'static str,
    pub(super) possible: bool,
    pub(super) consequence: String,
}

impl OperationPart {
    /// Spells an operation with what its steps said, seen from now.
    pub(super) fn new(view: &OperationView, outputs: &[StepOutput], now: Timestamp) -> Self {
        let progress = &view.progress;
        let mut steps: Vec<_> = progress.steps.iter().map(|step| StepRow::new(step, outputs, now)).collect();
        let mut last = None;
        for (row, step) in steps.iter_mut().zip(&progress.steps) {
            let kind = steps::step(&step.name).map(crate::operations::Step::kind);
            row.begins = kind.filter(|_| kind != last).map(stretch);
            last = kind;
            if progress.status.is_over() {
                row.end_with_its_operation(step.status);
            }
        }
        let took = progress.ended_at.map(|ended| span(ended.as_second() - view.operation.started_at.as_second()));
        Self {
            id: view.operation.id.to_string(),
            plan: title(&view.operation.plan),
            status: plain(progress.status.word()),
            tone: operation_tone(progress.status),
            started: Moment::new(view.operation.started_at, now),
            took: took.unwrap_or_default(),
            pause: view.pause.as_ref().map(|pause| pause.reason.clone()),
            offers: offers(view),
            done: progress.steps.iter().filter(|step| step.is_done()).count(),
            steps,
            back: "host",
        }
    }

    /// The same for its own page, with how long each step usually takes.
    pub(super) fn alone(mut self, usual: &BTreeMap<String, Duration>) -> Self {
        for step in self.steps.iter_mut().filter(|step| ["busy", "calm"].contains(&step.tone)) {
            let usual = usual.get(&step.word).filter(|usual| usual.as_secs() > 0 && step.status != "skipped");
            step.usual = usual.map(|usual| format!("usually {}", spell(*usual))).unwrap_or_default();
        }
        self.back = "operation";
        self
    }
}

fn spell(duration: Duration) -> String {
    span(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX))
}

fn stretch(kind: StepKind) -> Stretch {
    match kind {
        StepKind::Reversible => Stretch {
            kind: "reversible",
            name: "Can be undone",
            means: "when one of these fails, everything is taken back and the machine is as it was",
        },
        StepKind::PointOfNoReturn => Stretch {
            kind: "point",
            name: "Point of no return",
            means: "what is done from here on cannot be taken back: the cluster lets the node go, the disk is written",
        },
        StepKind::ForwardOnly => Stretch {
            kind: "forward",
            name: "Forward only",
            means: "tried again until it works, and a person is asked before anything is given up",
        },
    }
}

/// What is possible; where a person is asked for, also what is not and why.
fn offers(view: &OperationView) -> Vec<OfferRow> {
    let is_asked = view.progress.status == OperationStatus::NeedsAttention;
    let shown = view.actions.iter().filter(|offer| offer.possible || is_asked);
    let row = |offer: &ActionOffer| OfferRow {
        word: offer.action.word(),
        label: match offer.action {
            Action::Retry => "Retry",
            Action::Skip => "Skip this step",
            Action::Cancel => "Cancel…",
        },
        possible: offer.possible,
        consequence: format!("{}.", spoken(&offer.consequence)),
    };
    shown.map(row).collect()
}

/// A sentence in which steps have the names that the page gives them, and not the words of the interface.
fn spoken(sentence: &str) -> String {
    let part = |(place, text): (usize, &str)| match (place % 2, steps::step(text)) {
        (1, Some(_)) => format!("“{}”", title(text)),
        (1, None) => format!("`{text}`"),
        _ => text.to_owned(),
    };
    sentence.split('`').enumerate().map(part).collect()
}

impl StepRow {
    fn new(step: &StepProgress, outputs: &[StepOutput], now: Timestamp) -> Self {
        let is_over = step.ended_at.is_some() && step.status != StepStatus::Pending;
        let took = match step.spent_seconds {
            _ if !is_over => String::new(),
            ..=0 => "at once".to_owned(),
            seconds => span(seconds),
        };
        let tries = match (step.total_attempts, step.attempts) {
            (0 | 1, _) => String::new(),
            (total, since) if total == since => format!("{total} tries"),
            (total, since) => format!("{total} tries, {since} since the last retry"),
        };
        Self {
            word: step.name.clone(),
            name: title(&step.name),
            status: plain(step.status.word()),
            tone: step_tone(step.status),
            reason: step.reason.clone().unwrap_or_default(),
            started: step.started_at.map(|at| Moment::new(at, now)),
            took: if tries.is_empty() || took.is_empty() { took } else { format!("{took} in all") },
            usual: String::new(),
            limit: limit(step, now),
            tries,
            begins: None,
            outputs: outputs.iter().filter(|output| output.step == step.name).cloned().collect(),
        }
    }
}

impl StepRow {
    /// Nothing goes on in an operation that is over: a step that was at work was stopped, and one whose turn had not come never has it.
    fn end_with_its_operation(&mut self, status: StepStatus) {
        match status {
            StepStatus::Running | StepStatus::Waiting | StepStatus::Undoing => {
                (self.status, self.tone) = ("stopped here".to_owned(), "calm");
                (self.started, self.limit) = (None, String::new());
            }
            StepStatus::Pending => self.status = "not begun".to_owned(),
            StepStatus::Succeeded
            | StepStatus::Skipped
            | StepStatus::Failed
            | StepStatus::Undone
            | StepStatus::UndoFailed => {}
        }
    }
}

/// Until when a step waits, or when it is tried again.
fn limit(step: &StepProgress, now: Timestamp) -> String {
    match (step.status, step.until, step.not_before) {
        (StepStatus::Waiting, Some(until), _) => format!("it waits until {} at most", time_of_day(until, now)),
        (StepStatus::Failed, _, Some(again)) => format!("it is tried again at {}", again.strftime("%H:%M:%S UTC")),
        (
            StepStatus::Pending
            | StepStatus::Running
            | StepStatus::Waiting
            | StepStatus::Succeeded
            | StepStatus::Skipped
            | StepStatus::Failed
            | StepStatus::Undoing
            | StepStatus::Undone
            | StepStatus::UndoFailed,
            ..,
        ) => String::new(),
    }
}

/// A moment of these hours; with its day when it is another one than now.
fn time_of_day(at: Timestamp, now: Timestamp) -> String {
    let day = |moment: Timestamp| moment.strftime("%Y-%m-%d").to_string();
    let form = if day(at) == day(now) { "%H:%M UTC" } else { "%H:%M UTC on %Y-%m-%d" };
    at.strftime(form).to_string()
}
