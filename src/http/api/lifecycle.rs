//! The latest rebuild of a host as programs read it: its way from state to state with durations, and what is proved by it.

use axum::{Json, extract::State};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::{
        evidence::{Evidence, evidence},
        host::Host,
        journey::{Journey, Leg, Setback},
    },
    http::{OperatorState, extract::HostPath, problem::Problem, schema::described},
    ports::LedgerError,
};

described! {
    /// The way of a host through its latest rebuild.
    #[derive(Debug, Serialize)]
    pub(crate) struct LifecycleJson as "Lifecycle" {
        /// The host.
        host_id: String,
        /// The operation of its latest rebuild.
        operation: Option<String>,
        /// When that rebuild was requested; absent for a host that never had one.
        began_at: Option<Timestamp>,
        /// When the host came to rest; absent while it is under way.
        ended_at: Option<Timestamp>,
        /// How many seconds it took, or takes until now.
        seconds: Option<u64>,
        /// Every state from registration to `ready`, whether it was reached or not.
        legs: Vec<LegJson>,
    }
}

described! {
    /// One state of the way.
    #[derive(Debug, Serialize)]
    pub(crate) struct LegJson as "LifecycleLeg" {
        /// A word of the lifecycle table.
        state: String,
        /// The same for people.
        label: String,
        /// `passed`, `here`, `stopped` or `not_reached`.
        passage: String,
        /// When the host came to it first.
        entered_at: Option<Timestamp>,
        /// How many seconds it was in it, all visits together; absent for states in which a host may rest.
        seconds: Option<u64>,
        /// How many seconds hosts of this server type usually stay in it, where enough of them have passed it.
        usual_seconds: Option<u64>,
        /// What failed in it.
        setbacks: Vec<SetbackJson>,
    }
}

described! {
    /// A failure on the way.
    #[derive(Debug, Serialize)]
    pub(crate) struct SetbackJson as "LifecycleSetback" {
        /// When.
        at: Timestamp,
        /// Why.
        because: String,
        /// When the rebuild went on all the same.
        went_on_at: Option<Timestamp>,
    }
}

described! {
    /// One thing that is proved about a rebuilt host, or not.
    #[derive(Debug, Serialize)]
    pub(crate) struct EvidenceJson as "Evidence" {
        /// The word for it.
        id: String,
        /// What is claimed.
        claim: String,
        /// `proved`, `awaited`, `unproved` or `refuted`.
        standing: String,
        /// When it was seen.
        at: Option<Timestamp>,
        /// What was seen, or why nothing was.
        proof: String,
    }
}

/// The way of a host through its latest rebuild.
pub(crate) async fn show(
    State(state): State<OperatorState>,
    HostPath(id): HostPath,
) -> Result<Json<LifecycleJson>, Problem> {
    let host = state.host(&id).await?;
    Ok(Json(lifecycle(&state, &host).await?))
}

/// What is proved about a host by its latest rebuild; empty where there was none.
pub(crate) async fn show_evidence(
    State(state): State<OperatorState>,
    HostPath(id): HostPath,
) -> Result<Json<Vec<EvidenceJson>>, Problem> {
    let host = state.host(&id).await?;
    let list = evidence_of(&state, &host).await?.unwrap_or_default();
    Ok(Json(list.iter().map(EvidenceJson::new).collect()))
}

/// Reads the way, with what is usual.
pub(in crate::http) async fn lifecycle(state: &OperatorState, host: &Host) -> Result<LifecycleJson, LedgerError> {
    let history = state.hosts.history(&host.id, OperatorState::HISTORY_LINES).await?;
    let now = state.clock.now();
    let journey = Journey::read(host, &history, now);
    let seconds = journey.took(now).map(|took| took.as_secs());
    let mut legs = Vec::new();
    for leg in journey.legs {
        let usual = state.patience.usual(host, leg.state).await?.map(|usual| usual.as_secs());
        legs.push(LegJson::new(leg, usual));
    }
    let rebuild = state.rebuilds.latest_rebuild(&host.id).await?;
    Ok(LifecycleJson {
        host_id: host.id.to_string(),
        operation: rebuild.map(|rebuild| rebuild.operation.to_string()),
        began_at: journey.began_at,
        ended_at: journey.ended_at,
        seconds,
        legs,
    })
}

/// Lists the evidence of a host's latest rebuild; `None` where there was none.
pub(in crate::http) async fn evidence_of(
    state: &OperatorState,
    host: &Host,
) -> Result<Option<Vec<Evidence>>, LedgerError> {
    let Some(rebuild) = state.rebuilds.latest_rebuild(&host.id).await? else { return Ok(None) };
    let Some(view) = state.operations.view(&rebuild.operation).await? else { return Ok(None) };
    let fingerprint = state.fingerprint_of(host);
    Ok(Some(evidence(&rebuild, &view.progress, fingerprint.as_deref())))
}

impl LegJson {
    fn new(leg: Leg, usual_seconds: Option<u64>) -> Self {
        Self {
            state: leg.state.to_string(),
            label: leg.state.label().to_owned(),
            passage: leg.passage.to_string(),
            entered_at: leg.entered_at,
            seconds: leg.took.map(|took| took.as_secs()),
            usual_seconds,
            setbacks: leg.setbacks.into_iter().map(SetbackJson::new).collect(),
        }
    }
}

impl SetbackJson {
    fn new(setback: Setback) -> Self {
        Self { at: setback.at, because: setback.because, went_on_at: setback.went_on_at }
    }
}

impl EvidenceJson {
    fn new(evidence: &Evidence) -> Self {
        Self {
            id: evidence.id.to_owned(),
            claim: evidence.claim.to_owned(),
            standing: evidence.standing.to_string(),
            at: evidence.at,
            proof: evidence.proof.clone(),
        }
    }
}
