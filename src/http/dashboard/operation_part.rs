//! An operation as pages show it: its steps with what they said, and what a person can do with the consequence of each.

use jiff::Timestamp;

use super::words::{Moment, operation_tone, plain, span, step_tone, title};
use crate::{
    domain::operation::{Action, ActionOffer, OperationStatus, StepOutput, StepProgress, StepStatus},
    operations::OperationView,
};

/// An operation as pages show it.
pub(super) struct OperationPart {
    pub(super) id: String,
    pub(super) plan: String,
    pub(super) status: String,
    pub(super) tone: &'static str,
    pub(super) reason: String,
    pub(super) started: Moment,
    /// How long it took, once it is over.
    pub(super) took: String,
    pub(super) pause: Option<String>,
    pub(super) offers: Vec<OfferRow>,
    pub(super) steps: Vec<StepRow>,
    pub(super) done: usize,
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
    /// How often it was tried, where that is more than once.
    pub(super) tries: String,
    pub(super) outputs: Vec<StepOutput>,
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
        let steps: Vec<_> = progress.steps.iter().map(|step| StepRow::new(step, outputs, now)).collect();
        let took = progress.ended_at.map(|ended| span(ended.as_second() - view.operation.started_at.as_second()));
        Self {
            id: view.operation.id.to_string(),
            plan: title(&view.operation.plan),
            status: plain(progress.status.word()),
            tone: operation_tone(progress.status),
            reason: progress.reason.clone().unwrap_or_default(),
            started: Moment::new(view.operation.started_at, now),
            took: took.unwrap_or_default(),
            pause: view.pause.as_ref().map(|pause| pause.reason.clone()),
            offers: offers(view),
            done: progress.steps.iter().filter(|step| step.is_done()).count(),
            steps,
        }
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
            Action::Cancel => "Cancel",
        },
        possible: offer.possible,
        consequence: format!("{}.", offer.consequence),
    };
    shown.map(row).collect()
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
            tries,
            outputs: outputs.iter().filter(|output| output.step == step.name).cloned().collect(),
        }
    }
}
