//! Machines that were seen on the network and are not registered.

use std::{cmp::Reverse, fmt, str::FromStr};

use axum::{extract::State, http::StatusCode};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::{identity::MacAddress, sighting::Sighting},
    http::{
        OperatorState,
        extract::MacPath,
        paging::{Page, Paging},
        problem::Problem,
        problem_codes::Code,
        schema::described,
    },
};

/// Every machine that was seen, the latest first. One that asks again moves to the top and is missed by nobody who begins there again.
pub(crate) async fn list(State(state): State<OperatorState>, paging: Paging) -> Result<Page<SightingJson>, Problem> {
    let place = |sighting: &Sighting| Place(Reverse(sighting.last_seen), sighting.mac);
    let rule = "is `time~MAC`, as the `Link` of the page before has it";
    Ok(paging.cut(state.sightings.all(), rule, place)?.map(|sighting| SightingJson::new(&sighting)))
}

/// Where a machine stands in the list.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place(Reverse<Timestamp>, MacAddress);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}", self.0.0, self.1)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, mac) = text.split_once('~').ok_or(())?;
        Ok(Self(Reverse(at.parse().map_err(|_| ())?), mac.parse().map_err(|_| ())?))
    }
}

/// Forgets a machine; it is seen again when it asks again.
pub(crate) async fn forget(State(state): State<OperatorState>, MacPath(mac): MacPath) -> Result<StatusCode, Problem> {
    let known = state.sightings.forget(mac);
    state.diary.forget_stranger(mac);
    if known {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::coded(Code::MachineNotFound, format!("{mac} was not seen")))
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
    pub(super) fn new(sighting: &Sighting) -> Self {
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
