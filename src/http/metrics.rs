//! Figures for monitoring, in the OpenMetrics text format, and whether the daemon is well.

use std::{collections::BTreeMap, fmt::Write};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{OperatorState, problem::Problem};
use crate::domain::{host_lifecycle::HostState, operation::OperationStatus};

/// Hosts by state, operations that are not over by status, images, catalog problems, what was seen on the network, requests by route.
pub(super) async fn serve(State(state): State<OperatorState>) -> Result<Response, Problem> {
    let mut hosts: BTreeMap<HostState, u64> = HostState::ALL.iter().map(|state| (*state, 0)).collect();
    let mut operations: BTreeMap<OperationStatus, u64> =
        OperationStatus::ALL.iter().filter(|status| !status.is_over()).map(|status| (*status, 0)).collect();
    for host in state.hosts.hosts().await? {
        *hosts.entry(host.state).or_default() += 1;
    }
    for id in state.journal.open_operations().await? {
        if let Some(view) = state.operations.view(&id).await? {
            *operations.entry(view.progress.status).or_default() += 1;
        }
    }
    let images = state.images.images().await?.len();
    let mut text = Exposition::default();
    text.family("rackseed_build", "info", "The running program.");
    text.sample("rackseed_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.family("rackseed_hosts", "gauge", "Hosts by state.");
    for (state, count) in &hosts {
        text.sample("rackseed_hosts", &[("state", state.word())], *count);
    }
    text.family("rackseed_open_operations", "gauge", "Operations that are not over, by status.");
    for (status, count) in &operations {
        text.sample("rackseed_open_operations", &[("status", status.word())], *count);
    }
    text.family("rackseed_images", "gauge", "Installer images in the library.");
    text.sample("rackseed_images", &[], images as u64);
    text.family("rackseed_catalog_problems", "gauge", "Rules that the catalog's files break as they are now.");
    text.sample("rackseed_catalog_problems", &[], state.catalog.status().problems.len() as u64);
    text.family("rackseed_sightings", "gauge", "Machines that asked for a boot and are not registered.");
    text.sample("rackseed_sightings", &[], state.sightings.all().len() as u64);
    text.family("rackseed_booting_machines", "gauge", "Machines whose boots are remembered.");
    text.sample("rackseed_booting_machines", &[], state.diary.machines() as u64);
    text.family(
        "rackseed_boot_milestones_dropped",
        "counter",
        "Milestones of boots that came faster than they could be written down.",
    );
    text.sample("rackseed_boot_milestones_dropped_total", &[], state.diary.dropped());
    text.family("rackseed_http_requests", "counter", "Requests since the start.");
    for ((audience, method, route, status), count) in state.requests.rows() {
        let status = status.to_string();
        let labels = [("listener", audience.word()), ("method", &method), ("route", &route), ("status", &status)];
        text.sample("rackseed_http_requests_total", &labels, count);
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text.end()).into_response())
}

/// Whether the database can be read and written: on a full disk everything looks well until something has to be kept.
pub(super) async fn health(State(state): State<OperatorState>) -> Response {
    match ailments(&state).await.into_iter().next() {
        None => "ok\n".into_response(),
        Some(ailment) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, ailment).into_response(),
    }
}

/// What ails the daemon, one sentence each.
pub(super) async fn ailments(state: &OperatorState) -> Vec<String> {
    let answer = match state.feed.newest_event().await {
        Ok(_) => state.feed.check_writable().await,
        Err(error) => Err(error),
    };
    let pauses = state.operations.world.pauses.all().into_iter();
    let paused =
        pauses.map(|(id, pause)| format!("the operation {id} stands still since {}: {}", pause.since, pause.reason));
    answer.err().map(|error| error.to_string()).into_iter().chain(paused).collect()
}

/// A text of the format that <https://prometheus.io/docs/specs/om/open_metrics_spec/> tells, written line by line.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# TYPE {name} {kind}\n# HELP {name} {help}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<_> = labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escape(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn end(self) -> String {
        self.0 + "# EOF\n"
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
