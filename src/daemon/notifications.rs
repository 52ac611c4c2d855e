//! The targets of the settings, and the tasks that carry messages to them.

use std::sync::Arc;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    SystemClock,
    adapters::Adapters,
    settings_words::{set, set_path},
};
use crate::{
    notifications::{Channel, Email, MailSecurity, Notifications, Ntfy, Place, Target, Webhook},
    ports::{LiveFeed, NotificationLedger, Targets},
    settings::{NotificationTarget, Settings, read_private_file},
};

/// Prepares the targets of the settings.
pub fn notifications(settings: &Settings) -> Notifications {
    let targets = settings.notifications.targets.iter().map(target).collect();
    Notifications::new(targets, set(&settings.notifications.dashboard_url).map(str::to_owned), Arc::new(SystemClock))
}

fn target(target: &NotificationTarget) -> Target {
    let place = || Place {
        url: target.url.clone(),
        url_file: set_path(&target.url_file),
        token_file: set_path(&target.token_file),
        ca_file: set_path(&target.ca_file),
        read_secret: read_private_file,
    };
    let channel = match target.kind.as_str() {
        "ntfy" => Channel::Ntfy(Ntfy { place: place() }),
        "email" => Channel::Email(email(target)),
        // The settings' check knows no fourth.
        _ => Channel::Webhook(Webhook { place: place(), signature_key_file: set_path(&target.signature_key_file) }),
    };
    Target { name: target.name.clone(), events: target.wanted_events(), channel }
}

fn email(target: &NotificationTarget) -> Email {
    let (security, usual) = match target.security.as_str() {
        "tls" => (MailSecurity::Tls, 465),
        "none" => (MailSecurity::Nothing, 25),
        _ => (MailSecurity::StartTls, 587),
    };
    let login = set(&target.username).zip(set_path(&target.password_file));
    Email {
        server: target.server.clone(),
        port: if target.port == 0 { usual } else { target.port },
        security,
        login: login.map(|(user, file)| (user.to_owned(), file)),
        ca_file: set_path(&target.ca_file),
        from: target.from.clone(),
        to: target.to.clone(),
        read_secret: read_private_file,
    }
}

/// Notes the targets, and starts a courier for each.
pub(super) async fn start(
    adapters: &Adapters,
    settings: &Settings,
    stop: &CancellationToken,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let Adapters { store, notifications, clock, .. } = adapters;
    let names: Vec<String> = notifications.targets().into_iter().map(|target| target.name).collect();
    store.keep_targets(&names, clock.now()).await.context("cannot note the targets of notifications")?;
    let (ledger, feed): (Arc<dyn NotificationLedger>, Arc<dyn LiveFeed>) = (store.clone(), store.clone());
    for courier in notifications.couriers(&ledger, &feed, u32::from(settings.notifications.per_hour)) {
        let stop = stop.clone();
        tasks.spawn(async move {
            courier.run(stop).await;
            Ok(())
        });
    }
    Ok(())
}
