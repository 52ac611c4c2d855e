//! What installers and installed systems ask: status 200 and nothing else, never a redirect. The installer prints the body of an error on the
//! machine's screen, so every error is a sentence for whoever stands there.

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{MachineState, connection::Connection, problem::Problem};
use crate::{
    domain::{
        identity::HostId,
        installer::{InstallReport, PhoneHomeReport, SystemReport},
    },
    provisioning::AnswerRequest,
};

pub(super) fn router() -> Router<MachineState> {
    Router::new()
        .route("/api/boot/answer", post(answer))
        .route("/api/hosts/{id}/installed", post(installed))
        .route("/api/hosts/{id}/first-boot-script", get(first_boot_script))
        .route("/api/hosts/{id}/phone-home", post(phone_home))
        .route("/healthz", get(|| async { "ok\n" }))
}

#[derive(Deserialize)]
struct TokenQuery {
    #[serde(default)]
    t: String,
}

async fn answer(
    State(state): State<MachineState>,
    ends: Connection,
    Query(query): Query<TokenQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer ").map(str::to_owned));
    let report: SystemReport = read(&body, "system report")?;
    let request = AnswerRequest { token: Some(query.t), bearer, report, peer: ends.peer, our: ends.our };
    let answer = state.answers.answer(&request).await?;
    Ok(([(header::CONTENT_TYPE, "application/toml")], answer).into_response())
}

async fn installed(
    State(state): State<MachineState>,
    ends: Connection,
    Path(id): Path<String>,
    Query(query): Query<TokenQuery>,
    body: Bytes,
) -> Result<&'static str, Problem> {
    let report: InstallReport = read(&body, "installation report")?;
    state.check_in.installed(&host_id(&id)?, &query.t, &report, ends.peer).await?;
    Ok("heard\n")
}

async fn first_boot_script(
    State(state): State<MachineState>,
    ends: Connection,
    Path(id): Path<String>,
    Query(query): Query<TokenQuery>,
) -> Result<Response, Problem> {
    let script = state.check_in.first_boot_script(&host_id(&id)?, &query.t, ends.peer, ends.our).await?;
    Ok(([(header::CONTENT_TYPE, "text/x-shellscript")], script).into_response())
}

async fn phone_home(
    State(state): State<MachineState>,
    ends: Connection,
    Path(id): Path<String>,
    Query(query): Query<TokenQuery>,
    body: Bytes,
) -> Result<&'static str, Problem> {
    let report: PhoneHomeReport = read(&body, "phone-home report")?;
    state.check_in.phone_home(&host_id(&id)?, &query.t, &report, ends.peer).await?;
    Ok("heard\n")
}

/// Reads a body as JSON, whatever its type says: real installers are not asked for more than they send.
fn read<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("the {what} cannot be read: {error}")))
}

fn host_id(text: &str) -> Result<HostId, Problem> {
    text.parse().map_err(|_| Problem::new(StatusCode::NOT_FOUND, "no host has this id"))
}
