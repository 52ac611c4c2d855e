//! What a person watching the dashboard is told, as it happens.

use jiff::Timestamp;
use serde::Serialize;

use super::identity::{HostId, OperationId};

/// One row of the live feed. Whoever writes state writes its row in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LiveEvent {
    /// Rises by one with every row: the SSE id by which a browser resumes.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// What changed.
    pub topic: Topic,
    /// The host that it is about, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// The operation that it belongs to, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationId>,
    /// One sentence, free of secrets.
    pub message: String,
    /// Whether a person should look.
    pub attention: bool,
}

/// A [`LiveEvent`] that has not been written yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLiveEvent {
    /// What changed.
    pub topic: Topic,
    /// The host that it is about, if any.
    pub host: Option<HostId>,
    /// The operation that it belongs to, if any.
    pub operation: Option<OperationId>,
    /// One sentence, free of secrets.
    pub message: String,
}

impl NewLiveEvent {
    /// Whether its topic alone means that a person should look.
    pub fn is_alarm(&self) -> bool {
        matches!(self.topic, Topic::Warning | Topic::Overdue)
    }
}

super::words::words!(
    /// What a row of the live feed is about: the SSE event name.
    Topic, "live feed topic" {
        /// A host came, went or changed its state.
        Host = "host",
        /// An operation took or ended a step.
        Operation = "operation",
        /// The catalog was reloaded, or a file in it is broken.
        Catalog = "catalog",
        /// Something that an operator should look at: a refused token, two machines for one rebuild.
        Warning = "warning",
        /// A host takes longer than usual and is not given up yet; told once for each state.
        Overdue = "overdue",
        /// An image came or went.
        Image = "image",
        /// A machine that is not registered was seen for the first time.
        Sighting = "sighting",
    }
);
