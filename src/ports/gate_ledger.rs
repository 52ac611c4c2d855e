//! Where the key of the join gate is kept, sealed, and which members have the gate.

use std::net::Ipv4Addr;

use async_trait::async_trait;

use super::LedgerError;
use crate::domain::gate::Gate;

/// Keeps the gate's key and its members.
#[async_trait]
pub trait GateLedger: Send + Sync {
    /// The sealed key, once there is one.
    async fn gate_key(&self) -> Result<Option<Vec<u8>>, LedgerError>;

    /// Keeps a sealed key unless there is one, and returns the one that is kept now: of two that are made at once, one wins for both.
    async fn keep_gate_key(&self, sealed: &[u8]) -> Result<Vec<u8>, LedgerError>;

    /// Every member that has the gate, by address.
    async fn gates(&self) -> Result<Vec<Gate>, LedgerError>;

    /// Remembers a gate, in the place of what was known of its address.
    async fn set_gate(&self, gate: &Gate) -> Result<(), LedgerError>;

    /// Forgets a gate; false when there is none.
    async fn forget_gate(&self, address: Ipv4Addr) -> Result<bool, LedgerError>;
}
