//! The pre-flight of a rebuild: what would be wiped and installed, what the cluster would look like, what speaks against it, and the form
//! that starts it. Everything works without JavaScript.

use askama::Template;
use axum::{
    http::{StatusCode, Uri},
    response::Response,
};

use super::{
    forms::{ours, to_host},
    hardware_part::DiskRow,
    rebuild_part::{ClusterPart, FindingRow, lines},
    shell::{PageProblem, Shell, render},
    words::Moment,
};
use crate::{
    domain::{
        cluster_plan::Belonging,
        identity::HostId,
        image::Image,
        preflight::{self, Consent, Finding, LONGEST_REASON, Objection, Preflight, Severity},
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
    /// That it was installed before, or that nobody knows.
    before: String,
    moments: Vec<preflight::Moment>,
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
    no_cluster: String,
    answer: Option<String>,
    /// The answer that it was given last; absent when it never was given one.
    served: Option<Moment>,
    difference: Option<Vec<(&'static str, String)>>,
    /// Why there is no form: what nobody can override.
    stopped: Option<String>,
    blockers: Vec<(&'static str, bool)>,
    warnings: usize,
    typed: Typed,
    longest_reason: usize,
    /// What happens to the machine when the button is pressed, in one line beside it.
    then: String,
}

/// What was typed into the form, and what is wrong with it.
#[derive(Default)]
struct Typed {
    confirm: String,
    reason: String,
    accepted: bool,
    confirm_problem: Option<String>,
    reason_problem: Option<String>,
    warnings_problem: Option<String>,
    image_problem: Option<String>,
}

/// What a refused form is answered with.
struct Refused {
    status: StatusCode,
    detail: String,
    typed: Typed,
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
    page(&state, &preflight, &RebuildWish { asked, ..RebuildWish::default() }, None).await
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
    let mut typed = Typed {
        confirm: wish.confirm.clone().unwrap_or_default(),
        reason: wish.consent.reason.clone(),
        accepted: wish.consent.accepts_warnings,
        ..Typed::default()
    };
    match &refusal {
        RebuildRefusal::Confirmation { .. } => typed.confirm_problem = Some(detail.clone()),
        RebuildRefusal::UnknownImage(_) => typed.image_problem = Some(detail.clone()),
        RebuildRefusal::Objection { objection: Objection::Reason, .. } => typed.reason_problem = Some(detail.clone()),
        RebuildRefusal::Objection { objection: Objection::Unaccepted(_), .. } => {
            typed.warnings_problem = Some("read them, then say that you mean it".into());
        }
        RebuildRefusal::Objection { objection: Objection::Blocked(_), .. }
        | RebuildRefusal::UnknownHost(_)
        | RebuildRefusal::UnderWay { .. }
        | RebuildRefusal::NotReady(_)
        | RebuildRefusal::Ledger(_)
        | RebuildRefusal::Secrets(_)
        | RebuildRefusal::Key(_) => {}
    }
    // What an objection is about was looked at just now.
    if let RebuildRefusal::Objection { preflight, .. } = refusal {
        let refused = Refused { status: StatusCode::CONFLICT, detail, typed };
        return page(state, &preflight, wish, Some(refused)).await;
    }
    // An image that is not there cannot be looked at; any other choice stays.
    let image = wish.asked.image.clone().filter(|_| !matches!(refusal, RebuildRefusal::UnknownImage(_)));
    let status = Problem::from(refusal).status();
    let preflight = state.rebuild.plan(id, &Asked { image, ..wish.asked.clone() }).await?;
    page(state, &preflight, wish, Some(Refused { status, detail, typed })).await
}

async fn page(
    state: &Visit,
    preflight: &Preflight,
    wish: &RebuildWish,
    refused: Option<Refused>,
) -> Result<Response, PageProblem> {
    let (facts, now) = (&preflight.facts, state.clock.now());
    let (host, asked) = (&facts.host, &wish.asked);
    let (status, trouble, typed) = refused.map_or_else(
        || (StatusCode::OK, None, Typed::default()),
        |refused| (refused.status, Some(refused.detail), refused.typed),
    );
    let review = facts.answer.as_ref().and_then(|answer| answer.as_ref().ok());
    let rule = facts.server_type.as_ref().map(|kind| host.options.answer.disk_rule(kind));
    let images = state.images.images().await?;
    let mut blockers: Vec<&Finding> = preflight.of(Severity::Blocker).collect();
    let wall = blockers.iter().find(|finding| !finding.can_be_overridden);
    let stopped = wall.map(|finding| format!("This cannot be overridden: {}.", finding.sentence));
    blockers.dedup_by_key(|finding| finding.id);
    let ticked = |id: &str| wish.consent.overrides.iter().any(|ticked| ticked == id);
    let shell = Shell { trouble, ..Shell::new(state).await? };
    let (verdict, verdict_tone) = verdict(preflight);
    let disk = review.and_then(|review| review.disks.clone()).or(rule);
    let moments = preflight::moments(facts, state.rebuild.armed_for, disk.as_deref());
    let served = state.rebuilds.served_answer(&host.id).await?;
    let page = RebuildPage {
        before: before(preflight, now),
        then: moments
            .iter()
            .find(|moment| moment.id == "started")
            .map(|moment| moment.title.clone())
            .unwrap_or_default(),
        moments,
        id: host.id.to_string(),
        hostname: host.hostname.to_string(),
        disk,
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
        no_cluster: no_cluster(state, preflight),
        answer: review.and_then(|review| review.toml.as_deref()).map(state.redact),
        difference: difference(state, preflight).await?.as_deref().map(lines),
        served: served.map(|served| Moment::new(served.at, now)),
        stopped,
        blockers: blockers.iter().map(|finding| (finding.id, ticked(finding.id))).collect(),
        warnings: preflight.of(Severity::Warning).count(),
        typed,
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

/// Whether it was installed before, and so what is lost.
fn before(preflight: &Preflight, now: jiff::Timestamp) -> String {
    let host = &preflight.facts.host;
    match host.installed_at {
        Some(at) => {
            let at = Moment::new(at, now);
            format!(
                "{} was installed before, {} ago ({}): whatever it holds now is lost.",
                host.hostname, at.ago, at.full
            )
        }
        None => format!(
            "Rackseed has never installed {}. That does not mean that its disks are empty: whatever is on them is lost.",
            host.hostname
        ),
    }
}

/// What is said where no cluster was seen.
fn no_cluster(state: &Visit, preflight: &Preflight) -> String {
    let facts = &preflight.facts;
    let name = &state.rebuild.world.cluster.cluster_name;
    if matches!(facts.cluster.belonging, Belonging::Unknown(_)) {
        "It could not be asked; see above.".to_owned()
    } else if facts.cluster.view.is_some() {
        "There is none yet: the node that was asked stands alone.".to_owned()
    } else {
        format!(
            "There is none yet: {} creates the cluster {name} and is its first member, with one vote of one.",
            facts.host.hostname
        )
    }
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
