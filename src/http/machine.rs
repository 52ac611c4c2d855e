//! What installers and installed systems ask: status 200 and nothing else, never a redirect. The installer prints the body of an error on the
//! machine's screen, so every error is a sentence for whoever stands there.

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;

use super::{
    MachineState,
    connection::Connection,
    extract::{HostPath, WholeBody, header_text, query_field},
    problem::Problem,
};
use crate::{
    domain::installer::{InstallReport, PhoneHomeReport, SystemReport},
    provisioning::AnswerRequest,
};

/// The answer as TOML, which every installer reads. Only who accepts JSON and no TOML is given JSON: installers before 9.2 accept nothing by
/// name, and those since accept both.
pub(super) async fn answer(
    State(state): State<MachineState>,
    ends: Connection,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    WholeBody(body): WholeBody,
) -> Result<Response, Problem> {
    let report: SystemReport = read(&body, "system report")?;
    let token = query_field(query.as_deref(), "t");
    let request = AnswerRequest { token, bearer: bearer(&headers), report, peer: ends.peer, our: ends.our };
    let answer = state.answers.answer(&request).await?;
    if !accepts_only_json(&headers) {
        return Ok(([(header::CONTENT_TYPE, "application/toml")], answer).into_response());
    }
    let table: toml::Table = answer.parse().map_err(|_| Problem::internal("the answer cannot be written as JSON"))?;
    Ok(Json(table).into_response())
}

/// Whether a client accepts JSON, and nothing that TOML could be sent as.
fn accepts_only_json(headers: &HeaderMap) -> bool {
    let accepted = header_text(headers, &header::ACCEPT).unwrap_or("*/*").to_ascii_lowercase();
    let kinds = accepted.split(',').filter_map(|kind| {
        let mut parts = kind.split(';').map(str::trim);
        let name = parts.next()?;
        let is_refused = parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32)));
        (!is_refused).then_some(name)
    });
    let kinds: Vec<_> = kinds.collect();
    let takes_toml = kinds.iter().any(|kind| matches!(*kind, "*/*" | "application/*" | "application/toml" | "text/*"));
    kinds.contains(&"application/json") && !takes_toml
}

/// The post-installation webhook.
pub(super) async fn installed(
    State(state): State<MachineState>,
    ends: Connection,
    HostPath(host): HostPath,
    RawQuery(query): RawQuery,
    WholeBody(body): WholeBody,
) -> Result<&'static str, Problem> {
    let report: InstallReport = read(&body, "installation report")?;
    state.check_in.installed(&host, &token(query), &report, ends.peer).await?;
    Ok(HEARD)
}

/// The script of the first boot.
pub(super) async fn first_boot_script(
    State(state): State<MachineState>,
    ends: Connection,
    HostPath(host): HostPath,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let script = state.check_in.first_boot_script(&host, &token(query), ends.peer, ends.our).await?;
    Ok(([(header::CONTENT_TYPE, "text/x-shellscript")], script).into_response())
}

/// The first boot's call.
pub(super) async fn phone_home(
    State(state): State<MachineState>,
    ends: Connection,
    HostPath(host): HostPath,
    RawQuery(query): RawQuery,
    WholeBody(body): WholeBody,
) -> Result<&'static str, Problem> {
    let report: PhoneHomeReport = read(&body, "phone-home report")?;
    state.check_in.phone_home(&host, &token(query), &report, ends.peer).await?;
    Ok(HEARD)
}

/// The machine's own word that something in it failed.
pub(super) async fn failed(
    State(state): State<MachineState>,
    ends: Connection,
    HostPath(host): HostPath,
    RawQuery(query): RawQuery,
    WholeBody(body): WholeBody,
) -> Result<&'static str, Problem> {
    state.check_in.failed(&host, &token(query), &String::from_utf8_lossy(&body), ends.peer).await?;
    Ok(HEARD)
}

/// What a report is answered.
const HEARD: &str = "heard\n";

fn token(query: Option<String>) -> String {
    query_field(query.as_deref(), "t").unwrap_or_default()
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = header_text(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// Reads a body as JSON, whatever its type says: real installers are not asked for more than they send. A list would be taken for an
/// object without names, and an empty one for a report that says nothing.
fn read<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, Problem> {
    let object = Some(body).filter(|body| body.trim_ascii_start().first() != Some(&b'['));
    serde_json::from_slice(object.unwrap_or_default()).map_err(|error| {
        let detail = format!("the {what} of this machine cannot be read ({error}); is this an installer for Rackseed?");
        Problem::new(StatusCode::BAD_REQUEST, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_for_those_who_take_nothing_else() {
        for (accept, only_json) in [
            (None, false),
            (Some("application/json, application/toml;q=0.5"), false),
            (Some("application/json"), true),
            (Some("application/json, application/toml;q=0"), true),
            (Some("Application/JSON;charset=utf-8"), true),
            (Some("application/json, */*;q=0.1"), false),
            (Some("application/toml"), false),
            (Some("text/html"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(accepts_only_json(&headers), only_json, "{accept:?}");
        }
    }
}
