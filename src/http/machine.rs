//! What installers and installed systems ask: status 200 and nothing else, never a redirect. The installer prints the body of an error on the
//! machine's screen, so every error is a sentence for whoever stands there.

use axum::{
    body::Bytes,
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
    domain::{
        exchange::ExchangeKind,
        identity::HostId,
        installer::{InstallReport, PhoneHomeReport, SystemReport},
    },
    provisioning::{AnswerRequest, Heard},
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
    let token = query_field(query.as_deref(), "t");
    let asked = Asked { kind: ExchangeKind::Answer, host: None, token: token.clone().unwrap_or_default(), ends, body };
    let made = async {
        let report: SystemReport = read(&asked.body, "system report")?;
        let request = AnswerRequest { token, bearer: bearer(&headers), report, peer: ends.peer, our: ends.our };
        let answer = state.answers.answer(&request).await?;
        if !accepts_only_json(&headers) {
            return Ok(Reply { media: "application/toml", text: answer });
        }
        let cannot = "the answer cannot be written as JSON";
        let table: toml::Table = answer.parse().map_err(|_| Problem::internal(cannot))?;
        let text = serde_json::to_string(&table).map_err(|_| Problem::internal(cannot))?;
        Ok(Reply { media: "application/json", text })
    };
    let made = made.await;
    asked.noted(&state, made).await
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
) -> Result<Response, Problem> {
    let asked = Asked { kind: ExchangeKind::Installed, host: Some(host.clone()), token: token(query), ends, body };
    let made = async {
        let report: InstallReport = read(&asked.body, "installation report")?;
        state.check_in.installed(&host, &asked.token, &report, ends.peer).await?;
        Ok(Reply::heard())
    };
    let made = made.await;
    asked.noted(&state, made).await
}

/// The script of the first boot.
pub(super) async fn first_boot_script(
    State(state): State<MachineState>,
    ends: Connection,
    HostPath(host): HostPath,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (kind, token) = (ExchangeKind::FirstBootScript, token(query));
    let asked = Asked { kind, host: Some(host.clone()), token, ends, body: Bytes::new() };
    let script = state.check_in.first_boot_script(&host, &asked.token, ends.peer, ends.our).await;
    let made = script.map(|text| Reply { media: "text/x-shellscript", text }).map_err(Problem::from);
    asked.noted(&state, made).await
}

/// The first boot's call.
pub(super) async fn phone_home(
    State(state): State<MachineState>,
    ends: Connection,
    HostPath(host): HostPath,
    RawQuery(query): RawQuery,
    WholeBody(body): WholeBody,
) -> Result<Response, Problem> {
    let asked = Asked { kind: ExchangeKind::PhoneHome, host: Some(host.clone()), token: token(query), ends, body };
    let made = async {
        let report: PhoneHomeReport = read(&asked.body, "phone-home report")?;
        state.check_in.phone_home(&host, &asked.token, &report, ends.peer).await?;
        Ok(Reply::heard())
    };
    let made = made.await;
    asked.noted(&state, made).await
}

/// The machine's own word that something in it failed.
pub(super) async fn failed(
    State(state): State<MachineState>,
    ends: Connection,
    HostPath(host): HostPath,
    RawQuery(query): RawQuery,
    WholeBody(body): WholeBody,
) -> Result<Response, Problem> {
    let asked = Asked { kind: ExchangeKind::Failed, host: Some(host.clone()), token: token(query), ends, body };
    let log = String::from_utf8_lossy(&asked.body);
    let made = state.check_in.failed(&host, &asked.token, &log, ends.peer).await;
    let made = made.map(|()| Reply::heard()).map_err(Problem::from);
    asked.noted(&state, made).await
}

/// What a machine asked, for the book of its host.
struct Asked {
    kind: ExchangeKind,
    host: Option<HostId>,
    token: String,
    ends: Connection,
    body: Bytes,
}

/// What it is given.
struct Reply {
    media: &'static str,
    text: String,
}

impl Reply {
    fn heard() -> Self {
        Self { media: "text/plain; charset=utf-8", text: HEARD.into() }
    }
}

impl Asked {
    /// Writes down what became of the question, then answers it.
    async fn noted(&self, state: &MachineState, made: Result<Reply, Problem>) -> Result<Response, Problem> {
        let (status, answered) = match &made {
            Ok(reply) => (StatusCode::OK, reply.text.as_str()),
            Err(problem) => (problem.status(), problem.detail()),
        };
        let (host, peer, status) = (self.host.as_ref(), self.ends.peer, status.as_u16());
        let heard = Heard { kind: self.kind, host, token: &self.token, peer, sent: &self.body, status, answered };
        state.exchanges.note(heard).await;
        made.map(|reply| ([(header::CONTENT_TYPE, reply.media)], reply.text).into_response())
    }
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
