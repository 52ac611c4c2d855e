//! Where the live feed is kept: the table is the truth, the bell only says that there is more.

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

use super::LedgerError;
use crate::domain::{
    live_event::{LiveEvent, NewLiveEvent},
    questions::FeedQuestion,
};

/// Keeps the live feed.
#[async_trait]
pub trait LiveFeed: Send + Sync {
    /// Returns at most `limit` rows after a row, oldest first.
    async fn events_after(&self, id: i64, limit: u32) -> Result<Vec<LiveEvent>, LedgerError>;

    /// Returns the rows that a question asks for, newest first.
    async fn events(&self, question: &FeedQuestion) -> Result<Vec<LiveEvent>, LedgerError>;

    /// Returns the id of the newest row, 0 when there is none.
    async fn newest_event(&self) -> Result<i64, LedgerError>;

    /// Writes something that changes nothing, as proof that changes can be written.
    async fn check_writable(&self) -> Result<(), LedgerError>;

    /// Writes a row that belongs to no other change.
    async fn publish(&self, event: &NewLiveEvent, now: Timestamp) -> Result<(), LedgerError>;

    /// A bell: its value is the id of the newest row.
    fn bell(&self) -> watch::Receiver<i64>;
}
