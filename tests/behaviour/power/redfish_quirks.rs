//! What real BMCs do and the emulator does not: entity tags, a boot mode that may not be written, several systems, few resets.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use rackseed::ports::{NetworkBoot, PowerError};
use serde_json::{Value, json};

use crate::support::power::Switched;

/// A BMC without login over plain HTTP, whose quirks are chosen.
#[derive(Clone, Default)]
struct Quirks {
    /// A change needs the newest tag.
    wants_tag: bool,
    /// The boot mode may not be written, even as it is.
    refuses_mode: bool,
    /// It says yes to a boot device and forgets it.
    forgets_boot: bool,
    /// The kinds of reset that it lists.
    resets: Vec<&'static str>,
    /// How many systems it has.
    systems: usize,
}

#[derive(Clone)]
struct Bmc {
    quirks: Quirks,
    system: Arc<Mutex<Value>>,
    version: Arc<Mutex<u32>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Bmc {
    async fn start(power: &str, quirks: Quirks) -> (Self, Switched) {
        let system = json!({
            "@odata.id": "/redfish/v1/Systems/0",
            "PowerState": power,
            "Boot": { "BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None", "BootSourceOverrideMode": "UEFI" },
            "Actions": { "#ComputerSystem.Reset": {
                "target": "/redfish/v1/Systems/0/Actions/ComputerSystem.Reset",
                "ResetType@Redfish.AllowableValues": quirks.resets,
            } },
        });
        let bmc = Self { quirks, system: Arc::new(Mutex::new(system)), version: Arc::default(), asked: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(bmc.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let switched = Switched::new(json!({ "driver": "redfish", "redfish": { "url": url } }), None).await;
        (bmc, switched)
    }

    /// What it was told, in order.
    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }

    fn patch(&self, headers: &HeaderMap, body: &Value) -> Response {
        let tag = format!("W/\"{}\"", self.version.lock().unwrap());
        let given = headers.get(header::IF_MATCH).map_or("", |tag| tag.to_str().unwrap());
        if self.quirks.wants_tag && given != tag.trim_start_matches("W/") {
            return StatusCode::PRECONDITION_FAILED.into_response();
        }
        if self.quirks.refuses_mode && body["Boot"].get("BootSourceOverrideMode").is_some() {
            let error = json!({ "error": { "@Message.ExtendedInfo": [{ "Message": "not writable" }] } });
            return (StatusCode::BAD_REQUEST, Json(error)).into_response();
        }
        if !self.quirks.forgets_boot {
            for (name, value) in body["Boot"].as_object().unwrap() {
                self.system.lock().unwrap()["Boot"][name] = value.clone();
            }
        }
        StatusCode::NO_CONTENT.into_response()
    }
}

async fn answer(State(bmc): State<Bmc>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 10_000).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if !body.is_null() {
        bmc.asked.lock().unwrap().push(body.clone());
    }
    match (parts.method.as_str(), parts.uri.path()) {
        ("GET", "/redfish/v1/Systems") => {
            let members = |count| (0..count).map(|n| json!({ "@odata.id": format!("/redfish/v1/Systems/{n}") }));
            Json(json!({ "Members": members(bmc.quirks.systems.max(1)).collect::<Vec<_>>() })).into_response()
        }
        ("GET", "/redfish/v1/Systems/0") => {
            let tag = format!("W/\"{}\"", bmc.version.lock().unwrap());
            ([(header::ETAG, tag)], Json(bmc.system.lock().unwrap().clone())).into_response()
        }
        ("PATCH", "/redfish/v1/Systems/0") => bmc.patch(&parts.headers, &body),
        ("POST", "/redfish/v1/Systems/0/Actions/ComputerSystem.Reset") => {
            let state = if body["ResetType"] == "ForceOff" { "Off" } else { "On" };
            bmc.system.lock().unwrap()["PowerState"] = state.into();
            StatusCode::ACCEPTED.into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn boot(mode: Option<&str>) -> Value {
    let mut boot = json!({ "BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe" });
    if let Some(mode) = mode {
        boot["BootSourceOverrideMode"] = mode.into();
    }
    json!({ "Boot": boot })
}

fn reset(kind: &str) -> Value {
    json!({ "ResetType": kind })
}

#[tokio::test]
async fn the_mode_that_a_bmc_has_is_said_again_and_the_boot_is_only_once() {
    let (bmc, switched) = Bmc::start("On", Quirks { resets: vec!["On", "ForceRestart"], ..Quirks::default() }).await;
    assert_eq!(switched.boot_from_network().await, Ok(NetworkBoot::Confirmed));
    assert_eq!(bmc.asked(), [boot(Some("UEFI")), reset("ForceRestart")]);
}

#[tokio::test]
async fn a_bmc_that_refuses_the_mode_is_asked_without_it_unless_the_operator_chose_another() {
    let quirks = Quirks { refuses_mode: true, resets: vec!["On"], ..Quirks::default() };
    let (bmc, mut switched) = Bmc::start("Off", quirks).await;
    assert_eq!(switched.boot_from_network().await, Ok(NetworkBoot::Confirmed));
    assert_eq!(bmc.asked(), [boot(Some("UEFI")), boot(None), reset("On")]);
    let legacy = json!({ "power": { "redfish": { "boot_mode": "legacy" } } });
    switched.host.options = switched.host.options.patched(&legacy).unwrap();
    let error = switched.boot_from_network().await.unwrap_err().to_string();
    assert!(error.ends_with("refused the one-time network boot with 400 Bad Request: not writable"), "{error}");
    assert_eq!(bmc.asked()[3..], [boot(Some("Legacy"))]);
}

#[tokio::test]
async fn a_bmc_that_wants_a_strong_tag_is_given_the_newest_one() {
    let quirks = Quirks { wants_tag: true, resets: vec!["On"], ..Quirks::default() };
    let (bmc, switched) = Bmc::start("Off", quirks).await;
    assert_eq!(switched.boot_from_network().await, Ok(NetworkBoot::Confirmed));
    assert_eq!(bmc.asked(), [boot(Some("UEFI")), boot(Some("UEFI")), reset("On")]);
}

#[tokio::test]
async fn a_boot_device_that_was_promised_and_is_not_shown_keeps_the_machine_from_being_restarted() {
    let quirks = Quirks { forgets_boot: true, resets: vec!["ForceRestart"], ..Quirks::default() };
    let (bmc, switched) = Bmc::start("On", quirks).await;
    let error = switched.boot_from_network().await.unwrap_err().to_string();
    assert!(error.ends_with("still shows `None`; the machine was not restarted"), "{error}");
    assert_eq!(bmc.asked(), [boot(Some("UEFI"))]);
}

#[tokio::test]
async fn a_machine_without_a_restart_is_switched_off_and_on() {
    let (bmc, switched) = Bmc::start("On", Quirks { resets: vec!["On", "ForceOff"], ..Quirks::default() }).await;
    assert_eq!(switched.boot_from_network().await, Ok(NetworkBoot::Confirmed));
    assert_eq!(bmc.asked(), [boot(Some("UEFI")), reset("ForceOff"), reset("On")]);
}

#[tokio::test]
async fn among_several_systems_one_must_be_chosen() {
    let (bmc, mut switched) = Bmc::start("Off", Quirks { systems: 2, resets: vec!["On"], ..Quirks::default() }).await;
    let error = switched.boot_from_network().await.unwrap_err();
    assert!(
        matches!(&error, PowerError::NotSupported(sentence) if sentence.contains("power.redfish.system: /redfish/v1/Systems/0, ")),
        "{error}"
    );
    assert_eq!(bmc.asked(), [] as [Value; 0]);
    let chosen = json!({ "power": { "redfish": { "system": "0" } } });
    switched.host.options = switched.host.options.patched(&chosen).unwrap();
    assert_eq!(switched.boot_from_network().await, Ok(NetworkBoot::Confirmed));
}
