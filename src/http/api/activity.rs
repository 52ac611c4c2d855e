//! The live feed of the past, the newest first.

use axum::{extract::State, http::Uri};
use jiff::Timestamp;
use serde::Serialize;

use super::asked::host_asked;
use crate::{
    domain::{live_event::LiveEvent, questions::FeedQuestion},
    http::{
        OperatorState,
        paging::{Page, Paging, parameter},
        problem::Problem,
        schema::described,
    },
};

described! {
    /// One row of the live feed. Only the newest 10,000 are kept.
    #[derive(Debug, Serialize)]
    pub(crate) struct ActivityJson as "Activity" {
        /// Rises with every row: the id of the event in `/events`, and what `before` asks for.
        id: u64,
        /// When.
        at: Timestamp,
        /// `host`, `operation`, `catalog`, `warning`, `overdue`, `image` or `sighting`.
        topic: String,
        /// The host that it is about.
        host: Option<String>,
        /// The operation that it belongs to.
        operation: Option<String>,
        /// One sentence for a person.
        message: String,
        /// Whether a person should look.
        attention: bool,
    }
}

impl ActivityJson {
    fn new(event: LiveEvent) -> Self {
        Self {
            id: u64::try_from(event.id).unwrap_or_default(),
            at: event.at,
            topic: event.topic.to_string(),
            host: event.host.map(|host| host.to_string()),
            operation: event.operation.map(|operation| operation.to_string()),
            message: event.message,
            attention: event.attention,
        }
    }
}

/// What an address asks of the live feed.
pub(in crate::http) async fn asked(state: &OperatorState, uri: &Uri, paging: &Paging) -> Result<FeedQuestion, Problem> {
    let topic = "is host, operation, catalog, warning, overdue, image or sighting";
    Ok(FeedQuestion {
        topic: parameter(uri, "topic", topic)?,
        host: host_asked(state, uri).await?,
        operation: parameter(uri, "operation", "is the id of an operation")?,
        attention_only: parameter(uri, "attention", "is true or false")?.unwrap_or(false),
        before: paging.before("is the number of a row")?,
        limit: paging.rows(),
    })
}

/// Rows of the live feed.
pub(crate) async fn list(
    State(state): State<OperatorState>,
    paging: Paging,
    uri: Uri,
) -> Result<Page<ActivityJson>, Problem> {
    let question = asked(&state, &uri, &paging).await?;
    let events = state.feed.events(&question).await?;
    Ok(paging.older(events, |event| event.id.to_string()).map(ActivityJson::new))
}
