//! Counts what was asked, by route and status, for `/metrics`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};

use super::row::Audience;

/// One row: who asked, by which method, for which route, with which status.
type Row = (Audience, String, String, u16);

/// How many requests there were since the start. Rows are bounded: unknown paths and methods are one row each.
#[derive(Debug, Default)]
pub struct RequestCounts(Mutex<BTreeMap<Row, u64>>);

impl RequestCounts {
    fn add(&self, row: Row) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(row).or_default() += 1;
    }

    /// Every row with its count.
    pub(super) fn rows(&self) -> Vec<(Row, u64)> {
        let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rows.iter().map(|(row, count)| (row.clone(), *count)).collect()
    }
}

/// Counts a request of this listener when it is answered.
pub(super) async fn count(
    State((audience, counts)): State<(Audience, Arc<RequestCounts>)>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "DELETE") => known,
        _ => "other",
    }
    .to_owned();
    let response = next.run(request).await;
    counts.add((audience, method, route, response.status().as_u16()));
    response
}
