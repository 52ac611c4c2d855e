//! What the running daemon knows of itself, for people.

use async_trait::async_trait;

use crate::domain::{about::About, settings_report::SettingsReport};

/// The running daemon.
#[async_trait]
pub trait Appliance: Send + Sync {
    /// What it says of itself.
    async fn about(&self) -> About;

    /// Its settings, without secrets.
    async fn settings(&self) -> SettingsReport;
}
