//! The forms of the pages: do what was asked, then send the browser to the page that shows it. What is refused is said on the page that
//! the form was on.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};

use super::{host_page, operation_page, shell::PageProblem};
use crate::{
    domain::identity::{HostId, OperationId},
    http::{
        Visit,
        api::power::action,
        extract::{FormFields, HostPath, MacPath, OperationPath},
        problem::Problem,
    },
};

/// The name of the hidden field that holds the token.
pub(super) const FORM_TOKEN: &str = "form_token";

/// Takes a form only from a page of ours.
pub(super) fn ours(state: &Visit, fields: Result<FormFields, Problem>) -> Result<FormFields, PageProblem> {
    let fields = fields?;
    if state.visitor.form_token.is(fields.get(FORM_TOKEN)) {
        return Ok(fields);
    }
    let detail = "this form is not from a page of the running daemon; go back, reload the page, and try again";
    Err(Problem::new(StatusCode::FORBIDDEN, detail).into())
}

/// Forgets a machine that was seen and is not registered.
pub(in crate::http) async fn forget_sighting(
    state: Visit,
    mac: Result<MacPath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (MacPath(mac), _) = (mac?, ours(&state, fields)?);
    state.sightings.forget(mac);
    state.diary.forget_stranger(mac);
    Ok(Redirect::to("/").into_response())
}

/// Switches a host.
pub(in crate::http) async fn power(
    state: Visit,
    id: Result<HostPath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (HostPath(id), fields) = (id?, ours(&state, fields)?);
    let done = match action(fields.get("action")) {
        Ok(action) => {
            state.power.act(&id, action, Some(fields.get("confirm"))).await.map(|_| ()).map_err(Problem::from)
        }
        Err(problem) => Err(problem),
    };
    on_host_page(&state, &id, done).await
}

/// Removes a host.
pub(in crate::http) async fn remove(
    state: Visit,
    id: Result<HostPath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (HostPath(id), fields) = (id?, ours(&state, fields)?);
    let host = state.host(&id).await?;
    if fields.get("confirm").trim() != host.hostname.as_str() {
        let problem = Problem::fields(&[("confirm", format!("type the host's name `{}` to remove it", host.hostname))]);
        return on_host_page(&state, &id, Err(problem)).await;
    }
    match state.enrolment.remove(&id).await {
        Ok(()) => Ok(Redirect::to("/").into_response()),
        Err(error) => on_host_page(&state, &id, Err(error.into())).await,
    }
}

/// Confirms a host key.
pub(in crate::http) async fn confirm_host_key(
    state: Visit,
    id: Result<HostPath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (HostPath(id), fields) = (id?, ours(&state, fields)?);
    let confirmed = state.operations.confirm_host_key(&id, fields.get("fingerprint")).await;
    on_host_page(&state, &id, confirmed.map_err(Problem::from)).await
}

/// Retries an operation.
pub(in crate::http) async fn retry(
    state: Visit,
    id: Result<OperationPath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (OperationPath(id), fields) = (id?, ours(&state, fields)?);
    let moved = state.operations.retry(&id).await;
    on_operation_page(&state, &id, &fields, moved.map(|view| view.operation.host).map_err(Problem::from)).await
}

/// Leaves out the step at which an operation stands.
pub(in crate::http) async fn skip(
    state: Visit,
    id: Result<OperationPath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (OperationPath(id), fields) = (id?, ours(&state, fields)?);
    let moved = state.operations.skip(&id).await;
    on_operation_page(&state, &id, &fields, moved.map(|view| view.operation.host).map_err(Problem::from)).await
}

/// Cancels an operation.
pub(in crate::http) async fn cancel(
    state: Visit,
    id: Result<OperationPath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (OperationPath(id), fields) = (id?, ours(&state, fields)?);
    let moved = state.operations.cancel(&id).await;
    on_operation_page(&state, &id, &fields, moved.map(|view| view.operation.host).map_err(Problem::from)).await
}

pub(super) async fn on_host_page(
    state: &Visit,
    id: &HostId,
    done: Result<(), Problem>,
) -> Result<Response, PageProblem> {
    match done {
        Ok(()) => Ok(to_host(id)),
        Err(problem) => host_page::show(state, id, problem.status(), Some(problem.detail().to_owned())).await,
    }
}

async fn on_operation_page(
    state: &Visit,
    id: &OperationId,
    fields: &FormFields,
    done: Result<HostId, Problem>,
) -> Result<Response, PageProblem> {
    match done {
        // Back to the page that the form was on.
        Ok(_) if fields.get("back") == "operation" => Ok(Redirect::to(&format!("/operations/{id}")).into_response()),
        Ok(host) => Ok(to_host(&host)),
        Err(problem) => operation_page::show(state, id, problem.status(), Some(problem.detail().to_owned())).await,
    }
}

pub(super) fn to_host(id: &HostId) -> Response {
    Redirect::to(&format!("/hosts/{id}")).into_response()
}
