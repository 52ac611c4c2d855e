//! The pages: hosts, one host, one operation. Forms work without JavaScript; with it the pages follow the live feed.

mod forms;
mod pages;

use axum::{
    Router,
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::{OperatorState, problem::Problem};

pub(super) fn router() -> Router<OperatorState> {
    Router::new()
        .route("/", get(pages::hosts))
        .route("/hosts", post(forms::register))
        .route("/hosts/{id}", get(pages::host))
        .route("/hosts/{id}/rebuild", post(forms::rebuild))
        .route("/hosts/{id}/remove", post(forms::remove))
        .route("/hosts/{id}/confirm-host-key", post(forms::confirm_host_key))
        .route("/operations/{id}", get(pages::operation))
        .route("/operations/{id}/retry", post(forms::retry))
        .route("/operations/{id}/cancel", post(forms::cancel))
        .route("/assets/{file}", get(asset))
}

/// Style and script are part of the program: nothing is loaded from anywhere else.
async fn asset(Path(file): Path<String>) -> Result<Response, Problem> {
    let (kind, text) = match file.as_str() {
        "style.css" => ("text/css; charset=utf-8", include_str!("style.css")),
        "live.js" => ("text/javascript; charset=utf-8", include_str!("live.js")),
        _ => return Err(Problem::new(StatusCode::NOT_FOUND, "there is no such file")),
    };
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
