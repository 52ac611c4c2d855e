//! How people are told when they are not looking: targets that take messages, and the outbox that loses none.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::LedgerError;
use crate::domain::{
    delivery::Delivery,
    notification::{Message, MomentKind},
};

/// Why a target did not take a message, for a person; it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotTaken {
    /// Why.
    pub reason: String,
    /// How long the target asks us to wait.
    pub retry_after: Option<Duration>,
}

/// Sends messages to one target.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Sends a message and returns what came back, in a sentence. Ends within a bound of its own.
    async fn send(&self, message: &Message) -> Result<String, NotTaken>;
}

/// A target as people are shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetView {
    /// Its name in the settings.
    pub name: String,
    /// `webhook`, `ntfy` or `email`.
    pub kind: &'static str,
    /// Where it is, without what may be a secret.
    pub place: String,
    /// What it is told.
    pub events: Vec<MomentKind>,
}

/// The targets of the settings.
#[async_trait]
pub trait Targets: Send + Sync {
    /// All of them, in the order of the settings.
    fn targets(&self) -> Vec<TargetView>;

    /// Sends a test message to one of them, beside the outbox. `None`: there is no such target.
    async fn test(&self, name: &str) -> Option<Result<String, NotTaken>>;
}

/// What is left to do for a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbox {
    /// What waits for it, oldest first.
    pub waiting: Vec<Delivery>,
    /// When its latest messages were sent.
    pub sent: Vec<Timestamp>,
}

/// Keeps what must still be told.
#[async_trait]
pub trait NotificationLedger: Send + Sync {
    /// Notes which targets there are. A new one is told what happens from now on; what waits for one that is gone is given up.
    async fn keep_targets(&self, names: &[String], now: Timestamp) -> Result<(), LedgerError>;

    /// In one transaction: gives a target its deliveries for the moments of these kinds that it has none for yet, and returns what waits.
    async fn outbox(&self, target: &str, kinds: &[MomentKind]) -> Result<Outbox, LedgerError>;

    /// These deliveries were taken, all in one message. Others of the target that wait for a pause need not wait any more.
    async fn sent(&self, deliveries: &[i64], now: Timestamp) -> Result<(), LedgerError>;

    /// These deliveries were not taken: they are tried again not before a moment, or given up after too many tries.
    async fn not_sent(
        &self,
        deliveries: &[i64],
        problem: &str,
        not_before: Timestamp,
        now: Timestamp,
    ) -> Result<(), LedgerError>;

    /// Returns the latest deliveries of all targets, the newest first.
    async fn latest_deliveries(&self, limit: u32) -> Result<Vec<Delivery>, LedgerError>;
}
