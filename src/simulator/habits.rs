//! What a machine, or the person in front of it, does otherwise than on a good day. A machine of the demo has no such habits.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::mpsc;

use super::installer_client::{InstallerClient, InstallerError};

/// How long a person at the console waits before asking again.
const ASK_AGAIN_PAUSE: Duration = Duration::from_millis(100);

/// The habits of one machine.
#[derive(Debug, Clone, Default)]
pub struct Habits {
    /// For how long somebody at the console asks again when the daemon does not answer or has a failure of its own. The installer itself gives
    /// up at once.
    pub asks_again_for: Duration,
    /// Who carries the post-installation webhook, and so decides when, how often and in which order it arrives. Absent: the machine calls it
    /// before it reboots, and once.
    pub courier: Option<mpsc::UnboundedSender<HeldWebhook>>,
}

/// A post-installation webhook that is not sent yet.
#[derive(Debug, Clone)]
pub struct HeldWebhook {
    pub(super) client: InstallerClient,
    pub(super) url: String,
    pub(super) fingerprint: Option<String>,
    pub(super) report: Value,
}

impl HeldWebhook {
    /// Sends it, now and once.
    pub async fn deliver(&self) -> Result<(), InstallerError> {
        self.client.call_webhook(&self.url, self.fingerprint.as_deref(), &self.report).await
    }
}

impl Habits {
    /// Makes a call of the installer; again and again while it may still be answered.
    pub(super) async fn insist<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, InstallerError>
    where
        F: Future<Output = Result<T, InstallerError>>,
    {
        let end = Instant::now() + self.asks_again_for;
        loop {
            match call().await {
                Err(error) if may_pass(&error) && Instant::now() < end => tokio::time::sleep(ASK_AGAIN_PAUSE).await,
                result => return result,
            }
        }
    }

    /// Calls the webhook, or hands it to whoever carries it. Returns the sentence for the console.
    pub(super) async fn call(&self, webhook: HeldWebhook) -> Result<&'static str, InstallerError> {
        if let Some(courier) = &self.courier
            && courier.send(webhook.clone()).is_ok()
        {
            return Ok("installed; the webhook is on its way");
        }
        self.insist(|| webhook.deliver()).await?;
        Ok("installed; the webhook has told the new SSH host key")
    }
}

fn may_pass(error: &InstallerError) -> bool {
    match error {
        InstallerError::Exchange { .. } => true,
        InstallerError::Status { status, .. } => status.is_server_error(),
        InstallerError::ModeFile(_) | InstallerError::NoAnswerUrl | InstallerError::Fingerprint(_) => false,
    }
}
