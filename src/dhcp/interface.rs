//! The network interfaces of this computer, and our place on one of them.

use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::Ipv4Net;
use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};

use crate::domain::network::WantedInterface;

/// Why we have no place on an interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    /// It is switched off.
    #[error("the interface `{interface}` is down; `ip link set {interface} up` switches it on")]
    Down {
        /// The interface.
        interface: String,
    },
    /// No IPv4 address that fits.
    #[error("the interface `{interface}` has no IPv4 address{}; give it one, or name another interface{}", .subnet.map(|net| format!(" in {net}")).unwrap_or_default(), .elsewhere.as_ref().map(|list| format!(" ({list})")).unwrap_or_default())]
    NoAddress {
        /// The interface.
        interface: String,
        /// The network that was asked for.
        subnet: Option<Ipv4Net>,
        /// The interfaces that have one: the card of a bridge has none, the bridge has.
        elsewhere: Option<String>,
    },
    /// The address that is to be served is not ours now.
    #[error(
        "this computer does not have the address {address} that `{interface}` is to serve; give it one, or correct pxe.interfaces"
    )]
    NotOurs {
        /// The interface.
        interface: String,
        /// The address.
        address: Ipv4Addr,
    },
}

/// One interface as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    /// The system's number of it; one that is made anew gets another.
    pub index: u32,
    /// Whether it is switched on.
    pub is_up: bool,
    /// Whether it has a cable, or a bridge has a port.
    pub has_carrier: bool,
    /// Its addresses, in the system's order: the primary one first.
    pub addresses: Vec<Ipv4Addr>,
    /// The broadcast addresses of its networks.
    pub broadcasts: Vec<Ipv4Addr>,
}

/// Where we stand on an interface. Sockets are made for a place and are made anew when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The interface's name.
    pub interface: String,
    /// Its number.
    pub index: u32,
    /// Our address for machines of the same network.
    pub our: Ipv4Addr,
    /// Every address on which we serve; `our` is the first.
    pub addresses: Vec<Ipv4Addr>,
    /// The broadcast addresses of its networks.
    pub broadcasts: Vec<Ipv4Addr>,
}

/// Lists the interfaces by name.
pub fn interfaces() -> Result<BTreeMap<String, Interface>, InterfaceError> {
    let mut found: BTreeMap<String, Interface> = BTreeMap::new();
    for entry in getifaddrs()? {
        // The entry of an address is named by the address's label: `eth0:1` for one that was added as an alias of eth0.
        let name = entry.interface_name.split(':').next().unwrap_or_default();
        let interface = found.entry(name.to_owned()).or_default();
        interface.is_up |= entry.flags.contains(InterfaceFlags::IFF_UP);
        interface.has_carrier |= entry.flags.contains(InterfaceFlags::IFF_RUNNING);
        if let Some(link) = entry.address.as_ref().and_then(|address| address.as_link_addr()) {
            interface.index = u32::try_from(link.ifindex()).unwrap_or_default();
        }
        let in_ipv4 = |address: &nix::sys::socket::SockaddrStorage| address.as_sockaddr_in().map(|it| it.ip());
        if let Some(address) = entry.address.as_ref().and_then(in_ipv4) {
            interface.addresses.push(address);
            // An address that was added without naming its broadcast address has one all the same (RFC 919 §7).
            let network = entry.netmask.as_ref().and_then(in_ipv4);
            let network = network.and_then(|mask| Ipv4Net::with_netmask(address, mask).ok());
            interface.broadcasts.extend(network.filter(|network| network.prefix_len() < 31).map(|it| it.broadcast()));
        }
    }
    Ok(found)
}

/// Finds our place on an interface: the address that it is to serve, else those of its addresses that are in its subnet, else all of them.
pub fn place(wanted: &WantedInterface, present: &BTreeMap<String, Interface>) -> Result<Place, InterfaceError> {
    let interface = wanted.name.clone();
    let Some(found) = present.get(&interface) else {
        return Err(InterfaceError::Unknown { interface, known: present.keys().cloned().collect() });
    };
    if !found.is_up {
        return Err(InterfaceError::Down { interface });
    }
    let addresses: Vec<_> = match wanted.address {
        // The address of a virtual router may stand on another interface than the one on which machines ask.
        Some(address) if present.values().any(|other| other.addresses.contains(&address)) => vec![address],
        Some(address) => return Err(InterfaceError::NotOurs { interface, address }),
        None => {
            let fits = |address: &Ipv4Addr| wanted.subnet.is_none_or(|subnet| subnet.contains(address));
            found.addresses.iter().copied().filter(fits).collect()
        }
    };
    let Some(our) = addresses.first().copied() else {
        let elsewhere = with_addresses(wanted, present);
        return Err(InterfaceError::NoAddress { interface, subnet: wanted.subnet, elsewhere });
    };
    Ok(Place { interface, index: found.index, our, addresses, broadcasts: found.broadcasts.clone() })
}

/// The other interfaces on which machines could be answered, with their addresses.
fn with_addresses(wanted: &WantedInterface, present: &BTreeMap<String, Interface>) -> Option<String> {
    let others = present.iter().filter(|(name, _)| **name != wanted.name).flat_map(|(name, interface)| {
        let usable = interface.addresses.iter().filter(|address| !address.is_loopback());
        usable.map(move |address| format!("{name} has {address}"))
    });
    Some(others.collect::<Vec<_>>().join(", ")).filter(|list| !list.is_empty())
}
