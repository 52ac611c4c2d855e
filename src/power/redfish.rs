//! BMCs that speak Redfish (DMTF DSP0266): one-time network boot, and reset.
//!
//! Basic authentication, which every service must know (DSP0266 §13.2.4), so that no session is left behind on a BMC that allows four.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{
    driver::{Driver, is_seen},
    no_secret,
    redfish_system::System,
    web::{Login, Web, WebAnswer, told},
};
use crate::{
    domain::{
        host::Host,
        power::{BootMode, PowerState, RedfishOptions, fingerprint_bytes, wanted_boot_mode},
    },
    ports::{NetworkBoot, PowerError},
};

/// Where the systems of a BMC are listed.
const SYSTEMS: &str = "/redfish/v1/Systems";
/// How long the BMC may take to show the boot device that it has accepted.
const OVERRIDE_PATIENCE: Duration = Duration::from_secs(8);
/// How long a machine may take until its BMC says that it is on, or off.
const STATE_PATIENCE: Duration = Duration::from_secs(30);

/// One BMC.
pub(super) struct Redfish {
    web: Web,
    base: String,
    system: Option<String>,
    boot_mode: Option<BootMode>,
    /// Whether the operator chose the boot mode: then it is never left out.
    is_mode_chosen: bool,
}

impl Redfish {
    pub(super) fn new(host: &Host, options: RedfishOptions, secret: Option<SecretString>) -> Result<Self, PowerError> {
        let whom = format!("the BMC at {}", options.url.trim_end_matches('/'));
        let login = match (options.user.is_empty(), secret) {
            (true, _) => Login::Nobody,
            (false, Some(password)) => Login::Basic { user: options.user, password },
            (false, None) => return Err(no_secret(&whom, host)),
        };
        let pin = options.certificate_fingerprint.as_deref().and_then(fingerprint_bytes);
        let option = "power.redfish.certificate_fingerprint";
        let is_https = options.url.starts_with("https://");
        Ok(Self {
            web: Web::new(whom, host.hostname.to_string(), login, pin, option, is_https)?,
            base: options.url.trim_end_matches('/').to_owned(),
            system: options.system,
            boot_mode: wanted_boot_mode(options.boot_mode, host),
            is_mode_chosen: options.boot_mode != BootMode::Auto,
        })
    }

    async fn get(&self, path: &str) -> Result<(Value, Option<String>), PowerError> {
        let answer = self.web.ask(Method::GET, &format!("{}{path}", self.base), |request| request).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&format!("to show {path}"), &answer));
        }
        let value = serde_json::from_str(&answer.text)
            .map_err(|_| PowerError::NotSupported(format!("{} does not speak Redfish at {path}", self.web.whom)))?;
        Ok((value, answer.entity_tag))
    }

    /// Finds the machine: the one that was chosen, or the only one.
    async fn look(&self) -> Result<System, PowerError> {
        let path = match &self.system {
            Some(path) if path.starts_with('/') => path.clone(),
            Some(id) => format!("{SYSTEMS}/{id}"),
            None => self.only_system().await?,
        };
        let (value, tag) = self.get(&path).await?;
        Ok(System::new(path, value, tag))
    }

    async fn only_system(&self) -> Result<String, PowerError> {
        let (list, _) = self.get(SYSTEMS).await?;
        let members: Vec<_> = list["Members"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|member| member["@odata.id"].as_str())
            .filter(|path| path.starts_with('/'))
            .collect();
        match members[..] {
            [only] => Ok(only.to_owned()),
            [] => Err(PowerError::NotSupported(format!("{} lists no system below {SYSTEMS}", self.web.whom))),
            _ => Err(PowerError::NotSupported(format!(
                "{} has {} systems; choose one with power.redfish.system: {}",
                self.web.whom,
                members.len(),
                members.join(", ")
            ))),
        }
    }

    /// Sets the one-time network boot and waits until the BMC shows it.
    async fn order_network_boot(&self, system: &System) -> Result<(), PowerError> {
        if !system.can_boot_from_network() {
            return Err(PowerError::NotSupported(format!(
                "{} cannot choose the network for one boot; put the network first in the machine's boot order",
                self.web.whom
            )));
        }
        // Supermicro falls back to its default when the mode is left out; HPE refuses it even when it is what it has.
        let mode = self.boot_mode.map(redfish_mode).map(str::to_owned).or_else(|| system.boot_mode());
        let mut answer = self.patch(system, mode.as_deref()).await?;
        let may_leave_out = !self.is_mode_chosen || mode == system.boot_mode();
        if answer.status.is_client_error() && mode.is_some() && may_leave_out {
            answer = self.patch(system, None).await?;
        }
        if !answer.status.is_success() {
            return Err(self.refused("the one-time network boot", &answer));
        }
        let end = tokio::time::Instant::now() + OVERRIDE_PATIENCE;
        loop {
            let system = self.look().await?;
            if system.will_boot_from_network() {
                return Ok(());
            }
            if tokio::time::Instant::now() >= end {
                return Err(PowerError::Failed(format!(
                    "{} accepted the one-time network boot but still shows `{}`; the machine was not restarted",
                    self.web.whom,
                    system.boot_target()
                )));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Changes the boot device; a BMC that wants to know which version is changed is told (RFC 9110 §13.1.1).
    async fn patch(&self, system: &System, mode: Option<&str>) -> Result<WebAnswer, PowerError> {
        let mut boot = json!({ "BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Pxe" });
        if let Some(mode) = mode {
            boot["BootSourceOverrideMode"] = mode.into();
        }
        let body = json!({ "Boot": boot });
        let url = format!("{}{}", self.base, system.path);
        let send = async |tag: Option<&str>| {
            self.web.ask(Method::PATCH, &url, |request| with_tag(request.json(&body), tag)).await
        };
        let answer = send(system.entity_tag.as_deref()).await?;
        if answer.status != StatusCode::PRECONDITION_FAILED {
            return Ok(answer);
        }
        // It has changed since, or the BMC hands out weak tags and wants strong ones.
        let fresh = self.look().await?.entity_tag;
        send(fresh.as_deref().map(|tag| tag.trim_start_matches("W/"))).await
    }

    async fn reset(&self, system: &System, kind: &str) -> Result<(), PowerError> {
        let url = format!("{}{}", self.base, system.reset_path());
        let body = json!({ "ResetType": kind });
        let answer = self.web.ask(Method::POST, &url, |request| request.json(&body)).await?;
        if answer.status.is_success() { Ok(()) } else { Err(self.refused(&format!("the reset `{kind}`"), &answer)) }
    }

    /// Resets in the first of these ways that the machine knows.
    async fn reset_by(&self, system: &System, kinds: &[&str]) -> Result<(), PowerError> {
        match kinds.iter().find(|kind| system.knows_reset(kind)) {
            Some(kind) => self.reset(system, kind).await,
            None => Err(PowerError::NotSupported(format!("{} knows none of {}", self.web.whom, kinds.join(", ")))),
        }
    }

    async fn restart(&self, system: &System, kinds: &[&str]) -> Result<(), PowerError> {
        if kinds.iter().any(|kind| system.knows_reset(kind)) {
            return self.reset_by(system, kinds).await;
        }
        self.reset_by(system, &["ForceOff"]).await?;
        self.must_be_seen(PowerState::Off).await?;
        self.reset_by(system, &["On", "ForceOn"]).await
    }

    async fn must_be_seen(&self, state: PowerState) -> Result<(), PowerError> {
        if is_seen(self, state, STATE_PATIENCE).await? {
            return Ok(());
        }
        let limit = STATE_PATIENCE.as_secs();
        Err(PowerError::Failed(format!(
            "{} took the command, but after {limit} s the machine is not {state}",
            self.web.whom
        )))
    }

    fn refused(&self, what: &str, answer: &WebAnswer) -> PowerError {
        if answer.status == StatusCode::NOT_FOUND {
            return PowerError::NotSupported(format!("{} refused {what}: there is no such thing there", self.web.whom));
        }
        let value: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        let error = &value["error"];
        let said = error["@Message.ExtendedInfo"][0]["Message"].as_str().or(error["message"].as_str());
        let said = told(said.unwrap_or(&answer.text));
        PowerError::Failed(format!("{} refused {what} with {}: {said}", self.web.whom, answer.status))
    }
}

fn with_tag(request: reqwest::RequestBuilder, tag: Option<&str>) -> reqwest::RequestBuilder {
    match tag {
        Some(tag) => request.header(reqwest::header::IF_MATCH, tag),
        None => request,
    }
}

fn redfish_mode(mode: BootMode) -> &'static str {
    match mode {
        BootMode::Uefi | BootMode::Auto => "UEFI",
        BootMode::Legacy => "Legacy",
    }
}

#[async_trait]
impl Driver for Redfish {
    async fn status(&self) -> Result<PowerState, PowerError> {
        Ok(self.look().await?.power_state())
    }

    async fn boot_from_network(&self) -> Result<NetworkBoot, PowerError> {
        let system = self.look().await?;
        self.order_network_boot(&system).await?;
        match system.power_state() {
            PowerState::Off => self.reset_by(&system, &["On", "ForceOn"]).await?,
            PowerState::On | PowerState::Unknown => self.restart(&system, &["ForceRestart", "PowerCycle"]).await?,
        }
        self.must_be_seen(PowerState::On).await?;
        Ok(NetworkBoot::Confirmed)
    }

    async fn switch_on(&self) -> Result<(), PowerError> {
        let system = self.look().await?;
        if system.power_state() == PowerState::On {
            return Ok(());
        }
        self.reset_by(&system, &["On", "ForceOn"]).await?;
        self.must_be_seen(PowerState::On).await
    }

    async fn switch_off(&self) -> Result<(), PowerError> {
        let system = self.look().await?;
        if system.power_state() == PowerState::Off {
            return Ok(());
        }
        self.reset_by(&system, &["ForceOff"]).await?;
        self.must_be_seen(PowerState::Off).await
    }

    async fn cycle(&self) -> Result<(), PowerError> {
        let system = self.look().await?;
        match system.power_state() {
            PowerState::Off => self.reset_by(&system, &["On", "ForceOn"]).await?,
            PowerState::On | PowerState::Unknown => self.restart(&system, &["PowerCycle", "ForceRestart"]).await?,
        }
        self.must_be_seen(PowerState::On).await
    }
}
