//! What was seen of the boots of hosts.

use async_trait::async_trait;
use rusqlite::params;

use super::{
    Store,
    columns::{all, execute, json, text, to_json},
};
use crate::{
    domain::{
        boot_record::BootRecord,
        identity::{HostId, MacAddress},
    },
    ports::{BootRecordLedger, LedgerError},
};

#[async_trait]
impl BootRecordLedger for Store {
    async fn boot_records(&self) -> Result<Vec<(MacAddress, BootRecord)>, LedgerError> {
        let rows = self.read(|connection| {
            let sql = "SELECT mac, record FROM boot_records JOIN hosts ON hosts.id = boot_records.host";
            all(connection, sql, [], |row| {
                let record = json::<BootRecord>(row, "record").ok();
                Ok(record.zip(text::<MacAddress>(row, "mac").ok()))
            })
        });
        Ok(rows.await?.into_iter().flatten().map(|(record, mac)| (mac, record)).collect())
    }

    async fn keep_boot_records(&self, records: Vec<(HostId, BootRecord)>) -> Result<(), LedgerError> {
        self.write(move |write| {
            for (host, record) in &records {
                let sql = "INSERT INTO boot_records (host, record) SELECT id, ?2 FROM hosts WHERE id = ?1
                           ON CONFLICT (host) DO UPDATE SET record = excluded.record";
                execute(write, sql, params![host.as_str(), to_json(record)?])?;
            }
            Ok(())
        })
        .await
    }
}
