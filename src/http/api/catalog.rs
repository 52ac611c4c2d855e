//! What there is to install, and how: images and the catalog.

use axum::{Json, extract::State};

use super::views::{CatalogJson, ImageJson};
use crate::http::{OperatorState, problem::Problem};

/// Every image, newest release first.
pub(crate) async fn images(State(state): State<OperatorState>) -> Result<Json<Vec<ImageJson>>, Problem> {
    Ok(Json(state.images.images().await?.iter().map(ImageJson::new).collect()))
}

/// What the catalog's folders hold, and what is wrong with them.
pub(crate) async fn catalog(State(state): State<OperatorState>) -> Json<CatalogJson> {
    Json(CatalogJson::new(state.catalog.status()))
}
