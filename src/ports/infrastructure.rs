//! The optional inventory service that wants to know of every host that becomes ready.

use async_trait::async_trait;
use serde::Serialize;

use crate::domain::identity::{Hostname, MacAddress};

/// What the service is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostRecord {
    /// The node's name.
    pub hostname: Hostname,
    /// The address of its network card: the key by which a repeat is recognised.
    pub mac: MacAddress,
    /// Its IPv4 address.
    pub ip: std::net::Ipv4Addr,
    /// Its hardware id.
    pub hardware_id: String,
    /// Its server type as the service calls it (setting `infrastructure.server_type_map`).
    pub server_type: String,
}

/// Why the service does not know the host: a sentence with the status or the network's error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the Infrastructure service {0}")]
pub struct InfrastructureError(pub String);

/// Tells the inventory service.
#[async_trait]
pub trait Infrastructure: Send + Sync {
    /// Whether there is a service to tell (`infrastructure.base_url` is set).
    fn is_on(&self) -> bool;

    /// Registers a host or brings its record up to date; idempotent by MAC address. Bounded by a time-out.
    async fn register(&self, record: &HostRecord) -> Result<(), InfrastructureError>;
}
