//! The pre-flight of a rebuild: what would be wiped and installed, what the cluster would look like, what speaks against it, and the form
//! that starts it. Everything works without JavaScript.

use askama::Template;
use axum::{
    http::{StatusCode, Uri},
    response::Response,
};

use super::{
    forms::{ours, to_host},
    shell::{PageProblem, Shell, render},
    words::Moment,
};
use crate::{
    domain::{
        cluster_plan::Belonging,
        cluster_report::GuestState,
        disk_selection,
        hardware::Disk,
        identity::HostId,
        image::Image,
        image_memory::gibibytes,
        preflight::{Consent, Finding, GuestOutlook, LONGEST_REASON, Outlook, Preflight, Severity},
    },
    http::{
        Visit,
        api::{rebuild_views::difference, rebuilds::asked},
        extract::{FormFields, HostPath, query_field},
        problem::Problem,
    },
    operations::{Asked, RebuildRefusal, RebuildWish},
};

/// The beginning of the names of the boxes that override blockers.
const OVERRIDE: &str = "override-";

#[derive(Template)]
#[template(path = "rebuild.html")]
struct RebuildPage {
    shell: Shell,
    id: String,
    hostname: String,
    disk: Option<String>,
    disks: Vec<DiskRow>,
    verdict: String,
    verdict_tone: &'static str,
    findings: Vec<FindingRow>,
    looked_at: String,
    again: String,
    image: String,
    image_rule: &'static str,
    images: Vec<(String, String)>,
    asked_image: String,
    mac: String,
    last_seen: String,
    ask_address: bool,
    member_address: String,
    cluster: Option<ClusterPart>,
    no_cluster: &'static str,
    answer: Option<String>,
    difference: Option<String>,
    /// Why there is no form: what nobody can override.
    stopped: Option<String>,
    blockers: Vec<(&'static str, bool)>,
    warnings: usize,
    accepted: bool,
    reason: String,
    longest_reason: usize,
}

struct DiskRow {
    path: String,
    what: String,
}

struct FindingRow {
    id: &'static str,
    severity: &'static str,
    tone: &'static str,
    sentence: String,
}

struct ClusterPart {
    name: String,
    asked: String,
    sentence: String,
    nodes: Vec<(String, bool)>,
    guests: Vec<GuestRow>,
}

struct GuestRow {
    title: String,
    state: &'static str,
    tone: &'static str,
    backup: String,
}

/// Shows the pre-flight.
pub(in crate::http) async fn show(
    state: Visit,
    id: Result<HostPath, Problem>,
    uri: Uri,
) -> Result<Response, PageProblem> {
    let HostPath(id) = id?;
    let field = |name| query_field(uri.query(), name);
    let asked = asked(field("image"), field("member_address").as_deref())?;
    let preflight = state.rebuild.plan(&id, &asked).await?;
    page(&state, &preflight, &asked, &Consent::default(), None).await
}

/// Starts the rebuild, or shows again what is in the way.
pub(in crate::http) async fn start(
    state: Visit,
    id: Result<HostPath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (HostPath(id), fields) = (id?, ours(&state, fields)?);
    let asked = asked(Some(fields.get("image").to_owned()), Some(fields.get("member_address")))?;
    let consent = Consent {
        accepts_warnings: fields.get("accept_warnings") == "yes",
        overrides: fields.ticked(OVERRIDE).map(str::to_owned).collect(),
        reason: fields.get("reason").to_owned(),
    };
    let wish = RebuildWish { confirm: Some(fields.get("confirm").to_owned()), asked, consent, intended: None };
    match state.rebuild.request_with(&id, &wish).await {
        Ok(_) => Ok(to_host(&id)),
        Err(refusal) => refused(&state, &id, &wish, refusal).await,
    }
}

async fn refused(
    state: &Visit,
    id: &HostId,
    wish: &RebuildWish,
    refusal: RebuildRefusal,
) -> Result<Response, PageProblem> {
    let detail = refusal.to_string();
    let preflight = match refusal {
        // It was looked at just now.
        RebuildRefusal::Objection { preflight, .. } => {
            return page(state, &preflight, &wish.asked, &wish.consent, Some((StatusCode::CONFLICT, detail))).await;
        }
        refusal @ (RebuildRefusal::UnknownHost(_)
        | RebuildRefusal::Confirmation { .. }
        | RebuildRefusal::UnknownImage(_)
        | RebuildRefusal::UnderWay { .. }
        | RebuildRefusal::NotReady(_)
        | RebuildRefusal::Ledger(_)
        | RebuildRefusal::Secrets(_)
        | RebuildRefusal::Key(_)) => {
            let status = Problem::from(refusal).status();
            let asked = Asked { image: None, ..wish.asked.clone() };
            (state.rebuild.plan(id, &asked).await?, (status, detail))
        }
    };
    page(state, &preflight.0, &wish.asked, &wish.consent, Some(preflight.1)).await
}

async fn page(
    state: &Visit,
    preflight: &Preflight,
    asked: &Asked,
    consent: &Consent,
    trouble: Option<(StatusCode, String)>,
) -> Result<Response, PageProblem> {
    let (facts, now) = (&preflight.facts, state.clock.now());
    let host = &facts.host;
    let (status, trouble) = trouble.map_or((StatusCode::OK, None), |(status, detail)| (status, Some(detail)));
    let review = facts.answer.as_ref().and_then(|answer| answer.as_ref().ok());
    let rule = facts.server_type.as_ref().map(|kind| host.options.answer.disk_rule(kind));
    let images = state.images.images().await?;
    let mut blockers: Vec<&Finding> = preflight.of(Severity::Blocker).collect();
    let wall = blockers.iter().find(|finding| !finding.can_be_overridden);
    let stopped = wall.map(|finding| format!("This cannot be overridden: {}.", finding.sentence));
    blockers.dedup_by_key(|finding| finding.id);
    let ticked = |id: &str| consent.overrides.iter().any(|ticked| ticked == id);
    let shell = Shell { trouble, ..Shell::new(state).await? };
    let (verdict, verdict_tone) = verdict(preflight);
    let page = RebuildPage {
        id: host.id.to_string(),
        hostname: host.hostname.to_string(),
        disk: review.and_then(|review| review.disks.clone()).or(rule),
        disks: review.into_iter().flat_map(|review| &review.wiped).map(DiskRow::new).collect(),
        verdict,
        verdict_tone,
        findings: preflight.findings.iter().map(FindingRow::new).collect(),
        looked_at: facts.now.strftime("%H:%M:%S UTC").to_string(),
        again: again(&host.id, asked),
        image: match &facts.image {
            Ok(choice) => format!("{}: {}", name(&choice.image), choice.because.sentence()),
            Err(missing) => missing.clone(),
        },
        image_rule: "what the host, its server type or the default say",
        images: images
            .iter()
            .filter(|image| image.unfit_for_rebuild().is_none())
            .map(|image| (image.id.to_string(), name(image)))
            .collect(),
        asked_image: asked.image.clone().unwrap_or_default(),
        mac: host.mac.to_string(),
        last_seen: last_seen(preflight, now),
        ask_address: asked.member_address.is_some() || asks_for_address(&facts.cluster.belonging),
        member_address: asked.member_address.map(|address| address.to_string()).unwrap_or_default(),
        cluster: preflight.outlook.as_ref().map(|outlook| ClusterPart::new(outlook, now)),
        no_cluster: if matches!(facts.cluster.belonging, Belonging::Unknown(_)) {
            "It could not be asked; see above."
        } else if facts.cluster.view.is_some() {
            "There is none yet: the node that was asked stands alone."
        } else {
            "There is none yet."
        },
        answer: review.and_then(|review| review.toml.as_deref()).map(state.redact),
        difference: difference(state, preflight).await?,
        stopped,
        blockers: blockers.iter().map(|finding| (finding.id, ticked(finding.id))).collect(),
        warnings: preflight.of(Severity::Warning).count(),
        accepted: consent.accepts_warnings,
        reason: consent.reason.clone(),
        longest_reason: LONGEST_REASON,
        shell,
    };
    Ok(render(status, &page))
}

fn name(image: &Image) -> String {
    format!("{} ({})", image.title(), image.id)
}

/// The address of this page with what it was asked for.
fn again(id: &HostId, asked: &Asked) -> String {
    let image = asked.image.iter().map(|image| format!("image={image}"));
    let address = asked.member_address.iter().map(|address| format!("member_address={address}"));
    let query = image.chain(address).collect::<Vec<_>>().join("&");
    if query.is_empty() { format!("/hosts/{id}/rebuild") } else { format!("/hosts/{id}/rebuild?{query}") }
}

fn verdict(preflight: &Preflight) -> (String, &'static str) {
    let count = |severity, one: &str| match preflight.of(severity).count() {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {one}s")),
    };
    match (count(Severity::Blocker, "blocker"), count(Severity::Warning, "warning")) {
        (Some(blockers), Some(warnings)) => (format!("{blockers}, {warnings}"), "bad"),
        (Some(blockers), None) => (blockers, "bad"),
        (None, Some(warnings)) => (warnings, "armed"),
        (None, None) => ("nothing".to_owned(), "good"),
    }
}

fn asks_for_address(belonging: &Belonging) -> bool {
    matches!(belonging, Belonging::AddressNotStated { .. } | Belonging::NameTakenByAnotherAddress { .. })
}

/// When the machine itself last spoke to us.
fn last_seen(preflight: &Preflight, now: jiff::Timestamp) -> String {
    let Some(entry) = &preflight.facts.last_heard else {
        return "never: we have not heard from this MAC address yet".to_owned();
    };
    let moment = Moment::new(entry.at, now);
    let from = preflight.facts.host.address.map(|address| format!(" from {address}")).unwrap_or_default();
    format!("{} ago{from} ({}): {}", moment.ago, moment.full, entry.because)
}

impl DiskRow {
    fn new(disk: &Disk) -> Self {
        let property = |key: &str| disk.properties.get(key).cloned();
        let serial = property("ID_SERIAL_SHORT").or_else(|| property("ID_SERIAL"));
        let parts = [
            property("ID_MODEL"),
            serial.map(|serial| format!("serial {serial}")),
            disk.size_bytes.map(gibibytes),
            disk.is_boot_disk.then(|| "holds the system".to_owned()),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        let what = if parts.is_empty() { disk_selection::describe(disk) } else { parts.join(", ") };
        Self { path: disk.path.clone(), what }
    }
}

impl FindingRow {
    fn new(finding: &Finding) -> Self {
        let (severity, tone) = match finding.severity {
            Severity::Blocker => ("Blocker", "bad"),
            Severity::Warning => ("Warning", "armed"),
            Severity::Note => ("Note", "calm"),
        };
        Self { id: finding.id, severity, tone, sentence: finding.sentence.clone() }
    }
}

impl ClusterPart {
    fn new(outlook: &Outlook, now: jiff::Timestamp) -> Self {
        let quorum = if outlook.is_quorate { "It has a quorum" } else { "It has no quorum" };
        Self {
            name: outlook.name.clone(),
            asked: outlook.asked.clone(),
            sentence: format!("{quorum}: {}", outlook.sentence()),
            nodes: outlook.nodes.clone(),
            guests: outlook.guests.iter().map(|guest| GuestRow::new(guest, now)).collect(),
        }
    }
}

impl GuestRow {
    fn new(outlook: &GuestOutlook, now: jiff::Timestamp) -> Self {
        let (state, tone) = match outlook.guest.state {
            GuestState::Running => ("running", "bad"),
            GuestState::Stopped => ("stopped", "calm"),
            GuestState::Unknown => ("state unknown", "bad"),
        };
        let backup = match outlook.last_backup {
            Some(at) => format!("backed up {} ago", Moment::new(at, now).ago),
            None => "no backup seen".to_owned(),
        };
        Self { title: outlook.guest.title(), state, tone, backup }
    }
}
