//! What the key file has sealed, and what becomes of it when the key file is lost.

use std::path::Path;

use rusqlite::{Connection, params};
use secrecy::ExposeSecret;

use super::{
    KeyFile, Store, StoreError,
    columns::{execute, first},
    connection::{DATABASE_FILE, open_existing},
    secrets::key_path,
};
use crate::ports::{LedgerError, Secrets};

/// Every table with sealed columns, and what a person calls its rows. A test holds that no sealed column is missing here.
pub(super) const SEALED: &[(&str, &str)] = &[
    ("sealed_secrets", "keys of rebuilds under way"),
    ("power_secrets", "passwords and tokens that switch machines on"),
    ("gate_key", "the key of the join gates"),
];
/// The place and the text of the row by which another key file is noticed.
const CHECK_PLACE: &str = "key_check";
const CHECK_TEXT: &[u8] = b"rackseed";

impl Store {
    /// Opens the key file that belongs to this database; at the first start it is made. Refused when it is gone or another one while the
    /// database has secrets that it sealed: a new key would lose them without a word.
    pub async fn open_key(&self, data_folder: &Path) -> Result<KeyFile, StoreError> {
        let path = data_folder.join(DATABASE_FILE);
        let failed = |error: LedgerError| StoreError::Unreadable { path: path.clone(), reason: error.to_string() };
        let (sealed, check) =
            self.read(|connection| Ok((sealed_rows(connection)?, check(connection)?))).await.map_err(failed)?;
        if !sealed.is_empty() && !key_path(data_folder).exists() {
            return Err(StoreError::KeyLost { path: key_path(data_folder), lost: words(&sealed) });
        }
        let key = KeyFile::open(data_folder)?;
        let opens = |check: &Vec<u8>| key.open(CHECK_PLACE, check).is_ok_and(|text| text.expose_secret() == CHECK_TEXT);
        if check.as_ref().is_some_and(opens) {
            return Ok(key);
        }
        if check.is_some() && !sealed.is_empty() {
            return Err(StoreError::KeyOther { path: key_path(data_folder), lost: words(&sealed) });
        }
        let sealed_check = key.seal(CHECK_PLACE, CHECK_TEXT).map_err(|error| failed(LedgerError::Database(error.0)))?;
        self.write(move |write| {
            let sql =
                "INSERT INTO key_check (number, sealed) VALUES (1, ?1) ON CONFLICT (number) DO UPDATE SET sealed = ?1";
            execute(write, sql, params![sealed_check]).map(drop)
        })
        .await
        .map_err(failed)?;
        Ok(key)
    }

    /// Erases everything that the lost key sealed. Returns what that was, in words; empty when there was nothing.
    pub async fn erase_sealed(&self) -> Result<String, LedgerError> {
        self.write(|write| {
            let sealed = sealed_rows(write)?;
            // The gates know the lost key alone, so that they are none any more.
            for table in SEALED.iter().map(|(table, _)| *table).chain(["gates", "key_check"]) {
                execute(write, &format!("DELETE FROM {table}"), [])?;
            }
            write.note_erased();
            Ok(words(&sealed))
        })
        .await
    }
}

/// Says what the key file of a data folder has sealed there, without changing anything; empty when that is nothing.
pub fn sealed_in(data_folder: &Path) -> Result<String, StoreError> {
    let path = data_folder.join(DATABASE_FILE);
    sealed_rows(&open_existing(data_folder)?)
        .map(|rows| words(&rows))
        .map_err(|error| StoreError::Unreadable { path, reason: error.to_string() })
}

fn sealed_rows(connection: &Connection) -> Result<Vec<(u64, &'static str)>, LedgerError> {
    let mut found = Vec::new();
    for (table, name) in SEALED {
        let sql = format!("SELECT count(*) FROM {table}");
        let count = first(connection, &sql, [], |row| Ok(row.get::<_, i64>(0)?))?.unwrap_or_default();
        if count > 0 {
            found.push((u64::try_from(count).unwrap_or_default(), *name));
        }
    }
    Ok(found)
}

fn check(connection: &Connection) -> Result<Option<Vec<u8>>, LedgerError> {
    first(connection, "SELECT sealed FROM key_check", [], |row| Ok(row.get(0)?))
}

fn words(sealed: &[(u64, &str)]) -> String {
    sealed.iter().map(|(count, name)| format!("{name} ({count})")).collect::<Vec<_>>().join(", ")
}
