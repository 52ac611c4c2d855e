//! What UEFI HTTP boot and iPXE ask.

use axum::{
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{BootState, connection::Connection, extract::query_field, problem::Problem, ranges};
use crate::{
    domain::image::ImagePart,
    provisioning::{ByPath, InstallerFile, ScriptRequest},
};

/// Always a valid script with status 200: what is wrong stands on the machine's console.
pub(super) async fn script(
    State(state): State<BootState>,
    ends: Connection,
    mac: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Response {
    let field = |name| query_field(query.as_deref(), name);
    let request = ScriptRequest {
        mac: mac.map(|Path(mac)| mac).unwrap_or_default(),
        token: field("b"),
        platform: field("platform"),
        version: field("version"),
        processor: field("arch"),
        peer: ends.peer,
        our: ends.our,
    };
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], state.desk.script(&request).await).into_response()
}

/// A boot file, or the script that iPXE 2.0 looks for beside it. Firmware takes the type for what it is, wants the exact length, and follows
/// no redirect (EDK2 `HttpBootDxe`).
pub(super) async fn loader(
    State(state): State<BootState>,
    ends: Connection,
    path: Result<Path<String>, PathRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let nothing = || Problem::new(StatusCode::NOT_FOUND, "there is no such boot file");
    let Path(path) = path.map_err(|_| nothing())?;
    match state.offers.by_path(path.as_bytes(), ends.our).ok_or_else(nothing)? {
        ByPath::Script(script) => Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], script).into_response()),
        ByPath::File { mac, name, file } => {
            let mut response = ranges::serve(&method, &headers, &file, move |transfer| {
                state.offers.fetched(mac, name.clone(), transfer);
            })?;
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/efi"));
            Ok(response)
        }
    }
}

/// Kernel, initrd, or the private ISO.
pub(super) async fn file(
    State(state): State<BootState>,
    ends: Connection,
    path: Result<Path<(String, String)>, PathRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let nothing = || Problem::new(StatusCode::NOT_FOUND, "an installer has no such file");
    let Path((token, name)) = path.map_err(|_| nothing())?;
    let part = ImagePart::ALL.iter().find(|part| part.file_name() == name).ok_or_else(nothing)?;
    let InstallerFile { mac, file } = state.desk.file(&token, *part, ends.peer, ends.our).await?;
    ranges::serve(&method, &headers, &file, move |transfer| state.desk.fetched(mac, *part, transfer))
}
