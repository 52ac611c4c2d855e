//! Which requests were done already.

use async_trait::async_trait;
use jiff::Timestamp;

use super::LedgerError;
use crate::domain::repeat::{Fingerprint, KeptAnswer, KeyedRequest, Repeat};

/// Remembers requests by their keys.
#[async_trait]
pub trait RepeatLedger: Send + Sync {
    /// Says what is known of a request, and writes it down when that is nothing. What was written before `since` is forgotten, and so is the
    /// oldest beyond `most`.
    async fn begin(
        &self,
        request: &KeyedRequest,
        now: Timestamp,
        since: Timestamp,
        most: u32,
    ) -> Result<Repeat, LedgerError>;

    /// Keeps what a request was answered.
    async fn finish(&self, key: &Fingerprint, answer: &KeptAnswer) -> Result<(), LedgerError>;
}
