//! What the forms do: post, then redirect; what is wrong is shown on the page from which it came.

use axum::{
    extract::{Form, Path, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::pages::{Registration, host_page, hosts_page, operation_page};
use crate::http::{OperatorState, api::views, problem::Problem};

#[derive(Deserialize)]
pub(super) struct RegistrationForm {
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    mac: String,
    #[serde(default)]
    server_type: String,
}

pub(super) async fn register(
    State(state): State<OperatorState>,
    Form(form): Form<RegistrationForm>,
) -> Result<Response, Problem> {
    match state.enrolment.register(&form.hostname, &form.mac, &form.server_type).await {
        Ok(host) => Ok(Redirect::to(&format!("/hosts/{}", host.id)).into_response()),
        Err(error) => {
            let RegistrationForm { hostname, mac, server_type } = form;
            hosts_page(&state, Registration { hostname, mac, server_type, problem: Some(error.to_string()) }).await
        }
    }
}

#[derive(Deserialize)]
pub(super) struct RebuildForm {
    #[serde(default)]
    confirm: String,
    #[serde(default)]
    image: String,
}

pub(super) async fn rebuild(
    State(state): State<OperatorState>,
    Path(id): Path<String>,
    Form(form): Form<RebuildForm>,
) -> Result<Response, Problem> {
    let host = views::find_host(&state, &id).await?;
    match state.rebuild.request(&host.id, Some(&form.confirm), Some(&form.image)).await {
        Ok(_) => Ok(Redirect::to(&format!("/hosts/{id}")).into_response()),
        Err(refusal) => host_page(&state, &id, Some(refusal.into())).await,
    }
}

pub(super) async fn remove(State(state): State<OperatorState>, Path(id): Path<String>) -> Result<Response, Problem> {
    let host = views::find_host(&state, &id).await?;
    match state.enrolment.remove(&host.id).await {
        Ok(()) => Ok(Redirect::to("/").into_response()),
        Err(error) => host_page(&state, &id, Some(error.into())).await,
    }
}

#[derive(Deserialize)]
pub(super) struct FingerprintForm {
    #[serde(default)]
    fingerprint: String,
}

pub(super) async fn confirm_host_key(
    State(state): State<OperatorState>,
    Path(id): Path<String>,
    Form(form): Form<FingerprintForm>,
) -> Result<Response, Problem> {
    let host = views::find_host(&state, &id).await?;
    match state.operations.confirm_host_key(&host.id, &form.fingerprint).await {
        Ok(()) => Ok(Redirect::to(&format!("/hosts/{id}")).into_response()),
        Err(refusal) => host_page(&state, &id, Some(refusal.into())).await,
    }
}

pub(super) async fn retry(State(state): State<OperatorState>, Path(id): Path<String>) -> Result<Response, Problem> {
    let view = views::find_operation(&state, &id).await?;
    match state.operations.retry(&view.operation.id).await {
        Ok(_) => Ok(Redirect::to(&format!("/hosts/{}", view.operation.host)).into_response()),
        Err(refusal) => operation_page(&state, &id, Some(refusal.into())).await,
    }
}

pub(super) async fn cancel(State(state): State<OperatorState>, Path(id): Path<String>) -> Result<Response, Problem> {
    let view = views::find_operation(&state, &id).await?;
    match state.operations.cancel(&view.operation.id).await {
        Ok(_) => Ok(Redirect::to(&format!("/hosts/{}", view.operation.host)).into_response()),
        Err(refusal) => operation_page(&state, &id, Some(refusal.into())).await,
    }
}
