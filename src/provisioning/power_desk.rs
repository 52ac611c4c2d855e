//! What a person may ask of a host's power: look, switch, and store the secret that this needs.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::{
    domain::{
        host::Host,
        identity::{HostId, Hostname},
        live_event::{NewLiveEvent, Topic},
        power::{PowerAction, PowerState, power_secret_place},
    },
    ports::{
        Clock, HostLedger, LedgerError, LiveFeed, NetworkBoot, Power, PowerError, PowerSecrets, Secrets, SecretsError,
    },
};

/// The longest secret that is kept, in bytes.
const LONGEST_SECRET: usize = 4096;

/// Why nothing was switched or stored.
#[derive(Debug, thiserror::Error)]
pub enum PowerRefusal {
    /// There is no such host.
    #[error("there is no host {0}")]
    UnknownHost(HostId),
    /// The host's name was not typed as confirmation.
    #[error("this stops {what} hard; confirm it with the host's name `{hostname}`")]
    Confirmation {
        /// The name.
        hostname: Hostname,
        /// What is lost.
        what: &'static str,
    },
    /// The secret cannot be one.
    #[error("{0}")]
    Unusable(String),
    /// The machine was not switched, or not seen.
    #[error(transparent)]
    Power(#[from] PowerError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The secret cannot be sealed.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

/// Looks and switches for people.
pub struct PowerDesk {
    /// Hosts.
    pub hosts: Arc<dyn HostLedger>,
    /// The drivers.
    pub power: Arc<dyn Power>,
    /// Sealed secrets.
    pub sealed: Arc<dyn PowerSecrets>,
    /// Seals them.
    pub secrets: Arc<dyn Secrets>,
    /// The live feed.
    pub feed: Arc<dyn LiveFeed>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl PowerDesk {
    async fn host(&self, id: &HostId) -> Result<Host, PowerRefusal> {
        self.hosts.host(id).await?.ok_or_else(|| PowerRefusal::UnknownHost(id.clone()))
    }

    /// Whether a secret is stored for a host.
    pub async fn has_secret(&self, id: &HostId) -> Result<bool, LedgerError> {
        Ok(self.sealed.power_secret(id).await?.is_some())
    }

    /// Looks whether the machine is on.
    pub async fn status(&self, id: &HostId) -> Result<PowerState, PowerRefusal> {
        Ok(self.power.status(&self.host(id).await?).await?)
    }

    /// Switches, and returns the sentence that says what was done. What stops a running machine needs the host's name as confirmation.
    pub async fn act(&self, id: &HostId, action: PowerAction, confirm: Option<&str>) -> Result<String, PowerRefusal> {
        let host = self.host(id).await?;
        if action.is_destructive() && confirm.map(str::trim) != Some(host.hostname.as_str()) {
            let what =
                if host.is_member { "a member of the cluster with all its guests" } else { "whatever runs there" };
            return Err(PowerRefusal::Confirmation { hostname: host.hostname, what });
        }
        let name = &host.hostname;
        let done = match action {
            PowerAction::On => {
                self.power.switch_on(&host).await?;
                format!("{name} was switched on")
            }
            PowerAction::Off => {
                self.power.switch_off(&host).await?;
                format!("{name} was switched off")
            }
            PowerAction::Cycle => {
                self.power.cycle(&host).await?;
                format!("the power of {name} was cut and given back")
            }
            PowerAction::NetworkBoot => match self.power.boot_from_network(&host).await? {
                NetworkBoot::Confirmed => format!("{name} was started to boot from the network"),
                NetworkBoot::Switched => format!("{name} was switched on; it boots as its own boot order says"),
                NetworkBoot::Woken => format!("{name} was woken; if it was on already, restart it by hand"),
            },
        };
        self.tell(&host, format!("{done} by an operator")).await?;
        Ok(done)
    }

    /// Stores the secret of a host's power driver in place of the one before; `None` erases it.
    pub async fn set_secret(&self, id: &HostId, secret: Option<&SecretString>) -> Result<(), PowerRefusal> {
        let host = self.host(id).await?;
        let is_line =
            |text: &str| !text.is_empty() && text.len() <= LONGEST_SECRET && !text.chars().any(char::is_control);
        if secret.is_some_and(|secret| !is_line(secret.expose_secret())) {
            return Err(PowerRefusal::Unusable(format!("a secret is one line of 1 to {LONGEST_SECRET} bytes")));
        }
        let sealed = match secret {
            Some(secret) => {
                let server = host.options.power.server().ok_or_else(|| {
                    let rule =
                        "this host's driver needs no secret; choose redfish, ipmi or webhook and its address first";
                    PowerRefusal::Unusable(rule.into())
                })?;
                Some(self.secrets.seal(&power_secret_place(id, &server), secret.expose_secret().as_bytes())?)
            }
            None => None,
        };
        if !self.sealed.set_power_secret(id, sealed.as_deref()).await? {
            return Err(PowerRefusal::UnknownHost(id.clone()));
        }
        let done = if sealed.is_some() { "stored" } else { "erased" };
        self.tell(&host, format!("the power secret of {} was {done}", host.hostname)).await?;
        Ok(())
    }

    async fn tell(&self, host: &Host, message: String) -> Result<(), LedgerError> {
        let event = NewLiveEvent { topic: Topic::Host, host: Some(host.id.clone()), operation: None, message };
        self.feed.publish(&event, self.clock.now()).await
    }
}
