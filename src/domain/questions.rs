//! What people ask of the past: which operations, which rows of the live feed, which rows of the audit log. A field that is empty limits
//! nothing.

use jiff::Timestamp;

use super::{
    audit::Via,
    identity::{BatchId, HostId, OperationId, ServerTypeName},
    live_event::Topic,
    words::words,
};

words!(
    /// The operations to which a list can be limited.
    OperationGroup, "group of operations" {
        /// They go on by themselves.
        Running = "running",
        /// They are parked until a person decides.
        NeedsAttention = "needs_attention",
        /// They are over.
        Ended = "ended",
    }
);

words!(
    /// How something that was asked ended, as far as the audit log knows.
    AuditResult, "result" {
        /// It was done, or begun.
        Done = "done",
        /// It was refused: whoever asked could have known.
        Refused = "refused",
        /// It failed on our side.
        Failed = "failed",
        /// The asker went away before the answer.
        Unanswered = "unanswered",
    }
);

/// Which operations, the newest first.
#[derive(Debug, Clone, Default)]
pub struct OperationQuestion {
    /// How they are doing.
    pub group: Option<OperationGroup>,
    /// On which host.
    pub host: Option<HostId>,
    /// Of which plan.
    pub plan: Option<String>,
    /// Of which batch.
    pub batch: Option<BatchId>,
    /// On hosts that were of this server type then.
    pub server_type: Option<ServerTypeName>,
    /// Only those that began before this one.
    pub before: Option<OperationId>,
    /// At most so many.
    pub limit: u32,
}

/// Which rows of the live feed, the newest first.
#[derive(Debug, Clone, Default)]
pub struct FeedQuestion {
    /// About what.
    pub topic: Option<Topic>,
    /// About which host.
    pub host: Option<HostId>,
    /// Of which operation.
    pub operation: Option<OperationId>,
    /// Only those at which a person should look.
    pub attention_only: bool,
    /// Only those older than this row.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// Which rows of the audit log, the newest first.
#[derive(Debug, Clone, Default)]
pub struct AuditQuestion {
    /// About which host; rows of a batch are about each of its hosts.
    pub host: Option<HostId>,
    /// About which operation.
    pub operation: Option<OperationId>,
    /// By whom.
    pub actor: Option<String>,
    /// The way in.
    pub via: Option<Via>,
    /// How it ended.
    pub result: Option<AuditResult>,
    /// Not before this moment, to the second.
    pub since: Option<Timestamp>,
    /// Not after this moment, to the second.
    pub until: Option<Timestamp>,
    /// Only those older than this row.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}
