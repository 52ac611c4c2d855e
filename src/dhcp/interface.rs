//! Our address on a network interface.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use nix::ifaddrs::getifaddrs;

/// Why we have no address there.
#[derive(Debug, thiserror::Error)]
pub enum InterfaceError {
    /// The system does not tell.
    #[error("the network interfaces cannot be listed: {0}")]
    CannotList(#[from] nix::Error),
    /// No such interface.
    #[error("there is no network interface `{interface}`; there are: {}", .known.join(", "))]
    Unknown {
        /// The name that was asked for.
        interface: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// No IPv4 address that fits.
    #[error("the interface `{interface}` has no IPv4 address{}; give it one, or correct pxe.interface and pxe.subnet", .subnet.map(|net| format!(" in {net}")).unwrap_or_default())]
    NoAddress {
        /// The interface.
        interface: String,
        /// The network that was asked for.
        subnet: Option<Ipv4Net>,
    },
}

/// Returns the first IPv4 address of an interface, within a network if one is given.
pub fn interface_address(interface: &str, subnet: Option<Ipv4Net>) -> Result<Ipv4Addr, InterfaceError> {
    let (mut known, mut found) = (Vec::new(), None);
    for entry in getifaddrs()? {
        let address =
            entry.address.as_ref().and_then(|address| address.as_sockaddr_in()).map(nix::sys::socket::SockaddrIn::ip);
        if entry.interface_name == interface
            && let Some(address) = address
            && subnet.is_none_or(|subnet| subnet.contains(&address))
        {
            found.get_or_insert(address);
        }
        if !known.contains(&entry.interface_name) {
            known.push(entry.interface_name);
        }
    }
    match found {
        Some(address) => Ok(address),
        None if known.iter().any(|name| name == interface) => {
            Err(InterfaceError::NoAddress { interface: interface.into(), subnet })
        }
        None => Err(InterfaceError::Unknown { interface: interface.into(), known }),
    }
}
