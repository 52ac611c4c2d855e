//! Power: look, switch, and store the secret that this needs. Nothing here ever answers with a secret.

use axum::{Json, extract::State, http::StatusCode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{
    domain::power::PowerAction,
    http::{
        OperatorState,
        extract::{HostPath, JsonBody},
        problem::Problem,
        schema::described,
    },
};

described! {
    /// A host's power as it was seen a moment ago.
    #[derive(Debug, Serialize)]
    pub(crate) struct PowerJson as "Power" {
        /// What switches it: `none`, `wake_on_lan`, `redfish`, `ipmi` or `webhook`.
        driver: String,
        /// `on`, `off`, or `unknown` where the driver cannot see it.
        state: String,
        /// Whether a secret is stored for the driver.
        has_secret: bool,
    }
}

/// Looks whether the machine is on.
pub(crate) async fn show(
    State(state): State<OperatorState>,
    HostPath(id): HostPath,
) -> Result<Json<PowerJson>, Problem> {
    let host = state.host(&id).await?;
    let seen = state.power.status(&id).await?;
    Ok(Json(PowerJson {
        driver: host.options.power.driver.word().to_owned(),
        state: seen.word().to_owned(),
        has_secret: state.power.has_secret(&id).await?,
    }))
}

described! {
    /// What is said to switch a host.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub(crate) struct PowerActionJson as "PowerAction" {
        /// `on`, `off`, `cycle` or `network_boot`; all but `on` stop hard what runs there.
        action: String,
        /// The host's name, for all but `on`.
        confirm: Option<String>,
    }
}

described! {
    /// What was switched.
    #[derive(Debug, Serialize)]
    pub(crate) struct PowerDoneJson as "PowerDone" {
        /// What was done, in a sentence.
        done: String,
    }
}

/// Switches a host.
pub(crate) async fn act(
    State(state): State<OperatorState>,
    HostPath(id): HostPath,
    JsonBody(asked): JsonBody<Option<PowerActionJson>>,
) -> Result<Json<PowerDoneJson>, Problem> {
    let asked = asked.unwrap_or_default();
    let action = action(&asked.action)?;
    Ok(Json(PowerDoneJson { done: state.power.act(&id, action, asked.confirm.as_deref()).await? }))
}

/// Reads an action, or says which there are.
pub(crate) fn action(word: &str) -> Result<PowerAction, Problem> {
    word.parse().map_err(|_| {
        let known: Vec<_> = PowerAction::ALL.iter().map(|action| action.word()).collect();
        Problem::fields(&[("action", format!("choose one of {}", known.join(", ")))])
    })
}

described! {
    /// The secret of a host's power driver. It is never shown again.
    #[derive(Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub(crate) struct PowerSecretJson as "PowerSecret" {
        /// The BMC's password, or the webhook's token; `null` erases it.
        secret: Option<String>,
    }
}

/// Stores or erases the secret.
pub(crate) async fn set_secret(
    State(state): State<OperatorState>,
    HostPath(id): HostPath,
    JsonBody(asked): JsonBody<Option<PowerSecretJson>>,
) -> Result<StatusCode, Problem> {
    let secret = asked.unwrap_or_default().secret.map(SecretString::from);
    state.power.set_secret(&id, secret.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
