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
}

impl Connection {
    /// Takes the ends as the socket tells them. An IPv6 address that is no mapped IPv4 one becomes the unspecified address, which no machine
    /// of ours has: machines are met over IPv4.
    pub(super) fn new(peer: SocketAddr, our: SocketAddr) -> Self {
        Self { peer: ipv4(peer.ip()), our: ipv4(our.ip()) }
    }
}

fn ipv4(address: IpAddr) -> Ipv4Addr {
    match address {
        IpAddr::V4(address) => address,
        IpAddr::V6(address) => address.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED),
    }
}

impl<S: Sync> FromRequestParts<S> for Connection {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().copied().ok_or_else(|| Problem::internal("the connection's addresses are not known"))
    }
}
