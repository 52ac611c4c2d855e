//! Who did what, the newest first, a page at a time.

use askama::Template;
use axum::{
    http::{StatusCode, Uri},
    response::Response,
};

use super::{
    shell::{PageProblem, Shell, render},
    words::{Moment, plain},
};
use crate::{
    domain::audit::AuditEntry,
    http::{Visit, api::audit::AuditQuestion},
};

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    shell: Shell,
    rows: Vec<AuditRow>,
    /// The name or id of the host that it is limited to.
    of_host: String,
    /// The query of the next page.
    older: Option<String>,
}

struct AuditRow {
    at: Moment,
    who: String,
    sentence: String,
    action: String,
    tone: &'static str,
    /// Where it leads, and what the link says.
    link: Option<(String, String)>,
}

/// The log.
pub(in crate::http) async fn audit(state: Visit, uri: Uri) -> Result<Response, PageProblem> {
    let question = AuditQuestion::read(&uri)?;
    let shell = Shell::new(&state).await?;
    let rows = question.paging.rows();
    let entries = state.audit.audit_entries(question.before, question.host.as_ref(), rows).await?;
    let (entries, is_more) = question.paging.only(entries);
    let of_host = question.host.as_ref().map(ToString::to_string).unwrap_or_default();
    let older = entries.last().filter(|_| is_more).map(|last| match of_host.as_str() {
        "" => format!("before={}", last.number),
        host => format!("before={}&host={host}", last.number),
    });
    let now = state.clock.now();
    let rows = entries.iter().map(|entry| AuditRow::new(entry, now)).collect();
    Ok(render(StatusCode::OK, &AuditPage { shell, rows, of_host, older }))
}

impl AuditRow {
    fn new(entry: &AuditEntry, now: jiff::Timestamp) -> Self {
        let via = plain(entry.via.word());
        let who = entry.actor.clone().unwrap_or(via);
        let link = match (&entry.operation, &entry.host) {
            (Some(operation), _) => Some((format!("/operations/{operation}"), "operation".to_owned())),
            (None, Some(host)) => {
                let name = entry.hostname.clone().unwrap_or_else(|| host.to_string());
                Some((format!("/hosts/{host}"), name))
            }
            (None, None) => None,
        };
        Self {
            at: Moment::new(entry.at, now),
            who: [who, entry.peer.clone(), entry.agent.clone()].join(" · "),
            sentence: entry.sentence.clone(),
            action: entry.action.clone(),
            tone: match entry.status {
                None => "armed",
                Some(..400) => "good",
                Some(400..) => "bad",
            },
            link,
        }
    }
}
