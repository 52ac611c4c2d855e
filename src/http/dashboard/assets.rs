//! The style and the script of the pages, from memory.

use axum::{
    extract::{Path, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::http::problem::Problem;

/// One style sheet, written in one file for each room of the dashboard.
const STYLE: &str = concat!(
    include_str!("assets/style/base.css"),
    include_str!("assets/style/access.css"),
    include_str!("assets/style/hosts.css"),
    include_str!("assets/style/host.css"),
    include_str!("assets/style/operation.css"),
    include_str!("assets/style/catalog.css"),
    include_str!("assets/style/api.css"),
);

const FILES: &[(&str, &str, &str)] = &[
    ("style.css", "text/css; charset=utf-8", STYLE),
    ("live.js", "text/javascript; charset=utf-8", include_str!("assets/live.js")),
    ("upload.js", "text/javascript; charset=utf-8", include_str!("assets/upload.js")),
    ("mark.svg", "image/svg+xml", include_str!("assets/mark.svg")),
];

/// Serves a file of the pages. They change only with the program, and pages ask for them by its version.
pub(in crate::http) async fn serve(name: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let file = FILES.iter().find(|(file, ..)| *file == name);
    let (_, kind, text) = file.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "the pages have no such file"))?;
    Ok(([(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "max-age=3600")], *text).into_response())
}
