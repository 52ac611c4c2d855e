//! The outbox of notifications: moments are written in the transaction of what happened, each target takes its deliveries from them.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{
    Store,
    columns::{all, execute, first, number, optional_text, text, to_json},
    writer::Write,
};
use crate::{
    domain::{
        batch::Batch,
        change::Change,
        delivery::{Delivery, DeliveryState, MOST_ATTEMPTS},
        host_lifecycle::HostState,
        identity::{HostId, OperationId},
        notification::{Moment, MomentKind},
        operation::{JournalEntry, JournalEvent},
    },
    ports::{LedgerError, NotificationLedger, Outbox},
};

/// How many moments are kept, and with them their deliveries. A target that is dead for longer than it takes to fill them loses the oldest.
const MOMENTS_KEPT: i64 = 1_000;
/// How many of a target's latest messages are read to count those of the last hour; no target may be told more in one.
const SENT_READ: u32 = 200;

const DELIVERY: &str =
    "SELECT deliveries.*, moments.at, moments.kind, moments.host, moments.hostname, moments.operation, moments.batch,
                               moments.detail
                        FROM deliveries JOIN moments ON moments.number = deliveries.moment";

#[async_trait]
impl NotificationLedger for Store {
    async fn keep_targets(&self, names: &[String], now: Timestamp) -> Result<(), LedgerError> {
        let names = names.to_vec();
        self.write(move |write| {
            for name in &names {
                let sql = "INSERT INTO notification_targets (name, up_to)
                           SELECT ?1, coalesce((SELECT max(number) FROM moments), 0) WHERE true
                           ON CONFLICT (name) DO NOTHING";
                execute(write, sql, [name])?;
            }
            let names = to_json(&names)?;
            execute(
                write,
                "UPDATE deliveries SET state = 'given_up', ended_at = ?2, problem = 'the target is not in the settings any more'
                 WHERE state = 'waiting' AND target NOT IN (SELECT value FROM json_each(?1))",
                params![names, now.to_string()],
            )?;
            let sql = "DELETE FROM notification_targets WHERE name NOT IN (SELECT value FROM json_each(?1))";
            execute(write, sql, [names])?;
            Ok(())
        })
        .await
    }

    async fn outbox(&self, target: &str, kinds: &[MomentKind]) -> Result<Outbox, LedgerError> {
        let (target, kinds) = (target.to_owned(), to_json(&kinds)?);
        self.write(move |write| {
            // A target that nobody noted has no place yet, and gets nothing.
            let sql = "INSERT INTO deliveries (moment, target, state)
                       SELECT moments.number, name, 'waiting' FROM moments JOIN notification_targets ON number > up_to
                       WHERE name = ?1 AND kind IN (SELECT value FROM json_each(?2)) ORDER BY moments.number";
            execute(write, sql, params![target, kinds])?;
            let sql = "UPDATE notification_targets SET up_to = (SELECT max(number) FROM moments)
                       WHERE name = ?1 AND up_to < (SELECT max(number) FROM moments)";
            execute(write, sql, [&target])?;
            let sql = format!("{DELIVERY} WHERE target = ?1 AND state = 'waiting' ORDER BY deliveries.number");
            let waiting = all(write, &sql, [&target], read_delivery)?;
            let sql = "SELECT ended_at FROM deliveries WHERE target = ?1 AND state = 'sent' AND message = number
                       ORDER BY number DESC LIMIT ?2";
            let sent = all(write, sql, params![target, SENT_READ], |row| text(row, "ended_at"))?;
            Ok(Outbox { waiting, sent })
        })
        .await
    }

    async fn sent(&self, deliveries: &[i64], now: Timestamp) -> Result<(), LedgerError> {
        let Some(lead) = deliveries.iter().min().copied() else { return Ok(()) };
        let deliveries = to_json(&deliveries)?;
        self.write(move |write| {
            let sql = "UPDATE deliveries SET state = 'sent', ended_at = ?2, attempts = attempts + 1, message = ?3,
                              problem = NULL, not_before = NULL
                       WHERE number IN (SELECT value FROM json_each(?1)) AND state = 'waiting'";
            execute(write, sql, params![deliveries, now.to_string(), lead])?;
            let sql = "UPDATE deliveries SET not_before = NULL
                       WHERE state = 'waiting' AND target = (SELECT target FROM deliveries WHERE number = ?1)";
            execute(write, sql, [lead])?;
            Ok(())
        })
        .await
    }

    async fn not_sent(
        &self,
        deliveries: &[i64],
        problem: &str,
        not_before: Timestamp,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let (deliveries, problem) = (to_json(&deliveries)?, problem.to_owned());
        self.write(move |write| {
            let sql = "UPDATE deliveries SET attempts = attempts + 1, problem = ?2, not_before = ?3
                       WHERE number IN (SELECT value FROM json_each(?1)) AND state = 'waiting'";
            execute(write, sql, params![deliveries, problem, not_before.to_string()])?;
            let sql = "UPDATE deliveries SET state = 'given_up', ended_at = ?2, not_before = NULL
                       WHERE number IN (SELECT value FROM json_each(?1)) AND state = 'waiting' AND attempts >= ?3";
            execute(write, sql, params![deliveries, now.to_string(), MOST_ATTEMPTS])?;
            Ok(())
        })
        .await
    }

    async fn latest_deliveries(&self, limit: u32) -> Result<Vec<Delivery>, LedgerError> {
        self.read(move |connection| {
            let sql = format!("{DELIVERY} ORDER BY deliveries.number DESC LIMIT ?1");
            all(connection, &sql, [limit], read_delivery)
        })
        .await
    }
}

fn read_delivery(row: &Row<'_>) -> Result<Delivery, LedgerError> {
    Ok(Delivery {
        number: row.get("number")?,
        target: row.get("target")?,
        moment: Moment {
            number: row.get("moment")?,
            at: text(row, "at")?,
            kind: text(row, "kind")?,
            host: optional_text(row, "host")?,
            hostname: row.get("hostname")?,
            operation: optional_text(row, "operation")?,
            batch: optional_text(row, "batch")?,
            detail: row.get("detail")?,
        },
        state: text::<DeliveryState>(row, "state")?,
        attempts: number(row, "attempts")?,
        not_before: optional_text(row, "not_before")?,
        ended_at: optional_text(row, "ended_at")?,
        problem: row.get("problem")?,
    })
}

/// Notes the moment that a move of a host is, if it is one. That a rebuild failed is told by its operation, which knows what was touched.
pub(super) fn note_change(write: &Write<'_>, change: &Change) -> Result<(), LedgerError> {
    if change.to != HostState::Ready || change.from == HostState::Ready {
        return Ok(());
    }
    let sql = "SELECT id FROM operations WHERE host = ?1 ORDER BY number DESC LIMIT 1";
    let operation = first(write, sql, [change.host.as_str()], |row| text::<OperationId>(row, "id"))?;
    note(write, MomentKind::Ready, &change.host, operation.as_ref(), &change.because, change.at)
}

/// Notes the moment that a journal entry is, if it is one.
pub(super) fn note_entry(write: &Write<'_>, operation: &OperationId, entry: &JournalEntry) -> Result<(), LedgerError> {
    let (kind, reason) = match &entry.event {
        JournalEvent::Parked { reason } => (MomentKind::NeedsAttention, reason),
        // Who cancelled it knows.
        JournalEvent::Unwinding { .. } if is_cancelling(write, operation)? => return Ok(()),
        JournalEvent::Unwinding { reason } => (MomentKind::Failed, reason),
        JournalEvent::Started
        | JournalEvent::Succeeded { .. }
        | JournalEvent::Failed { .. }
        | JournalEvent::Waiting { .. }
        | JournalEvent::UndoStarted
        | JournalEvent::Undone
        | JournalEvent::UndoFailed { .. }
        | JournalEvent::Skipped { .. }
        | JournalEvent::Retried
        | JournalEvent::Cancelling { .. }
        | JournalEvent::Unknown { .. }
        | JournalEvent::Cancelled { .. } => return Ok(()),
    };
    let host = first(write, "SELECT host FROM operations WHERE id = ?1", [operation.as_str()], |row| {
        text::<HostId>(row, "host")
    })?;
    let Some(host) = host else { return Ok(()) };
    let kind = if is_refused(write, operation, reason)? { MomentKind::Refused } else { kind };
    note(write, kind, &host, Some(operation), reason, entry.at)
}

pub(super) fn is_cancelling(connection: &Connection, operation: &OperationId) -> Result<bool, LedgerError> {
    let sql = "SELECT 1 FROM journal WHERE operation = ?1 AND event LIKE '{\"event\":\"cancelling\"%'";
    Ok(first(connection, sql, [operation.as_str()], |_| Ok(()))?.is_some())
}

/// Whether this is why the rebuild may not go on.
fn is_refused(connection: &Connection, operation: &OperationId, reason: &str) -> Result<bool, LedgerError> {
    let sql = "SELECT 1 FROM rebuilds WHERE operation = ?1 AND refused = ?2";
    Ok(first(connection, sql, params![operation.as_str(), reason], |_| Ok(()))?.is_some())
}

/// Notes a moment within a change, and forgets the oldest.
pub(super) fn note(
    write: &Write<'_>,
    kind: MomentKind,
    host: &HostId,
    operation: Option<&OperationId>,
    detail: &str,
    at: Timestamp,
) -> Result<(), LedgerError> {
    execute(
        write,
        "INSERT INTO moments (at, kind, host, hostname, operation, detail)
         VALUES (?1, ?2, ?3, (SELECT hostname FROM hosts WHERE id = ?3), ?4, ?5)",
        params![at.to_string(), kind.word(), host.as_str(), operation.map(OperationId::as_str), detail],
    )?;
    forget_oldest(write)
}

/// Notes that a batch starts nothing more until a person decides.
pub(super) fn note_paused(write: &Write<'_>, batch: &Batch, at: Timestamp) -> Result<(), LedgerError> {
    let detail = batch.note.as_deref().unwrap_or_default();
    execute(
        write,
        "INSERT INTO moments (at, kind, batch, detail) VALUES (?1, ?2, ?3, ?4)",
        params![at.to_string(), MomentKind::Paused.word(), batch.id.as_str(), detail],
    )?;
    forget_oldest(write)
}

fn forget_oldest(write: &Write<'_>) -> Result<(), LedgerError> {
    let newest = write.last_insert_rowid();
    execute(write, "DELETE FROM moments WHERE number <= ?1", [newest - MOMENTS_KEPT])?;
    Ok(())
}
