//! The live feed as server-sent events. The table is the truth and the bell only wakes: a slow browser simply reads the table later, and one
//! that comes back names the last row that it saw.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::RawQuery,
    http::{HeaderMap, HeaderName},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::stream;
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        watch,
    },
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Visit,
    extract::{header_text, query_field},
    problem::Problem,
};
use crate::{
    domain::{identity::MacAddress, live_event::LiveEvent},
    ports::{LedgerError, LiveFeed},
    provisioning::{AccessDesk, Pass},
};

/// How many rows are read at once.
const ROWS_AT_ONCE: u32 = 100;
/// How often a silent stream says that it lives. Longer lets proxies and laptops take it for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often is looked whether whoever listens may still do so. An ended session hears nothing more after this long at the latest.
const LOOK_AT_PASS: Duration = Duration::from_secs(20);
/// When a browser comes back after the stream broke.
const COME_BACK: Duration = Duration::from_secs(2);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Streams the rows after `Last-Event-ID`, or after `?after=`, or from now on.
pub(super) async fn events(state: Visit, headers: HeaderMap, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let after = header_text(&headers, &LAST_EVENT_ID).map(str::to_owned);
    let after = after.or_else(|| query_field(query.as_deref(), "after")).and_then(|id| id.trim().parse::<i64>().ok());
    let newest = state.feed.newest_event().await?;
    // An id that we never gave is of another database; what is new here is new to that page.
    let last = after.unwrap_or(newest).min(newest);
    let (bell, boots) = (state.feed.bell(), state.diary.news());
    let watched = Watched {
        endings: state.access.endings(),
        access: Arc::clone(&state.access),
        pass: state.visitor.pass.clone(),
        next_look: Instant::now(),
    };
    let (feed, stop) = (Arc::clone(&state.feed), state.stop.clone());
    let reader = Reader { bell, boots, feed, stop, watched, last, rows: Vec::new().into_iter() };
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// The pass with which somebody listens: when it has ended, so does the stream.
struct Watched {
    access: Arc<AccessDesk>,
    endings: watch::Receiver<u64>,
    pass: Option<Pass>,
    next_look: Instant,
}

impl Watched {
    /// Returns when it is worth looking: at once when any pass was ended here, and else again and again, because passes also expire and
    /// `rackseed user reset-password` ends them in another process.
    async fn may_have_ended(&mut self) {
        let _ = tokio::time::timeout_at(self.next_look, self.endings.changed()).await;
        self.next_look = Instant::now();
    }

    async fn is_good(&mut self) -> bool {
        // An error means that the desk is gone, and the daemon with it.
        if Instant::now() < self.next_look && !self.endings.has_changed().unwrap_or(true) {
            return true;
        }
        self.endings.mark_unchanged();
        self.next_look = Instant::now() + LOOK_AT_PASS;
        match &self.pass {
            // What cannot be read for a moment is no reason to break off.
            Some(pass) => self.access.is_good(pass).await.unwrap_or(true),
            None => false,
        }
    }
}

struct Reader {
    feed: Arc<dyn LiveFeed>,
    bell: watch::Receiver<i64>,
    boots: broadcast::Receiver<MacAddress>,
    stop: CancellationToken,
    watched: Watched,
    last: i64,
    rows: std::vec::IntoIter<LiveEvent>,
}

impl Reader {
    /// The next row; `None` when the stream ends.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.stop.is_cancelled() || !self.watched.is_good().await {
                return None;
            }
            if let Some(row) = self.rows.next() {
                self.last = row.id;
                return spell(&row);
            }
            // Seen before the table is read, so that a ring in between is heard.
            self.bell.mark_unchanged();
            match self.read().await {
                Ok(rows) if !rows.is_empty() => self.rows = rows.into_iter(),
                Ok(_) => {
                    let stop = self.stop.clone();
                    tokio::select! {
                        () = stop.cancelled() => return None,
                        rung = self.bell.changed() => rung.ok()?,
                        news = self.boots.recv() => return boot(news),
                        () = self.watched.may_have_ended() => {}
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the live feed cannot be read; the browser will come back");
                    return None;
                }
            }
        }
    }

    async fn read(&self) -> Result<Vec<LiveEvent>, LedgerError> {
        self.feed.events_after(self.last, ROWS_AT_ONCE).await
    }
}

/// Something was seen of a booting machine. That is no row of the table and has no id: whoever misses it sees it at the next look.
fn boot(news: Result<MacAddress, RecvError>) -> Option<Event> {
    let mac = match news {
        Ok(mac) => mac.to_string(),
        // Several: of which machines, nobody knows any more.
        Err(RecvError::Lagged(_)) => String::new(),
        Err(RecvError::Closed) => return None,
    };
    Event::default().event("boot").json_data(serde_json::json!({ "mac": mac })).ok()
}

fn spell(row: &LiveEvent) -> Option<Event> {
    let event = Event::default().id(row.id.to_string()).event(row.topic.word()).retry(COME_BACK);
    event.json_data(row).ok()
}
