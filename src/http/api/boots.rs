//! What was seen of a machine's boots, and where the latest one stands.

use axum::{Json, extract::State};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::{
        boot_diagnosis::{BootingHost, Cause, Diagnosis, Expectation, Subject, diagnose},
        boot_record::{BootRecord, Seen},
        host::Host,
        identity::MacAddress,
    },
    http::{
        OperatorState,
        extract::{HostPath, MacPath},
        problem::Problem,
        schema::described,
    },
};

/// The boots of a host.
pub(crate) async fn of_host(
    State(state): State<OperatorState>,
    HostPath(id): HostPath,
) -> Result<Json<BootJson>, Problem> {
    let host = state.host(&id).await?;
    Ok(Json(boot(&state, host.mac, Some(&host))))
}

/// The boots of any machine, registered or not.
pub(crate) async fn of_machine(
    State(state): State<OperatorState>,
    MacPath(mac): MacPath,
) -> Result<Json<BootJson>, Problem> {
    let host = state.hosts.host_by_mac(mac).await?;
    Ok(Json(boot(&state, mac, host.as_ref())))
}

pub(super) fn boot(state: &OperatorState, mac: MacAddress, host: Option<&Host>) -> BootJson {
    let record = state.diary.record(mac);
    let diagnosis = diagnosis(state, &record, host);
    BootJson {
        mac: mac.to_string(),
        host_id: host.map(|host| host.id.to_string()),
        hostname: host.map(|host| host.hostname.to_string()),
        seen: record.all().map(|seen| SeenJson::new(&record, seen)).collect(),
        diagnosis: DiagnosisJson::new(&diagnosis),
    }
}

/// Says where a boot stands.
pub(crate) fn diagnosis(state: &OperatorState, record: &BootRecord, host: Option<&Host>) -> Diagnosis {
    let since = host.map(|host| host.state_since);
    let strangers = state.sightings.all();
    let lately = strangers.iter().filter(|sighting| since.is_some_and(|since| sighting.last_seen >= since));
    let strangers: Vec<_> = lately.map(|sighting| sighting.mac).collect();
    let host = host.map(|host| BootingHost {
        hostname: &host.hostname,
        state: host.state,
        since: host.state_since,
        memory_bytes: host.hardware.as_ref().and_then(|hardware| hardware.memory_bytes),
    });
    diagnose(&Subject { record, host, strangers: &strangers }, state.clock.now())
}

described! {
    /// What was seen of a machine's boots.
    #[derive(Debug, Serialize)]
    pub(crate) struct BootJson as "Boot" {
        /// The machine.
        mac: String,
        /// The host, if it is registered.
        host_id: Option<String>,
        /// Its name.
        hostname: Option<String>,
        /// What was seen, the oldest first. Bounded: the oldest boots are forgotten.
        seen: Vec<SeenJson>,
        /// Where the latest boot stands.
        diagnosis: DiagnosisJson,
    }
}

described! {
    /// One milestone of one boot.
    #[derive(Debug, Serialize)]
    pub(crate) struct SeenJson as "BootMilestone" {
        /// The boot's number.
        boot: u32,
        /// When it was first seen in this boot.
        at: Timestamp,
        /// When it was last seen.
        last_at: Timestamp,
        /// How often.
        times: u32,
        /// Milliseconds since the first thing that was seen of this boot.
        milliseconds: u64,
        /// `asked`, `not_offered`, `offered`, `asked_boot_server`, `loader_fetched`, `script_fetched`, `kernel_fetched`, `initrd_fetched`, `image_fetched`, `answer_served`, `first_boot_script_fetched`, `installed` or `phoned_home`.
        milestone: String,
        /// The same for people.
        sentence: String,
        /// Bytes that were loaded.
        bytes: Option<u64>,
        /// How fast, in bytes a second.
        bytes_per_second: Option<u64>,
    }
}

impl SeenJson {
    fn new(record: &BootRecord, seen: &Seen) -> Self {
        let transfer = seen.milestone.transfer();
        let began = record.began(seen.boot).unwrap_or(seen.at);
        Self {
            boot: seen.boot,
            at: seen.at,
            last_at: seen.last_at,
            times: seen.times,
            milliseconds: u64::try_from(seen.at.duration_since(began).as_millis()).unwrap_or_default(),
            milestone: seen.milestone.stage().word().to_owned(),
            sentence: seen.milestone.sentence(),
            bytes: transfer.map(|transfer| transfer.bytes),
            bytes_per_second: transfer.and_then(|transfer| transfer.bytes_per_second()),
        }
    }
}

described! {
    /// Where a boot stands, and what to do.
    #[derive(Debug, Serialize)]
    pub(crate) struct DiagnosisJson as "BootDiagnosis" {
        /// Where it stands: `silent`, `refused`, `offered`, … `home`.
        place: String,
        /// The whole in one sentence.
        summary: String,
        /// Whether what comes next should have come by now, or the boot has failed.
        overdue: bool,
        /// What comes next, if anything is expected.
        expected: Option<ExpectedJson>,
        /// What is likely wrong, the likeliest first.
        causes: Vec<CauseJson>,
    }
}

described! {
    /// What comes next.
    #[derive(Debug, Serialize)]
    pub(crate) struct ExpectedJson as "BootExpectation" {
        /// What.
        next: String,
        /// Since when it is waited for.
        since: Timestamp,
        /// How many seconds it usually takes.
        usually_seconds: u64,
        /// Whether this very machine took so long the last time.
        learned: bool,
        /// From when on it is overdue.
        overdue_at: Timestamp,
    }
}

described! {
    /// A likely cause.
    #[derive(Debug, Serialize)]
    pub(crate) struct CauseJson as "BootCause" {
        /// The rule's name, the same for ever.
        rule: String,
        /// What is likely the matter.
        cause: String,
        /// What to do.
        fix: String,
    }
}

impl DiagnosisJson {
    fn new(diagnosis: &Diagnosis) -> Self {
        Self {
            place: diagnosis.place.word().to_owned(),
            summary: diagnosis.summary.clone(),
            overdue: diagnosis.overdue,
            expected: diagnosis.expectation.as_ref().map(ExpectedJson::new),
            causes: diagnosis.causes.iter().map(CauseJson::new).collect(),
        }
    }
}

impl ExpectedJson {
    fn new(expectation: &Expectation) -> Self {
        Self {
            next: expectation.next.to_owned(),
            since: expectation.since,
            usually_seconds: u64::try_from(expectation.usually.as_secs()).unwrap_or_default(),
            learned: expectation.is_learned,
            overdue_at: expectation.overdue_at,
        }
    }
}

impl CauseJson {
    fn new(cause: &Cause) -> Self {
        Self { rule: cause.rule.to_owned(), cause: cause.cause.clone(), fix: cause.fix.to_owned() }
    }
}
