//! One atomic change of a host: what the ledger writes in one transaction or not at all. Only the host keeper builds one.

use jiff::Timestamp;

use super::{
    answer::ServedAnswer,
    host::HostFacts,
    host_lifecycle::{HostEvent, HostState},
    identity::{HostId, OperationId},
    live_event::NewLiveEvent,
    operation::Operation,
    rebuild::{Rebuild, RebuildMarks, TokenHash, TokenPurpose},
};

/// A move of a host with all that belongs to it.
#[derive(Debug, Clone)]
pub struct Change {
    /// The host.
    pub host: HostId,
    /// The state in which it must still be, or nothing is written.
    pub from: HostState,
    /// The state after.
    pub to: HostState,
    /// What happened.
    pub event: HostEvent,
    /// The sentence for the history.
    pub because: String,
    /// When.
    pub at: Timestamp,
    /// What it teaches us about the host.
    pub facts: HostFacts,
    /// What it teaches us about the rebuild of this operation.
    pub marks: Option<(OperationId, RebuildMarks)>,
    /// The token that proves it; must exist and is spent with it.
    pub spends: Option<TokenHash>,
    /// The operation and rebuild that it opens. Every earlier rebuild of the host ends with it.
    pub opens: Option<Box<OpenedRebuild>>,
    /// The operation whose rebuild ends with it: secrets and key are erased.
    pub ends: Option<OperationId>,
    /// The answer that was given with it.
    pub served: Option<ServedAnswer>,
    /// What the dashboard is told.
    pub feed: Vec<NewLiveEvent>,
}

/// A rebuild that begins.
#[derive(Debug, Clone)]
pub struct OpenedRebuild {
    /// Its operation.
    pub operation: Operation,
    /// The rebuild.
    pub rebuild: Rebuild,
    /// The hashes of its tokens.
    pub tokens: Vec<(TokenPurpose, TokenHash)>,
}
