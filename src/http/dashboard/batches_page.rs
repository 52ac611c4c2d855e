//! Every batch of rebuilds, the newest first.

use askama::Template;
use axum::{
    http::{StatusCode, Uri},
    response::Response,
};

use super::{
    batch_page::{tone, way},
    filters::address,
    shell::{PageProblem, Shell, render},
    words::{Moment, plain, span},
};
use crate::{
    domain::batch::Batch,
    http::{Visit, paging::Paging},
};

/// How many hosts of a batch are named in its row.
const NAMED: usize = 5;

#[derive(Template)]
#[template(path = "batches.html")]
struct BatchesPage {
    shell: Shell,
    address: String,
    rows: Vec<Row>,
    is_newest: bool,
    older: Option<String>,
}

struct Row {
    id: String,
    hosts: usize,
    state: String,
    tone: &'static str,
    note: String,
    names: String,
    way: String,
    created: Moment,
    took: String,
    done: usize,
}

/// The page.
pub(in crate::http) async fn batches(state: Visit, paging: Paging, uri: Uri) -> Result<Response, PageProblem> {
    let shell = Shell::new(&state).await?;
    let before = paging.before("is the id of a batch")?;
    let found = state.batches.batches.batches(before.as_ref(), paging.rows()).await?;
    let (found, is_more) = paging.only(found);
    let older = found.last().filter(|_| is_more).map(|last| paging.older_query(last.id.as_str()));
    let now = state.clock.now();
    let rows = found.iter().map(|batch| Row::new(batch, now)).collect();
    let page = BatchesPage { address: address(&uri), rows, is_newest: before.is_none(), older, shell };
    Ok(render(StatusCode::OK, &page))
}

impl Row {
    fn new(batch: &Batch, now: jiff::Timestamp) -> Self {
        let names: Vec<_> = batch.turns.iter().take(NAMED).map(|turn| turn.hostname.to_string()).collect();
        let more = match batch.turns.len().saturating_sub(NAMED) {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        let took = batch.ended_at.map(|ended| span(ended.as_second() - batch.created_at.as_second()));
        Self {
            id: batch.id.to_string(),
            hosts: batch.turns.len(),
            state: plain(batch.state.word()),
            tone: tone(batch),
            note: batch.note.clone().unwrap_or_default(),
            names: format!("{}{more}", names.join(", ")),
            way: way(batch),
            created: Moment::new(batch.created_at, now),
            took: took.unwrap_or_default(),
            done: batch.turns.iter().filter(|turn| turn.state.is_over()).count(),
        }
    }
}
