//! The JSON interface for people's programs.

pub(super) mod hosts;
mod operations;
pub(super) mod views;

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use serde_json::Value;

use super::{OperatorState, openapi, problem::Problem};

pub(super) fn router() -> Router<OperatorState> {
    Router::new()
        .route("/api/hosts", get(hosts::list).post(hosts::register))
        .route("/api/hosts/{id}", get(hosts::show).delete(hosts::remove))
        .route("/api/hosts/{id}/rebuild", post(hosts::rebuild))
        .route("/api/hosts/{id}/confirm-host-key", post(hosts::confirm_host_key))
        .route("/api/hosts/{id}/answer-preview", get(hosts::answer_preview))
        .route("/api/operations/{id}", get(operations::show))
        .route("/api/operations/{id}/retry", post(operations::retry))
        .route("/api/operations/{id}/cancel", post(operations::cancel))
        .route("/api/images", get(images))
        .route("/api/catalog", get(catalog))
        .route("/api/openapi.json", get(|| async { Json(openapi::document()) }))
}

async fn images(State(state): State<OperatorState>) -> Result<Json<Value>, Problem> {
    let images = state.images.images().await?.iter().map(views::image).collect();
    Ok(Json(Value::Array(images)))
}

async fn catalog(State(state): State<OperatorState>) -> Result<Json<Value>, Problem> {
    serde_json::to_value(state.catalog.status()).map(Json).map_err(|error| Problem::internal(error.to_string()))
}
