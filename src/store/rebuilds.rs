//! Rebuilds, their sealed secrets, and the hashes of their tokens.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Row, named_params, params};

use super::{
    Store,
    columns::{all, execute, first, json, optional_json, optional_text, text, to_json},
    images::require_image,
    live_feed::tell,
    writer::Write,
};
use crate::{
    domain::{
        answer::ServedAnswer,
        change::OpenedRebuild,
        identity::{HostId, OperationId},
        live_event::NewLiveEvent,
        rebuild::{Rebuild, RebuildMarks, SealedSecrets, TokenHash, TokenRecord},
        server_type::ServerType,
    },
    ports::{LedgerError, RebuildLedger},
};

/// A rebuild with its secrets, if it still has them; the place for the condition is at the end.
const SELECT_REBUILD: &str = "SELECT rebuilds.*, sealed_secrets.token_secret, sealed_secrets.private_key
                              FROM rebuilds LEFT JOIN sealed_secrets USING (operation)";

#[async_trait]
impl RebuildLedger for Store {
    async fn rebuild(&self, operation: &OperationId) -> Result<Option<Rebuild>, LedgerError> {
        let operation = operation.clone();
        self.read(move |connection| find_rebuild(connection, &operation)).await
    }

    async fn rebuilds(&self, operations: &[OperationId]) -> Result<Vec<Rebuild>, LedgerError> {
        let operations = to_json(&operations)?;
        self.read(move |connection| {
            let sql = format!("{SELECT_REBUILD} WHERE operation IN (SELECT value FROM json_each(?1))");
            all(connection, &sql, [operations], read_rebuild)
        })
        .await
    }

    async fn latest_rebuild(&self, host: &HostId) -> Result<Option<Rebuild>, LedgerError> {
        let host = host.clone();
        self.read(move |connection| {
            let sql = format!(
                "{SELECT_REBUILD} JOIN operations ON operations.id = operation
                 WHERE rebuilds.host = ?1 ORDER BY operations.number DESC LIMIT 1"
            );
            first(connection, &sql, [host.as_str()], read_rebuild)
        })
        .await
    }

    async fn served_answer(&self, host: &HostId) -> Result<Option<ServedAnswer>, LedgerError> {
        self.read_served_answer(host).await
    }

    async fn token(&self, hash: &TokenHash) -> Result<Option<TokenRecord>, LedgerError> {
        let hash = *hash;
        self.read(move |connection| {
            first(connection, "SELECT * FROM tokens WHERE hash = ?1", [hash.as_slice()], |row| {
                Ok(TokenRecord {
                    operation: text(row, "operation")?,
                    host: text(row, "host")?,
                    purpose: text(row, "purpose")?,
                    spent_at: optional_text(row, "spent_at")?,
                })
            })
        })
        .await
    }

    async fn mark(
        &self,
        operation: &OperationId,
        marks: &RebuildMarks,
        spends: Option<(&TokenHash, Timestamp)>,
        feed: Option<&NewLiveEvent>,
        now: Timestamp,
    ) -> Result<Rebuild, LedgerError> {
        let (operation, marks, feed) = (operation.clone(), marks.clone(), feed.cloned());
        let spends = spends.map(|(hash, at)| (*hash, at));
        self.write(move |write| {
            write_marks(write, &operation, None, &marks)?;
            if let Some((hash, at)) = spends {
                spend_token(write, &hash, &operation, at)?;
            }
            if let Some(event) = feed {
                tell(write, &event, now)?;
            }
            find_rebuild(write, &operation)?.ok_or(LedgerError::Conflict)
        })
        .await
    }

    async fn end(&self, operation: &OperationId, now: Timestamp) -> Result<(), LedgerError> {
        let operation = operation.clone();
        self.write(move |write| erase_secrets(write, &operation, now)).await
    }
}

/// Writes a rebuild that begins, with its secrets and tokens.
pub(super) fn insert_rebuild(write: &Write<'_>, opened: &OpenedRebuild) -> Result<(), LedgerError> {
    let rebuild = &opened.rebuild;
    require_image(write, &rebuild.image)?;
    execute(
        write,
        "INSERT INTO rebuilds (operation, host, server_type, server_type_settings, template, template_text, image, public_key,
             requested_at, armed_until, ended_at, answer_options, leaves, overridden)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        params![
            rebuild.operation.as_str(),
            rebuild.host.as_str(),
            rebuild.server_type.name.as_str(),
            to_json(&settings_of(&rebuild.server_type)?)?,
            rebuild.template.as_str(),
            rebuild.template_text,
            rebuild.image.as_str(),
            rebuild.public_key,
            rebuild.requested_at.to_string(),
            rebuild.armed_until.to_string(),
            rebuild.ended_at.map(|at| at.to_string()),
            to_json(&rebuild.answer)?,
            rebuild.leaves.map(|address| address.to_string()),
            rebuild.overridden.as_ref().map(to_json).transpose()?,
        ],
    )?;
    write_marks(write, &rebuild.operation, None, &rebuild.marks)?;
    if let Some(sealed) = &rebuild.sealed {
        execute(
            write,
            "INSERT INTO sealed_secrets (operation, token_secret, private_key) VALUES (?1, ?2, ?3)",
            params![rebuild.operation.as_str(), sealed.token_secret, sealed.private_key],
        )?;
    }
    for (purpose, hash) in &opened.tokens {
        execute(
            write,
            "INSERT INTO tokens (hash, operation, host, purpose) VALUES (?1, ?2, ?3, ?4)",
            params![hash.as_slice(), rebuild.operation.as_str(), rebuild.host.as_str(), purpose.word()],
        )?;
    }
    Ok(())
}

/// The settings of a server type without its name, as its YAML would say them: the reader refuses keys that it does not know.
fn settings_of(server_type: &ServerType) -> Result<serde_json::Value, LedgerError> {
    let mut settings = serde_json::to_value(server_type)
        .map_err(|error| LedgerError::Database(format!("a server type cannot be written: {error}")))?;
    if let Some(keys) = settings.as_object_mut() {
        keys.remove("name");
    }
    Ok(settings)
}

/// Writes what has been seen of the machine; what is written already stays. Conflict when there is no such rebuild (of this host).
pub(super) fn write_marks(
    write: &Write<'_>,
    operation: &OperationId,
    host: Option<&HostId>,
    marks: &RebuildMarks,
) -> Result<(), LedgerError> {
    let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let marked = execute(
        write,
        "UPDATE rebuilds SET
             script_address = coalesce(script_address, :script_address),
             image_address = coalesce(image_address, :image_address),
             leaving_at = coalesce(leaving_at, :leaving_at),
             left_cluster_at = coalesce(left_cluster_at, :left_cluster_at),
             answered_at = coalesce(answered_at, :answered_at),
             machine_fingerprint = coalesce(machine_fingerprint, :machine_fingerprint),
             first_boot_fetched_at = coalesce(first_boot_fetched_at, :first_boot_fetched_at),
             installed_at = coalesce(installed_at, :installed_at),
             phoned_home_at = coalesce(phoned_home_at, :phoned_home_at),
             host_key_confirmed_at = coalesce(host_key_confirmed_at, :host_key_confirmed_at),
             refused = coalesce(refused, :refused),
             failure_reported_at = coalesce(:failure_reported_at, failure_reported_at),
             reported_failure = coalesce(:reported_failure, reported_failure)
         WHERE operation = :operation AND host = coalesce(:host, host)",
        named_params! {
            ":operation": operation.as_str(),
            ":host": host.map(HostId::as_str),
            ":script_address": marks.script_address.map(|address| address.to_string()),
            ":image_address": marks.image_address.map(|address| address.to_string()),
            ":leaving_at": moment(marks.leaving_at),
            ":left_cluster_at": moment(marks.left_cluster_at),
            ":answered_at": moment(marks.answered_at),
            ":machine_fingerprint": marks.machine_fingerprint,
            ":first_boot_fetched_at": moment(marks.first_boot_fetched_at),
            ":installed_at": moment(marks.installed_at),
            ":phoned_home_at": moment(marks.phoned_home_at),
            ":host_key_confirmed_at": moment(marks.host_key_confirmed_at),
            ":refused": marks.refused,
            ":failure_reported_at": moment(marks.reported_failure.as_ref().map(|(at, _)| *at)),
            ":reported_failure": marks.reported_failure.as_ref().map(|(_, text)| text),
        },
    )?;
    if marked == 1 { Ok(()) } else { Err(LedgerError::Conflict) }
}

/// Spends a token of this rebuild without a move of the host; the first time counts.
fn spend_token(write: &Write<'_>, hash: &TokenHash, operation: &OperationId, at: Timestamp) -> Result<(), LedgerError> {
    let spent = execute(
        write,
        "UPDATE tokens SET spent_at = coalesce(spent_at, ?3) WHERE hash = ?1 AND operation = ?2",
        params![hash.as_slice(), operation.as_str(), at.to_string()],
    )?;
    if spent == 1 { Ok(()) } else { Err(LedgerError::Conflict) }
}

/// Erases the secrets of a rebuild and notes its end; its tokens stay known until the host's next rebuild. Idempotent.
pub(super) fn erase_secrets(write: &Write<'_>, operation: &OperationId, at: Timestamp) -> Result<(), LedgerError> {
    execute(write, "DELETE FROM sealed_secrets WHERE operation = ?1", [operation.as_str()])?;
    let ended = execute(
        write,
        "UPDATE rebuilds SET ended_at = ?2 WHERE operation = ?1 AND ended_at IS NULL",
        params![operation.as_str(), at.to_string()],
    )?;
    if ended > 0 {
        write.note_erased();
    }
    Ok(())
}

/// Deletes every token of a host: from now on they are unknown, also those that were never spent.
pub(super) fn forget_tokens(write: &Write<'_>, host: &HostId) -> Result<(), LedgerError> {
    execute(write, "DELETE FROM tokens WHERE host = ?1", [host.as_str()])?;
    Ok(())
}

fn find_rebuild(connection: &Connection, operation: &OperationId) -> Result<Option<Rebuild>, LedgerError> {
    first(connection, &format!("{SELECT_REBUILD} WHERE operation = ?1"), [operation.as_str()], read_rebuild)
}

/// The rebuilds of these operations, which are given as a JSON list.
pub(super) fn find_rebuilds(connection: &Connection, operations: &str) -> Result<Vec<Rebuild>, LedgerError> {
    let sql = format!("{SELECT_REBUILD} WHERE operation IN (SELECT value FROM json_each(?1))");
    all(connection, &sql, [operations], read_rebuild)
}

fn read_rebuild(row: &Row<'_>) -> Result<Rebuild, LedgerError> {
    let token_secret: Option<Vec<u8>> = row.get("token_secret")?;
    let private_key: Option<Vec<u8>> = row.get("private_key")?;
    Ok(Rebuild {
        operation: text(row, "operation")?,
        host: text(row, "host")?,
        server_type: ServerType { name: text(row, "server_type")?, ..json(row, "server_type_settings")? },
        template: text(row, "template")?,
        template_text: row.get("template_text")?,
        answer: json(row, "answer_options")?,
        image: text(row, "image")?,
        public_key: row.get("public_key")?,
        sealed: token_secret
            .zip(private_key)
            .map(|(token_secret, private_key)| SealedSecrets { token_secret, private_key }),
        leaves: optional_text(row, "leaves")?,
        overridden: optional_json(row, "overridden")?,
        requested_at: text(row, "requested_at")?,
        armed_until: text(row, "armed_until")?,
        ended_at: optional_text(row, "ended_at")?,
        marks: RebuildMarks {
            script_address: optional_text(row, "script_address")?,
            image_address: optional_text(row, "image_address")?,
            leaving_at: optional_text(row, "leaving_at")?,
            left_cluster_at: optional_text(row, "left_cluster_at")?,
            answered_at: optional_text(row, "answered_at")?,
            machine_fingerprint: row.get("machine_fingerprint")?,
            first_boot_fetched_at: optional_text(row, "first_boot_fetched_at")?,
            installed_at: optional_text(row, "installed_at")?,
            phoned_home_at: optional_text(row, "phoned_home_at")?,
            host_key_confirmed_at: optional_text(row, "host_key_confirmed_at")?,
            refused: row.get("refused")?,
            reported_failure: optional_text(row, "failure_reported_at")?
                .zip(row.get::<_, Option<String>>("reported_failure")?),
        },
    })
}
