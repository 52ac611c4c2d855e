//! Where booting machines are answered.

use axum::{Json, extract::State};
use serde::Serialize;

use crate::{
    domain::network::{InterfaceStatus, NetworkStatus, ServiceState, ServiceStatus},
    http::{OperatorState, schema::described},
};

/// On which interfaces booting machines are answered, and what is in the way where they are not.
pub(crate) async fn show(State(state): State<OperatorState>) -> Json<NetworkJson> {
    Json(NetworkJson::new(state.network.status()))
}

described! {
    /// Where booting machines are answered.
    #[derive(Debug, Serialize)]
    pub(crate) struct NetworkJson as "Network" {
        /// The interfaces of the settings; none while network boot is off.
        interfaces: Vec<InterfaceJson>,
        /// The names of all interfaces of this computer.
        present: Vec<String>,
    }
}

described! {
    /// One interface of the settings.
    #[derive(Debug, Serialize)]
    pub(crate) struct InterfaceJson as "NetworkInterface" {
        /// Its name.
        name: String,
        /// `answering`, `impaired` (some service does not run) or `waiting` (nothing can run there now).
        state: String,
        /// The same in sentences, with what to do.
        detail: String,
        /// Our addresses there; the first is what machines of the same network are told.
        addresses: Vec<String>,
        /// Its services; none while it is waited for.
        services: Vec<ServiceJson>,
    }
}

described! {
    /// One service of an interface.
    #[derive(Debug, Serialize)]
    pub(crate) struct ServiceJson as "NetworkService" {
        /// `dhcp`, `boot_server` or `tftp`.
        service: String,
        /// Our address.
        address: String,
        /// The UDP port.
        port: usize,
        /// `serving`, `beside` (another program has the port; we hear and answer beside it) or `failed`.
        state: String,
        /// The other program, or why it failed and what to do.
        detail: Option<String>,
    }
}

impl NetworkJson {
    fn new(status: NetworkStatus) -> Self {
        let interfaces = status.interfaces.iter().map(InterfaceJson::new).collect();
        Self { interfaces, present: status.present }
    }
}

impl InterfaceJson {
    fn new(status: &InterfaceStatus) -> Self {
        Self {
            name: status.name.clone(),
            state: status.state().word().to_owned(),
            detail: status.sentence(),
            addresses: status.addresses.iter().map(ToString::to_string).collect(),
            services: status.services.iter().map(ServiceJson::new).collect(),
        }
    }
}

impl ServiceJson {
    fn new(status: &ServiceStatus) -> Self {
        let (state, detail) = match &status.state {
            ServiceState::Serving => ("serving", None),
            ServiceState::Beside(other) => ("beside", Some(other.clone())),
            ServiceState::Failed(why) => ("failed", Some(why.clone())),
        };
        Self {
            service: status.service.word().to_owned(),
            address: status.address.to_string(),
            port: usize::from(status.port),
            state: state.to_owned(),
            detail,
        }
    }
}
