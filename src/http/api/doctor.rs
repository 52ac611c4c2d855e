//! The doctor: a round of checks on what would keep machines from booting, in the background.

use axum::{Json, extract::State, http::StatusCode};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::checkup::{Checkup, Finding},
    http::{OperatorState, problem::Problem, schema::described},
};

/// The last round, or the one that is under way.
pub(crate) async fn show(State(state): State<OperatorState>) -> Result<Json<CheckupJson>, Problem> {
    let last = state.appliance.checkup();
    let none = || Problem::new(StatusCode::NOT_FOUND, "no round of checks was made since the start; POST begins one");
    Ok(Json(CheckupJson::new(&last.ok_or_else(none)?)))
}

/// Begins a round. One is made at a time: while one is under way, that one is told.
pub(crate) async fn begin(State(state): State<OperatorState>) -> Result<(StatusCode, Json<CheckupJson>), Problem> {
    state.appliance.begin_checkup();
    Ok((StatusCode::ACCEPTED, show(State(state)).await?))
}

described! {
    /// A round of checks.
    #[derive(Debug, Serialize)]
    pub(crate) struct CheckupJson as "Checkup" {
        /// When it began.
        started_at: Timestamp,
        /// When it ended; absent while it is under way.
        ended_at: Option<Timestamp>,
        /// What is being looked at.
        looking_at: Option<String>,
        /// The worst so far: `ok`, `warning` or `problem`.
        worst: String,
        /// What was found, what needs a person first.
        findings: Vec<CheckJson>,
        /// Why it ended early.
        cut_off: Option<String>,
    }
}

described! {
    /// What a check found.
    #[derive(Debug, Serialize)]
    pub(crate) struct CheckJson as "Check" {
        /// What was looked at.
        check: String,
        /// `ok`, `warning` or `problem`.
        verdict: String,
        /// What was seen.
        sign: String,
        /// A command that makes sure of it.
        confirm: Option<String>,
        /// What mends it.
        fix: Option<String>,
    }
}

impl CheckupJson {
    /// Spells a round.
    pub(in crate::http) fn new(checkup: &Checkup) -> Self {
        Self {
            started_at: checkup.started_at,
            ended_at: checkup.ended_at,
            looking_at: checkup.looking_at.clone(),
            worst: checkup.worst().to_string(),
            findings: checkup.by_weight().into_iter().map(CheckJson::new).collect(),
            cut_off: checkup.cut_off.clone(),
        }
    }
}

impl CheckJson {
    fn new(finding: &Finding) -> Self {
        Self {
            check: finding.check.to_owned(),
            verdict: finding.verdict.to_string(),
            sign: finding.sign.clone(),
            confirm: finding.confirm.clone(),
            // On a terminal the lines stand below each other by spaces.
            fix: finding.fix.as_ref().map(|fix| fix.trim().lines().map(str::trim).collect::<Vec<_>>().join("\n")),
        }
    }
}
