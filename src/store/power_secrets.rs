//! The sealed secrets of power drivers.

use async_trait::async_trait;
use rusqlite::params;

use super::{
    Store,
    columns::{execute, first},
};
use crate::{
    domain::identity::HostId,
    ports::{LedgerError, PowerSecrets},
};

#[async_trait]
impl PowerSecrets for Store {
    async fn power_secret(&self, host: &HostId) -> Result<Option<Vec<u8>>, LedgerError> {
        let host = host.clone();
        self.read(move |connection| {
            let sql = "SELECT sealed FROM power_secrets WHERE host = ?1";
            first(connection, sql, [host.as_str()], |row| Ok(row.get("sealed")?))
        })
        .await
    }

    async fn set_power_secret(&self, host: &HostId, sealed: Option<&[u8]>) -> Result<bool, LedgerError> {
        let (host, sealed) = (host.clone(), sealed.map(<[u8]>::to_vec));
        self.write(move |write| {
            let known = first(write, "SELECT 1 AS known FROM hosts WHERE id = ?1", [host.as_str()], |_| Ok(()))?;
            if known.is_none() {
                return Ok(false);
            }
            // Deleted and written anew: an update could leave the end of a longer one in its page.
            if execute(write, "DELETE FROM power_secrets WHERE host = ?1", [host.as_str()])? > 0 {
                write.note_erased();
            }
            if let Some(sealed) = sealed {
                let sql = "INSERT INTO power_secrets (host, sealed) VALUES (?1, ?2)";
                execute(write, sql, params![host.as_str(), sealed])?;
            }
            Ok(true)
        })
        .await
    }
}
