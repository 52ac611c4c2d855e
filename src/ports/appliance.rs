//! What the running daemon knows of itself, for people.

use async_trait::async_trait;

use crate::domain::{about::About, checkup::Checkup, settings_report::SettingsReport};

/// The running daemon.
#[async_trait]
pub trait Appliance: Send + Sync {
    /// What it says of itself.
    async fn about(&self) -> About;

    /// Its settings, without secrets.
    async fn settings(&self) -> SettingsReport;

    /// The doctor's last round since the start, or the one that is under way.
    fn checkup(&self) -> Option<Checkup>;

    /// Begins a round, unless one is under way; it is bounded in time and ends by itself.
    fn begin_checkup(&self);

    /// The newest lines of its log, oldest first; bounded.
    fn recent_lines(&self) -> Vec<String>;

    /// Every secret that it could say, in every way of writing: to be looked for in what leaves the house, and for nothing else.
    async fn secrets(&self) -> Vec<String>;
}
