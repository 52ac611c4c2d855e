//! `/api/operations`.

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::Value;

use super::views;
use crate::http::{OperatorState, problem::Problem};

pub(super) async fn show(State(state): State<OperatorState>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(views::operation(&views::find_operation(&state, &id).await?)))
}

pub(super) async fn retry(State(state): State<OperatorState>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let found = views::find_operation(&state, &id).await?;
    Ok(Json(views::operation(&state.operations.retry(&found.operation.id).await?)))
}

pub(super) async fn cancel(State(state): State<OperatorState>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let found = views::find_operation(&state, &id).await?;
    Ok(Json(views::operation(&state.operations.cancel(&found.operation.id).await?)))
}
