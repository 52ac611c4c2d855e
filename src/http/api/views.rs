//! Hosts, operations and images as JSON. Nothing secret is in any of them.

use serde_json::{Value, json};

use crate::{
    domain::{
        host::{HistoryEntry, Host},
        identity::{HostId, OperationId},
        image::Image,
    },
    http::{OperatorState, problem::Problem},
    operations::OperationView,
};

/// How many lines of history a host's details have.
const HISTORY_LINES: u32 = 200;

/// A host as lists show it.
pub(in crate::http) fn host(host: &Host, operation: Option<&OperationView>) -> Value {
    json!({
        "id": host.id,
        "hostname": host.hostname,
        "mac": host.mac,
        "server_type": host.server_type,
        "state": host.state,
        "state_label": host.state.label(),
        "state_since": host.state_since,
        "reason": host.reason,
        "address": host.address,
        "hardware_id": host.hardware_id,
        "ssh_host_key": host.ssh_host_key,
        "registered_at": host.registered_at,
        "installed_at": host.installed_at,
        "operation": operation.map(self::operation),
    })
}

/// A host with its history.
pub(in crate::http) async fn host_with_history(state: &OperatorState, found: &Host) -> Result<Value, Problem> {
    let operation = current_operation(state, found).await?;
    let mut view = host(found, operation.as_ref());
    let history: Vec<HistoryEntry> = state.hosts.history(&found.id, HISTORY_LINES).await?;
    view["history"] = json!(history);
    Ok(view)
}

/// The latest operation of a host.
pub(in crate::http) async fn current_operation(
    state: &OperatorState,
    host: &Host,
) -> Result<Option<OperationView>, Problem> {
    match &host.operation {
        Some(id) => Ok(state.operations.view(id).await?),
        None => Ok(None),
    }
}

/// An operation with its steps.
pub(in crate::http) fn operation(view: &OperationView) -> Value {
    let steps = view.progress.steps.iter().map(|step| {
        json!({
            "name": step.name, "status": step.status, "reason": step.reason, "attempts": step.attempts,
            "started_at": step.started_at, "ended_at": step.ended_at,
        })
    });
    json!({
        "id": view.operation.id,
        "host_id": view.operation.host,
        "plan": view.operation.plan,
        "status": view.progress.status,
        "reason": view.progress.reason,
        "started_at": view.operation.started_at,
        "ended_at": view.progress.ended_at,
        "steps": steps.collect::<Vec<_>>(),
    })
}

/// An image.
pub(in crate::http) fn image(image: &Image) -> Value {
    json!({
        "id": image.id,
        "product": image.product,
        "product_name": image.product_name,
        "release": image.release.to_string(),
        "iso_release": image.iso_release,
        "source_name": image.source_name,
        "source_sha256": image.source_sha256,
        "iso_size_bytes": image.iso_size_bytes,
        "added_at": image.added_at,
    })
}

/// Finds the host of a path.
pub(in crate::http) async fn find_host(state: &OperatorState, id: &str) -> Result<Host, Problem> {
    let unknown = || {
        Problem::new(
            axum::http::StatusCode::NOT_FOUND,
            format!("there is no host `{}`", id.chars().take(40).collect::<String>()),
        )
    };
    let id: HostId = id.parse().map_err(|_| unknown())?;
    state.hosts.host(&id).await?.ok_or_else(unknown)
}

/// Finds the operation of a path.
pub(in crate::http) async fn find_operation(state: &OperatorState, id: &str) -> Result<OperationView, Problem> {
    let unknown = || {
        Problem::new(
            axum::http::StatusCode::NOT_FOUND,
            format!("there is no operation `{}`", id.chars().take(40).collect::<String>()),
        )
    };
    let id: OperationId = id.parse().map_err(|_| unknown())?;
    state.operations.view(&id).await?.ok_or_else(unknown)
}
