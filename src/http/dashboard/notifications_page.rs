//! Whom we tell, what became of it, and a button that tries it.

use askama::Template;
use axum::{http::StatusCode, response::Response};

use super::{
    forms::ours,
    shell::{PageProblem, Shell, render},
    words::{Moment, plain},
};
use crate::{
    domain::delivery::{Delivery, DeliveryState},
    http::{
        Visit,
        api::notifications::{DELIVERIES_SHOWN, send_test},
        extract::FormFields,
        problem::Problem,
    },
    ports::TargetView,
};

#[derive(Template)]
#[template(path = "notifications.html")]
struct NotificationsPage {
    shell: Shell,
    targets: Vec<TargetRow>,
    deliveries: Vec<DeliveryRow>,
    /// What came back from a test.
    answer: Option<String>,
}

struct TargetRow {
    name: String,
    kind: &'static str,
    place: String,
    events: String,
    /// What became of its latest message.
    last: Option<DeliveryRow>,
    /// How many of the shown deliveries were given up.
    given_up: usize,
}

struct DeliveryRow {
    title: String,
    tone: &'static str,
    at: Moment,
    target: String,
    /// How it is doing, in a sentence.
    outcome: String,
    link: Option<String>,
}

/// The page.
pub(in crate::http) async fn notifications(state: Visit) -> Result<Response, PageProblem> {
    show(&state, StatusCode::OK, None, None).await
}

/// Sends a test message.
pub(in crate::http) async fn test(state: Visit, fields: Result<FormFields, Problem>) -> Result<Response, PageProblem> {
    let fields = ours(&state, fields)?;
    match send_test(&state, fields.get("target")).await {
        Ok(answer) => show(&state, StatusCode::OK, Some(answer), None).await,
        Err(problem) => show(&state, problem.status(), None, Some(problem.detail().to_owned())).await,
    }
}

async fn show(
    state: &Visit,
    status: StatusCode,
    answer: Option<String>,
    trouble: Option<String>,
) -> Result<Response, PageProblem> {
    let mut shell = Shell::new(state).await?;
    shell.trouble = trouble;
    let now = state.clock.now();
    let deliveries = state.outbox.latest_deliveries(DELIVERIES_SHOWN).await?;
    let page = NotificationsPage {
        targets: state.targets.targets().into_iter().map(|target| TargetRow::new(target, &deliveries, now)).collect(),
        deliveries: deliveries.iter().map(|delivery| DeliveryRow::new(delivery, now)).collect(),
        answer,
        shell,
    };
    Ok(render(status, &page))
}

impl TargetRow {
    fn new(target: TargetView, deliveries: &[Delivery], now: jiff::Timestamp) -> Self {
        let events: Vec<_> = target.events.iter().map(|event| plain(event.word())).collect();
        // The newest come first.
        let its = || deliveries.iter().filter(|delivery| delivery.target == target.name);
        Self {
            last: its().next().map(|delivery| DeliveryRow::new(delivery, now)),
            given_up: its().filter(|delivery| delivery.state == DeliveryState::GivenUp).count(),
            name: target.name,
            kind: target.kind,
            place: target.place,
            events: events.join(", "),
        }
    }
}

impl DeliveryRow {
    fn new(delivery: &Delivery, now: jiff::Timestamp) -> Self {
        let problem = delivery.problem.as_deref().unwrap_or_default();
        let (tone, outcome) = match delivery.state {
            DeliveryState::Sent => ("good", "sent".to_owned()),
            DeliveryState::GivenUp => ("bad", format!("given up after {} tries: {problem}", delivery.attempts)),
            DeliveryState::Waiting if delivery.attempts == 0 => ("busy", "waits to be sent".to_owned()),
            DeliveryState::Waiting => {
                let times =
                    if delivery.attempts == 1 { "once".to_owned() } else { format!("{} times", delivery.attempts) };
                ("armed", format!("tried {times}, will be tried again: {problem}"))
            }
        };
        Self {
            title: delivery.moment.title(),
            tone,
            at: Moment::new(delivery.moment.at, now),
            target: delivery.target.clone(),
            outcome,
            link: delivery.moment.link(Some("")),
        }
    }
}
