//! The sealed key of the join gate, and the members that have the gate.

use std::net::Ipv4Addr;

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::{
    Store,
    columns::{all, execute, first, text},
};
use crate::{
    domain::gate::Gate,
    ports::{GateLedger, LedgerError},
};

#[async_trait]
impl GateLedger for Store {
    async fn gate_key(&self) -> Result<Option<Vec<u8>>, LedgerError> {
        self.read(find_key).await
    }

    async fn keep_gate_key(&self, sealed: &[u8]) -> Result<Vec<u8>, LedgerError> {
        let sealed = sealed.to_vec();
        self.write(move |write| {
            execute(write, "INSERT OR IGNORE INTO gate_key (number, sealed) VALUES (1, ?1)", params![sealed])?;
            find_key(write)?.ok_or(LedgerError::Conflict)
        })
        .await
    }

    async fn gates(&self) -> Result<Vec<Gate>, LedgerError> {
        self.read(|connection| {
            all(connection, "SELECT * FROM gates", [], |row| {
                Ok(Gate {
                    address: text(row, "address")?,
                    ssh_host_key: row.get("ssh_host_key")?,
                    node: row.get("node")?,
                    script_sha256: row.get("script_sha256")?,
                    installed_at: text(row, "installed_at")?,
                })
            })
        })
        .await
        .map(|mut gates| {
            gates.sort_by_key(|gate| gate.address);
            gates
        })
    }

    async fn set_gate(&self, gate: &Gate) -> Result<(), LedgerError> {
        let gate = gate.clone();
        self.write(move |write| {
            execute(
                write,
                "INSERT OR REPLACE INTO gates (address, ssh_host_key, node, script_sha256, installed_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    gate.address.to_string(),
                    gate.ssh_host_key,
                    gate.node,
                    gate.script_sha256,
                    gate.installed_at.to_string(),
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn forget_gate(&self, address: Ipv4Addr) -> Result<bool, LedgerError> {
        self.write(move |write| Ok(execute(write, "DELETE FROM gates WHERE address = ?1", [address.to_string()])? > 0))
            .await
    }
}

fn find_key(connection: &Connection) -> Result<Option<Vec<u8>>, LedgerError> {
    first(connection, "SELECT sealed FROM gate_key", [], |row| Ok(row.get("sealed")?))
}
