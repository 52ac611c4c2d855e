//! What a support bundle is made of; each part is bounded, and one that cannot be read says so in its place.

use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    about::AboutJson,
    boots,
    catalog_views::CatalogJson,
    doctor::CheckupJson,
    image_views::ImagesJson,
    network, notifications,
    settings::SettingsJson,
    sightings::SightingJson,
    support_bundle::{Content, Part},
    views::{HostJson, OperationJson},
};
use crate::{
    domain::{host::Host, identity::OperationId, questions::AuditQuestion},
    http::{
        OperatorState,
        api::{audit::AuditEntryJson, exchanges::ExchangeJson},
    },
    ports::LedgerError,
};

/// How many hosts are told with everything.
const MOST_HOSTS: usize = 1000;
/// How many lines of a host's history.
const HISTORY_LINES: u32 = 50;
/// How many operations of a host.
const OPERATIONS_OF_A_HOST: u32 = 3;
/// How many exchanges of a host.
const EXCHANGES_OF_A_HOST: u32 = 10;
/// How many rows of the audit log, and of the live feed.
const ROWS: u32 = 500;

/// Reads everything.
pub(super) async fn gather(state: &OperatorState) -> Vec<Part> {
    let hosts = state.hosts.hosts().await;
    let hosts: Result<Vec<Host>, String> = hosts.map_err(|error| error.to_string());
    let few = || hosts.clone().map(|hosts| hosts.into_iter().take(MOST_HOSTS).collect::<Vec<_>>());
    let network = network::show(State(state.clone())).await.0;
    let notifications = notifications::show(State(state.clone())).await.map(|shown| shown.0);
    let checkup = state.appliance.checkup().as_ref().map(CheckupJson::new);
    vec![
        part("about.json", "the program, its data and listeners", Ok::<_, String>(AboutJson::of(state).await)),
        part("settings.json", "the settings", Ok::<_, String>(SettingsJson::new(state.appliance.settings().await))),
        part("catalog.json", "server types, templates and scripts", CatalogJson::new(state).await),
        part("hosts.json", "the hosts with their histories", of_hosts(few(), |host| host_json(state, host)).await),
        part(
            "operations.json",
            "operations with journals and outputs",
            of_hosts(few(), |host| operations(state, host)).await,
        ),
        part(
            "exchanges.json",
            "what machines sent and were answered",
            of_hosts(few(), |host| exchanges(state, host)).await,
        ),
        part(
            "boots.json",
            "what was seen of the hosts' boots",
            few().map(|hosts| hosts.iter().map(|host| boots::boot(state, host.mac, Some(host))).collect::<Vec<_>>()),
        ),
        part(
            "sightings.json",
            "machines that are not registered",
            Ok::<_, String>(state.sightings.all().iter().map(SightingJson::new).collect::<Vec<_>>()),
        ),
        part("images.json", "the images", ImagesJson::new(state).await),
        part("audit.json", "the newest rows of the audit log", audit(state).await),
        part("activity.json", "the newest rows of the live feed", activity(state).await),
        part(
            "notifications.json",
            "whom we tell, and what became of it",
            notifications.map_err(|problem| problem.detail().to_owned()),
        ),
        part("network.json", "where machines are answered", Ok::<_, String>(network)),
        part("doctor.json", "what the doctor found", Ok::<_, String>(checkup)),
        Part {
            name: "log.txt",
            what: "the newest lines of the daemon's log",
            content: Content::Text(state.appliance.recent_lines().join("\n") + "\n"),
        },
    ]
}

fn part<E: std::fmt::Display>(name: &'static str, what: &'static str, read: Result<impl Serialize, E>) -> Part {
    let value = match read {
        Ok(value) => serde_json::to_value(value).unwrap_or_else(|error| json!({ "cannot_be_told": error.to_string() })),
        Err(error) => json!({ "cannot_be_read": error.to_string() }),
    };
    Part { name, what, content: Content::Json(value) }
}

/// Reads something of each host, one after the other: the daemon has other things to do.
async fn of_hosts<F: Future<Output = Result<Value, LedgerError>>>(
    hosts: Result<Vec<Host>, String>,
    read: impl Fn(Host) -> F,
) -> Result<Vec<Value>, String> {
    let mut all = Vec::new();
    for host in hosts? {
        all.push(read(host).await.unwrap_or_else(|error| json!({ "cannot_be_read": error.to_string() })));
    }
    Ok(all)
}

async fn host_json(state: &OperatorState, host: Host) -> Result<Value, LedgerError> {
    let history = state.hosts.history(&host.id, HISTORY_LINES).await?;
    let operation = state.operation_of(&host).await?;
    let fingerprint = state.fingerprint_of(&host);
    Ok(json!(HostJson::new(&host, fingerprint, operation.as_ref(), Some(&history))))
}

async fn operations(state: &OperatorState, host: Host) -> Result<Value, LedgerError> {
    let mut all = Vec::new();
    for id in state.journal.operations_of(&host.id, OPERATIONS_OF_A_HOST).await? {
        all.push(operation(state, &id).await?);
    }
    Ok(json!({ "host": host.id.to_string(), "hostname": host.hostname.to_string(), "operations": all }))
}

async fn operation(state: &OperatorState, id: &OperationId) -> Result<Value, LedgerError> {
    let Some(view) = state.operations.view(id).await? else { return Ok(Value::Null) };
    let outputs = state.operations.outputs(id).await?;
    let journal = state.journal.operation(id).await?.map(|(_, journal)| journal);
    Ok(json!({ "operation": OperationJson::with_outputs(&view, &outputs), "journal": journal }))
}

async fn exchanges(state: &OperatorState, host: Host) -> Result<Value, LedgerError> {
    let found = state.exchanges.exchanges(&host.id, None, EXCHANGES_OF_A_HOST).await?;
    let found: Vec<_> = found.into_iter().map(ExchangeJson::new).collect();
    Ok(json!({ "host": host.id.to_string(), "hostname": host.hostname.to_string(), "exchanges": found }))
}

async fn audit(state: &OperatorState) -> Result<Vec<AuditEntryJson>, LedgerError> {
    let entries = state.audit.audit_entries(&AuditQuestion { limit: ROWS, ..AuditQuestion::default() }).await?;
    Ok(entries.into_iter().map(AuditEntryJson::new).collect())
}

async fn activity(state: &OperatorState) -> Result<Value, LedgerError> {
    let newest = state.feed.newest_event().await?;
    Ok(json!(state.feed.events_after(newest.saturating_sub(ROWS.into()), ROWS).await?))
}
