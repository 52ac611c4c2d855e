//! One host: what it is, what it does and why, what happened to it, and what can be done about it.

use askama::Template;
use axum::{http::StatusCode, response::Response};

use super::{
    boot_part::BootPart,
    hardware_part,
    operation_part::OperationPart,
    power_part::PowerPart,
    shell::{PageProblem, Shell, render},
    words::{Moment, doing, state_tone},
};
use crate::{
    domain::{
        boot_order::{BootOrder, what_to_press},
        host::{HistoryEntry, Host},
        host_lifecycle::HostState,
        identity::HostId,
        image_memory::memory_warning,
        operation::StepStatus,
        power::PowerDriver,
    },
    http::{OperatorState, Visit, api::answers::preview},
    operations::OperationView,
    provisioning::HostPatience,
};

#[derive(Template)]
#[template(path = "host.html")]
struct HostPage {
    shell: Shell,
    id: String,
    hostname: String,
    label: &'static str,
    tone: &'static str,
    since: Moment,
    patience: Option<HostPatience>,
    /// When the page looks again by itself: its minutes have passed.
    look_again: String,
    doing: String,
    hint: String,
    facts: Vec<(&'static str, String)>,
    operation: Option<OperationPart>,
    earlier: Vec<OperationPart>,
    history: Vec<HistoryRow>,
    answer: String,
    answer_problem: Option<String>,
    may_rebuild: bool,
    /// That the machine has too little memory for the image.
    memory: Option<String>,
    fingerprint_to_confirm: Option<String>,
    power: PowerPart,
    mac: String,
    boot: BootPart,
}

struct HistoryRow {
    at: Moment,
    tone: &'static str,
    label: &'static str,
    because: String,
}

/// Shows a host.
pub(super) async fn show(
    state: &Visit,
    id: &HostId,
    status: StatusCode,
    trouble: Option<String>,
) -> Result<Response, PageProblem> {
    let mut shell = Shell::new(state).await?;
    shell.trouble = trouble;
    let host = state.host(id).await?;
    let now = state.clock.now();
    let operation = state.operation_of(&host).await?;
    let history = state.hosts.history(id, OperatorState::HISTORY_LINES).await?;
    let (answer, disks, answer_problem) = match preview(state, &host).await {
        Ok(preview) => (preview.with_warnings(), preview.disks, None),
        Err(problem) => (String::new(), None, Some(problem.detail().to_owned())),
    };
    let earlier = state.operations.history(id, 10).await?;
    let earlier = earlier.iter().filter(|view| Some(&view.operation.id) != host.operation.as_ref());
    let page = HostPage {
        id: host.id.to_string(),
        hostname: host.hostname.to_string(),
        label: host.state.label(),
        tone: state_tone(host.state, operation.as_ref()),
        since: Moment::new(host.state_since, now),
        patience: state.patience.look(&host).await?,
        look_again: (now + jiff::SignedDuration::from_mins(1)).to_string(),
        doing: doing(&host, operation.as_ref()),
        hint: hint(state, &host).await?,
        facts: facts(state, &host, disks, now),
        operation: operation.as_ref().map(|view| OperationPart::new(view, &[], now)),
        earlier: earlier.map(|view| OperationPart::new(view, &[], now)).collect(),
        history: history.iter().map(|entry| HistoryRow::new(entry, now)).collect(),
        answer,
        answer_problem,
        may_rebuild: host.state.is_stable(),
        memory: memory(state, &host).await?,
        power: PowerPart::new(state, &host).await?,
        mac: host.mac.to_string(),
        boot: BootPart::new(state, &host),
        fingerprint_to_confirm: operation.filter(waits_for_confirmation).and_then(|_| state.fingerprint_of(&host)),
        shell,
    };
    Ok(render(status, &page))
}

fn waits_for_confirmation(view: &OperationView) -> bool {
    let step = view.progress.current_step();
    step.is_some_and(|step| step.name == "confirm_host_key" && step.status == StepStatus::Waiting)
}

/// What the person should do now, where it is their turn.
async fn hint(state: &Visit, host: &Host) -> Result<String, PageProblem> {
    Ok(match host.state {
        HostState::Registered => "Press Rebuild to install it.".to_owned(),
        HostState::PxeReady => {
            let until = state.rebuilds.latest_rebuild(&host.id).await?.map(|rebuild| rebuild.armed_until);
            let until = until.map(|until| format!(" It is armed until {}.", until.strftime("%H:%M UTC")));
            let press = what_to_press(host.boot_order);
            let what = match host.options.power.driver {
                PowerDriver::None => format!("Switch the machine on and let it boot from the network. {press}"),
                // These start it, and its own boot order decides what it starts.
                PowerDriver::WakeOnLan | PowerDriver::Webhook => format!("Rackseed starts the machine. {press}"),
                PowerDriver::Redfish | PowerDriver::Ipmi => "Rackseed starts the machine, from the network.".to_owned(),
            };
            format!("{what}{}", until.unwrap_or_default())
        }
        HostState::PxeBooted
        | HostState::Installing
        | HostState::Installed
        | HostState::FirstBoot
        | HostState::Joining
        | HostState::Ready
        | HostState::Failed => String::new(),
    })
}

fn facts(state: &Visit, host: &Host, disks: Option<String>, now: jiff::Timestamp) -> Vec<(&'static str, String)> {
    let server_type = state.catalog.server_type(&host.server_type);
    let unknown = || "not known yet".to_owned();
    let full = |at| Moment::new(at, now).full;
    let mut facts = vec![
        ("MAC address", host.mac.to_string()),
        (
            "Server type",
            match &server_type {
                Some(kind) => format!("{} ({})", kind.display_name, host.server_type),
                None => format!("{} (not in the catalog any more)", host.server_type),
            },
        ),
        (
            "Disk",
            disks
                .or_else(|| server_type.as_ref().map(|kind| host.options.answer.disk_rule(kind)))
                .unwrap_or_else(unknown),
        ),
        ("Address", host.address.map_or_else(unknown, |address| address.to_string())),
        (
            "Starts first",
            match host.boot_order {
                Some(BootOrder::NetworkFirst) => "the network".to_owned(),
                Some(BootOrder::DiskFirst) => "its disk".to_owned(),
                None => unknown(),
            },
        ),
        ("Hardware id", host.hardware_id.clone().unwrap_or_else(unknown)),
        ("SSH host key", state.fingerprint_of(host).unwrap_or_else(unknown)),
        ("Registered", full(host.registered_at)),
        ("Last installed", host.installed_at.map_or_else(|| "never".to_owned(), full)),
    ];
    facts.extend(host.hardware.iter().flat_map(hardware_part::facts));
    facts
}

impl HistoryRow {
    fn new(entry: &HistoryEntry, now: jiff::Timestamp) -> Self {
        Self {
            at: Moment::new(entry.at, now),
            tone: state_tone(entry.to, None),
            label: entry.to.label(),
            because: entry.because.clone(),
        }
    }
}

async fn memory(state: &Visit, host: &Host) -> Result<Option<String>, PageProblem> {
    let Some(kind) = state.catalog.server_type(&host.server_type) else { return Ok(None) };
    let chosen = state.image_for(host, &kind).await?;
    Ok(chosen.ok().and_then(|choice| memory_warning(&choice.image, host.hostname.as_str(), host.hardware.as_ref())))
}
