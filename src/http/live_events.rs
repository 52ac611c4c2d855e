//! The live feed as server-sent events. The table is the truth and the bell only says that there is more, so a slow or new browser simply
//! reads the table again from the row that it has.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    extract::{Query, State},
    http::HeaderMap,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
    routing::get,
};
use futures_util::{Stream, stream};
use serde::Deserialize;

use super::{OperatorState, problem::Problem};
use crate::domain::live_event::LiveEvent;

/// How many rows are read at once.
const ROWS_AT_ONCE: u32 = 200;
/// How often a quiet stream says that it is alive; proxies close silent connections after a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn router() -> Router<OperatorState> {
    Router::new().route("/events", get(events))
}

#[derive(Deserialize)]
struct EventsQuery {
    /// Where to begin, for those who cannot set the header; 0 is everything that is kept.
    after: Option<i64>,
}

async fn events(
    State(state): State<OperatorState>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let after = match resumed.or(query.after) {
        Some(id) => id,
        None => state.feed.newest_event().await?,
    };
    let bell = state.feed.bell();
    let rows = stream::unfold(
        (state, bell, after, Vec::new()),
        |(state, mut bell, mut after, mut waiting): (_, _, _, Vec<LiveEvent>)| async move {
            loop {
                if let Some(event) = waiting.pop() {
                    after = event.id;
                    return Some((Ok(sse(&event)), (state, bell, after, waiting)));
                }
                bell.borrow_and_update();
                waiting = state.feed.events_after(after, ROWS_AT_ONCE).await.ok()?;
                waiting.reverse();
                if waiting.is_empty() {
                    tokio::select! {
                        () = state.stop.cancelled() => return None,
                        rung = bell.changed() => rung.ok()?,
                    }
                }
            }
        },
    );
    Ok(Sse::new(rows).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn sse(event: &LiveEvent) -> Event {
    let named = Event::default().id(event.id.to_string()).event(event.topic.word());
    named.json_data(event).unwrap_or_else(|_| Event::default().comment("an event that cannot be written"))
}
