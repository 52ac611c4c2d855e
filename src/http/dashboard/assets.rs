//! The style and the scripts of the pages, from memory. Pages ask for them by what they hold, so that browsers keep them for good and see
//! every change at once.

use std::{fmt::Write, sync::LazyLock};

use axum::{
    extract::{Path, RawQuery, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use crate::http::problem::Problem;

/// What the pages say about the running program.
pub(super) const PROGRAM_VERSION: &str = env!("CARGO_PKG_VERSION");

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

const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

const FILES: &[(&str, &str, &str)] = &[
    ("style.css", "text/css; charset=utf-8", STYLE),
    ("scheme.js", SCRIPT, include_str!("assets/scheme.js")),
    ("frame.js", SCRIPT, include_str!("assets/frame.js")),
    ("live.js", SCRIPT, include_str!("assets/live.js")),
    ("cluster.js", SCRIPT, include_str!("assets/cluster.js")),
    ("copy.js", SCRIPT, include_str!("assets/copy.js")),
    ("images.js", SCRIPT, include_str!("assets/images.js")),
    ("poll.js", SCRIPT, include_str!("assets/poll.js")),
    ("host.js", SCRIPT, include_str!("assets/host.js")),
    ("hosts.js", SCRIPT, include_str!("assets/hosts.js")),
    ("register.js", SCRIPT, include_str!("assets/register.js")),
    ("api.js", SCRIPT, include_str!("assets/api.js")),
    ("upload.js", SCRIPT, include_str!("assets/upload.js")),
    ("mark.svg", PICTURE, include_str!("assets/mark.svg")),
    ("mark-trouble.svg", PICTURE, include_str!("assets/mark-trouble.svg")),
];

/// How many bytes of the hash are in an address: enough that no two editions share one.
const HASH_BYTES: usize = 8;

/// A browser that asked for this edition never has to ask for it again.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
/// Whoever names no edition, or one that is gone, gets what is there now and asks again the next time.
const FOR_NOW: &str = "no-cache";

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for (name, _, text) in FILES {
        hash.update(name);
        hash.update(text);
    }
    hash.finalize().iter().take(HASH_BYTES).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
});

/// The edition of all files of the pages: a hash of what they hold.
pub(super) fn version() -> &'static str {
    &VERSION
}

/// The address under which pages ask for a file.
pub(super) fn address(file: &str) -> String {
    format!("/assets/{file}?{}", version())
}

/// Serves a file of the pages.
pub(in crate::http) async fn serve(
    name: Result<Path<String>, PathRejection>,
    RawQuery(edition): RawQuery,
) -> Result<Response, Problem> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let file = FILES.iter().find(|(file, ..)| *file == name);
    let (_, kind, text) = file.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "the pages have no such file"))?;
    let keep = if edition.as_deref() == Some(version()) { FOR_GOOD } else { FOR_NOW };
    Ok(([(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, keep)], *text).into_response())
}
