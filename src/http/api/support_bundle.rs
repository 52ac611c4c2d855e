//! The support bundle: everything that helps somebody else to see what is wrong, in one archive, without secrets.

use std::time::Duration;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::bundle_parts;
use crate::{
    domain::{
        masking::Masker,
        scrubbing::{scrub, scrub_addresses},
    },
    http::{OperatorState, problem::Problem},
};

/// A longer part is left out, and the manifest says so.
const LARGEST_PART_BYTES: usize = 8 << 20;
/// Once so much is in, further parts are left out.
const LARGEST_BUNDLE_BYTES: usize = 48 << 20;
/// How long the doctor is waited for, where he has not looked lately.
const DOCTOR_PATIENCE: Duration = Duration::from_secs(25);
/// How often he is asked whether he is done.
const DOCTOR_PAUSE: Duration = Duration::from_millis(200);
/// A round of checks that is older is made again.
const DOCTOR_FRESH_SECONDS: i64 = 600;

/// What was taken out, in words for the manifest.
const REMOVED: &[&str] = &[
    "passwords, tokens, keys and their files' contents that the settings name",
    "passwords of BMCs and tokens of power webhooks",
    "tokens and keys of rebuilds that are under way",
    "our own key file, the private key of our certificate, the token of the command line, and the code of the first visit",
    "hashes of passwords, subscription keys, and private keys of whatever kind",
    "users, passwords and queries in addresses, and the paths of webhooks",
];

/// One file of the bundle, before it is cleaned.
pub(super) struct Part {
    /// Its name in the archive.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) what: &'static str,
    /// What it holds.
    pub(super) content: Content,
}

/// What a file holds.
pub(super) enum Content {
    Json(Value),
    Text(String),
}

/// Serves the bundle.
pub(crate) async fn serve(State(state): State<OperatorState>) -> Result<Response, Problem> {
    let now = state.clock.now();
    let bytes = bundle(&state).await?;
    let name = format!("attachment; filename=\"{}\"", file_name(now));
    Ok(([(header::CONTENT_TYPE, "application/x-tar".to_owned()), (header::CONTENT_DISPOSITION, name)], bytes)
        .into_response())
}

/// The name that the file is given.
fn file_name(now: Timestamp) -> String {
    format!("rackseed-support-{}.tar", now.strftime("%Y%m%dT%H%M%SZ"))
}

/// Gathers, cleans and packs everything. What cannot be read is told in its place.
pub(in crate::http) async fn bundle(state: &OperatorState) -> Result<Vec<u8>, Problem> {
    let _ = tokio::time::timeout(DOCTOR_PATIENCE, look(state)).await;
    let parts = bundle_parts::gather(state).await;
    let (mut secrets, now) = (state.appliance.secrets().await, state.clock.now());
    if let Some(code) = state.access.set_up_code() {
        secrets.extend([code.to_string(), code.letters().to_owned()]);
    }
    let packed = tokio::task::spawn_blocking(move || pack(parts, &Masker::new(secrets), now)).await;
    let cannot = |error: String| Problem::internal(format!("the support bundle cannot be written: {error}"));
    packed.map_err(|error| cannot(error.to_string()))?.map_err(|error| cannot(error.to_string()))
}

/// Lets the doctor look, unless he has lately.
async fn look(state: &OperatorState) {
    let fresh = state.clock.now().as_second() - DOCTOR_FRESH_SECONDS;
    let is_fresh = |at: Option<Timestamp>| at.is_none_or(|at| at.as_second() > fresh);
    if state.appliance.checkup().is_none_or(|checkup| !is_fresh(checkup.ended_at)) {
        state.appliance.begin_checkup();
    }
    while state.appliance.checkup().is_some_and(|checkup| checkup.ended_at.is_none()) {
        tokio::time::sleep(DOCTOR_PAUSE).await;
    }
}

/// Cleans the parts and packs them, the manifest first.
fn pack(parts: Vec<Part>, masker: &Masker, now: Timestamp) -> std::io::Result<Vec<u8>> {
    let (mut files, mut rows, mut total) = (Vec::new(), Vec::new(), 0);
    for Part { name, what, content } in parts {
        let (text, taken_out) = clean(content, masker);
        let is_too_much = text.len() > LARGEST_PART_BYTES || total + text.len() > LARGEST_BUNDLE_BYTES;
        rows.push(json!({ "file": name, "what": what, "bytes": text.len(), "values_taken_out": taken_out, "left_out": is_too_much }));
        if !is_too_much {
            total += text.len();
            files.push((name, text));
        }
    }
    let manifest = json!({
        "program": format!("rackseed {}", env!("CARGO_PKG_VERSION")),
        "written_at": now,
        "files": rows,
        "removed": REMOVED,
        "note": "Look through it before you give it away: names, MAC and IP addresses, serial numbers and templates are in it.",
    });
    let manifest = serde_json::to_string_pretty(&manifest)?;
    let mut archive = tar::Builder::new(Vec::new());
    for (name, text) in std::iter::once(("manifest.json", manifest)).chain(files) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o600);
        header.set_size(text.len() as u64);
        header.set_mtime(u64::try_from(now.as_second()).unwrap_or_default());
        archive.append_data(&mut header, format!("rackseed-support/{name}"), text.as_bytes())?;
    }
    archive.into_inner()
}

/// A part without secrets, and how many values were taken out by their name or address.
fn clean(content: Content, masker: &Masker) -> (String, usize) {
    match content {
        Content::Json(mut value) => {
            let count = scrub(&mut value);
            masker.mask_json(&mut value);
            // A second look at the whole: a secret may be a name, or stand where two values meet.
            (masker.mask_known(&serde_json::to_string_pretty(&value).unwrap_or_default()), count)
        }
        Content::Text(text) => {
            let (text, count) = scrub_addresses(&masker.mask_known(&text), false);
            (masker.mask(&text), count)
        }
    }
}
