//! How the network boot of this computer is going.

use crate::domain::network::NetworkStatus;

/// Tells on which interfaces booting machines are answered, from memory.
pub trait NetworkView: Send + Sync {
    /// How every interface is going.
    fn status(&self) -> NetworkStatus;
}
