//! BMCs that speak IPMI 2.0 over LAN, through `ipmitool`.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;

use super::{
    driver::{Driver, is_seen},
    ipmitool::Ipmitool,
    no_secret,
};
use crate::{
    domain::{
        host::Host,
        power::{BootMode, IpmiOptions, PowerState, wanted_boot_mode},
    },
    ports::{NetworkBoot, PowerError},
};

/// How long a machine may take until its BMC says that it is on, or off.
const STATE_PATIENCE: Duration = Duration::from_secs(15);

/// One BMC.
pub(super) struct Ipmi {
    tool: Ipmitool,
    boot_mode: Option<BootMode>,
}

impl Ipmi {
    pub(super) fn new(host: &Host, options: IpmiOptions, secret: Option<SecretString>) -> Result<Self, PowerError> {
        let boot_mode = wanted_boot_mode(options.boot_mode, host);
        let password = secret.ok_or_else(|| no_secret(&format!("the BMC at {}", options.address), host))?;
        Ok(Self { tool: Ipmitool::new(host.hostname.to_string(), options, password)?, boot_mode })
    }

    /// Sets the one-time network boot and reads it back.
    async fn order_network_boot(&self) -> Result<(), PowerError> {
        // Machines with such a BMC have booted by UEFI for ten years; a legacy BIOS does not look at that flag.
        let options: &[&str] = match self.boot_mode {
            Some(BootMode::Legacy) => &[],
            Some(BootMode::Uefi | BootMode::Auto) | None => &["options=efiboot"],
        };
        self.tool.run(&[&["chassis", "bootdev", "pxe"], options].concat()).await?;
        let shown = self.tool.run(&["chassis", "bootparam", "get", "5"]).await?;
        if shown.contains("Force PXE") {
            return Ok(());
        }
        Err(PowerError::Failed(format!(
            "{} accepted the one-time network boot but does not show it; the machine was not restarted",
            self.tool.whom
        )))
    }

    async fn must_be_seen(&self, state: PowerState) -> Result<(), PowerError> {
        if is_seen(self, state, STATE_PATIENCE).await? {
            return Ok(());
        }
        let limit = STATE_PATIENCE.as_secs();
        Err(PowerError::Failed(format!(
            "{} took the command, but after {limit} s the machine is not {state}",
            self.tool.whom
        )))
    }

    /// Cuts the power and gives it back. Some BMCs leave a machine off after a cycle: those are told once more.
    async fn restart(&self) -> Result<(), PowerError> {
        self.tool.run(&["chassis", "power", "cycle"]).await?;
        if !is_seen(self, PowerState::On, STATE_PATIENCE).await? {
            self.tool.run(&["chassis", "power", "on"]).await?;
        }
        self.must_be_seen(PowerState::On).await
    }

    async fn start(&self) -> Result<(), PowerError> {
        self.tool.run(&["chassis", "power", "on"]).await?;
        self.must_be_seen(PowerState::On).await
    }
}

#[async_trait]
impl Driver for Ipmi {
    async fn status(&self) -> Result<PowerState, PowerError> {
        let said = self.tool.run(&["chassis", "power", "status"]).await?;
        Ok(match said {
            said if said.contains("Power is on") => PowerState::On,
            said if said.contains("Power is off") => PowerState::Off,
            _ => PowerState::Unknown,
        })
    }

    async fn boot_from_network(&self) -> Result<NetworkBoot, PowerError> {
        let state = self.status().await?;
        self.order_network_boot().await?;
        match state {
            PowerState::Off => self.start().await?,
            PowerState::On | PowerState::Unknown => self.restart().await?,
        }
        Ok(NetworkBoot::Confirmed)
    }

    async fn switch_on(&self) -> Result<(), PowerError> {
        match self.status().await? {
            PowerState::On => Ok(()),
            PowerState::Off | PowerState::Unknown => self.start().await,
        }
    }

    async fn switch_off(&self) -> Result<(), PowerError> {
        match self.status().await? {
            PowerState::Off => Ok(()),
            PowerState::On | PowerState::Unknown => {
                self.tool.run(&["chassis", "power", "off"]).await?;
                self.must_be_seen(PowerState::Off).await
            }
        }
    }

    async fn cycle(&self) -> Result<(), PowerError> {
        match self.status().await? {
            PowerState::Off => self.start().await,
            PowerState::On | PowerState::Unknown => self.restart().await,
        }
    }
}
