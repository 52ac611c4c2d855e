//! The audit log: who did what, the newest first.

use axum::{extract::State, http::Uri};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::{audit::AuditEntry, identity::HostId},
    http::{
        OperatorState,
        paging::{Page, Paging, parameter},
        problem::Problem,
        schema::described,
    },
};

/// Which rows are asked for.
pub(in crate::http) struct AuditQuestion {
    pub(in crate::http) paging: Paging,
    pub(in crate::http) before: Option<i64>,
    pub(in crate::http) host: Option<HostId>,
}

impl AuditQuestion {
    /// Reads an address.
    pub(in crate::http) fn read(uri: &Uri) -> Result<Self, Problem> {
        let paging = Paging::read(uri)?;
        Ok(Self {
            before: paging.before("is the number of a row")?,
            host: parameter(uri, "host", "is the id of a host, such as `rackseed host list` shows it")?,
            paging,
        })
    }
}

/// Rows of the log.
pub(crate) async fn list(State(state): State<OperatorState>, uri: Uri) -> Result<Page<AuditEntryJson>, Problem> {
    let AuditQuestion { paging, before, host } = AuditQuestion::read(&uri)?;
    let entries = state.audit.audit_entries(before, host.as_ref(), paging.rows()).await?;
    Ok(paging.older(entries, |entry| entry.number.to_string()).map(AuditEntryJson::new))
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
