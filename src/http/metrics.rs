//! Figures for a monitoring system, and whether we are well.

use std::{collections::BTreeMap, fmt::Write};

use axum::{Router, extract::State, http::header, response::IntoResponse, routing::get};

use super::{OperatorState, problem::Problem};
use crate::domain::host_lifecycle::HostState;

pub(super) fn router() -> Router<OperatorState> {
    Router::new().route("/metrics", get(metrics)).route("/healthz", get(healthz))
}

/// The text format of OpenMetrics 1.0.
async fn metrics(State(state): State<OperatorState>) -> Result<impl IntoResponse, Problem> {
    let hosts = state.hosts.hosts().await?;
    let mut by_status: BTreeMap<&str, usize> = BTreeMap::new();
    for id in state.journal.open_operations().await? {
        if let Some(view) = state.operations.view(&id).await? {
            *by_status.entry(view.progress.status.word()).or_default() += 1;
        }
    }
    let mut text = String::from("# TYPE rackseed_hosts gauge\n# HELP rackseed_hosts Hosts by state.\n");
    for host_state in HostState::ALL {
        let count = hosts.iter().filter(|host| host.state == *host_state).count();
        let _ = writeln!(text, "rackseed_hosts{{state=\"{host_state}\"}} {count}");
    }
    text += "# TYPE rackseed_open_operations gauge\n# HELP rackseed_open_operations Operations that are not over, by status.\n";
    for (status, count) in by_status {
        let _ = writeln!(text, "rackseed_open_operations{{status=\"{status}\"}} {count}");
    }
    let problems = state.catalog.status().problems.len();
    let _ = write!(
        text,
        "# TYPE rackseed_catalog_problems gauge\n# HELP rackseed_catalog_problems Broken rules in the catalog's folders.\nrackseed_catalog_problems {problems}\n\
         # TYPE rackseed_images gauge\n# HELP rackseed_images Installer images.\nrackseed_images {}\n# EOF\n",
        state.images.images().await?.len()
    );
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}

async fn healthz(State(state): State<OperatorState>) -> Result<&'static str, Problem> {
    state.feed.newest_event().await?;
    Ok("ok\n")
}
