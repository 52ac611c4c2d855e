//! Hosts: list, register, look, remove, rebuild.

use axum::{
    Extension, Json,
    extract::State,
    http::{StatusCode, Uri, header},
    response::IntoResponse,
};
use serde::Deserialize;

use super::views::HostJson;
use crate::{
    domain::{
        host_list::{Group, HostWish, Sort},
        identity::HostId,
        repeat::Intended,
    },
    http::{
        OperatorState,
        extract::{HostPath, JsonBody, query_fields},
        known_hosts::KnownHost,
        paging::{Page, Paging},
        problem::Problem,
        repeats::intended,
        schema::described,
    },
};

/// The hosts that are wanted, by name where no order is.
pub(crate) async fn list(
    State(state): State<OperatorState>,
    uri: Uri,
    paging: Paging,
) -> Result<Page<HostJson>, Problem> {
    let fields = query_fields(uri.query());
    let (mut wish, problems) = HostWish::read(fields.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    if let Some((field, problem)) = problems.into_iter().next() {
        return Err(Problem::parameter(field, problem));
    }
    if !fields.iter().any(|(name, _)| name == "sort") {
        wish.sort = Sort::Name;
    }
    wish.group = Group::None;
    let mut known = state.known_hosts().await?;
    known.retain(|known| wish.wants(&known.listed()));
    known.sort_by(|one, other| wish.order(&one.listed(), &other.listed()));
    let rule = "is the id of a host of the page before; ask from the beginning when that one has gone";
    if let Some(after) = paging.after::<HostId>(rule)? {
        let place = known.iter().position(|known| known.host.id == after);
        known.drain(..=place.ok_or_else(|| Problem::parameter("after", rule))?);
    }
    known.truncate(usize::try_from(paging.rows()).unwrap_or(usize::MAX));
    let operations = state.operations.latest_of(&known.iter().map(|known| &known.host).collect::<Vec<_>>()).await?;
    let form = |known: KnownHost| {
        let operation = known.host.operation.as_ref().and_then(|id| operations.get(id));
        HostJson::new(&known.host, state.fingerprint_of(&known.host), operation, None).within(known.patience)
    };
    Ok(paging.further(known, |known| known.host.id.to_string()).map(form))
}

described! {
    /// What is said to register a host. Absent fields are empty ones, so that every wrong field is named at once.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub(crate) struct NewHostJson as "NewHost" {
        /// One DNS label, lower case.
        hostname: String,
        /// Six pairs of hexadecimal digits.
        mac: String,
        /// A key of `server_types`.
        server_type: String,
    }
}

/// Registers a host.
pub(crate) async fn register(
    State(state): State<OperatorState>,
    chosen: Option<Extension<Intended>>,
    JsonBody(new): JsonBody<Option<NewHostJson>>,
) -> Result<impl IntoResponse, Problem> {
    let new = new.unwrap_or_default();
    let host = state.enrolment.register_as(intended(chosen), &new.hostname, &new.mac, &new.server_type).await?;
    let place = format!("/api/hosts/{}", host.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(HostJson::new(&host, None, None, Some(&[])))))
}

/// One host with its history.
pub(crate) async fn show(
    State(state): State<OperatorState>,
    HostPath(id): HostPath,
) -> Result<Json<HostJson>, Problem> {
    details(&state, &id).await
}

pub(in crate::http) async fn details(state: &OperatorState, id: &HostId) -> Result<Json<HostJson>, Problem> {
    let host = state.host(id).await?;
    let history = state.hosts.history(id, OperatorState::HISTORY_LINES).await?;
    let operation = state.operation_of(&host).await?;
    let view = HostJson::new(&host, state.fingerprint_of(&host), operation.as_ref(), Some(&history));
    Ok(Json(view.within(state.patience.look(&host).await?)))
}

described! {
    /// What is said to change a host.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub(crate) struct HostChangeJson as "HostChange" {
        /// A merge patch (RFC 7396) for its options: what is named is changed, `null` takes a choice back.
        options: serde_json::Value,
    }
}

/// Changes what was chosen for a host.
pub(crate) async fn change(
    State(state): State<OperatorState>,
    HostPath(id): HostPath,
    JsonBody(change): JsonBody<HostChangeJson>,
) -> Result<Json<HostJson>, Problem> {
    if let Some(image) = change.options["image"].as_str() {
        state.usable_image(image).await?;
    }
    if change.options.is_object() {
        state.enrolment.change_options(&id, &change.options).await?;
    }
    details(&state, &id).await
}

/// Removes a host.
pub(crate) async fn remove(State(state): State<OperatorState>, HostPath(id): HostPath) -> Result<StatusCode, Problem> {
    state.enrolment.remove(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

described! {
    /// What is said to confirm a host key.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub(crate) struct ConfirmationJson as "HostKeyConfirmation" {
        /// What the node's console shows: `SHA256:…`.
        fingerprint: String,
    }
}

/// Confirms the SSH fingerprint that the node's console shows.
pub(crate) async fn confirm_host_key(
    State(state): State<OperatorState>,
    HostPath(id): HostPath,
    JsonBody(asked): JsonBody<Option<ConfirmationJson>>,
) -> Result<Json<HostJson>, Problem> {
    state.operations.confirm_host_key(&id, &asked.unwrap_or_default().fingerprint).await?;
    details(&state, &id).await
}
