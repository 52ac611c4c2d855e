//! Who is on the other end of a connection, and by which address of ours they reached us.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{extract::FromRequestParts, http::request::Parts};

use super::problem::Problem;

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection {
    /// Who asks.
    pub(super) peer: Ipv4Addr,
    /// The address on which they asked us.
    pub(super) our: Ipv4Addr,
    /// The same, of whatever family: what a person may have typed into the browser.
    pub(super) local: IpAddr,
    /// Who asks, of whatever family.
    pub(super) asker: IpAddr,
}

impl Connection {
    /// Takes the ends as the socket tells them. An IPv6 address that is no mapped IPv4 one becomes the unspecified address, which no machine
    /// of ours has: machines are met over IPv4.
    pub(super) fn new(peer: SocketAddr, our: SocketAddr) -> Self {
        Self {
            peer: ipv4(peer.ip()),
            our: ipv4(our.ip()),
            local: our.ip().to_canonical(),
            asker: peer.ip().to_canonical(),
        }
    }
}

fn ipv4(address: IpAddr) -> Ipv4Addr {
    match address.to_canonical() {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}

impl<S: Sync> FromRequestParts<S> for Connection {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().copied().ok_or_else(|| Problem::internal("the connection's addresses are not known"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_the_ipv4_address_that_it_maps() {
        let ends = Connection::new("[::ffff:10.0.0.7]:5".parse().unwrap(), "[::ffff:10.0.0.1]:80".parse().unwrap());
        assert_eq!((ends.peer, ends.our), (Ipv4Addr::new(10, 0, 0, 7), Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(ends.local, IpAddr::from([10, 0, 0, 1]));
    }

    #[test]
    fn a_real_ipv6_address_is_no_machine_of_ours() {
        let ends = Connection::new("[fe80::1]:5".parse().unwrap(), "[::1]:80".parse().unwrap());
        assert_eq!((ends.peer, ends.our), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED));
    }
}
