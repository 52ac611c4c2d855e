//! What the appliance says of itself: program, data, listeners, certificate, network, and whether it is well.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};

use super::{
    forms::ours,
    shell::{PageProblem, Shell, render},
    words::Moment,
};
use crate::{
    domain::{about::DiskSpace, checkup::Verdict, network::InterfaceState},
    http::{
        Visit,
        api::{about::AboutJson, doctor::CheckupJson},
        extract::FormFields,
        problem::Problem,
    },
};

#[derive(Template)]
#[template(path = "about.html")]
struct AboutPage {
    shell: Shell,
    about: AboutJson,
    started: Moment,
    /// The end of our certificate: a date, and whether it is near.
    certificate_ends: Option<(String, bool)>,
    disk: Option<DiskRow>,
    database_size: Option<String>,
    /// The SHA-256 in pairs, as other tools show it.
    fingerprint: String,
    interfaces: Vec<InterfaceRow>,
    checkup: Option<CheckupJson>,
    /// When its round began.
    checked: Option<Moment>,
}

struct DiskRow {
    free: String,
    total: String,
    used_percent: u64,
    is_little: bool,
}

struct InterfaceRow {
    name: String,
    tone: &'static str,
    sentence: String,
}

/// A certificate that ends within this many days is a warning.
const NEAR_DAYS: i64 = 30;

/// The page.
pub(in crate::http) async fn about(state: Visit) -> Result<Response, PageProblem> {
    let shell = Shell::new(&state).await?;
    let (about, now) = (AboutJson::of(&state).await, state.clock.now());
    let near = now.as_second() + NEAR_DAYS * 86_400;
    let ends = about.certificate_expires_at;
    let disk = about.disk_free_bytes.zip(about.disk_total_bytes);
    let page = AboutPage {
        started: Moment::new(about.started_at, now),
        certificate_ends: ends.map(|at| (at.strftime("%Y-%m-%d").to_string(), at.as_second() < near)),
        disk: disk.map(|(free_bytes, total_bytes)| DiskRow::new(DiskSpace { free_bytes, total_bytes })),
        database_size: about.database_bytes.map(size),
        fingerprint: pairs(&about.certificate_sha256),
        interfaces: interfaces(&state),
        checked: state.appliance.checkup().map(|checkup| Moment::new(checkup.started_at, now)),
        checkup: state.appliance.checkup().as_ref().map(CheckupJson::new),
        about,
        shell,
    };
    Ok(render(StatusCode::OK, &page))
}

/// Begins a round of checks.
pub(in crate::http) async fn begin_checkup(
    state: Visit,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    ours(&state, fields)?;
    state.appliance.begin_checkup();
    Ok(Redirect::to("/about#doctor").into_response())
}

impl AboutPage {
    /// How many checks found nothing.
    fn fine(&self, checkup: &CheckupJson) -> usize {
        checkup.findings.iter().filter(|check| check.verdict == Verdict::Good.word()).count()
    }
}

impl DiskRow {
    fn new(disk: DiskSpace) -> Self {
        let used = disk.total_bytes.saturating_sub(disk.free_bytes);
        Self {
            free: size(disk.free_bytes),
            total: size(disk.total_bytes),
            used_percent: used.saturating_mul(100).checked_div(disk.total_bytes).unwrap_or_default(),
            is_little: disk.is_little(),
        }
    }
}

fn interfaces(state: &Visit) -> Vec<InterfaceRow> {
    let interfaces = state.network.status().interfaces.into_iter();
    interfaces
        .map(|interface| InterfaceRow {
            tone: match interface.state() {
                InterfaceState::Answering => "good",
                InterfaceState::Impaired => "armed",
                InterfaceState::Waiting => "bad",
            },
            sentence: interface.sentence(),
            name: interface.name,
        })
        .collect()
}

/// A number of bytes in the unit that a person thinks in.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = UNITS.iter().find(|(_, unit)| bytes >= *unit);
    unit.map_or_else(
        || format!("{bytes} bytes"),
        |(name, unit)| match bytes * 10 / unit {
            tenths if tenths < 100 => format!("{}.{} {name}", tenths / 10, tenths % 10),
            tenths => format!("{} {name}", tenths / 10),
        },
    )
}

fn pairs(hexadecimal: &str) -> String {
    let digits: Vec<_> = hexadecimal.to_ascii_uppercase().chars().collect();
    digits.chunks(2).map(|pair| pair.iter().collect::<String>()).collect::<Vec<_>>().join(":")
}
