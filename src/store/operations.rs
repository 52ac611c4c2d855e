//! Operations, their journals, and the turns to change a cluster's membership.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{
    Store,
    columns::{all, execute, first, json, number, text, to_json},
    live_feed::{tell, tell_with},
    notifications::{is_cancelling, note_entry},
    past_operations::asked_operations,
    rebuilds::erase_secrets,
    writer::Write,
};
use crate::{
    domain::{
        identity::{BatchId, HostId, OperationId},
        live_event::{NewLiveEvent, Topic},
        operation::{JournalEntry, JournalEvent, Operation, PROGRAM, StepOutput, fold},
        questions::OperationQuestion,
    },
    ports::{LedgerError, OperationJournal, OperationRecord},
};

/// How many bytes of output of one step are kept, over all its attempts. More tells a longer story; fewer keeps the database small.
const MOST_OUTPUT: i64 = 64 << 10;
/// How long the name of an event that we do not know may be told, in characters.
const LONGEST_WORD: usize = 40;

#[async_trait]
impl OperationJournal for Store {
    async fn operation(&self, id: &OperationId) -> Result<Option<(Operation, Vec<JournalEntry>)>, LedgerError> {
        let id = id.clone();
        self.read(move |connection| find_operation(connection, &id)).await
    }

    async fn operations(&self, question: &OperationQuestion) -> Result<Vec<OperationRecord>, LedgerError> {
        let asked = question.clone();
        self.read(move |connection| asked_operations(connection, &asked)).await
    }

    async fn operations_by_id(&self, ids: &[OperationId]) -> Result<Vec<(Operation, Vec<JournalEntry>)>, LedgerError> {
        let ids = to_json(&ids)?;
        self.read(move |connection| find_operations(connection, &ids)).await
    }

    async fn open_operations(&self) -> Result<Vec<OperationId>, LedgerError> {
        self.read(|connection| {
            let sql = "SELECT id FROM operations WHERE closed_at IS NULL ORDER BY number";
            all(connection, sql, [], |row| text(row, "id"))
        })
        .await
    }

    async fn operations_of(&self, host: &HostId, limit: u32) -> Result<Vec<OperationId>, LedgerError> {
        let host = host.clone();
        self.read(move |connection| {
            let sql = "SELECT id FROM operations WHERE host = ?1 ORDER BY number DESC LIMIT ?2";
            all(connection, sql, params![host.as_str(), limit], |row| text(row, "id"))
        })
        .await
    }

    async fn waiting_for_a_person(&self) -> Result<usize, LedgerError> {
        self.read(|connection| {
            // Nothing is written behind such an entry before a person decides.
            let sql = "SELECT count(*) AS waiting FROM operations WHERE closed_at IS NULL
                       AND (SELECT event FROM journal WHERE operation = id ORDER BY position DESC LIMIT 1)
                           LIKE '{\"event\":\"parked\"%'";
            Ok(first(connection, sql, [], |row| number(row, "waiting"))?.unwrap_or_default())
        })
        .await
    }

    async fn append(
        &self,
        operation: &OperationId,
        length: usize,
        entry: &JournalEntry,
        feed: Option<&NewLiveEvent>,
    ) -> Result<(), LedgerError> {
        let (operation, entry, feed) = (operation.clone(), entry.clone(), feed.cloned());
        self.write(move |write| {
            append_entry(write, &operation, length, &entry)?;
            let is_trouble = matches!(
                entry.event,
                JournalEvent::Parked { .. } | JournalEvent::Unwinding { .. } | JournalEvent::UndoFailed { .. }
            );
            // Who cancelled it has looked.
            let attention = is_trouble && !is_cancelling(write, &operation)?;
            feed.map_or(Ok(()), |event| tell_with(write, &event, attention, entry.at))
        })
        .await
    }

    async fn keep_output(&self, operation: &OperationId, output: &StepOutput) -> Result<(), LedgerError> {
        let (operation, output) = (operation.clone(), output.clone());
        self.write(move |write| keep_output(write, &operation, &output)).await
    }

    async fn outputs(&self, operation: &OperationId) -> Result<Vec<StepOutput>, LedgerError> {
        let operation = operation.clone();
        self.read(move |connection| {
            let sql = "SELECT * FROM step_outputs WHERE operation = ?1 ORDER BY step, attempt";
            all(connection, sql, [operation.as_str()], |row| {
                Ok(StepOutput {
                    step: row.get("step")?,
                    attempt: number(row, "attempt")?,
                    at: text(row, "at")?,
                    text: row.get("text")?,
                })
            })
        })
        .await
    }

    async fn close(&self, operation: &OperationId, now: Timestamp) -> Result<(), LedgerError> {
        let operation = operation.clone();
        self.write(move |write| close_operation(write, &operation, now)).await
    }

    async fn take_turn(&self, cluster: &str, operation: &OperationId) -> Result<OperationId, LedgerError> {
        let (cluster, operation) = (cluster.to_owned(), operation.clone());
        self.write(move |write| {
            // Only an operation that is not over may take it: nobody would give it back.
            execute(
                write,
                "INSERT INTO turns (cluster, operation) SELECT ?1, id FROM operations WHERE id = ?2 AND closed_at IS NULL
                 ON CONFLICT (cluster) DO NOTHING",
                params![cluster, operation.as_str()],
            )?;
            let holder = "SELECT operation FROM turns WHERE cluster = ?1";
            first(write, holder, [cluster], |row| text(row, "operation"))?.ok_or(LedgerError::Conflict)
        })
        .await
    }

    async fn turn_holder(&self, cluster: &str) -> Result<Option<OperationId>, LedgerError> {
        let cluster = cluster.to_owned();
        self.read(move |connection| {
            let holder = "SELECT operation FROM turns WHERE cluster = ?1";
            first(connection, holder, [cluster], |row| text(row, "operation"))
        })
        .await
    }

    async fn batch_of(&self, operation: &OperationId) -> Result<Option<BatchId>, LedgerError> {
        let operation = operation.clone();
        self.read(move |connection| {
            let sql = "SELECT batch FROM batch_hosts WHERE operation = ?1";
            first(connection, sql, [operation.as_str()], |row| text(row, "batch"))
        })
        .await
    }

    async fn give_back_turn(&self, operation: &OperationId) -> Result<(), LedgerError> {
        let operation = operation.clone();
        self.write(move |write| give_back_turn(write, &operation)).await
    }
}

/// Writes an operation that begins.
pub(super) fn insert_operation(write: &Write<'_>, operation: &Operation) -> Result<(), LedgerError> {
    execute(
        write,
        "INSERT INTO operations (id, host, plan, steps, started_at, program) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            operation.id.as_str(),
            operation.host.as_str(),
            operation.plan,
            to_json(&operation.steps)?,
            operation.started_at.to_string(),
            PROGRAM,
        ],
    )?;
    Ok(())
}

/// Ends what earlier rebuilds of a host left open: a `cancelled` entry where the journal is not over yet, secrets erased, turn given back.
pub(super) fn supersede_operations(write: &Write<'_>, host: &HostId, now: Timestamp) -> Result<(), LedgerError> {
    end_operations(write, host, "a newer rebuild of this host began", now)?;
    let not_ended = "SELECT operation FROM rebuilds WHERE host = ?1 AND ended_at IS NULL";
    for id in all(write, not_ended, [host.as_str()], |row| text::<OperationId>(row, "operation"))? {
        erase_secrets(write, &id, now)?;
    }
    Ok(())
}

/// Ends the operations of a host that are open: a `cancelled` entry where the journal is not over yet, and the turn given back. Returns
/// how many were cancelled.
pub(super) fn end_operations(
    write: &Write<'_>,
    host: &HostId,
    reason: &str,
    now: Timestamp,
) -> Result<usize, LedgerError> {
    let open = "SELECT id FROM operations WHERE host = ?1 AND closed_at IS NULL ORDER BY number";
    let mut cancelled = 0;
    for id in all(write, open, [host.as_str()], |row| text::<OperationId>(row, "id"))? {
        let Some((operation, journal)) = find_operation(write, &id)? else { continue };
        let is_over = fold(&operation, &journal).status.is_over();
        if !is_over {
            cancelled += 1;
            let reason = reason.to_owned();
            let message = format!("the operation was cancelled: {reason}");
            let entry = JournalEntry { at: now, step: String::new(), event: JournalEvent::Cancelled { reason } };
            append_entry(write, &id, journal.len(), &entry)?;
            let (host, operation) = (Some(host.clone()), Some(id.clone()));
            tell(write, &NewLiveEvent { topic: Topic::Operation, host, operation, message }, now)?;
        }
        close_operation(write, &id, now)?;
    }
    Ok(cancelled)
}

fn append_entry(
    write: &Write<'_>,
    operation: &OperationId,
    length: usize,
    entry: &JournalEntry,
) -> Result<(), LedgerError> {
    let sql = "SELECT (SELECT count(*) FROM journal WHERE operation = id) FROM operations WHERE id = ?1";
    let written: Option<i64> = first(write, sql, [operation.as_str()], |row| Ok(row.get(0)?))?;
    let expected = i64::try_from(length).map_err(|_| LedgerError::Conflict)?;
    if written != Some(expected) {
        return Err(LedgerError::Conflict);
    }
    execute(
        write,
        "INSERT INTO journal (operation, position, at, step, event, program) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![operation.as_str(), expected, entry.at.to_string(), entry.step, to_json(&entry.event)?, PROGRAM],
    )?;
    note_entry(write, operation, entry)
}

fn close_operation(write: &Write<'_>, operation: &OperationId, now: Timestamp) -> Result<(), LedgerError> {
    execute(
        write,
        "UPDATE operations SET closed_at = coalesce(closed_at, ?2) WHERE id = ?1",
        params![operation.as_str(), now.to_string()],
    )?;
    give_back_turn(write, operation)
}

fn give_back_turn(write: &Write<'_>, operation: &OperationId) -> Result<(), LedgerError> {
    execute(write, "DELETE FROM turns WHERE operation = ?1", [operation.as_str()])?;
    Ok(())
}

fn find_operation(
    connection: &Connection,
    id: &OperationId,
) -> Result<Option<(Operation, Vec<JournalEntry>)>, LedgerError> {
    let operation = first(connection, "SELECT * FROM operations WHERE id = ?1", [id.as_str()], read_operation)?;
    let Some(operation) = operation else { return Ok(None) };
    let sql = "SELECT * FROM journal WHERE operation = ?1 ORDER BY position";
    let journal = all(connection, sql, [id.as_str()], read_entry)?;
    Ok(Some((operation, journal)))
}

/// Several operations, their ids a list in JSON.
fn find_operations(connection: &Connection, ids: &str) -> Result<Vec<(Operation, Vec<JournalEntry>)>, LedgerError> {
    let sql = "SELECT * FROM operations WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY number";
    let operations = all(connection, sql, [ids], read_operation)?;
    let sql = "SELECT * FROM journal WHERE operation IN (SELECT value FROM json_each(?1)) ORDER BY operation, position";
    let mut journals: HashMap<OperationId, Vec<JournalEntry>> = HashMap::with_capacity(operations.len());
    for (id, entry) in all(connection, sql, [ids], |row| Ok((text(row, "operation")?, read_entry(row)?)))? {
        journals.entry(id).or_default().push(entry);
    }
    let found = operations.into_iter().map(|operation| {
        let journal = journals.remove(&operation.id).unwrap_or_default();
        (operation, journal)
    });
    Ok(found.collect())
}

pub(super) fn read_operation(row: &Row<'_>) -> Result<Operation, LedgerError> {
    Ok(Operation {
        id: text(row, "id")?,
        host: text(row, "host")?,
        plan: row.get("plan")?,
        steps: json(row, "steps")?,
        started_at: text(row, "started_at")?,
        program: row.get("program")?,
    })
}

pub(super) fn read_entry(row: &Row<'_>) -> Result<JournalEntry, LedgerError> {
    Ok(JournalEntry { at: text(row, "at")?, step: row.get("step")?, event: read_event(row)? })
}

/// Reads an event. What another version of the program wrote is no reason to lose the rest of the journal.
fn read_event(row: &Row<'_>) -> Result<JournalEvent, LedgerError> {
    if let Ok(event) = json::<JournalEvent>(row, "event") {
        return Ok(event);
    }
    let fields = json::<serde_json::Value>(row, "event").unwrap_or_default();
    let word = fields["event"].as_str().unwrap_or("something that is no JSON");
    Ok(JournalEvent::Unknown { word: word.chars().take(LONGEST_WORD).collect(), program: row.get("program")? })
}

/// Writes the output of an attempt over what is kept of it, and forgets the oldest attempts of a step that said too much.
fn keep_output(write: &Write<'_>, operation: &OperationId, output: &StepOutput) -> Result<(), LedgerError> {
    execute(
        write,
        "INSERT INTO step_outputs (operation, step, attempt, at, text) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (operation, step, attempt) DO UPDATE SET at = excluded.at, text = excluded.text",
        params![operation.as_str(), output.step, output.attempt, output.at.to_string(), output.text],
    )?;
    execute(
        write,
        "DELETE FROM step_outputs WHERE operation = ?1 AND step = ?2 AND attempt <= (
             SELECT max(attempt) FROM (
                 SELECT attempt, sum(length(CAST(text AS BLOB))) OVER (ORDER BY attempt DESC) AS bytes
                 FROM step_outputs WHERE operation = ?1 AND step = ?2
             ) WHERE bytes > ?3 AND attempt < ?4)",
        params![operation.as_str(), output.step, MOST_OUTPUT, output.attempt],
    )?;
    Ok(())
}
