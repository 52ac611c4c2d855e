//! Where is kept what machines sent and what they were answered.

use async_trait::async_trait;

use super::LedgerError;
use crate::domain::{
    exchange::{Exchange, NewExchange},
    identity::HostId,
};

/// Keeps exchanges, the newest [`MOST_EXCHANGES`](crate::domain::exchange::MOST_EXCHANGES) of each host.
#[async_trait]
pub trait ExchangeLedger: Send + Sync {
    /// Keeps an exchange and forgets the oldest beyond the bound. One that repeats the newest of its host is counted there.
    async fn keep_exchange(&self, exchange: &NewExchange) -> Result<(), LedgerError>;

    /// Returns at most `limit` exchanges of a host older than the number `before`, newest first.
    async fn exchanges(&self, host: &HostId, before: Option<i64>, limit: u32) -> Result<Vec<Exchange>, LedgerError>;
}
