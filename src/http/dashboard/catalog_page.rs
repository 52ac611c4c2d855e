//! Server types, answer templates and scripts as they lie on disk: what is in use, what is broken and where, and whom an edit affects.

use askama::Template;
use axum::{http::StatusCode, response::Response};

use super::{
    shell::{PageProblem, Shell, render},
    words::Moment,
};
use crate::http::{Visit, api::catalog_views::CatalogJson};

#[derive(Template)]
#[template(path = "catalog.html")]
struct CatalogPage {
    shell: Shell,
    catalog: CatalogJson,
    loaded: Moment,
    /// When the last good edit was taken into use.
    edited: Option<Moment>,
    /// When the broken edit was seen.
    broken: Option<Moment>,
}

/// The page.
pub(in crate::http) async fn catalog(state: Visit) -> Result<Response, PageProblem> {
    // What is broken is told here with its lines, and not above as well.
    let shell = Shell { problems: Vec::new(), ..Shell::new(&state).await? };
    let (catalog, now) = (CatalogJson::new(&state).await?, state.clock.now());
    let page = CatalogPage {
        loaded: Moment::new(catalog.loaded_at, now),
        edited: catalog.last_edit.as_ref().map(|edit| Moment::new(edit.at, now)),
        broken: catalog.broken_edit.as_ref().map(|edit| Moment::new(edit.since, now)),
        catalog,
        shell,
    };
    Ok(render(StatusCode::OK, &page))
}
