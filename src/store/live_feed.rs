//! The live feed: rows that the dashboard is told, in the order in which they were committed.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use tokio::sync::watch;

use super::{
    Store,
    columns::{all, execute, first, optional_text, text},
    writer::Write,
};
use crate::{
    domain::{
        identity::{HostId, OperationId},
        live_event::{LiveEvent, NewLiveEvent, Topic},
        questions::FeedQuestion,
    },
    ports::{LedgerError, LiveFeed},
};

/// How many rows are kept. More lets a browser resume after a longer absence; fewer keeps the database small.
const ROWS_KEPT: i64 = 10_000;

#[async_trait]
impl LiveFeed for Store {
    async fn events_after(&self, id: i64, limit: u32) -> Result<Vec<LiveEvent>, LedgerError> {
        self.read(move |connection| {
            let sql = "SELECT * FROM live_feed WHERE id > ?1 ORDER BY id LIMIT ?2";
            all(connection, sql, params![id, limit], read_event)
        })
        .await
    }

    async fn events(&self, question: &FeedQuestion) -> Result<Vec<LiveEvent>, LedgerError> {
        let asked = question.clone();
        self.read(move |connection| {
            // Where one is named, its index is used.
            let of_host = asked.host.as_ref().map_or("?2 IS NULL", |_| "host = ?2");
            let of_operation = asked.operation.as_ref().map_or("?3 IS NULL", |_| "operation = ?3");
            let attention = if asked.attention_only { "attention = 1" } else { "true" };
            let sql = format!(
                "SELECT * FROM live_feed WHERE id < ?1 AND {of_host} AND {of_operation} AND {attention} AND (?4 IS NULL OR topic = ?4)
                 ORDER BY id DESC LIMIT ?5"
            );
            let parameters = params![
                asked.before.unwrap_or(i64::MAX),
                asked.host.as_ref().map(HostId::as_str),
                asked.operation.as_ref().map(OperationId::as_str),
                asked.topic.map(Topic::word),
                asked.limit,
            ];
            all(connection, &sql, parameters, read_event)
        })
        .await
    }

    async fn newest_event(&self) -> Result<i64, LedgerError> {
        self.read(newest_event).await
    }

    async fn check_writable(&self) -> Result<(), LedgerError> {
        // SQLite writes the page of this number also when it stays the same. The migrations have a table of their own and leave it alone.
        self.write(|write| {
            let number: i64 = write.pragma_query_value(None, "user_version", |row| row.get(0))?;
            Ok(write.pragma_update(None, "user_version", number)?)
        })
        .await
    }

    async fn publish(&self, event: &NewLiveEvent, now: Timestamp) -> Result<(), LedgerError> {
        let event = event.clone();
        self.write(move |write| tell(write, &event, now)).await
    }

    fn bell(&self) -> watch::Receiver<i64> {
        self.bell.clone()
    }
}

/// The id of the newest row, 0 when there is none.
pub(super) fn newest_event(connection: &Connection) -> Result<i64, LedgerError> {
    let sql = "SELECT id FROM live_feed ORDER BY id DESC LIMIT 1";
    Ok(first(connection, sql, [], |row| Ok(row.get(0)?))?.unwrap_or(0))
}

fn read_event(row: &Row<'_>) -> Result<LiveEvent, LedgerError> {
    Ok(LiveEvent {
        id: row.get("id")?,
        at: text(row, "at")?,
        topic: text(row, "topic")?,
        host: optional_text(row, "host")?,
        operation: optional_text(row, "operation")?,
        message: row.get("message")?,
        attention: row.get("attention")?,
    })
}

/// Appends a row within a change, and forgets the oldest.
pub(super) fn tell(write: &Write<'_>, event: &NewLiveEvent, at: Timestamp) -> Result<(), LedgerError> {
    tell_with(write, event, false, at)
}

/// The same of something at which a person should look, whatever its topic is.
pub(super) fn tell_with(
    write: &Write<'_>,
    event: &NewLiveEvent,
    attention: bool,
    at: Timestamp,
) -> Result<(), LedgerError> {
    execute(
        write,
        "INSERT INTO live_feed (at, topic, host, operation, message, attention) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            at.to_string(),
            event.topic.word(),
            event.host.as_ref().map(|host| host.as_str()),
            event.operation.as_ref().map(|operation| operation.as_str()),
            event.message,
            attention || event.is_alarm(),
        ],
    )?;
    let id = write.last_insert_rowid();
    execute(write, "DELETE FROM live_feed WHERE id <= ?1", [id - ROWS_KEPT])?;
    write.note_event(id);
    Ok(())
}
