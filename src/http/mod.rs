//! How machines and people reach us: three listeners with three route tables. What is asked on a listener that does not have it is 404.
//!
//! `boot` is plain HTTP for iPXE, `machine` is HTTPS for installers and nodes, `operator` is for people and stays on loopback. Handlers
//! extract, ask a desk, and answer; every error becomes a problem document in `problem`.

mod api;
mod boot;
mod connection;
mod dashboard;
mod guard;
mod listener;
mod live_events;
mod machine;
mod metrics;
mod openapi;
mod problem;
mod ranges;
mod routes;

use std::sync::Arc;

use crate::{
    operations::{OperationDesk, RebuildDesk},
    ports::{Catalog, HostLedger, ImageLibrary, LiveFeed, OperationJournal, RebuildLedger},
    provisioning::{AnswerDesk, BootDesk, CheckIn, Enrolment},
};

pub use listener::{HttpListener, Limits};
pub use routes::{Audience, ROUTES, Route};

/// What the boot listener asks.
#[derive(Clone)]
pub struct BootState {
    /// Scripts and files.
    pub desk: Arc<BootDesk>,
}

/// What the machine listener asks.
#[derive(Clone)]
pub struct MachineState {
    /// Answers.
    pub answers: Arc<AnswerDesk>,
    /// Reports.
    pub check_in: Arc<CheckIn>,
}

/// What the operator listener asks.
#[derive(Clone)]
pub struct OperatorState {
    /// Hosts.
    pub hosts: Arc<dyn HostLedger>,
    /// Journals.
    pub journal: Arc<dyn OperationJournal>,
    /// Rebuilds.
    pub rebuilds: Arc<dyn RebuildLedger>,
    /// The live feed.
    pub feed: Arc<dyn LiveFeed>,
    /// Server types, templates, scripts.
    pub catalog: Arc<dyn Catalog>,
    /// Images.
    pub images: Arc<dyn ImageLibrary>,
    /// Registers hosts.
    pub enrolment: Arc<Enrolment>,
    /// Previews answers.
    pub answers: Arc<AnswerDesk>,
    /// Starts rebuilds.
    pub rebuild: Arc<RebuildDesk>,
    /// Shows and moves operations.
    pub operations: Arc<OperationDesk>,
    /// Hides the secrets of an answer.
    pub redact: fn(&str) -> String,
    /// Whether the operator listener is on loopback: said on every page.
    pub is_loopback: bool,
    /// Ends the event streams when the daemon stops.
    pub stop: tokio_util::sync::CancellationToken,
}

/// The routes of booting machines.
pub fn boot_router(state: BootState) -> axum::Router {
    routes::finish(boot::router().with_state(state))
}

/// The routes of installers and nodes.
pub fn machine_router(state: MachineState) -> axum::Router {
    routes::finish(machine::router().with_state(state))
}

/// The routes of people.
pub fn operator_router(state: OperatorState) -> axum::Router {
    let guarded = api::router().merge(dashboard::router()).merge(live_events::router()).merge(metrics::router());
    routes::finish(guarded.layer(axum::middleware::from_fn(guard::guard)).with_state(state))
}
