//! What iPXE asks.

use axum::{
    Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;

use super::{BootState, connection::Connection, problem::Problem, ranges};
use crate::{domain::image::ImagePart, provisioning::ScriptRequest};

pub(super) fn router() -> Router<BootState> {
    Router::new()
        .route("/ipxe/{mac}", get(script))
        .route("/boot/{token}/{file}", get(file))
        .route("/healthz", get(|| async { "ok\n" }))
}

#[derive(Default, Deserialize)]
struct ScriptQuery {
    b: Option<String>,
    platform: Option<String>,
    version: Option<String>,
}

/// Always a valid script with status 200: what is wrong stands on the machine's console.
async fn script(
    State(state): State<BootState>,
    ends: Connection,
    Path(mac): Path<String>,
    query: Result<Query<ScriptQuery>, QueryRejection>,
) -> Response {
    // An unreadable query has no token in it: the machine boots its disk.
    let Query(query) = query.unwrap_or_default();
    let request = ScriptRequest {
        mac,
        token: query.b,
        platform: query.platform,
        version: query.version,
        peer: ends.peer,
        our: ends.our,
    };
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], state.desk.script(&request).await).into_response()
}

async fn file(
    State(state): State<BootState>,
    ends: Connection,
    Path((token, file)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let part = ImagePart::ALL.iter().find(|part| part.file_name() == file);
    let part = part.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "an installer has no such file"))?;
    let file = state.desk.file(&token, *part, ends.peer, ends.our).await?;
    ranges::serve(&method, &headers, file.as_ref())
}
