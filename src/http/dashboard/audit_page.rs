//! Who did what, the newest first, a page at a time.

use askama::Template;
use axum::{
    http::{StatusCode, Uri},
    response::Response,
};

use super::{
    filters::{Choice, address, choices, given, is_limited},
    shell::{PageProblem, Shell, render},
    words::{Moment, plain},
};
use crate::{
    domain::{
        audit::{AuditEntry, Via},
        questions::AuditResult,
    },
    http::{Visit, api::audit::asked, paging::Paging},
};

/// What the log can be limited by.
const LIMITS: &[&str] = &["host", "operation", "actor", "via", "result", "since", "until"];

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    shell: Shell,
    address: String,
    rows: Vec<AuditRow>,
    host: String,
    hostnames: Vec<String>,
    /// The operation that it is limited to.
    operation: String,
    actors: Vec<Choice>,
    ways: Vec<Choice>,
    results: Vec<Choice>,
    since: String,
    until: String,
    is_limited: bool,
    is_newest: bool,
    /// The query of the next page.
    older: Option<String>,
    /// The query of the page's own rows, for a file of them.
    query: String,
}

/// A row of the log as pages show it.
pub(super) struct AuditRow {
    pub(super) at: Moment,
    pub(super) who: String,
    /// From where, and with what kind of program.
    pub(super) from: String,
    pub(super) sentence: String,
    pub(super) action: String,
    pub(super) tone: &'static str,
    /// Where it leads, and what the link says.
    pub(super) link: Option<(String, String)>,
}

/// The log.
pub(in crate::http) async fn audit(state: Visit, paging: Paging, uri: Uri) -> Result<Response, PageProblem> {
    let question = asked(&state, &uri, &paging).await?;
    let shell = Shell::new(&state).await?;
    let (entries, is_more) = paging.only(state.audit.audit_entries(&question).await?);
    let older = entries.last().filter(|_| is_more).map(|last| paging.older_query(&last.number.to_string()));
    let actors = state.audit.audit_actors().await?;
    let now = state.clock.now();
    let ways = [Via::Dashboard, Via::Api, Via::CommandLine, Via::Daemon].map(|via| (via.word(), way(via)));
    let results = AuditResult::ALL.iter().map(|result| (result.word(), result_words(*result)));
    let page = AuditPage {
        address: address(&uri),
        rows: entries.iter().map(|entry| AuditRow::new(entry, now)).collect(),
        host: given(&uri, "host"),
        hostnames: state.hosts.hosts().await?.into_iter().map(|host| host.hostname.to_string()).collect(),
        operation: given(&uri, "operation"),
        actors: choices("Anybody", actors.iter().map(|name| (name.as_str(), name.as_str())), &given(&uri, "actor")),
        ways: choices("Any way", ways, &given(&uri, "via")),
        results: choices("Any", results, &given(&uri, "result")),
        since: given(&uri, "since"),
        until: given(&uri, "until"),
        is_limited: is_limited(&uri, LIMITS),
        is_newest: question.before.is_none(),
        older,
        query: uri.query().unwrap_or_default().to_owned(),
        shell,
    };
    Ok(render(StatusCode::OK, &page))
}

/// A way in, as a person says it.
pub(super) fn way(via: Via) -> &'static str {
    match via {
        Via::Dashboard => "the dashboard",
        Via::Api => "the API",
        Via::CommandLine => "the command line",
        Via::Daemon => "the daemon itself",
    }
}

fn result_words(result: AuditResult) -> &'static str {
    match result {
        AuditResult::Done => "done",
        AuditResult::Refused => "refused",
        AuditResult::Failed => "failed",
        AuditResult::Unanswered => "asker went away",
    }
}

impl AuditRow {
    pub(super) fn new(entry: &AuditEntry, now: jiff::Timestamp) -> Self {
        let via = way(entry.via);
        let link = match (&entry.operation, &entry.batch, &entry.host) {
            (Some(operation), ..) => Some((format!("/operations/{operation}"), "operation".to_owned())),
            (None, Some(batch), _) => Some((format!("/batches/{batch}"), "batch".to_owned())),
            (None, None, Some(host)) => {
                let name = entry.hostname.clone().unwrap_or_else(|| host.to_string());
                Some((format!("/hosts/{host}"), name))
            }
            (None, None, None) => None,
        };
        let from = [format!("by {via}"), entry.peer.clone(), plain(&entry.agent)];
        Self {
            at: Moment::new(entry.at, now),
            who: entry.actor.clone().unwrap_or_else(|| "nobody signed in".to_owned()),
            from: from.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" · "),
            sentence: entry.sentence.clone(),
            action: entry.action.clone(),
            tone: match entry.result() {
                AuditResult::Unanswered => "armed",
                AuditResult::Done => "good",
                AuditResult::Refused | AuditResult::Failed => "bad",
            },
            link,
        }
    }
}
