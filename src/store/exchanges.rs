//! What machines sent and what they were answered.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::{
    Store,
    columns::{all, execute, first, number, text},
    writer::Write,
};
use crate::{
    domain::{
        exchange::{Exchange, KeptBody, MOST_EXCHANGES, NewExchange},
        identity::HostId,
    },
    ports::{ExchangeLedger, LedgerError},
};

#[async_trait]
impl ExchangeLedger for Store {
    async fn keep_exchange(&self, exchange: &NewExchange) -> Result<(), LedgerError> {
        let exchange = exchange.clone();
        self.write(move |write| {
            if count_repeat(write, &exchange)? {
                return Ok(());
            }
            insert(write, &exchange)?;
            execute(
                write,
                "DELETE FROM exchanges WHERE host = ?1 AND number NOT IN
                     (SELECT number FROM exchanges WHERE host = ?1 ORDER BY number DESC LIMIT ?2)",
                params![exchange.host.as_str(), MOST_EXCHANGES],
            )?;
            Ok(())
        })
        .await
    }

    async fn exchanges(&self, host: &HostId, before: Option<i64>, limit: u32) -> Result<Vec<Exchange>, LedgerError> {
        let (host, before) = (host.clone(), before.unwrap_or(i64::MAX));
        self.read(move |connection| {
            let sql = "SELECT * FROM exchanges WHERE host = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3";
            all(connection, sql, params![host.as_str(), before, limit], read)
        })
        .await
    }
}

/// Counts an exchange that is the newest one of its host once more.
fn count_repeat(write: &Write<'_>, new: &NewExchange) -> Result<bool, LedgerError> {
    let Some(newest) = newest(write, &new.host)? else { return Ok(false) };
    if (NewExchange { at: new.at, ..newest.first }) != *new {
        return Ok(false);
    }
    let sql = "UPDATE exchanges SET times = times + 1, last_at = ?2 WHERE number = ?1";
    execute(write, sql, params![newest.number, new.at.to_string()])?;
    Ok(true)
}

fn newest(connection: &Connection, host: &HostId) -> Result<Option<Exchange>, LedgerError> {
    let sql = "SELECT * FROM exchanges WHERE host = ?1 ORDER BY number DESC LIMIT 1";
    first(connection, sql, [host.as_str()], read)
}

fn insert(write: &Write<'_>, new: &NewExchange) -> Result<(), LedgerError> {
    execute(
        write,
        "INSERT INTO exchanges (host, operation, kind, at, last_at, peer, status, sent, sent_bytes, sent_cut,
                                answered, answered_bytes, answered_cut)
         VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            new.host.as_str(),
            new.operation.as_str(),
            new.kind.word(),
            new.at.to_string(),
            new.peer.to_string(),
            new.status,
            new.sent.text,
            i64::try_from(new.sent.bytes).unwrap_or(i64::MAX),
            new.sent.is_cut,
            new.answered.text,
            i64::try_from(new.answered.bytes).unwrap_or(i64::MAX),
            new.answered.is_cut,
        ],
    )?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Exchange, LedgerError> {
    let first = NewExchange {
        host: text(row, "host")?,
        operation: text(row, "operation")?,
        kind: text(row, "kind")?,
        at: text(row, "at")?,
        peer: text(row, "peer")?,
        status: number(row, "status")?,
        sent: KeptBody { text: row.get("sent")?, bytes: number(row, "sent_bytes")?, is_cut: row.get("sent_cut")? },
        answered: KeptBody {
            text: row.get("answered")?,
            bytes: number(row, "answered_bytes")?,
            is_cut: row.get("answered_cut")?,
        },
    };
    Ok(Exchange { number: row.get("number")?, first, times: number(row, "times")?, last_at: text(row, "last_at")? })
}
