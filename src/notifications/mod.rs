//! Tells people when they are not looking: webhooks, ntfy and mail.
//!
//! Moments are written by the store in the transaction of what happened. For each target one [`Courier`] takes them from there, so that a slow
//! or dead target holds up nothing and nobody. A message is marked as sent after the target took it: a crash in between repeats it, with the
//! same number. Files with secrets are read for each message, so that a new secret needs no restart.

mod courier;
mod email;
mod ntfy;
mod web;
mod webhook;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use secrecy::SecretString;

pub use courier::{Carried, Courier};
pub use email::{Email, MailSecurity};
pub use ntfy::Ntfy;
pub use web::Place;
pub use webhook::Webhook;

use crate::{
    domain::notification::{Message, MomentKind},
    ports::{Clock, LiveFeed, NotTaken, NotificationLedger, Notifier, TargetView, Targets},
};

/// Reads a file with a secret, or says why not.
pub type ReadSecret = fn(&Path) -> Result<SecretString, String>;

/// One target.
pub struct Target {
    /// Its name.
    pub name: String,
    /// What it is told.
    pub events: Vec<MomentKind>,
    /// The way to it.
    pub channel: Channel,
}

/// The ways in which people are told.
pub enum Channel {
    /// A JSON document to a URL.
    Webhook(Webhook),
    /// A topic of ntfy.
    Ntfy(Ntfy),
    /// A mail.
    Email(Email),
}

impl Channel {
    fn word(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Ntfy(_) => "ntfy",
            Self::Email(_) => "email",
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Webhook(webhook) => webhook.place.shown(),
            Self::Ntfy(ntfy) => ntfy.place.shown(),
            Self::Email(email) => email.shown(),
        }
    }
}

#[async_trait]
impl Notifier for Channel {
    async fn send(&self, message: &Message) -> Result<String, NotTaken> {
        match self {
            Self::Webhook(webhook) => webhook.send(message).await,
            Self::Ntfy(ntfy) => ntfy.send(message).await,
            Self::Email(email) => email.send(message).await,
        }
    }
}

/// All targets.
pub struct Notifications {
    targets: Vec<(TargetView, Arc<Channel>)>,
    dashboard_url: Option<String>,
    clock: Arc<dyn Clock>,
}

impl Notifications {
    /// Prepares the targets. Nothing is sent yet.
    pub fn new(targets: Vec<Target>, dashboard_url: Option<String>, clock: Arc<dyn Clock>) -> Self {
        let prepared = targets.into_iter().map(|target| {
            let (kind, place) = (target.channel.word(), target.channel.place());
            (TargetView { name: target.name, kind, place, events: target.events }, Arc::new(target.channel))
        });
        Self { targets: prepared.collect(), dashboard_url, clock }
    }

    /// One courier for each target.
    pub fn couriers(
        &self,
        ledger: &Arc<dyn NotificationLedger>,
        feed: &Arc<dyn LiveFeed>,
        per_hour: u32,
    ) -> Vec<Courier> {
        let courier = |(view, channel): &(TargetView, Arc<Channel>)| Courier {
            target: view.name.clone(),
            events: view.events.clone(),
            notifier: channel.clone(),
            ledger: Arc::clone(ledger),
            feed: Arc::clone(feed),
            clock: Arc::clone(&self.clock),
            per_hour,
            dashboard_url: self.dashboard_url.clone(),
        };
        self.targets.iter().map(courier).collect()
    }
}

#[async_trait]
impl Targets for Notifications {
    fn targets(&self) -> Vec<TargetView> {
        self.targets.iter().map(|(view, _)| view.clone()).collect()
    }

    async fn test(&self, name: &str) -> Option<Result<String, NotTaken>> {
        let (_, channel) = self.targets.iter().find(|(view, _)| view.name == name)?;
        let message = Message { moments: Vec::new(), dashboard_url: self.dashboard_url.clone(), at: self.clock.now() };
        Some(channel.send(&message).await)
    }
}

/// Reads a secret where a file is named.
fn secret(read: ReadSecret, file: Option<&PathBuf>) -> Result<Option<SecretString>, NotTaken> {
    file.map(|file| read(file)).transpose().map_err(|problem| not_taken(format!("nothing was sent: {problem}")))
}

fn not_taken(reason: String) -> NotTaken {
    NotTaken { reason, retry_after: None }
}
