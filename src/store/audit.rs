//! The audit log. Its table refuses by itself to change or lose a row.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Row, params};

use super::{
    Store,
    columns::{all, execute, optional_text, text},
};
use crate::{
    domain::{
        audit::{AuditEntry, NewAuditEntry, Via},
        identity::HostId,
        questions::{AuditQuestion, AuditResult},
    },
    ports::{AuditLog, LedgerError},
};

/// How many names of people are told. More than there are people who may sign in.
const MOST_ACTORS: u32 = 200;

#[async_trait]
impl AuditLog for Store {
    async fn record(&self, entry: &NewAuditEntry, now: Timestamp) -> Result<(), LedgerError> {
        let entry = entry.clone();
        self.write(move |write| {
            execute(
                write,
                "INSERT INTO audit
                     (at, actor, via, peer, agent, action, host, hostname, operation, image, status, sentence, batch)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, coalesce(?8, (SELECT hostname FROM hosts WHERE id = ?7)),
                         ?9, ?10, ?11, ?12, ?13)",
                params![
                    now.to_string(),
                    entry.asker.actor,
                    entry.asker.via.word(),
                    entry.asker.peer,
                    entry.asker.agent,
                    entry.action,
                    entry.host.as_ref().map(HostId::as_str),
                    entry.hostname,
                    entry.operation.as_ref().map(|operation| operation.as_str()),
                    entry.image.as_ref().map(|image| image.as_str()),
                    entry.status,
                    entry.sentence,
                    entry.batch.as_ref().map(|batch| batch.as_str()),
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn audit_entries(&self, question: &AuditQuestion) -> Result<Vec<AuditEntry>, LedgerError> {
        let asked = question.clone();
        self.read(move |connection| {
            // Where one is named, its index is used. To the second, moments can be compared as text.
            let of_operation = asked.operation.as_ref().map_or("?4 IS NULL", |_| "operation = ?4");
            let sql = format!(
                "SELECT * FROM audit
                 WHERE number < ?1 AND {of_operation} AND {}
                   AND (?3 IS NULL OR host = ?3 OR batch IN (SELECT batch FROM batch_hosts WHERE batch_hosts.host = ?3))
                   AND (?5 IS NULL OR actor = ?5) AND (?6 IS NULL OR via = ?6)
                   AND (?7 IS NULL OR substr(at, 1, 19) >= ?7) AND (?8 IS NULL OR substr(at, 1, 19) <= ?8)
                 ORDER BY number DESC LIMIT ?2",
                asked.result.map_or("true", of_result)
            );
            let second = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            let parameters = params![
                asked.before.unwrap_or(i64::MAX),
                asked.limit,
                asked.host.as_ref().map(HostId::as_str),
                asked.operation.as_ref().map(|operation| operation.as_str()),
                asked.actor,
                asked.via.map(Via::word),
                asked.since.map(second),
                asked.until.map(second),
            ];
            all(connection, &sql, parameters, read_entry)
        })
        .await
    }

    async fn audit_actors(&self) -> Result<Vec<String>, LedgerError> {
        self.read(|connection| {
            let sql = "SELECT DISTINCT actor FROM audit WHERE actor IS NOT NULL ORDER BY actor LIMIT ?1";
            all(connection, sql, [MOST_ACTORS], |row| Ok(row.get("actor")?))
        })
        .await
    }
}

/// The rows that ended so; the same rule as [`AuditEntry::result`].
fn of_result(result: AuditResult) -> &'static str {
    match result {
        AuditResult::Done => "(status < 400 OR (status IS NULL AND via IN ('daemon', 'command_line')))",
        AuditResult::Refused => "status BETWEEN 400 AND 499",
        AuditResult::Failed => "status >= 500",
        AuditResult::Unanswered => "status IS NULL AND via IN ('dashboard', 'api')",
    }
}

fn read_entry(row: &Row<'_>) -> Result<AuditEntry, LedgerError> {
    Ok(AuditEntry {
        number: row.get("number")?,
        at: text(row, "at")?,
        actor: row.get("actor")?,
        via: text(row, "via")?,
        peer: row.get("peer")?,
        agent: row.get("agent")?,
        action: row.get("action")?,
        host: optional_text(row, "host")?,
        hostname: row.get("hostname")?,
        operation: optional_text(row, "operation")?,
        image: optional_text(row, "image")?,
        batch: optional_text(row, "batch")?,
        status: row.get("status")?,
        sentence: row.get("sentence")?,
    })
}
