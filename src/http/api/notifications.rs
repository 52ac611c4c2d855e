//! Whom we tell, and what became of it.

use axum::{Json, extract::State, http::StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    domain::delivery::Delivery,
    http::{OperatorState, extract::JsonBody, problem::Problem, schema::described},
    ports::TargetView,
};

/// How many deliveries are shown.
pub(in crate::http) const DELIVERIES_SHOWN: u32 = 100;

/// The targets and the latest deliveries.
pub(crate) async fn show(State(state): State<OperatorState>) -> Result<Json<NotificationsJson>, Problem> {
    let deliveries = state.outbox.latest_deliveries(DELIVERIES_SHOWN).await?;
    Ok(Json(NotificationsJson {
        targets: state.targets.targets().into_iter().map(TargetJson::new).collect(),
        deliveries: deliveries.into_iter().map(DeliveryJson::new).collect(),
    }))
}

/// Sends a test message.
pub(crate) async fn test(
    State(state): State<OperatorState>,
    JsonBody(asked): JsonBody<Option<TestJson>>,
) -> Result<Json<TestedJson>, Problem> {
    let target = asked.unwrap_or_default().target;
    let answer = send_test(&state, &target).await?;
    Ok(Json(TestedJson { target, answer }))
}

/// Sends a test message to a target, and returns what came back.
pub(in crate::http) async fn send_test(state: &OperatorState, target: &str) -> Result<String, Problem> {
    match state.targets.test(target).await {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(not_taken)) => Err(Problem::new(StatusCode::BAD_GATEWAY, not_taken.to_string())),
        None => {
            let names: Vec<_> = state.targets.targets().into_iter().map(|target| target.name).collect();
            let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let detail = format!("there is no such target; the settings have: {there}");
            Err(Problem::fields(&[("target", detail)]))
        }
    }
}

described! {
    /// Whom we tell, and what became of it.
    #[derive(Debug, Serialize)]
    pub(crate) struct NotificationsJson as "Notifications" {
        /// The targets of the settings.
        targets: Vec<TargetJson>,
        /// The latest deliveries, the newest first.
        deliveries: Vec<DeliveryJson>,
    }
}

described! {
    /// A target of notifications.
    #[derive(Debug, Serialize)]
    pub(crate) struct TargetJson as "NotificationTarget" {
        /// Its name in the settings.
        name: String,
        /// `webhook`, `ntfy` or `email`.
        kind: String,
        /// Where it is, without what may be a secret.
        place: String,
        /// What it is told.
        events: Vec<String>,
    }
}

impl TargetJson {
    fn new(target: TargetView) -> Self {
        let events = target.events.iter().map(|event| event.word().to_owned()).collect();
        Self { name: target.name, kind: target.kind.to_owned(), place: target.place, events }
    }
}

described! {
    /// One moment on its way to one target.
    #[derive(Debug, Serialize)]
    pub(crate) struct DeliveryJson as "NotificationDelivery" {
        /// The name of the target.
        target: String,
        /// `waiting`, `sent` or `given_up`.
        state: String,
        /// `needs_attention`, `failed`, `refused`, `overdue` or `ready`.
        event: String,
        /// When it happened.
        at: Timestamp,
        /// What happened, in a line.
        title: String,
        /// The host that it is about.
        host: Option<String>,
        /// The operation that it is about.
        operation: Option<String>,
        /// How often it was tried.
        attempts: u32,
        /// Why the latest try failed.
        problem: Option<String>,
        /// When it is tried again at the earliest.
        not_before: Option<Timestamp>,
        /// When it was sent or given up.
        ended_at: Option<Timestamp>,
    }
}

impl DeliveryJson {
    fn new(delivery: Delivery) -> Self {
        let moment = &delivery.moment;
        Self {
            state: delivery.state.word().to_owned(),
            event: moment.kind.word().to_owned(),
            at: moment.at,
            title: moment.title(),
            host: moment.host.as_ref().map(ToString::to_string),
            operation: moment.operation.as_ref().map(ToString::to_string),
            target: delivery.target,
            attempts: delivery.attempts,
            problem: delivery.problem,
            not_before: delivery.not_before,
            ended_at: delivery.ended_at,
        }
    }
}

described! {
    /// Which target is tested.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub(crate) struct TestJson as "NotificationTest" {
        /// Its name in the settings.
        target: String,
    }
}

described! {
    /// What came back.
    #[derive(Debug, Serialize)]
    pub(crate) struct TestedJson as "NotificationTested" {
        /// The target.
        target: String,
        /// Its answer, in a sentence.
        answer: String,
    }
}
