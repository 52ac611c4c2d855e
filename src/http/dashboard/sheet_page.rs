//! The hand-over sheet of a host: what a dealer who ships a site puts into the box. One page of paper, and no secret on it.

use askama::Template;
use axum::{http::StatusCode, response::Response};
use jiff::Timestamp;

use super::{
    hardware_part::HardwarePart,
    journey_part::EvidencePart,
    shell::{PageProblem, Shell, render},
    words::{precise, state_tone},
};
use crate::{
    domain::{
        audit::AuditEntry,
        host::Host,
        host_lifecycle::HostState,
        identity::OperationId,
        journey::{Journey, Passage},
        questions::AuditQuestion,
        rebuild::Rebuild,
    },
    http::{OperatorState, Visit, extract::HostPath, problem::Problem},
};

/// How many rows of the audit log are looked through for who asked for the rebuild.
const AUDIT_ROWS: u32 = 200;

#[derive(Template)]
#[template(path = "sheet.html")]
struct Sheet {
    shell: Shell,
    id: String,
    hostname: String,
    label: &'static str,
    tone: &'static str,
    is_ready: bool,
    printed: String,
    node: Vec<(&'static str, String)>,
    software: Vec<(&'static str, String)>,
    dates: Vec<(&'static str, String)>,
    hardware: HardwarePart,
    evidence: Option<EvidencePart>,
}

/// Shows the sheet.
pub(in crate::http) async fn show(state: Visit, id: Result<HostPath, Problem>) -> Result<Response, PageProblem> {
    let HostPath(id) = id?;
    let shell = Shell::new(&state).await?;
    let host = state.host(&id).await?;
    let rebuild = state.rebuilds.latest_rebuild(&id).await?;
    let now = state.clock.now();
    let evidence = EvidencePart::new(&state, &host).await?;
    let page = Sheet {
        id: host.id.to_string(),
        hostname: host.hostname.to_string(),
        label: host.state.label(),
        tone: state_tone(host.state, None),
        is_ready: host.state == HostState::Ready,
        printed: spelled(now),
        node: node(&state, &host),
        software: software(&state, &host, rebuild.as_ref()).await?,
        dates: dates(&state, &host, rebuild.as_ref(), now).await?,
        hardware: HardwarePart::new(&host),
        evidence,
        shell,
    };
    Ok(render(StatusCode::OK, &page))
}

fn spelled(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn or_unknown(text: Option<String>) -> String {
    text.unwrap_or_else(|| "not known".to_owned())
}

fn node(state: &Visit, host: &Host) -> Vec<(&'static str, String)> {
    let domain = host.options.answer.domain.as_deref().unwrap_or(&state.answers.domain);
    let address = host.address.map(|address| address.to_string());
    let page = host.address.map(|address| format!("https://{address}:8006"));
    vec![
        ("Name", format!("{}.{domain}", host.hostname)),
        ("Address", or_unknown(address)),
        ("Proxmox page", or_unknown(page)),
        ("MAC address", host.mac.to_string()),
        ("SSH host key", or_unknown(state.fingerprint_of(host))),
        ("Hardware id", or_unknown(host.hardware_id.clone())),
    ]
}

async fn software(
    state: &Visit,
    host: &Host,
    rebuild: Option<&Rebuild>,
) -> Result<Vec<(&'static str, String)>, PageProblem> {
    let mut facts = Vec::new();
    let image = match rebuild {
        Some(rebuild) => state.images.image(&rebuild.image).await?.map_or_else(
            || format!("image {}", rebuild.image),
            |image| format!("{} (image {})", image.title(), image.id),
        ),
        None => "not installed from here".to_owned(),
    };
    let kind = state.catalog.server_type(&host.server_type);
    facts.push(("Installed", image));
    facts.push(("Cluster", cluster(state, host, rebuild).await?));
    let server_type =
        kind.map_or_else(|| host.server_type.to_string(), |kind| format!("{} ({})", kind.display_name, kind.name));
    facts.push(("Server type", server_type));
    Ok(facts)
}

/// The cluster that the verification of its membership named.
async fn cluster(state: &Visit, host: &Host, rebuild: Option<&Rebuild>) -> Result<String, PageProblem> {
    let view = match rebuild {
        Some(rebuild) => state.operations.view(&rebuild.operation).await?,
        None => None,
    };
    let seen = view.and_then(|view| view.progress.output("verify_membership")["cluster"].as_str().map(str::to_owned));
    Ok(match (host.is_member, seen) {
        (true, Some(name)) => format!("{name}, verified member"),
        (true, None) => "verified member".to_owned(),
        (false, _) => "not a member".to_owned(),
    })
}

async fn dates(
    state: &Visit,
    host: &Host,
    rebuild: Option<&Rebuild>,
    now: Timestamp,
) -> Result<Vec<(&'static str, String)>, PageProblem> {
    let history = state.hosts.history(&host.id, OperatorState::HISTORY_LINES).await?;
    let journey = Journey::read(host, &history, now);
    let ready = journey.legs.iter().find(|leg| leg.state == HostState::Ready && leg.passage == Passage::Here);
    let mut dates = vec![("Registered", spelled(host.registered_at))];
    if let Some(rebuild) = rebuild {
        dates.push((
            "Requested",
            format!("{}{}", spelled(rebuild.requested_at), by(state, host, &rebuild.operation).await?),
        ));
    }
    dates.extend(host.installed_at.map(|at| ("Installed", spelled(at))));
    dates.extend(ready.and_then(|leg| leg.entered_at).map(|at| {
        let took = journey.took(now).map(|took| format!(", {} after the request", precise(took.as_secs())));
        ("Ready", format!("{}{}", spelled(at), took.unwrap_or_default()))
    }));
    dates.extend(rebuild.map(|rebuild| ("Operation", rebuild.operation.to_string())));
    Ok(dates)
}

/// Who asked for the rebuild, as the audit log has it.
async fn by(state: &Visit, host: &Host, operation: &OperationId) -> Result<String, PageProblem> {
    let question = AuditQuestion { host: Some(host.id.clone()), limit: AUDIT_ROWS, ..AuditQuestion::default() };
    let rows = state.audit.audit_entries(&question).await?;
    let asked = |row: &&AuditEntry| {
        let is_request = row.action.ends_with("/rebuild") || row.action.ends_with("/batches");
        is_request && row.operation.as_ref() == Some(operation)
    };
    let row = rows.iter().find(asked);
    Ok(row.and_then(|row| row.actor.as_ref()).map(|actor| format!(", by {actor}")).unwrap_or_default())
}

impl EvidencePart {
    /// Whether nothing is missing.
    pub(super) fn is_whole(&self) -> bool {
        self.proved == self.rows.len()
    }
}
