//! Where sightings and records of boots survive a restart. They live in memory; what is written here may be some seconds old.

use async_trait::async_trait;

use super::LedgerError;
use crate::domain::{
    boot_record::BootRecord,
    identity::{HostId, MacAddress},
    sighting::Sighting,
};

/// Keeps machines that were seen and are not registered.
#[async_trait]
pub trait SightingLedger: Send + Sync {
    /// Returns all that are kept. One that cannot be understood is left out: it will be seen again.
    async fn sightings(&self) -> Result<Vec<Sighting>, LedgerError>;

    /// In one transaction: writes those that changed, and forgets every one that is not among `kept`.
    async fn keep_sightings(&self, changed: Vec<Sighting>, kept: Vec<MacAddress>) -> Result<(), LedgerError>;
}

/// Keeps what was seen of the boots of hosts, one record for each.
#[async_trait]
pub trait BootRecordLedger: Send + Sync {
    /// Returns the record of every host that has one. One that cannot be understood is left out.
    async fn boot_records(&self) -> Result<Vec<(MacAddress, BootRecord)>, LedgerError>;

    /// Writes records in one transaction; those of hosts that are gone are left out.
    async fn keep_boot_records(&self, records: Vec<(HostId, BootRecord)>) -> Result<(), LedgerError>;
}
