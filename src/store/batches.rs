//! Batches and their turns.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{
    Store,
    columns::{all, execute, first, number, optional_text, text},
    live_feed::tell_with,
    notifications::note_paused,
    writer::Write,
};
use crate::{
    domain::{
        batch::{Batch, BatchState, Turn},
        identity::{BatchId, HostId},
        live_event::{NewLiveEvent, Topic},
    },
    ports::{BatchLedger, LedgerError},
};

#[async_trait]
impl BatchLedger for Store {
    async fn open(&self, batch: &Batch, message: &str) -> Result<Option<HostId>, LedgerError> {
        let (batch, message) = (batch.clone(), message.to_owned());
        self.write(move |write| {
            for turn in &batch.turns {
                let taken = "SELECT 1 FROM batch_hosts JOIN batches ON batches.id = batch
                             WHERE host = ?1 AND ended_at IS NULL AND batch_hosts.state NOT IN ('ready', 'skipped', 'untouched')";
                if first(write, taken, [turn.host.as_str()], |_| Ok(()))?.is_some() {
                    return Ok(Some(turn.host.clone()));
                }
            }
            execute(
                write,
                "INSERT INTO batches (id, at_most, rolling, image, accept_warnings, created_at, state)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    batch.id.as_str(),
                    batch.at_most,
                    batch.rolling,
                    batch.image.as_ref().map(|image| image.as_str()),
                    batch.accept_warnings,
                    batch.created_at.to_string(),
                    batch.state.word(),
                ],
            )?;
            write_turns(write, &batch)?;
            tell_of(write, &message, false, batch.created_at)?;
            Ok(None)
        })
        .await
    }

    async fn batch(&self, id: &BatchId) -> Result<Option<Batch>, LedgerError> {
        let id = id.clone();
        self.read(move |connection| {
            let found = first(connection, "SELECT * FROM batches WHERE id = ?1", [id.as_str()], read_batch)?;
            found.map(|batch| with_turns(connection, batch)).transpose()
        })
        .await
    }

    async fn open_batches(&self) -> Result<Vec<BatchId>, LedgerError> {
        self.read(|connection| {
            let sql = "SELECT id FROM batches WHERE ended_at IS NULL ORDER BY number";
            all(connection, sql, [], |row| text(row, "id"))
        })
        .await
    }

    async fn batches(&self, before: Option<&BatchId>, limit: u32) -> Result<Vec<Batch>, LedgerError> {
        let before = before.cloned();
        self.read(move |connection| {
            let before = before.as_ref().map(|batch| batch.as_str());
            let sql = "SELECT * FROM batches WHERE ?1 IS NULL OR number < (SELECT number FROM batches WHERE id = ?1)
                       ORDER BY number DESC LIMIT ?2";
            let found = all(connection, sql, params![before, limit], read_batch)?;
            found.into_iter().map(|batch| with_turns(connection, batch)).collect()
        })
        .await
    }

    async fn save(&self, batch: &Batch, message: Option<&str>, now: Timestamp) -> Result<(), LedgerError> {
        let (batch, message) = (batch.clone(), message.map(str::to_owned));
        self.write(move |write| {
            let sql = "SELECT state FROM batches WHERE id = ?1";
            let before: Option<BatchState> = first(write, sql, [batch.id.as_str()], |row| text(row, "state"))?;
            let pauses = batch.state == BatchState::Paused && before != Some(BatchState::Paused);
            let saved = execute(
                write,
                "UPDATE batches SET revision = revision + 1, state = ?3, note = ?4, note_since = ?5, ended_at = ?6
                 WHERE id = ?1 AND revision = ?2",
                params![
                    batch.id.as_str(),
                    batch.revision,
                    batch.state.word(),
                    batch.note,
                    batch.note_since.map(|at| at.to_string()),
                    batch.ended_at.map(|at| at.to_string()),
                ],
            )?;
            if saved == 0 {
                return Err(LedgerError::Conflict);
            }
            write_turns(write, &batch)?;
            if pauses {
                note_paused(write, &batch, now)?;
            }
            message.map_or(Ok(()), |message| tell_of(write, &message, pauses, now))
        })
        .await
    }
}

/// Pauses every batch that has not ended: for a database that was brought back from another time.
pub(super) fn pause_all(write: &Write<'_>, reason: &str, now: Timestamp) -> Result<(), LedgerError> {
    execute(
        write,
        "UPDATE batches SET revision = revision + 1, state = 'paused', note = ?1, note_since = ?2 WHERE ended_at IS NULL",
        params![reason, now.to_string()],
    )?;
    // What was intended then is not to be done now.
    execute(write, "UPDATE batch_hosts SET state = 'waiting', before = NULL WHERE state = 'starting'", [])?;
    Ok(())
}

fn write_turns(write: &Write<'_>, batch: &Batch) -> Result<(), LedgerError> {
    execute(write, "DELETE FROM batch_hosts WHERE batch = ?1", [batch.id.as_str()])?;
    for (position, turn) in batch.turns.iter().enumerate() {
        execute(
            write,
            "INSERT INTO batch_hosts (batch, position, host, hostname, state, before, operation, reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                batch.id.as_str(),
                i64::try_from(position).map_err(|_| LedgerError::Conflict)?,
                turn.host.as_str(),
                turn.hostname.as_str(),
                turn.state.word(),
                turn.before.as_ref().map(|id| id.as_str()),
                turn.operation.as_ref().map(|id| id.as_str()),
                turn.reason,
            ],
        )?;
    }
    Ok(())
}

fn with_turns(connection: &Connection, mut batch: Batch) -> Result<Batch, LedgerError> {
    let sql = "SELECT * FROM batch_hosts WHERE batch = ?1 ORDER BY position";
    batch.turns = all(connection, sql, [batch.id.as_str()], |row| {
        Ok(Turn {
            host: text(row, "host")?,
            hostname: text(row, "hostname")?,
            state: text(row, "state")?,
            before: optional_text(row, "before")?,
            operation: optional_text(row, "operation")?,
            reason: row.get("reason")?,
        })
    })?;
    Ok(batch)
}

fn read_batch(row: &Row<'_>) -> Result<Batch, LedgerError> {
    Ok(Batch {
        id: text(row, "id")?,
        revision: row.get("revision")?,
        at_most: number(row, "at_most")?,
        rolling: row.get("rolling")?,
        image: optional_text(row, "image")?,
        accept_warnings: row.get("accept_warnings")?,
        created_at: text(row, "created_at")?,
        state: text(row, "state")?,
        note: row.get("note")?,
        note_since: optional_text(row, "note_since")?,
        ended_at: optional_text(row, "ended_at")?,
        turns: Vec::new(),
    })
}

fn tell_of(write: &Write<'_>, message: &str, attention: bool, at: Timestamp) -> Result<(), LedgerError> {
    let event = NewLiveEvent { topic: Topic::Operation, host: None, operation: None, message: message.to_owned() };
    tell_with(write, &event, attention, at)
}
