//! Operations of the past, a page at a time: three queries, however many operations the page has.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::{
    columns::{all, text, to_json},
    operations::{read_entry, read_operation},
    rebuilds::find_rebuilds,
};
use crate::{
    domain::{
        identity::{HostId, OperationId},
        operation::JournalEntry,
        questions::{OperationGroup, OperationQuestion},
        rebuild::Rebuild,
    },
    ports::{LedgerError, OperationRecord},
};

/// The newest entry of a journal that waits for a person. Nothing is written behind it before one decides.
const IS_PARKED: &str =
    "coalesce((SELECT event FROM journal WHERE operation = operations.id ORDER BY position DESC LIMIT 1), '')
                         LIKE '{\"event\":\"parked\"%'";

/// Finds what a question asks for.
pub(super) fn asked_operations(
    connection: &Connection,
    asked: &OperationQuestion,
) -> Result<Vec<OperationRecord>, LedgerError> {
    let of_group = match asked.group {
        None => "true".to_owned(),
        Some(OperationGroup::Running) => format!("closed_at IS NULL AND NOT {IS_PARKED}"),
        Some(OperationGroup::NeedsAttention) => format!("closed_at IS NULL AND {IS_PARKED}"),
        Some(OperationGroup::Ended) => "closed_at IS NOT NULL".to_owned(),
    };
    let sql = format!(
        "SELECT operations.*, hosts.hostname FROM operations JOIN hosts ON hosts.id = host
         WHERE (?1 IS NULL OR host = ?1) AND (?2 IS NULL OR plan = ?2)
           AND (?3 IS NULL OR operations.id IN (SELECT operation FROM rebuilds WHERE rebuilds.server_type = ?3))
           AND (?4 IS NULL OR number < (SELECT number FROM operations WHERE id = ?4))
           AND (?6 IS NULL OR operations.id IN (SELECT batch_hosts.operation FROM batch_hosts WHERE batch = ?6))
           AND {of_group}
         ORDER BY number DESC LIMIT ?5"
    );
    let parameters = params![
        asked.host.as_ref().map(HostId::as_str),
        asked.plan,
        asked.server_type.as_ref().map(|name| name.as_str()),
        asked.before.as_ref().map(OperationId::as_str),
        asked.limit,
        asked.batch.as_ref().map(|batch| batch.as_str()),
    ];
    let found = all(connection, &sql, parameters, |row| {
        let is_open = row.get::<_, Option<String>>("closed_at")?.is_none();
        Ok((read_operation(row)?, row.get::<_, String>("hostname")?, is_open))
    })?;
    let ids: Vec<&str> = found.iter().map(|(operation, ..)| operation.id.as_str()).collect();
    let open: Vec<&str> = found.iter().filter(|(.., is_open)| *is_open).map(|(found, ..)| found.id.as_str()).collect();
    let mut journals = journals(connection, &to_json(&ids)?)?;
    let rebuilds = find_rebuilds(connection, &to_json(&open)?)?.into_iter();
    let mut rebuilds: HashMap<OperationId, Rebuild> =
        rebuilds.map(|rebuild| (rebuild.operation.clone(), rebuild)).collect();
    let record = |(operation, hostname, _): (crate::domain::operation::Operation, String, bool)| OperationRecord {
        journal: journals.remove(&operation.id).unwrap_or_default(),
        rebuild: rebuilds.remove(&operation.id),
        operation,
        hostname,
    };
    Ok(found.into_iter().map(record).collect())
}

fn journals(connection: &Connection, ids: &str) -> Result<HashMap<OperationId, Vec<JournalEntry>>, LedgerError> {
    let sql = "SELECT * FROM journal WHERE operation IN (SELECT value FROM json_each(?1)) ORDER BY operation, position";
    let mut journals: HashMap<OperationId, Vec<JournalEntry>> = HashMap::new();
    for (operation, entry) in all(connection, sql, [ids], |row| Ok((text(row, "operation")?, read_entry(row)?)))? {
        journals.entry(operation).or_default().push(entry);
    }
    Ok(journals)
}
