//! Who comes in: opens the desk that decides it, and says how the first visitor does.

use std::net::SocketAddr;

use super::{FirstVisit, adapters::Adapters};
use crate::{
    provisioning::{AccessDesk, AccessTools},
    settings::Settings,
    store::{Argon2Passwords, command_line_token},
};
use std::sync::Arc;

/// Opens the desk of a data folder.
pub(super) async fn access_desk(settings: &Settings, adapters: &Adapters) -> anyhow::Result<AccessDesk> {
    let command_line = command_line_token(&settings.data_folder)?;
    let tools = AccessTools {
        ledger: adapters.store.clone(),
        passwords: Arc::new(Argon2Passwords::default()),
        secrets: adapters.key_file.clone(),
        clock: Arc::clone(&adapters.clock),
    };
    Ok(AccessDesk::open(tools, &command_line).await?)
}

/// Says where the dashboard is, what the first visitor needs, and what is dangerous about the address.
pub(super) fn announce(operator: SocketAddr, access: &AccessDesk) -> Option<FirstVisit> {
    tracing::info!("the dashboard is at http://{operator}");
    if !operator.ip().is_loopback() {
        tracing::warn!(
            "{operator} is not loopback and HTTP is not encrypted: passwords can be read on their way. Set server.listen to a loopback \
             address, and reach it through an SSH tunnel or a proxy with TLS"
        );
    }
    let code = access.set_up_code()?;
    let first_visit = FirstVisit { url: format!("http://{operator}/first-visit"), code: code.to_string() };
    // Meant for whoever may read this log: it is good for one visit only, and only as long as nobody has made it.
    tracing::info!(
        "nobody has claimed this Rackseed yet: open {} and type the set-up code {}",
        first_visit.url,
        first_visit.code
    );
    Some(first_visit)
}
