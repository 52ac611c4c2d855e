//! The plain web clients of the simulator.

use std::{net::IpAddr, time::Duration};

use reqwest::{Client, redirect};

/// A client for plain HTTP from a chosen address, without proxies, redirects or certificate authorities.
pub(super) fn client(source: Option<IpAddr>, limit: Duration) -> reqwest::Result<Client> {
    builder(source).tls_certs_only([]).timeout(limit).build()
}

/// The same without time limit, for a stream of events.
pub(super) fn streaming_client() -> reqwest::Result<Client> {
    builder(None).tls_certs_only([]).build()
}

/// What all clients of the simulator have in common.
pub(super) fn builder(source: Option<IpAddr>) -> reqwest::ClientBuilder {
    // reqwest takes the process's provider of cryptography; it fails only when there is one already, which then is the one that is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().local_address(source).redirect(redirect::Policy::none()).no_proxy()
}
