//! What the pages show.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use jiff::Timestamp;

use crate::{
    domain::{
        host::{HistoryEntry, Host},
        operation::OperationStatus,
    },
    http::{
        OperatorState,
        api::{hosts::preview, views},
        problem::Problem,
    },
    operations::OperationView,
};

/// How many lines of history a page shows.
const HISTORY_LINES: u32 = 50;
/// How many operations a host's page lists.
const OPERATIONS: u32 = 10;

/// What every page has.
struct Frame {
    is_loopback: bool,
    catalog_problems: Vec<String>,
}

impl Frame {
    fn new(state: &OperatorState) -> Self {
        let catalog_problems = state.catalog.status().problems.iter().map(ToString::to_string).collect();
        Self { is_loopback: state.is_loopback, catalog_problems }
    }
}

/// One host as a row of the list.
struct HostRow {
    host: Host,
    doing: String,
}

/// What was typed into the registration form, and what is wrong with it.
#[derive(Default)]
pub(super) struct Registration {
    pub(super) hostname: String,
    pub(super) mac: String,
    pub(super) server_type: String,
    pub(super) problem: Option<String>,
}

#[derive(Template)]
#[template(path = "hosts.html")]
struct HostsPage {
    frame: Frame,
    rows: Vec<HostRow>,
    server_types: Vec<(String, String)>,
    registration: Registration,
    has_image: bool,
}

#[derive(Template)]
#[template(path = "host.html")]
struct HostPage {
    frame: Frame,
    host: Host,
    disk_rule: String,
    images: Vec<String>,
    operation: Option<Steps>,
    history: Vec<HistoryEntry>,
    operations: Vec<OperationView>,
    preview: String,
    problem: Option<String>,
    fingerprint_wanted: bool,
}

#[derive(Template)]
#[template(path = "operation.html")]
struct OperationPage {
    frame: Frame,
    host: Host,
    operation: Steps,
    problem: Option<String>,
}

/// An operation as pages show it.
struct Steps {
    view: OperationView,
    may_retry: bool,
    may_cancel: bool,
}

impl Steps {
    fn new(view: OperationView) -> Self {
        let status = view.progress.status;
        Self { may_retry: status == OperationStatus::NeedsAttention, may_cancel: !status.is_over(), view }
    }
}

pub(super) async fn hosts(State(state): State<OperatorState>) -> Result<Response, Problem> {
    hosts_page(&state, Registration::default()).await
}

/// The list with the form as it was filled in.
pub(super) async fn hosts_page(state: &OperatorState, registration: Registration) -> Result<Response, Problem> {
    let mut rows = Vec::new();
    for host in state.hosts.hosts().await? {
        let operation = views::current_operation(state, &host).await?;
        rows.push(HostRow { doing: doing(&host, operation.as_ref()), host });
    }
    let server_types =
        state.catalog.server_types().into_iter().map(|kind| (kind.name.to_string(), kind.display_name)).collect();
    let has_image = !state.images.images().await?.is_empty();
    let status = if registration.problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    page(status, &HostsPage { frame: Frame::new(state), rows, server_types, registration, has_image })
}

/// What a host is doing, in words.
fn doing(host: &Host, operation: Option<&OperationView>) -> String {
    if let Some(reason) = &host.reason {
        return reason.clone();
    }
    let Some(view) = operation.filter(|view| !view.progress.status.is_over()) else { return String::new() };
    let step = view.progress.current_step();
    let reason = step.and_then(|step| step.reason.clone()).or_else(|| view.progress.reason.clone());
    reason.or_else(|| step.map(|step| step.name.replace('_', " "))).unwrap_or_default()
}

pub(super) async fn host(State(state): State<OperatorState>, Path(id): Path<String>) -> Result<Response, Problem> {
    host_page(&state, &id, None).await
}

/// A host's page, with what was wrong with a form.
pub(super) async fn host_page(state: &OperatorState, id: &str, problem: Option<Problem>) -> Result<Response, Problem> {
    let host = views::find_host(state, id).await?;
    let operation = views::current_operation(state, &host).await?.map(Steps::new);
    let fingerprint_wanted = operation.as_ref().is_some_and(|steps| {
        !steps.view.progress.status.is_over()
            && steps.view.progress.current_step().is_some_and(|step| step.name == "confirm_host_key")
    });
    let preview = preview(state, &host).await.unwrap_or_else(|problem| problem.detail().to_owned());
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let found = HostPage {
        frame: Frame::new(state),
        disk_rule: state
            .catalog
            .server_type(&host.server_type)
            .map_or_else(|| "unknown".to_owned(), |kind| kind.disk_rule()),
        images: state.images.images().await?.into_iter().map(|image| image.id.to_string()).collect(),
        operation,
        history: state.hosts.history(&host.id, HISTORY_LINES).await?,
        operations: state.operations.history(&host.id, OPERATIONS).await?,
        preview,
        problem: problem.map(|problem| problem.detail().to_owned()),
        fingerprint_wanted,
        host,
    };
    page(status, &found)
}

pub(super) async fn operation(State(state): State<OperatorState>, Path(id): Path<String>) -> Result<Response, Problem> {
    operation_page(&state, &id, None).await
}

/// An operation's page, with what was wrong with a form.
pub(super) async fn operation_page(
    state: &OperatorState,
    id: &str,
    problem: Option<Problem>,
) -> Result<Response, Problem> {
    let view = views::find_operation(state, id).await?;
    let host = views::find_host(state, view.operation.host.as_str()).await?;
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let problem = problem.map(|problem| problem.detail().to_owned());
    page(status, &OperationPage { frame: Frame::new(state), host, operation: Steps::new(view), problem })
}

fn page(status: StatusCode, template: &impl Template) -> Result<Response, Problem> {
    let html = template.render().map_err(|error| Problem::internal(error.to_string()))?;
    Ok((status, Html(html)).into_response())
}

/// A moment without its fractions of a second; the page's script turns it into the reader's own time.
fn moment(at: &Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
