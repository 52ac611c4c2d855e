//! Machines that were seen on the network and are not registered.

use axum::{Json, extract::State, http::StatusCode};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::sighting::Sighting,
    http::{OperatorState, extract::MacPath, problem::Problem, schema::described},
};

/// Every machine that was seen, the latest first.
pub(crate) async fn list(State(state): State<OperatorState>) -> Json<Vec<SightingJson>> {
    Json(state.sightings.all().iter().map(SightingJson::new).collect())
}

/// Forgets a machine; it is seen again when it asks again.
pub(crate) async fn forget(State(state): State<OperatorState>, MacPath(mac): MacPath) -> Result<StatusCode, Problem> {
    let known = state.sightings.forget(mac);
    state.diary.forget_stranger(mac);
    if known {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::new(StatusCode::NOT_FOUND, format!("{mac} was not seen")))
    }
}

described! {
    /// A machine that asked for a boot and is not registered. `POST /api/hosts` with its address registers it.
    #[derive(Debug, Serialize)]
    pub(crate) struct SightingJson as "Sighting" {
        /// The address of the card that asked.
        mac: String,
        /// Its SMBIOS system UUID, where it told one.
        uuid: Option<String>,
        /// The client architecture (DHCP option 93); absent where it asked only for a script.
        architecture: Option<u32>,
        /// What asked, for a person.
        client: String,
        /// DHCP option 60.
        vendor_class: String,
        /// The interface on which it was heard; empty where it asked only for a script.
        interface: String,
        /// When it was first seen.
        first_seen: Timestamp,
        /// When it was last seen.
        last_seen: Timestamp,
        /// How often it has asked; firmware asks several times in one boot.
        count: u64,
    }
}

impl SightingJson {
    fn new(sighting: &Sighting) -> Self {
        Self {
            mac: sighting.mac.to_string(),
            uuid: sighting.uuid.clone(),
            architecture: sighting.architecture.map(u32::from),
            client: sighting.client.clone(),
            vendor_class: sighting.vendor_class.clone(),
            interface: sighting.interface.clone(),
            first_seen: sighting.first_seen,
            last_seen: sighting.last_seen,
            count: sighting.count,
        }
    }
}
