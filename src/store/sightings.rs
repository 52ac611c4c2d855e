//! Machines that were seen and are not registered.

use async_trait::async_trait;
use rusqlite::params;

use super::{
    Store,
    columns::{all, execute, json, to_json},
};
use crate::{
    domain::{identity::MacAddress, sighting::Sighting},
    ports::{LedgerError, SightingLedger},
};

#[async_trait]
impl SightingLedger for Store {
    async fn sightings(&self) -> Result<Vec<Sighting>, LedgerError> {
        let rows = self.read(|connection| {
            all(connection, "SELECT sighting FROM sightings", [], |row| Ok(json::<Sighting>(row, "sighting").ok()))
        });
        Ok(rows.await?.into_iter().flatten().collect())
    }

    async fn keep_sightings(&self, changed: Vec<Sighting>, kept: Vec<MacAddress>) -> Result<(), LedgerError> {
        self.write(move |write| {
            for sighting in &changed {
                let sql = "INSERT INTO sightings (mac, sighting) VALUES (?1, ?2)
                           ON CONFLICT (mac) DO UPDATE SET sighting = excluded.sighting";
                execute(write, sql, params![sighting.mac.to_string(), to_json(sighting)?])?;
            }
            let sql = "DELETE FROM sightings WHERE mac NOT IN (SELECT value FROM json_each(?1))";
            execute(write, sql, [to_json(&kept)?])?;
            Ok(())
        })
        .await
    }
}
