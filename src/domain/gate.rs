//! The join gate as we remember it: which members have it, and which script it runs there.

use std::net::Ipv4Addr;

use jiff::Timestamp;

use super::host::Host;

/// A member that has the join gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its SSH host key, `ssh-ed25519 BASE64`. A reinstalled machine has another one, and with it no gate.
    pub ssh_host_key: String,
    /// The name of the node.
    pub node: String,
    /// SHA-256 of the script that was installed, in hexadecimal.
    pub script_sha256: String,
    /// When.
    pub installed_at: Timestamp,
}

impl Gate {
    /// Whether this is the gate of a machine that shows this host key.
    pub fn is_at(&self, address: Ipv4Addr, ssh_host_key: &str) -> bool {
        self.address == address && same_key(&self.ssh_host_key, ssh_host_key)
    }

    /// Whether one of our hosts is the node that has it.
    pub fn is_of(&self, host: &Host) -> bool {
        host.address == Some(self.address) || host.hostname.as_str() == self.node
    }
}

/// Two public key lines are the same key when kind and key are; their comments do not matter.
fn same_key(one: &str, other: &str) -> bool {
    one.split_whitespace().take(2).eq(other.split_whitespace().take(2))
}
