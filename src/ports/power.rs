//! Switching machines on and off from afar, and the secrets that this needs.

use async_trait::async_trait;

use super::LedgerError;
use crate::domain::{host::Host, identity::HostId, power::PowerState};

/// Why a machine was not switched: one sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PowerError {
    /// The host has no driver.
    #[error("nothing is set that could switch {0}; choose a driver: `rackseed host set {0} power.driver=redfish …`")]
    NoDriver(String),
    /// Nobody answers there.
    #[error("{whom} cannot be reached: {reason}")]
    Unreachable {
        /// The BMC or plug, with its address.
        whom: String,
        /// The network's error.
        reason: String,
    },
    /// User or password are wrong, or there is none. Not tried again by itself: BMCs lock users out.
    #[error("{whom} refused the login{user}; store the right password: `rackseed host power-secret {hostname}`")]
    WrongCredentials {
        /// The BMC or plug, with its address.
        whom: String,
        /// ` of USER`, or nothing.
        user: String,
        /// The host's name.
        hostname: String,
    },
    /// It showed a certificate that is not believed. Nothing was sent to it.
    #[error(
        "{whom} showed a certificate that is not {expected}; nothing was sent to it. If {seen} is the SHA-256 that it shows on its own \
         pages, set {option}"
    )]
    WrongCertificate {
        /// The BMC or plug, with its address.
        whom: String,
        /// What was expected.
        expected: String,
        /// The fingerprint of the one that it showed.
        seen: String,
        /// The option that pins it.
        option: &'static str,
    },
    /// This driver or this machine cannot do it.
    #[error("{0}")]
    NotSupported(String),
    /// The machine, or the tool that asks it, said no.
    #[error("{0}")]
    Failed(String),
    /// A stored secret is missing, or cannot be read.
    #[error("{0}")]
    Secret(String),
}

impl PowerError {
    /// Whether trying again by itself may help; wrong credentials never do.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Failed(_) => true,
            Self::NoDriver(_)
            | Self::WrongCredentials { .. }
            | Self::WrongCertificate { .. }
            | Self::NotSupported(_)
            | Self::Secret(_) => false,
        }
    }
}

/// What is known after a machine was told to boot from the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkBoot {
    /// The BMC took the one-time network boot, and says that the machine is on.
    Confirmed,
    /// A wake-up packet was sent. Whether the machine was off, and where it boots from, nobody knows.
    Woken,
    /// The power was switched; where the machine boots from is its own business.
    Switched,
}

/// Switches machines. Every call is bounded in time and ends looked at: what a BMC merely promised is not success.
#[async_trait]
pub trait Power: Send + Sync {
    /// Tells whether the machine is on; [`PowerState::Unknown`] where the driver cannot see it.
    async fn status(&self, host: &Host) -> Result<PowerState, PowerError>;

    /// Lets the machine boot from the network once, now: switches it on, or restarts it hard if it is on.
    async fn boot_from_network(&self, host: &Host) -> Result<NetworkBoot, PowerError>;

    /// Switches it on; one that is on stays as it is.
    async fn switch_on(&self, host: &Host) -> Result<(), PowerError>;

    /// Cuts its power; one that is off stays as it is.
    async fn switch_off(&self, host: &Host) -> Result<(), PowerError>;

    /// Cuts its power and gives it back; one that is off is switched on.
    async fn cycle(&self, host: &Host) -> Result<(), PowerError>;
}

/// Keeps the sealed secret of each host's power driver: a password, or a webhook's token.
#[async_trait]
pub trait PowerSecrets: Send + Sync {
    /// Returns the sealed secret of a host.
    async fn power_secret(&self, host: &HostId) -> Result<Option<Vec<u8>>, LedgerError>;

    /// Keeps a sealed secret in place of the one before, which is erased; `None` only erases. Returns false when there is no such host.
    async fn set_power_secret(&self, host: &HostId, sealed: Option<&[u8]>) -> Result<bool, LedgerError>;
}
