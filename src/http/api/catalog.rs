//! How to install: the catalog.

use axum::{Json, extract::State};

use super::catalog_views::CatalogJson;
use crate::http::{OperatorState, problem::Problem};

/// What the catalog's folders hold, what is wrong with them, and what the last edit changes.
pub(crate) async fn catalog(State(state): State<OperatorState>) -> Result<Json<CatalogJson>, Problem> {
    Ok(Json(CatalogJson::new(&state).await?))
}
