//! Operations: look, retry, skip, cancel.

use axum::{Json, extract::State, http::Uri};

use super::{asked::host_asked, views::OperationJson};
use crate::{
    domain::questions::OperationQuestion,
    http::{
        OperatorState,
        extract::OperationPath,
        paging::{Page, Paging, parameter},
        problem::Problem,
        problem_codes::Code,
    },
};

/// What an address asks of the operations.
pub(in crate::http) async fn asked(
    state: &OperatorState,
    uri: &Uri,
    paging: &Paging,
) -> Result<OperationQuestion, Problem> {
    Ok(OperationQuestion {
        group: parameter(uri, "status", "is running, needs_attention or ended")?,
        host: host_asked(state, uri).await?,
        plan: parameter(uri, "plan", "is the name of a plan")?,
        before: paging.before("is the id of an operation")?,
        limit: paging.rows(),
        ..OperationQuestion::default()
    })
}

/// Operations, the newest first.
pub(crate) async fn list(
    State(state): State<OperatorState>,
    paging: Paging,
    uri: Uri,
) -> Result<Page<OperationJson>, Problem> {
    let found = state.operations.list(&asked(&state, &uri, &paging).await?).await?;
    let page = paging.older(found, |(view, _)| view.operation.id.to_string());
    Ok(page.map(|(view, hostname)| OperationJson { hostname: Some(hostname), ..OperationJson::new(&view) }))
}

/// One operation with its steps.
pub(crate) async fn show(
    State(state): State<OperatorState>,
    OperationPath(id): OperationPath,
) -> Result<Json<OperationJson>, Problem> {
    let view = state.operations.view(&id).await?;
    let view = view.ok_or_else(|| Problem::coded(Code::OperationNotFound, format!("there is no operation {id}")))?;
    let outputs = state.operations.outputs(&id).await?;
    Ok(Json(OperationJson::with_outputs(&view, &outputs)))
}

/// Tries the failed step of a parked operation again.
pub(crate) async fn retry(
    State(state): State<OperatorState>,
    OperationPath(id): OperationPath,
) -> Result<Json<OperationJson>, Problem> {
    Ok(Json(OperationJson::new(&state.operations.retry(&id).await?)))
}

/// Leaves out the step at which an operation stands.
pub(crate) async fn skip(
    State(state): State<OperatorState>,
    OperationPath(id): OperationPath,
) -> Result<Json<OperationJson>, Problem> {
    Ok(Json(OperationJson::new(&state.operations.skip(&id).await?)))
}

/// Ends an operation.
pub(crate) async fn cancel(
    State(state): State<OperatorState>,
    OperationPath(id): OperationPath,
) -> Result<Json<OperationJson>, Problem> {
    Ok(Json(OperationJson::new(&state.operations.cancel(&id).await?)))
}
