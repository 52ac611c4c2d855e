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
        audit::{AuditEntry, NewAuditEntry},
        identity::HostId,
    },
    ports::{AuditLog, LedgerError},
};

#[async_trait]
impl AuditLog for Store {
    async fn record(&self, entry: &NewAuditEntry, now: Timestamp) -> Result<(), LedgerError> {
        let entry = entry.clone();
        self.write(move |write| {
            execute(
                write,
                "INSERT INTO audit
                     (at, actor, via, peer, agent, action, host, hostname, operation, image, status, sentence)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, coalesce(?8, (SELECT hostname FROM hosts WHERE id = ?7)),
                         ?9, ?10, ?11, ?12)",
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
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn audit_entries(
        &self,
        before: Option<i64>,
        host: Option<&HostId>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, LedgerError> {
        let (before, host) = (before.unwrap_or(i64::MAX), host.cloned());
        self.read(move |connection| match &host {
            Some(host) => {
                let sql = "SELECT * FROM audit WHERE host = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3";
                all(connection, sql, params![host.as_str(), before, limit], read_entry)
            }
            None => {
                let sql = "SELECT * FROM audit WHERE number < ?1 ORDER BY number DESC LIMIT ?2";
                all(connection, sql, params![before, limit], read_entry)
            }
        })
        .await
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
        status: row.get("status")?,
        sentence: row.get("sentence")?,
    })
}
