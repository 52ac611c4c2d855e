//! Wakes the runner without telling it why: it reads the ledger, so that a restart and live running are one path.

use tokio::sync::Notify;

/// A bell that carries no data; rings are remembered until they are heard, and many rings are one.
#[derive(Debug, Default)]
pub struct Doorbell(Notify);

impl Doorbell {
    /// Wakes the listener, now or at its next wait.
    pub fn ring(&self) {
        self.0.notify_one();
    }

    /// Returns at the next ring.
    pub async fn wait(&self) {
        self.0.notified().await;
    }
}
