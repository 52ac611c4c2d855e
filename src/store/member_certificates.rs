//! The fingerprints of members' certificates.

use std::net::Ipv4Addr;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::params;

use super::{
    Store,
    columns::{execute, first},
};
use crate::ports::{LedgerError, MemberCertificates};

#[async_trait]
impl MemberCertificates for Store {
    async fn pin(&self, address: Ipv4Addr, fingerprint: &str, now: Timestamp) -> Result<String, LedgerError> {
        let fingerprint = fingerprint.to_owned();
        self.write(move |write| {
            let sql = "INSERT OR IGNORE INTO member_certificates (address, fingerprint, seen_at) VALUES (?1, ?2, ?3)";
            execute(write, sql, params![address.to_string(), fingerprint, now.to_string()])?;
            let pinned = "SELECT fingerprint FROM member_certificates WHERE address = ?1";
            first(write, pinned, [address.to_string()], |row| Ok(row.get(0)?))?.ok_or(LedgerError::Conflict)
        })
        .await
    }

    async fn replace_pin(&self, address: Ipv4Addr, fingerprint: &str, now: Timestamp) -> Result<(), LedgerError> {
        let fingerprint = fingerprint.to_owned();
        self.write(move |write| {
            let sql = "INSERT OR REPLACE INTO member_certificates (address, fingerprint, seen_at) VALUES (?1, ?2, ?3)";
            execute(write, sql, params![address.to_string(), fingerprint, now.to_string()])?;
            Ok(())
        })
        .await
    }

    async fn forget_pin(&self, address: Ipv4Addr) -> Result<(), LedgerError> {
        self.write(move |write| {
            execute(write, "DELETE FROM member_certificates WHERE address = ?1", [address.to_string()])?;
            Ok(())
        })
        .await
    }
}
