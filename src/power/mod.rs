//! Switches machines on and off from afar: the adapter behind [`crate::ports::Power`], one driver for each way in which machines are switched.
//!
//! A driver is made for one call, with the host's options and its secret, which is opened for that call alone. Every call ends with a look
//! at the machine where one is possible, and within [`LONGEST_CALL`].

mod driver;
mod ipmi;
mod ipmitool;
mod pinned_leaf;
mod redfish;
mod redfish_system;
mod wake_on_lan;
mod web;
mod webhook;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    domain::{
        host::Host,
        power::{PowerDriver, PowerState, power_secret_place},
    },
    ports::{NetworkBoot, Power, PowerError, PowerSecrets, Secrets},
};
use driver::Driver;

/// How long one call may take in all. The API answers within a minute, and a rebuild tries again.
const LONGEST_CALL: Duration = Duration::from_secs(50);

/// Every driver, and what they share.
pub struct PowerDrivers {
    /// Opens sealed secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Keeps sealed secrets.
    pub sealed: Arc<dyn PowerSecrets>,
    /// The interfaces of the boot network, through which wake-up packets leave; none: the routing table decides.
    pub interfaces: Vec<String>,
}

impl PowerDrivers {
    async fn driver(&self, host: &Host) -> Result<Box<dyn Driver>, PowerError> {
        let options = &host.options.power;
        let no_driver = || PowerError::NoDriver(host.hostname.to_string());
        Ok(match options.driver {
            PowerDriver::None => return Err(no_driver()),
            PowerDriver::WakeOnLan => {
                let options = options.wake_on_lan.clone().unwrap_or_default();
                Box::new(wake_on_lan::WakeOnLan::new(host, options, &self.interfaces))
            }
            PowerDriver::Redfish => {
                let options = options.redfish.clone().ok_or_else(no_driver)?;
                Box::new(redfish::Redfish::new(host, options, self.secret(host).await?)?)
            }
            PowerDriver::Ipmi => {
                let options = options.ipmi.clone().ok_or_else(no_driver)?;
                Box::new(ipmi::Ipmi::new(host, options, self.secret(host).await?)?)
            }
            PowerDriver::Webhook => {
                let options = options.webhook.clone().ok_or_else(no_driver)?;
                Box::new(webhook::Webhook::new(host, options, self.secret(host).await?)?)
            }
        })
    }

    async fn secret(&self, host: &Host) -> Result<Option<SecretString>, PowerError> {
        let unreadable = |reason: String| PowerError::Secret(format!("{}: {reason}", host.hostname));
        let sealed = self.sealed.power_secret(&host.id).await.map_err(|error| unreadable(error.to_string()))?;
        let Some(sealed) = sealed else { return Ok(None) };
        let server = host.options.power.server().unwrap_or_default();
        let opened = self.secrets.open(&power_secret_place(&host.id, &server), &sealed).map_err(|_| {
            unreadable(format!(
                "the stored secret is not for {server} (or it was sealed with another key file); store it again: `rackseed host \
                 power-secret {}`",
                host.hostname
            ))
        })?;
        let text = std::str::from_utf8(opened.expose_secret());
        let text = text.map_err(|_| unreadable("the stored power secret is not text; store it again".into()))?;
        Ok(Some(text.to_owned().into()))
    }
}

/// What is said when the password is missing.
fn no_secret(whom: &str, host: &Host) -> PowerError {
    PowerError::Secret(format!(
        "no password is stored for {whom}; store it with `rackseed host power-secret {}`",
        host.hostname
    ))
}

async fn bounded<T>(call: impl Future<Output = Result<T, PowerError>> + Send) -> Result<T, PowerError> {
    tokio::time::timeout(LONGEST_CALL, call).await.unwrap_or_else(|_| {
        let limit = LONGEST_CALL.as_secs();
        Err(PowerError::Failed(format!("it was not done within {limit} s; look at the machine before you try again")))
    })
}

#[async_trait]
impl Power for PowerDrivers {
    async fn status(&self, host: &Host) -> Result<PowerState, PowerError> {
        let driver = self.driver(host).await?;
        bounded(driver.status()).await
    }

    async fn boot_from_network(&self, host: &Host) -> Result<NetworkBoot, PowerError> {
        let driver = self.driver(host).await?;
        bounded(driver.boot_from_network()).await
    }

    async fn switch_on(&self, host: &Host) -> Result<(), PowerError> {
        let driver = self.driver(host).await?;
        bounded(driver.switch_on()).await
    }

    async fn switch_off(&self, host: &Host) -> Result<(), PowerError> {
        let driver = self.driver(host).await?;
        bounded(driver.switch_off()).await
    }

    async fn cycle(&self, host: &Host) -> Result<(), PowerError> {
        let driver = self.driver(host).await?;
        bounded(driver.cycle()).await
    }
}
