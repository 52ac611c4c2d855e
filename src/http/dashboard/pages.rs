//! The pages that are asked for, and the list of hosts.

use askama::Template;
use axum::{
    http::{StatusCode, Uri},
    response::Response,
};

use super::{
    host_page, operation_page,
    shell::{PageProblem, Shell, render},
    sightings_part::SightingsPart,
    words::{Moment, doing, state_tone},
};
use crate::{
    domain::server_type::ServerType,
    http::{
        Visit,
        extract::{HostPath, OperationPath, query_field},
        problem::Problem,
    },
};

/// The list of hosts.
pub(in crate::http) async fn hosts(state: Visit) -> Result<Response, PageProblem> {
    host_list(&state, StatusCode::OK, Registration::default()).await
}

/// One host.
pub(in crate::http) async fn host(
    state: Visit,
    id: Result<HostPath, Problem>,
    uri: Uri,
) -> Result<Response, PageProblem> {
    let HostPath(id) = id?;
    host_page::look(&state, &id, query_field(uri.query(), "show").as_deref() == Some("all")).await
}

/// One operation.
pub(in crate::http) async fn operation(
    state: Visit,
    id: Result<OperationPath, Problem>,
) -> Result<Response, PageProblem> {
    let OperationPath(id) = id?;
    operation_page::show(&state, &id, StatusCode::OK, None).await
}

/// The registration form as it was filled in, with what is wrong beside the fields.
#[derive(Debug, Default)]
pub(super) struct Registration {
    pub(super) hostname: String,
    pub(super) mac: String,
    pub(super) server_type: String,
    pub(super) hostname_problem: Option<String>,
    pub(super) mac_problem: Option<String>,
    pub(super) server_type_problem: Option<String>,
    pub(super) trouble: Option<String>,
}

#[derive(Template)]
#[template(path = "hosts.html")]
struct HostList {
    shell: Shell,
    rows: Vec<Row>,
    sightings: SightingsPart,
    has_image: bool,
    server_types: Vec<ServerType>,
    form: Registration,
    registered: usize,
    at_work: usize,
    ready: usize,
    in_trouble: usize,
}

struct Row {
    id: String,
    hostname: String,
    mac: String,
    server_type: String,
    address: String,
    label: &'static str,
    tone: &'static str,
    since: Moment,
    patience: String,
    is_overdue: bool,
    doing: String,
}

/// Shows the list, with the form as it was filled in.
pub(super) async fn host_list(state: &Visit, status: StatusCode, form: Registration) -> Result<Response, PageProblem> {
    let mut shell = Shell::new(state).await?;
    shell.trouble.clone_from(&form.trouble);
    let now = state.clock.now();
    let mut rows = Vec::new();
    let hosts = state.hosts.hosts().await?;
    for host in &hosts {
        let operation = state.operation_of(host).await?;
        let patience = state.patience.look(host).await?;
        rows.push(Row {
            id: host.id.to_string(),
            hostname: host.hostname.to_string(),
            mac: host.mac.to_string(),
            server_type: host.server_type.to_string(),
            address: host.address.map(|address| address.to_string()).unwrap_or_default(),
            label: host.state.label(),
            tone: state_tone(host.state, operation.as_ref()),
            since: Moment::new(host.state_since, now),
            is_overdue: patience.as_ref().is_some_and(|patience| patience.is_overdue),
            patience: patience.map(|patience| patience.sentence).unwrap_or_default(),
            doing: doing(host, operation.as_ref()),
        });
    }
    let count = |tones: &[&str]| rows.iter().filter(|row| tones.contains(&row.tone)).count();
    let page = HostList {
        registered: count(&["calm"]),
        at_work: count(&["armed", "busy"]),
        ready: count(&["good"]),
        in_trouble: count(&["bad"]),
        sightings: SightingsPart::new(state, &hosts),
        has_image: !state.images.images().await?.is_empty(),
        server_types: state.catalog.server_types(),
        shell,
        rows,
        form,
    };
    Ok(render(status, &page))
}
