//! What machines say to others: a booting machine that takes its address from a DHCP server says so to everybody, and so tells us who gave it.

use std::sync::Arc;

use super::request::read_request;
use crate::domain::boot_request::TakenAddress;

/// Reads a packet on port 67 that is for a DHCP server and not for us; `None` for all others. It is never answered.
pub fn overheard(bytes: &[u8]) -> Option<TakenAddress> {
    let (mac, server) = read_request(bytes)?;
    Some(TakenAddress { mac, server })
}

/// Is told what is overheard; deaf by default.
#[derive(Clone)]
pub struct Ear(Arc<dyn Fn(&TakenAddress) + Send + Sync>);

impl Ear {
    /// Passes everything on. It is called for packets and must not wait.
    pub fn new(hear: impl Fn(&TakenAddress) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    pub(super) fn listen(&self, bytes: &[u8]) {
        if let Some(taken) = overheard(bytes) {
            (self.0)(&taken);
        }
    }
}

impl Default for Ear {
    fn default() -> Self {
        Self::new(|_| ())
    }
}

impl std::fmt::Debug for Ear {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Ear(..)")
    }
}
