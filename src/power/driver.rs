//! What every driver does for the one machine that it was made for; the promises are those of [`crate::ports::Power`].

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::{
    domain::power::PowerState,
    ports::{NetworkBoot, PowerError},
};

/// How soon a machine is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

#[async_trait]
pub(super) trait Driver: Send + Sync {
    async fn status(&self) -> Result<PowerState, PowerError>;
    async fn boot_from_network(&self) -> Result<NetworkBoot, PowerError>;
    async fn switch_on(&self) -> Result<(), PowerError>;
    async fn switch_off(&self) -> Result<(), PowerError>;
    async fn cycle(&self) -> Result<(), PowerError>;
}

/// Looks until the machine is seen in a state; false when the time is over.
pub(super) async fn is_seen(driver: &dyn Driver, state: PowerState, limit: Duration) -> Result<bool, PowerError> {
    let end = Instant::now() + limit;
    loop {
        if driver.status().await? == state {
            return Ok(true);
        }
        if Instant::now() >= end {
            return Ok(false);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
