//! What the daemon does by itself, again and again.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    catalog::{CatalogWatch, FolderCatalog},
    domain::{
        catalog::CatalogStatus,
        live_event::{NewLiveEvent, Topic},
    },
    ports::{Clock, LiveFeed},
    provisioning::Watchdog,
};

/// How often the watchdog looks. Patience is in minutes, so seconds do not matter.
const WATCHDOG_PAUSE: Duration = Duration::from_secs(5);

/// Looks at the hosts until it is stopped.
pub(super) async fn run_watchdog(watchdog: Watchdog, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(WATCHDOG_PAUSE) => {}
        }
        if let Err(error) = watchdog.look().await {
            tracing::error!(%error, "the watchdog cannot read the hosts; it will look again");
        }
    }
}

/// Reloads the catalog after edits, and says in the log and in the live feed what came of it.
pub(super) fn watch_catalog(
    catalog: Arc<FolderCatalog>,
    feed: Arc<dyn LiveFeed>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<CatalogWatch> {
    let runtime = tokio::runtime::Handle::current();
    let watch = CatalogWatch::start(catalog, move |status| {
        let message = tell(status);
        let (feed, clock) = (Arc::clone(&feed), Arc::clone(&clock));
        runtime.spawn(async move {
            let event = NewLiveEvent { topic: Topic::Catalog, host: None, operation: None, message };
            if let Err(error) = feed.publish(&event, clock.now()).await {
                tracing::error!(%error, "cannot write to the live feed");
            }
        });
    })?;
    Ok(watch)
}

/// Logs how the catalog is doing and returns the sentence for the live feed.
pub(super) fn tell(status: &CatalogStatus) -> String {
    if status.problems.is_empty() {
        let message = format!(
            "the catalog was read: {} server types, {} answer templates, {} scripts",
            status.server_types.len(),
            status.answer_templates.len(),
            status.scripts.len()
        );
        tracing::info!("{message}");
        return message;
    }
    for problem in &status.problems {
        tracing::error!(
            file = problem.file,
            line = problem.line,
            rule = problem.rule,
            "the catalog has a broken file; the last good version stays in use"
        );
    }
    let problems: Vec<_> = status.problems.iter().map(ToString::to_string).collect();
    format!("the catalog has broken files, the last good version stays in use: {}", problems.join("; "))
}
