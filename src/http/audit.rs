//! Writes every request of an operator that may change something to the audit log: who, what, and with which result. Never its body, never a
//! sentence of an answer: both may hold what was typed.
//!
//! The row is written when the request is over, also when the asker has gone away before. A refusal costs a row too, so that those of one
//! minute are bounded.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use jiff::Timestamp;

use super::{
    OperatorState,
    connection::Connection,
    entrance::Entrant,
    extract::header_text,
    guard::SEC_FETCH_SITE,
    repeats::REPLAYED,
    routes::OPERATOR,
    row::{Body, Row},
};
use crate::{
    domain::{
        audit::{Asker, NewAuditEntry, Via, agent_class},
        identity::{BatchId, HostId, OperationId},
    },
    ports::{AuditLog, Clock},
};

/// How many refused requests of one minute are written each with a row of its own; the others are counted in the next row. More shows more of
/// an attack, fewer keeps whoever asks in a loop from filling the disk.
const REFUSALS_IN_A_MINUTE: u32 = 60;

/// How many refusals this minute has had.
#[derive(Debug, Default)]
pub struct RefusalCount(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    number: i64,
    refusals: u32,
    left_out: u32,
}

impl RefusalCount {
    /// Whether one more refusal has a row, and how many had none since the last row.
    fn count(&self, now: Timestamp) -> Option<u32> {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = now.as_second().div_euclid(60);
        if minute.number != number {
            (minute.number, minute.refusals) = (number, 0);
        }
        if minute.refusals >= REFUSALS_IN_A_MINUTE {
            minute.left_out = minute.left_out.saturating_add(1);
            return None;
        }
        minute.refusals += 1;
        Some(std::mem::take(&mut minute.left_out))
    }
}

/// Writes a request down that may change something.
pub(super) async fn audit(
    State(state): State<OperatorState>,
    ends: Connection,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(row) = changing_row(&request) else { return next.run(request).await };
    let mut entry = begin(ends, &request, row);
    look_up_host(&state, &mut entry).await;
    let mut pending = Pending {
        log: Arc::clone(&state.audit),
        clock: Arc::clone(&state.clock),
        entry: Some(entry),
        row,
        refusals: Arc::clone(&state.refusals),
        entrant: Entrant::default(),
    };
    // The entrance lies further in; it is told to us from there.
    request.extensions_mut().insert(pending.entrant.clone());
    let response = next.run(request).await;
    let (status, place) = (response.status(), header_text(response.headers(), &header::LOCATION));
    if let Some(entry) = pending.entry.as_mut() {
        name_what_came_of_it(&state, entry, row, status, place.unwrap_or_default()).await;
    }
    let is_repeat = response.headers().contains_key(REPLAYED);
    pending.finish(status, is_repeat).await;
    response
}

/// The row of our table that a request is for, if that may change anything.
fn changing_row(request: &Request) -> Option<&'static Row<OperatorState>> {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return None;
    }
    let pattern = request.extensions().get::<MatchedPath>()?.as_str();
    OPERATOR.iter().find(|row| row.path == pattern && row.method == request.method().as_str())
}

fn begin(ends: Connection, request: &Request, row: &Row<OperatorState>) -> NewAuditEntry {
    let asker = asker(ends, request.headers(), row.path);
    let mut entry = NewAuditEntry::new(asker, format!("{} {}", row.method, row.path), "");
    let path = request.uri().path();
    entry.host = subject(row.path, path, "hosts");
    entry.operation = subject(row.path, path, "operations");
    entry.image = subject(row.path, path, "images");
    entry.batch = subject(row.path, path, "batches");
    entry
}

/// Finds the host and its name: now, because the request may remove it.
async fn look_up_host(state: &OperatorState, entry: &mut NewAuditEntry) {
    if let Some(operation) = &entry.operation
        && let Ok(Some((operation, _))) = state.journal.operation(operation).await
    {
        entry.host = Some(operation.host);
    }
    if let Some(host) = &entry.host
        && let Ok(Some(host)) = state.hosts.host(host).await
    {
        entry.hostname = Some(host.hostname.to_string());
    }
}

fn asker(ends: Connection, headers: &HeaderMap, pattern: &str) -> Asker {
    let agent = agent_class(header_text(headers, &header::USER_AGENT).unwrap_or_default());
    let is_page = header_text(headers, &SEC_FETCH_SITE) == Some("same-origin");
    let via = match (agent, pattern.starts_with("/api/")) {
        ("rackseed", true) => Via::CommandLine,
        (_, true) if !is_page => Via::Api,
        (_, true | false) => Via::Dashboard,
    };
    Asker { actor: None, via, peer: ends.asker.to_string(), agent }
}

/// What stands in a path where the pattern has a parameter after this word.
fn subject<T: std::str::FromStr>(pattern: &str, path: &str, after: &str) -> Option<T> {
    let mut segments = pattern.split('/').zip(path.split('/'));
    segments.find(|(word, _)| *word == after)?;
    let (parameter, text) = segments.next()?;
    if parameter.starts_with('{') { text.parse().ok() } else { None }
}

/// A new host or operation is told by where the answer sends the asker.
async fn name_what_came_of_it(
    state: &OperatorState,
    entry: &mut NewAuditEntry,
    row: &Row<OperatorState>,
    status: StatusCode,
    place: &str,
) {
    let named = |word: &str| {
        let mut segments = place.split('/').skip_while(|segment| *segment != word);
        segments.nth(1).map(str::to_owned)
    };
    if entry.host.is_none() {
        entry.host = named("hosts").and_then(|id| id.parse::<HostId>().ok());
    }
    if entry.operation.is_none() {
        entry.operation = named("operations").and_then(|id| id.parse::<OperationId>().ok());
    }
    if entry.batch.is_none() {
        entry.batch = named("batches").and_then(|id| id.parse::<BatchId>().ok());
    }
    if entry.hostname.is_none() {
        look_up_host(state, entry).await;
    }
    if let Some(batch) = &entry.batch
        && entry.hostname.is_none()
        && let Ok(batch) = state.batches.batch(batch).await
    {
        entry.hostname = Some(batch.turns.iter().map(|turn| turn.hostname.as_str()).collect::<Vec<_>>().join(", "));
    }
    let has_begun = !is_refusal(status) && row.path.ends_with("/rebuild");
    if has_begun
        && entry.operation.is_none()
        && let Some(host) = &entry.host
        && let Ok(Some(host)) = state.hosts.host(host).await
    {
        entry.operation = host.operation;
    }
}

fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// A request that is not over. Dropped before its end, it is written all the same: what was asked may have been done.
struct Pending {
    log: Arc<dyn AuditLog>,
    clock: Arc<dyn Clock>,
    entry: Option<NewAuditEntry>,
    row: &'static Row<OperatorState>,
    refusals: Arc<RefusalCount>,
    entrant: Entrant,
}

impl Pending {
    async fn finish(mut self, status: StatusCode, is_repeat: bool) {
        let Some(mut entry) = self.entry.take() else { return };
        let now = self.clock.now();
        // One upload has hundreds of parts; that it began has a row, and so has a part that was refused.
        if matches!(self.row.takes, Body::Stream) && self.row.method == "PATCH" && !is_refusal(status) {
            return;
        }
        let left_out = if is_refusal(status) { self.refusals.count(now) } else { Some(0) };
        let Some(left_out) = left_out else { return };
        entry.asker.actor = self.entrant.name();
        entry.status = Some(status.as_u16());
        let outcome = if is_repeat { "a repeat, answered as before".to_owned() } else { outcome(status) };
        entry.sentence = sentence(self.row.summary, entry.hostname.as_deref(), &outcome, left_out);
        write(self.log.as_ref(), &entry, now).await;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(mut entry) = self.entry.take() else { return };
        entry.asker.actor = self.entrant.name();
        let outcome = "the asker went away before the answer; it may have been done";
        entry.sentence = sentence(self.row.summary, entry.hostname.as_deref(), outcome, 0);
        let (log, now) = (Arc::clone(&self.log), self.clock.now());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { write(log.as_ref(), &entry, now).await });
        }
    }
}

async fn write(log: &dyn AuditLog, entry: &NewAuditEntry, now: Timestamp) {
    if let Err(error) = log.record(entry, now).await {
        tracing::error!(%error, action = entry.action, "the audit log has no row of this request");
    }
}

fn outcome(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or("unknown").to_lowercase();
    match status.as_u16() {
        202 => "begun".to_owned(),
        200..=399 => "done".to_owned(),
        400..=499 => format!("refused ({reason})"),
        _ => format!("failed ({reason})"),
    }
}

fn sentence(summary: &str, hostname: Option<&str>, outcome: &str, left_out: u32) -> String {
    let whom = hostname.map(|name| format!(" [{name}]")).unwrap_or_default();
    let more = match left_out {
        0 => String::new(),
        count => format!("; {count} more refused requests before it have no row of their own"),
    };
    format!("{summary}{whom}: {outcome}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_is_what_stands_where_the_pattern_has_its_parameter() {
        let id = |pattern: &str, path: &str| subject::<HostId>(pattern, path, "hosts").map(|id| id.to_string());
        let host = HostId::from_random([1, 2, 3, 4, 5, 6, 7, 8]).to_string();
        assert_eq!(id("/api/hosts/{id}/rebuild", &format!("/api/hosts/{host}/rebuild")), Some(host));
        assert_eq!(id("/api/hosts", "/api/hosts"), None);
        assert_eq!(id("/api/hosts/{id}", "/api/hosts/no id at all"), None);
    }

    #[test]
    fn refusals_of_one_minute_are_bounded_and_the_next_row_counts_the_others() {
        let count = RefusalCount::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let written = (0..100).filter(|_| count.count(at(5)).is_some()).count();
        assert_eq!(written, 60);
        assert_eq!(count.count(at(65)), Some(40));
        assert_eq!(count.count(at(66)), Some(0));
    }
}
