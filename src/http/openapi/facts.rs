//! What the types of the interface do not say by themselves: which words a field may have, its form, its bounds, an example.

use serde_json::{Map, Value, json};

use super::parameters::words;
use crate::{
    domain::{
        audit::Via,
        batch::{BatchState, MOST_AT_ONCE, MOST_HOSTS, TurnState},
        boot_diagnosis::Place,
        boot_order::BootOrder,
        boot_trace::Stage,
        checkup::Verdict,
        cluster_report::{GuestKind, GuestState},
        delivery::DeliveryState,
        evidence::Standing,
        exchange::ExchangeKind,
        host_lifecycle::{HostEvent, HostState},
        image_addition::AdditionStage,
        image_choice::ChosenBecause,
        journey::Passage,
        live_event::Topic,
        notification::MomentKind,
        operation::{Action, OperationStatus, StepStatus},
        power::{PowerAction, PowerDriver, PowerState},
        preflight::Severity,
    },
    http::problem_codes::Code,
};

/// The words of a table.
macro_rules! of {
    ($table:ty) => {
        || words(<$table>::ALL.iter().map(|word| word.word()))
    };
}

/// Fields of schemas, and what is to be said of each.
type Fact = (&'static [(&'static str, &'static str)], fn() -> Value);

const FACTS: &[Fact] = &[
    (&[("Host", "state"), ("HistoryEntry", "from"), ("HistoryEntry", "to"), ("LifecycleLeg", "state")], of!(HostState)),
    (&[("HistoryEntry", "event")], of!(HostEvent)),
    (&[("Host", "boot_order")], of!(BootOrder)),
    (&[("Operation", "status")], of!(OperationStatus)),
    (&[("Step", "status")], of!(StepStatus)),
    (&[("OperationAction", "action")], of!(Action)),
    (&[("Batch", "state")], of!(BatchState)),
    (&[("BatchTurn", "state")], of!(TurnState)),
    (&[("BootMilestone", "milestone")], of!(Stage)),
    (&[("BootDiagnosis", "place")], of!(Place)),
    (&[("Activity", "topic")], of!(Topic)),
    (&[("AuditEntry", "via")], of!(Via)),
    (&[("Check", "verdict"), ("Checkup", "worst")], of!(Verdict)),
    (&[("Evidence", "standing")], of!(Standing)),
    (&[("Exchange", "kind")], of!(ExchangeKind)),
    (&[("ImageAddition", "stage")], of!(AdditionStage)),
    (&[("RebuildPlan", "image_because")], of!(ChosenBecause)),
    (&[("LifecycleLeg", "passage")], of!(Passage)),
    (&[("NotificationDelivery", "state")], of!(DeliveryState)),
    (&[("NotificationDelivery", "event")], of!(MomentKind)),
    (&[("Power", "driver")], of!(PowerDriver)),
    (&[("Power", "state")], of!(PowerState)),
    (&[("PowerAction", "action")], of!(PowerAction)),
    (&[("Finding", "severity")], of!(Severity)),
    (&[("HostGuest", "kind")], of!(GuestKind)),
    (&[("HostGuest", "state")], of!(GuestState)),
    (&[("Problem", "code")], of!(Code)),
    (
        &[
            ("Host", "id"),
            ("Operation", "host_id"),
            ("BatchTurn", "host"),
            ("Boot", "host_id"),
            ("Lifecycle", "host_id"),
            ("RebuildPlan", "host_id"),
            ("AnswerPreview", "host_id"),
            ("AnswerCheck", "host_id"),
            ("AnswerDifference", "host_id"),
            ("HostName", "id"),
            ("StrandedHost", "id"),
            ("AuditEntry", "host"),
            ("Activity", "host"),
            ("NotificationDelivery", "host"),
        ],
        || json!({ "pattern": "^[a-z2-7]{12}$", "examples": ["h5w2kq7rz3mn"] }),
    ),
    (
        &[
            ("Operation", "id"),
            ("BatchTurn", "operation"),
            ("AuditEntry", "operation"),
            ("Activity", "operation"),
            ("Lifecycle", "operation"),
            ("AnswerDifference", "operation"),
            ("NotificationDelivery", "operation"),
            ("Exchange", "operation"),
        ],
        || json!({ "pattern": "^[a-z2-7]{12}$", "examples": ["u4x6pm2j7q3d"] }),
    ),
    (
        &[("Batch", "id"), ("AuditEntry", "batch")],
        || json!({ "pattern": "^[a-z2-7]{12}$", "examples": ["b7n2kq5wz4ca"] }),
    ),
    (
        &[("Host", "mac"), ("Sighting", "mac"), ("Boot", "mac")],
        || json!({ "pattern": "^([0-9a-f]{2}:){5}[0-9a-f]{2}$", "examples": ["52:54:00:12:34:56"] }),
    ),
    (&[("NewHost", "mac")], || json!({ "maxLength": 64, "examples": ["52:54:00:12:34:56"] })),
    (
        &[
            ("NewHost", "hostname"),
            ("Host", "hostname"),
            ("BatchTurn", "hostname"),
            ("HostName", "hostname"),
            ("RebuildPlan", "hostname"),
        ],
        || json!({ "maxLength": 63, "examples": ["pve-01"] }),
    ),
    (
        &[("NewHost", "server_type"), ("Host", "server_type")],
        || json!({ "maxLength": 64, "examples": ["generic-sata"] }),
    ),
    (&[("RebuildRequest", "confirm"), ("PowerAction", "confirm")], || json!({ "examples": ["pve-01"] })),
    (
        &[
            ("RebuildRequest", "image"),
            ("NewBatch", "image"),
            ("Image", "id"),
            ("ImageAddition", "image"),
            ("Batch", "image"),
        ],
        || json!({ "maxLength": 64, "examples": ["pve-9.2-1-3fa94c21"] }),
    ),
    (&[("RebuildRequest", "member_address")], || json!({ "examples": ["192.168.1.13"] })),
    (&[("RebuildRequest", "override")], || json!({ "maxItems": 64, "examples": [["cluster_not_quorate"]] })),
    (&[("RebuildRequest", "reason")], || json!({ "examples": ["the guests are gone since Monday"] })),
    (&[("NewBatch", "hosts")], || json!({ "minItems": 1, "maxItems": MOST_HOSTS, "examples": [["pve-01", "pve-02"]] })),
    (&[("NewBatch", "at_most")], || json!({ "minimum": 1, "maximum": MOST_AT_ONCE, "examples": [2] })),
    (&[("NewBatch", "confirm")], || json!({ "examples": ["rebuild 2 hosts"] })),
    (&[("BatchSkip", "host")], || json!({ "examples": ["pve-01"] })),
    (&[("Gate", "address"), ("NewGate", "address")], || json!({ "format": "ipv4", "examples": ["192.168.1.11"] })),
    (&[("Host", "address")], || json!({ "examples": ["192.168.1.13"] })),
    (&[("NewGate", "password"), ("NewGate", "key"), ("PowerSecret", "secret")], || json!({ "writeOnly": true })),
    (
        &[("NewImage", "url"), ("ImageAddition", "url")],
        || json!({ "examples": ["https://enterprise.proxmox.com/iso/proxmox-ve_9.2-1.iso"] }),
    ),
    (&[("NewUpload", "name"), ("ImageAddition", "name")], || json!({ "examples": ["proxmox-ve_9.2-1.iso"] })),
    (
        &[("HostKeyConfirmation", "fingerprint")],
        || json!({ "examples": ["SHA256:9Xb0qk0s1v8mSxu6iZ5m2iYxkq8m7Wc1o4n3t2r1p0Q"] }),
    ),
    (&[("NotificationTest", "target")], || json!({ "examples": ["on-call"] })),
    (
        &[("HostChange", "options")],
        || json!({ "examples": [{ "image": "pve-9.2-1-3fa94c21", "answer": { "network": null } }] }),
    ),
];

/// Adds to the schemas what is known of their fields.
pub(super) fn add_to(schemas: &mut Map<String, Value>) {
    for (fields, told) in FACTS {
        for (schema, field) in *fields {
            let Some(property) = schemas.get_mut(*schema).and_then(|schema| schema["properties"].get_mut(*field))
            else {
                continue;
            };
            let Value::Object(told) = told() else { continue };
            // What may be null says of its other form what is known.
            let is_optional = property["anyOf"].is_array();
            for (name, value) in told {
                let place = if is_optional && name != "examples" { &mut property["anyOf"][0] } else { &mut *property };
                place[name] = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_is_about_a_field_that_there_is() {
        let mut schemas = super::super::schemas();
        schemas.retain(|_, schema| schema["properties"].is_object());
        for (schema, field) in FACTS.iter().flat_map(|(fields, _)| *fields) {
            assert!(schemas[*schema]["properties"][field].is_object(), "{schema}.{field} of src/http/openapi/facts.rs");
        }
    }
}
