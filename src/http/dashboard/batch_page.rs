//! A batch of rebuilds as a page, and the forms that make, resume, thin out and cancel one.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};

use super::{
    forms::ours,
    host_list_page::with_refused_batch,
    shell::{PageProblem, Shell, render},
    words::{Moment, plain, title},
};
use crate::{
    domain::{
        batch::{Batch, BatchState, MOST_HOSTS, Turn, TurnState},
        identity::{BatchId, HostId},
        questions::OperationQuestion,
    },
    http::{
        Visit,
        extract::{BatchPath, FormFields},
        problem::Problem,
    },
    operations::{BatchWish, OperationView},
};

/// As many operations as a batch has hosts.
const MOST_OPERATIONS: u32 = MOST_HOSTS as u32;

#[derive(Template)]
#[template(path = "batch.html")]
struct BatchPage {
    shell: Shell,
    id: String,
    state: String,
    tone: &'static str,
    note: String,
    /// Since when it is paused.
    since: Option<Moment>,
    way: String,
    created: Moment,
    done: usize,
    rows: Vec<Row>,
    may_resume: bool,
    may_cancel: bool,
}

struct Row {
    host: String,
    hostname: String,
    state: String,
    tone: &'static str,
    operation: String,
    /// How far its rebuild is.
    steps: String,
    reason: String,
    may_skip: bool,
}

/// One batch.
pub(in crate::http) async fn show(state: Visit, id: Result<BatchPath, Problem>) -> Result<Response, PageProblem> {
    let BatchPath(id) = id?;
    page(&state, &id, StatusCode::OK, None).await
}

async fn page(
    state: &Visit,
    id: &BatchId,
    status: StatusCode,
    trouble: Option<String>,
) -> Result<Response, PageProblem> {
    let mut shell = Shell::new(state).await?;
    shell.trouble = trouble;
    let batch = state.batches.batch(id).await?;
    let is_open = batch.ended_at.is_none();
    let question =
        OperationQuestion { batch: Some(id.clone()), limit: MOST_OPERATIONS, ..OperationQuestion::default() };
    let operations = state.operations.list(&question).await?;
    let now = state.clock.now();
    let page = BatchPage {
        shell,
        id: batch.id.to_string(),
        state: plain(batch.state.word()),
        tone: tone(&batch),
        note: batch.note.clone().unwrap_or_default(),
        since: batch.note_since.map(|at| Moment::new(at, now)),
        way: way(&batch),
        created: Moment::new(batch.created_at, now),
        done: batch.turns.iter().filter(|turn| turn.state.is_over()).count(),
        rows: rows(&batch, is_open, &operations),
        may_resume: batch.state == BatchState::Paused,
        may_cancel: is_open,
    };
    Ok(render(status, &page))
}

/// How its turns follow each other.
pub(super) fn way(batch: &Batch) -> String {
    if batch.rolling {
        "one after the other, with the cluster whole in between".to_owned()
    } else {
        format!("at most {} at a time", batch.at_most)
    }
}

fn rows(batch: &Batch, is_open: bool, operations: &[(OperationView, String)]) -> Vec<Row> {
    let view = |turn: &Turn| {
        operations.iter().map(|(view, _)| view).find(|view| turn.operation.as_ref() == Some(&view.operation.id))
    };
    let row = |turn: &Turn| Row {
        host: turn.host.to_string(),
        hostname: turn.hostname.to_string(),
        state: plain(turn.state.word()),
        tone: match turn.state {
            TurnState::Waiting | TurnState::Skipped | TurnState::Untouched => "calm",
            TurnState::Starting | TurnState::UnderWay => "busy",
            TurnState::InTrouble => "bad",
            TurnState::Ready => "good",
        },
        operation: turn.operation.as_ref().map(ToString::to_string).unwrap_or_default(),
        steps: view(turn).map(steps).unwrap_or_default(),
        reason: turn.reason.clone().or_else(|| view(turn).and_then(doing)).unwrap_or_default(),
        may_skip: is_open && matches!(turn.state, TurnState::Waiting | TurnState::InTrouble),
    };
    batch.turns.iter().map(row).collect()
}

fn steps(view: &OperationView) -> String {
    let steps = &view.progress.steps;
    format!("{} of {} steps", steps.iter().filter(|step| step.is_done()).count(), steps.len())
}

/// For what a rebuild that goes on waits, or at which step it is.
fn doing(view: &OperationView) -> Option<String> {
    let progress = &view.progress;
    if progress.status.is_over() {
        return None;
    }
    progress.reason.clone().or_else(|| progress.current_step().map(|step| title(&step.name)))
}

pub(super) fn tone(batch: &Batch) -> &'static str {
    match batch.state {
        BatchState::Running => "busy",
        BatchState::Paused => "bad",
        BatchState::Done => "good",
        BatchState::Cancelled => "calm",
    }
}

/// Makes a batch.
pub(in crate::http) async fn open(state: Visit, fields: Result<FormFields, Problem>) -> Result<Response, PageProblem> {
    let fields = ours(&state, fields)?;
    let hosts = fields.all("host").filter_map(|id| id.parse::<HostId>().ok()).collect();
    let rolling = fields.get("way") == "rolling";
    let wish = BatchWish {
        hosts,
        at_most: if rolling { Some(1) } else { Some(fields.get("at_most").trim().parse().unwrap_or(0)) },
        rolling,
        image: None,
        accept_warnings: fields.get("accept_warnings") == "yes",
        confirm: Some(fields.get("confirm").to_owned()),
        intended: None,
    };
    match state.batches.open(wish).await.map_err(Problem::from) {
        Ok(batch) => Ok(to_batch(&batch.id)),
        Err(problem) => {
            let ticked = fields.all("host").map(str::to_owned).collect();
            let confirm = fields.get("confirm").to_owned();
            with_refused_batch(&state, problem.status(), ticked, confirm, problem.detail().to_owned()).await
        }
    }
}

/// Goes on with a batch.
pub(in crate::http) async fn resume(
    state: Visit,
    id: Result<BatchPath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (BatchPath(id), _) = (id?, ours(&state, fields)?);
    let done = state.batches.resume(&id).await;
    on_page(&state, &id, done.map(drop).map_err(Problem::from)).await
}

/// Leaves a host out.
pub(in crate::http) async fn skip(
    state: Visit,
    id: Result<BatchPath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (BatchPath(id), fields) = (id?, ours(&state, fields)?);
    let host = fields.get("host").parse::<HostId>();
    let host = host.map_err(|_| Problem::new(StatusCode::NOT_FOUND, "no host has this id"))?;
    let done = state.batches.skip(&id, &host).await;
    on_page(&state, &id, done.map(drop).map_err(Problem::from)).await
}

/// Ends a batch.
pub(in crate::http) async fn cancel(
    state: Visit,
    id: Result<BatchPath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (BatchPath(id), _) = (id?, ours(&state, fields)?);
    let done = state.batches.cancel(&id).await;
    on_page(&state, &id, done.map(drop).map_err(Problem::from)).await
}

async fn on_page(state: &Visit, id: &BatchId, done: Result<(), Problem>) -> Result<Response, PageProblem> {
    match done {
        Ok(()) => Ok(to_batch(id)),
        Err(problem) => page(state, id, problem.status(), Some(problem.detail().to_owned())).await,
    }
}

fn to_batch(id: &BatchId) -> Response {
    Redirect::to(&format!("/batches/{id}")).into_response()
}
