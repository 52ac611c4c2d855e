//! How to install: the catalog.

use axum::{Json, extract::State};

use super::views::CatalogJson;
use crate::http::OperatorState;

/// What the catalog's folders hold, and what is wrong with them.
pub(crate) async fn catalog(State(state): State<OperatorState>) -> Json<CatalogJson> {
    Json(CatalogJson::new(state.catalog.status()))
}
