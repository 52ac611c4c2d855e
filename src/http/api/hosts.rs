//! `/api/hosts`.

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::views;
use crate::{
    domain::{host::Host, image::OLDEST_INSTALLER},
    http::{
        OperatorState,
        problem::{JsonBody, Problem},
    },
};

pub(super) async fn list(State(state): State<OperatorState>) -> Result<Json<Value>, Problem> {
    let mut list = Vec::new();
    for host in state.hosts.hosts().await? {
        let operation = views::current_operation(&state, &host).await?;
        list.push(views::host(&host, operation.as_ref()));
    }
    Ok(Json(list.into()))
}

#[derive(Deserialize)]
pub(super) struct NewHostBody {
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    mac: String,
    #[serde(default)]
    server_type: String,
}

pub(super) async fn register(
    State(state): State<OperatorState>,
    JsonBody(body): JsonBody<NewHostBody>,
) -> Result<Response, Problem> {
    let host = state.enrolment.register(&body.hostname, &body.mac, &body.server_type).await?;
    let location = format!("/api/hosts/{}", host.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(views::host(&host, None))).into_response())
}

pub(super) async fn show(State(state): State<OperatorState>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let host = views::find_host(&state, &id).await?;
    Ok(Json(views::host_with_history(&state, &host).await?))
}

pub(super) async fn remove(State(state): State<OperatorState>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let host = views::find_host(&state, &id).await?;
    state.enrolment.remove(&host.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
pub(super) struct RebuildBody {
    confirm: Option<String>,
    image: Option<String>,
}

pub(super) async fn rebuild(
    State(state): State<OperatorState>,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<RebuildBody>,
) -> Result<Response, Problem> {
    let host = views::find_host(&state, &id).await?;
    let view = state.rebuild.request(&host.id, body.confirm.as_deref(), body.image.as_deref()).await?;
    let location = format!("/api/operations/{}", view.operation.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(views::operation(&view))).into_response())
}

#[derive(Deserialize)]
pub(super) struct ConfirmBody {
    fingerprint: String,
}

pub(super) async fn confirm_host_key(
    State(state): State<OperatorState>,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<ConfirmBody>,
) -> Result<Json<Value>, Problem> {
    let host = views::find_host(&state, &id).await?;
    state.operations.confirm_host_key(&host.id, &body.fingerprint).await?;
    Ok(Json(views::host_with_history(&state, &host).await?))
}

pub(super) async fn answer_preview(
    State(state): State<OperatorState>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let host = views::find_host(&state, &id).await?;
    let answer = preview(&state, &host).await?;
    Ok(Json(json!({ "host_id": host.id, "answer": answer })))
}

/// The answer that a host would be given now, in the dialect of the newest image, without secrets.
pub(in crate::http) async fn preview(state: &OperatorState, host: &Host) -> Result<String, Problem> {
    let unusable = |why: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why);
    let server_type = state
        .catalog
        .server_type(&host.server_type)
        .ok_or_else(|| unusable(format!("the server type `{}` is not in the catalog any more", host.server_type)))?;
    let newest = state.images.images().await?.first().map_or(OLDEST_INSTALLER, |image| image.release);
    let answer = state.answers.preview(host, &server_type, newest).map_err(|error| unusable(error.to_string()))?;
    Ok((state.redact)(&answer))
}
