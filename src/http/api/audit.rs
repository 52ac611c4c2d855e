//! The audit log: who did what, the newest first.

use axum::{
    Json,
    extract::{RawQuery, State},
};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::{audit::AuditEntry, identity::HostId},
    http::{OperatorState, extract::query_field, problem::Problem, schema::described},
};

/// How many rows one answer has when nothing is said of it, and at most.
const ROWS: u32 = 100;
const MOST_ROWS: u32 = 1000;

/// Which rows are asked for.
pub(in crate::http) struct AuditQuestion {
    pub(in crate::http) before: Option<i64>,
    pub(in crate::http) host: Option<HostId>,
    pub(in crate::http) limit: u32,
}

impl AuditQuestion {
    /// Reads a query.
    pub(in crate::http) fn read(query: Option<&str>) -> Result<Self, Problem> {
        let field = |name| query_field(query, name).filter(|text| !text.is_empty());
        let wrong = |name: &'static str, rule: &str| Problem::fields(&[(name, rule.to_owned())]);
        let before = field("before").map(|text| text.parse()).transpose();
        let host = field("host").map(|text| text.parse()).transpose();
        let limit = field("limit").map(|text| text.parse::<u32>()).transpose();
        Ok(Self {
            before: before.map_err(|_| wrong("before", "is the number of a row"))?,
            host: host.map_err(|_| wrong("host", "is the id of a host, such as `rackseed host list` shows it"))?,
            limit: match limit {
                Ok(limit @ (None | Some(1..=MOST_ROWS))) => limit.unwrap_or(ROWS),
                Ok(Some(_)) | Err(_) => return Err(wrong("limit", &format!("is a number from 1 to {MOST_ROWS}"))),
            },
        })
    }
}

/// Rows of the log.
pub(crate) async fn list(
    State(state): State<OperatorState>,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<AuditEntryJson>>, Problem> {
    let AuditQuestion { before, host, limit } = AuditQuestion::read(query.as_deref())?;
    let entries = state.audit.audit_entries(before, host.as_ref(), limit).await?;
    Ok(Json(entries.into_iter().map(AuditEntryJson::new).collect()))
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
        /// The HTTP status; null where the asker went away, or nothing was asked over HTTP.
        status: Option<u32>,
        /// One sentence for a person.
        sentence: String,
    }
}

impl AuditEntryJson {
    fn new(entry: AuditEntry) -> Self {
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
            status: entry.status.map(u32::from),
            sentence: entry.sentence,
        }
    }
}
