//! One host: what it is, what it does and why, what happened to it, and what can be done about it.

use askama::Template;
use axum::{http::StatusCode, response::Response};

use super::{
    boot_part::BootPart,
    exchange_part::ExchangePart,
    hardware_part::HardwarePart,
    journey_part::{EvidencePart, JourneyPart},
    operation_part::OperationPart,
    options_part::OptionsPart,
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
        journey::ahead,
        operation::StepStatus,
        power::PowerDriver,
    },
    http::{OperatorState, Visit, api::answers::preview},
    operations::OperationView,
    provisioning::HostPatience,
};

/// How many lines of history and how many operations the page shows unless all are asked for.
const SHOWN: usize = 10;
/// The most operations that are shown: each is read with its journal.
const MOST_OPERATIONS: u32 = 100;

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
    /// What comes next, where something is under way.
    next: &'static str,
    /// What a person should know before anything else.
    banners: Vec<Banner>,
    facts: Vec<(&'static str, String)>,
    operation: Option<OperationPart>,
    operations: Vec<OperationPart>,
    has_more_operations: bool,
    history: Vec<HistoryRow>,
    has_more_history: bool,
    /// Whether everything is shown that is kept.
    all: bool,
    answer: String,
    answer_problem: Option<String>,
    may_rebuild: bool,
    fingerprint_to_confirm: Option<String>,
    power: PowerPart,
    mac: String,
    boot: BootPart,
    journey: JourneyPart,
    evidence: Option<EvidencePart>,
    hardware: HardwarePart,
    exchanges: ExchangePart,
    options: OptionsPart,
}

/// A warning on top of the page.
struct Banner {
    id: &'static str,
    tone: &'static str,
    text: String,
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
    let shell = Shell { trouble, ..Shell::new(state).await? };
    let page = page(state, shell, &state.host(id).await?, false).await?;
    Ok(render(status, &page))
}

/// Shows a host; with everything that is kept of it, where that is asked for.
pub(super) async fn look(state: &Visit, id: &HostId, all: bool) -> Result<Response, PageProblem> {
    let shell = Shell::new(state).await?;
    let page = page(state, shell, &state.host(id).await?, all).await?;
    Ok(render(StatusCode::OK, &page))
}

async fn page(state: &Visit, shell: Shell, host: &Host, all: bool) -> Result<HostPage, PageProblem> {
    let now = state.clock.now();
    let operation = state.operation_of(host).await?;
    let (history, has_more_history) = history(state, host, all).await?;
    let (operations, has_more_operations) = operations(state, host, all).await?;
    let (answer, disks, answer_problem) = match preview(state, host).await {
        Ok(preview) => (preview.with_warnings(), preview.disks, None),
        Err(problem) => (String::new(), None, Some(problem.detail().to_owned())),
    };
    let patience = state.patience.look(host).await?;
    Ok(HostPage {
        id: host.id.to_string(),
        hostname: host.hostname.to_string(),
        label: host.state.label(),
        tone: state_tone(host.state, operation.as_ref()),
        since: Moment::new(host.state_since, now),
        look_again: (now + jiff::SignedDuration::from_mins(1)).to_string(),
        doing: doing(host, operation.as_ref()),
        hint: hint(state, host).await?,
        next: ahead(host.state),
        banners: banners(state, host, answer_problem.as_deref()).await?,
        facts: facts(state, host, disks, now),
        // One that is over stands among the others.
        operation: operation
            .as_ref()
            .filter(|view| {
                !view.progress.status.is_over() || !host.state.is_stable() || host.state == HostState::Failed
            })
            .map(|view| OperationPart::new(view, &[], now)),
        operations,
        has_more_operations,
        history,
        has_more_history,
        all,
        answer,
        answer_problem,
        may_rebuild: host.state.is_stable(),
        power: PowerPart::new(state, host).await?,
        mac: host.mac.to_string(),
        boot: BootPart::new(state, host),
        journey: JourneyPart::new(state, host).await?,
        evidence: EvidencePart::new(state, host).await?,
        hardware: HardwarePart::new(host),
        exchanges: ExchangePart::new(state, host, all).await?,
        options: OptionsPart::new(state, host).await?,
        fingerprint_to_confirm: operation.filter(waits_for_confirmation).and_then(|_| state.fingerprint_of(host)),
        patience,
        shell,
    })
}

async fn history(state: &Visit, host: &Host, all: bool) -> Result<(Vec<HistoryRow>, bool), PageProblem> {
    let now = state.clock.now();
    let entries = state.hosts.history(&host.id, OperatorState::HISTORY_LINES).await?;
    let shown = if all { entries.len() } else { SHOWN };
    let rows = entries.iter().take(shown).map(|entry| HistoryRow::new(entry, now)).collect();
    Ok((rows, entries.len() > shown))
}

async fn operations(state: &Visit, host: &Host, all: bool) -> Result<(Vec<OperationPart>, bool), PageProblem> {
    let now = state.clock.now();
    let limit = if all { MOST_OPERATIONS } else { u32::try_from(SHOWN + 1).unwrap_or(u32::MAX) };
    let views = state.operations.history(&host.id, limit).await?;
    let shown = if all { views.len() } else { SHOWN };
    let rows = views.iter().take(shown).map(|view| OperationPart::new(view, &[], now)).collect();
    Ok((rows, views.len() > shown))
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

/// What stands on top: what will make the next rebuild fail, and what a member that failed must not do.
async fn banners(state: &Visit, host: &Host, answer: Option<&str>) -> Result<Vec<Banner>, PageProblem> {
    let mut banners = Vec::new();
    if !host.state.is_stable() {
        return Ok(banners);
    }
    let kind = state.catalog.server_type(&host.server_type);
    match &kind {
        None => banners.push(Banner {
            id: "no-server-type",
            tone: "bad",
            text: format!(
                "Its server type `{}` is not in the catalog any more; it cannot be rebuilt.",
                host.server_type
            ),
        }),
        Some(kind) => {
            let chosen = state.image_for(host, kind).await?.ok();
            let warning =
                chosen.and_then(|choice| memory_warning(&choice.image, host.hostname.as_str(), host.hardware.as_ref()));
            banners.extend(warning.map(|text| Banner { id: "memory", tone: "warn", text: format!("Memory: {text}.") }));
            let problem = answer.map(|problem| format!("It could not be given an answer now: {problem}."));
            banners.extend(problem.map(|text| Banner { id: "no-answer", tone: "warn", text }));
        }
    }
    Ok(banners)
}

/// What is known of a host apart from its hardware: name and text.
pub(super) fn facts(
    state: &Visit,
    host: &Host,
    disks: Option<String>,
    now: jiff::Timestamp,
) -> Vec<(&'static str, String)> {
    let server_type = state.catalog.server_type(&host.server_type);
    let unknown = || "not known yet".to_owned();
    let full = |at| Moment::new(at, now).full;
    vec![
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
        (
            "In the cluster",
            if host.is_member { "yes, as it was seen last" } else { "not known as a member" }.to_owned(),
        ),
        ("Registered", full(host.registered_at)),
        ("Last installed", host.installed_at.map_or_else(|| "never".to_owned(), full)),
    ]
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
