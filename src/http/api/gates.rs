//! The join gate on members: install, list, remove. What proves an installation is used once and never kept or shown.

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, Uri},
};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{
    http::{
        OperatorState,
        extract::{JsonBody, query_field},
        paging::{Page, Paging},
        problem::Problem,
        schema::described,
    },
    operations::{GateRequest, GateView},
};

described! {
    /// A member that has the join gate.
    #[derive(Debug, Serialize)]
    pub(crate) struct GateJson as "Gate" {
        /// Its IPv4 address.
        address: String,
        /// The name of the node.
        node: String,
        /// The fingerprint of its SSH host key, as `ssh-keygen -l` shows it.
        ssh_host_key_fingerprint: Option<String>,
        /// SHA-256 of the script that it runs.
        script_sha256: String,
        /// Whether that is the script of this version of Rackseed.
        current: bool,
        /// When it was installed, or brought up to date.
        installed_at: Timestamp,
    }
}

impl GateJson {
    fn new(view: GateView) -> Self {
        Self {
            address: view.gate.address.to_string(),
            node: view.gate.node,
            ssh_host_key_fingerprint: view.fingerprint,
            script_sha256: view.gate.script_sha256,
            current: view.is_current,
            installed_at: view.gate.installed_at,
        }
    }
}

described! {
    /// What is said to install the join gate. Without password and key, those of the settings are used.
    #[derive(Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub(crate) struct NewGateJson as "NewGate" {
        /// The member's IPv4 address.
        address: String,
        /// The text of its `/etc/ssh/ssh_host_ed25519_key.pub`; not needed where it is known already.
        ssh_host_key: Option<String>,
        /// Root's password there, for this one login.
        password: Option<String>,
        /// Or the text of an OpenSSH Ed25519 private key that root there accepts.
        key: Option<String>,
    }
}

/// Every member that has the gate, by address.
pub(crate) async fn list(State(state): State<OperatorState>, paging: Paging) -> Result<Page<GateJson>, Problem> {
    let mut gates = state.gates.gates().await?;
    gates.sort_by_key(|view| view.gate.address);
    Ok(paging.cut(gates, "is the address of a member", |view| view.gate.address)?.map(GateJson::new))
}

/// Installs the gate, or brings it up to date.
pub(crate) async fn install(
    State(state): State<OperatorState>,
    JsonBody(asked): JsonBody<Option<NewGateJson>>,
) -> Result<(StatusCode, Json<GateJson>), Problem> {
    let asked = asked.unwrap_or_default();
    let request = GateRequest {
        address: asked.address,
        ssh_host_key: asked.ssh_host_key,
        password: asked.password.filter(|password| !password.is_empty()).map(SecretString::from),
        key: asked.key.filter(|key| !key.is_empty()).map(SecretString::from),
    };
    Ok((StatusCode::CREATED, Json(GateJson::new(state.gates.install(request).await?))))
}

/// Takes the gate off a member; with `forget=true` only off our list.
pub(crate) async fn remove(
    State(state): State<OperatorState>,
    Path(address): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    let only_forget = match query_field(uri.query(), "forget").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::parameter("forget", "is true or false")),
    };
    state.gates.remove(&address, only_forget).await?;
    Ok(StatusCode::NO_CONTENT)
}
