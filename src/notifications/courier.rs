//! Carries what waits for one target: as many messages as an hour may have, what failed again after a pause.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{
        delivery::{Delivery, Next, next, pause_after},
        notification::{Message, MomentKind},
    },
    ports::{Clock, LedgerError, LiveFeed, NotificationLedger, Notifier, Outbox},
};

/// How long a courier sleeps at most without looking. Everything that happens rings a bell, and a clock may be set; shorter only reads the
/// database more often.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What one look led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// A message was taken: look again at once.
    Sent,
    /// A message was not taken; its pause is written.
    NotTaken,
    /// Nothing to do before this moment.
    NotBefore(Timestamp),
    /// Nothing waits.
    Nothing,
}

/// Carries messages to one target.
pub struct Courier {
    /// Its name.
    pub target: String,
    /// What it is told.
    pub events: Vec<MomentKind>,
    /// The way to it.
    pub notifier: Arc<dyn Notifier>,
    /// What waits.
    pub ledger: Arc<dyn NotificationLedger>,
    /// Rings when something happened.
    pub feed: Arc<dyn LiveFeed>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How many messages an hour may have.
    pub per_hour: u32,
    /// Where people reach the dashboard.
    pub dashboard_url: Option<String>,
}

impl Courier {
    /// Works until it is stopped. A message that is under way then is sent again after the start, unless the target had taken it in time.
    pub async fn run(self, stop: CancellationToken) {
        let mut bell = self.feed.bell();
        loop {
            bell.mark_unchanged();
            let carried = tokio::select! {
                () = stop.cancelled() => return,
                carried = self.carry() => carried,
            };
            let pause = match carried {
                Ok(Carried::Sent | Carried::NotTaken) => Duration::ZERO,
                Ok(Carried::NotBefore(moment)) => self.until(moment),
                Ok(Carried::Nothing) => LOOK_AGAIN,
                Err(error) => {
                    tracing::error!(%error, target_name = self.target, "the outbox cannot be read or written; will look again");
                    LOOK_AGAIN
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                rung = bell.changed() => if rung.is_err() { return },
            }
        }
    }

    fn until(&self, moment: Timestamp) -> Duration {
        let pause = moment.duration_since(self.clock.now());
        Duration::try_from(pause).unwrap_or_default().min(LOOK_AGAIN)
    }

    /// Looks once, and sends at most one message.
    pub async fn carry(&self) -> Result<Carried, LedgerError> {
        let Outbox { waiting, sent } = self.ledger.outbox(&self.target, &self.events).await?;
        match next(&waiting, &sent, self.per_hour, self.clock.now()) {
            Next::Send(deliveries) => self.send(&deliveries).await,
            Next::NotBefore(moment) => Ok(Carried::NotBefore(moment)),
            Next::Rest => Ok(Carried::Nothing),
        }
    }

    async fn send(&self, deliveries: &[Delivery]) -> Result<Carried, LedgerError> {
        let numbers: Vec<i64> = deliveries.iter().map(|delivery| delivery.number).collect();
        let moments = deliveries.iter().map(|delivery| delivery.moment.clone()).collect();
        let message = Message { moments, dashboard_url: self.dashboard_url.clone(), at: self.clock.now() };
        match self.notifier.send(&message).await {
            Ok(answer) => {
                tracing::info!(target_name = self.target, title = message.title(), answer, "told");
                self.ledger.sent(&numbers, self.clock.now()).await?;
                Ok(Carried::Sent)
            }
            Err(not_taken) => {
                let attempts = deliveries.iter().map(|delivery| delivery.attempts).max().unwrap_or_default() + 1;
                tracing::warn!(
                    target_name = self.target,
                    attempts,
                    reason = not_taken.reason,
                    "a message was not taken"
                );
                let now = self.clock.now();
                let not_before = now + pause_after(attempts, not_taken.retry_after);
                self.ledger.not_sent(&numbers, &not_taken.reason, not_before, now).await?;
                Ok(Carried::NotTaken)
            }
        }
    }
}
