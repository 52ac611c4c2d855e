//! The audit log: who did what, the newest first.

use axum::{
    extract::State,
    http::{HeaderMap, Uri, header},
    response::{IntoResponse, Response},
};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::Serialize;

use super::asked::host_asked;
use crate::{
    domain::{audit::AuditEntry, questions::AuditQuestion},
    http::{
        OperatorState,
        extract::{header_text, query_field},
        paging::{Page, Paging, parameter},
        problem::Problem,
        schema::described,
    },
};

/// What an address asks of the log.
pub(in crate::http) async fn asked(
    state: &OperatorState,
    uri: &Uri,
    paging: &Paging,
) -> Result<AuditQuestion, Problem> {
    Ok(AuditQuestion {
        host: host_asked(state, uri).await?,
        operation: parameter(uri, "operation", "is the id of an operation")?,
        actor: parameter(uri, "actor", "is the name of a user")?,
        via: parameter(uri, "via", "is dashboard, api, command_line or daemon")?,
        result: parameter(uri, "result", "is done, refused, failed or unanswered")?,
        since: moment(uri, "since")?,
        until: moment(uri, "until")?,
        before: paging.before("is the number of a row")?,
        limit: paging.rows(),
    })
}

/// A moment of a query: with an offset, or in UTC, or the beginning of a day.
fn moment(uri: &Uri, name: &'static str) -> Result<Option<Timestamp>, Problem> {
    let text = query_field(uri.query(), name).unwrap_or_default();
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let in_utc = || text.parse::<DateTime>().ok().and_then(|moment| moment.to_zoned(TimeZone::UTC).ok());
    let found = text.parse().ok().or_else(|| in_utc().map(|moment| moment.timestamp()));
    let rule = "is a moment such as 2026-11-21, 2026-11-21T14:30 (UTC) or 2026-11-21T14:30:00+01:00";
    found.map(Some).ok_or_else(|| Problem::parameter(name, rule))
}

/// Rows of the log; as a table for spreadsheets, where that is asked for.
pub(crate) async fn list(
    State(state): State<OperatorState>,
    paging: Paging,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let wanted = query_field(uri.query(), "format").filter(|text| !text.is_empty());
    let is_table = match wanted.as_deref() {
        None => header_text(&headers, &header::ACCEPT).is_some_and(|kinds| kinds.starts_with("text/csv")),
        Some("json") => false,
        Some("csv") => true,
        Some(_) => return Err(Problem::parameter("format", "is json or csv")),
    };
    let entries = state.audit.audit_entries(&asked(&state, &uri, &paging).await?).await?;
    let page = paging.older(entries, |entry| entry.number.to_string()).map(AuditEntryJson::new);
    Ok(if is_table { as_table(page) } else { page.into_response() })
}

/// A page as comma-separated values (RFC 4180).
fn as_table(page: Page<AuditEntryJson>) -> Response {
    let names = "number,at,actor,via,peer,agent,action,host,hostname,operation,image,batch,status,sentence\r\n";
    let kind = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"rackseed-audit.csv\""),
    ];
    let (rows, link) = page.into_parts();
    let text = rows.iter().fold(names.to_owned(), |text, row| text + &row.line());
    let mut response = (kind, text).into_response();
    if let Some(link) = link {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// One cell. What a spreadsheet would take for a formula is made text.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

described! {
    /// One row of the audit log. Rows are never changed and never removed.
    #[derive(Debug, Serialize)]
    pub(crate) struct AuditEntryJson as "AuditEntry" {
        /// Rises with every row; `before` asks for older ones.
        number: u64,
        /// When.
        at: Timestamp,
        /// The user's name; null until there is a login.
        actor: Option<String>,
        /// `dashboard`, `api`, `command_line` or `daemon`: what the request looked like, which is no proof.
        via: String,
        /// The address that asked, or the user of this computer.
        peer: String,
        /// `browser`, `rackseed`, `shell`, `program` or `unnamed`: by what the program calls itself.
        agent: String,
        /// Method and route, or a word.
        action: String,
        /// The host that it is about.
        host: Option<String>,
        /// The name that the host had.
        hostname: Option<String>,
        /// The operation that it is about.
        operation: Option<String>,
        /// The image that it is about.
        image: Option<String>,
        /// The batch that it is about.
        batch: Option<String>,
        /// The HTTP status; null where the asker went away, or nothing was asked over HTTP.
        status: Option<u32>,
        /// One sentence for a person.
        sentence: String,
    }
}

impl AuditEntryJson {
    pub(super) fn new(entry: AuditEntry) -> Self {
        Self {
            number: u64::try_from(entry.number).unwrap_or_default(),
            at: entry.at,
            actor: entry.actor,
            via: entry.via.word().to_owned(),
            peer: entry.peer,
            agent: entry.agent,
            action: entry.action,
            host: entry.host.map(|host| host.to_string()),
            hostname: entry.hostname,
            operation: entry.operation.map(|operation| operation.to_string()),
            image: entry.image.map(|image| image.to_string()),
            batch: entry.batch.map(|batch| batch.to_string()),
            status: entry.status.map(u32::from),
            sentence: entry.sentence,
        }
    }

    fn line(&self) -> String {
        let or_nothing = |text: &Option<String>| text.clone().unwrap_or_default();
        let cells = [
            self.number.to_string(),
            self.at.to_string(),
            or_nothing(&self.actor),
            self.via.clone(),
            self.peer.clone(),
            self.agent.clone(),
            self.action.clone(),
            or_nothing(&self.host),
            or_nothing(&self.hostname),
            or_nothing(&self.operation),
            or_nothing(&self.image),
            or_nothing(&self.batch),
            self.status.map(|status| status.to_string()).unwrap_or_default(),
            self.sentence.clone(),
        ];
        format!("{}\r\n", cells.map(|text| cell(&text)).join(","))
    }
}
