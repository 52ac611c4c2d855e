//! How machines and people reach us: three listeners with three route tables. What is asked on a listener that does not have it is 404.
//!
//! `boot` is plain HTTP for iPXE, `machine` is HTTPS for installers and nodes, `operator` is for people and stays on loopback. Handlers
//! extract, ask a desk, and answer; every error becomes a problem document in `problem`.

mod api;
mod assembly;
mod audit;
mod boot;
mod boot_connection;
mod connection;
mod credential;
mod dashboard;
mod entrance;
mod extract;
mod guard;
mod image_checks;
mod known_hosts;
mod listener;
mod live_events;
mod lossy_wire;
mod machine;
mod metrics;
mod openapi;
mod operator;
mod outgoing;
mod page_cache;
mod paging;
mod problem;
mod problem_codes;
mod ranges;
mod repeats;
mod request_counts;
mod request_head;
mod routes;
mod row;
mod schema;
mod visit;

use std::sync::Arc;

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use jiff::fmt::rfc2822::DateTimePrinter;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::provisioning::{AnswerDesk, BootDesk, BootOffers, CheckIn, ExchangeBook};

pub use audit::RefusalCount;
pub use image_checks::ImageChecks;
pub use listener::{HttpListener, Limits};
pub use openapi::document;
pub use operator::OperatorState;
pub use repeats::Repeats;
pub use request_counts::RequestCounts;
pub use routes::ROUTES;
pub use row::{Audience, Needs, Route};
pub use visit::FormToken;
use visit::Visit;

/// Makes a support bundle; the error is a sentence.
pub async fn support_bundle(state: &OperatorState) -> Result<Vec<u8>, String> {
    api::support_bundle::bundle(state).await.map_err(|problem| problem.detail().to_owned())
}

/// What the boot listener asks.
#[derive(Clone)]
pub struct BootState {
    /// Scripts and files.
    pub desk: Arc<BootDesk>,
    /// Boot files.
    pub offers: Arc<BootOffers>,
    /// What was asked; one for all listeners.
    pub requests: Arc<RequestCounts>,
}

/// What the machine listener asks.
#[derive(Clone)]
pub struct MachineState {
    /// Answers.
    pub answers: Arc<AnswerDesk>,
    /// Reports.
    pub check_in: Arc<CheckIn>,
    /// Writes down what is asked and answered.
    pub exchanges: Arc<ExchangeBook>,
    /// What was asked; one for all listeners.
    pub requests: Arc<RequestCounts>,
}

/// The routes of booting machines, for a listener that [sends files](HttpListener::sending_files).
pub fn boot_router(state: BootState) -> axum::Router {
    let (requests, clock) = (Arc::clone(&state.requests), Arc::clone(&state.desk.clock));
    let router = assembly::finish(assembly::router(routes::BOOT).with_state(state), Audience::Boot, requests);
    // On the other listeners, hyper tells the date.
    router.layer(SetResponseHeaderLayer::if_not_present(header::DATE, move |_: &Response| {
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&clock.now()).ok()?;
        HeaderValue::try_from(date).ok()
    }))
}

/// The routes of installers and nodes.
pub fn machine_router(state: MachineState) -> axum::Router {
    let requests = Arc::clone(&state.requests);
    assembly::finish(assembly::router(routes::MACHINE).with_state(state), Audience::Machine, requests)
}

/// The routes of people.
pub fn operator_router(state: OperatorState) -> axum::Router {
    let requests = Arc::clone(&state.requests);
    let guard = axum::middleware::from_fn_with_state(state.clone(), guard::guard);
    // Inside of the guard, which says who asks.
    let once = axum::middleware::from_fn_with_state(state.clone(), repeats::once);
    // Outside of the guard, so that what it refuses is written down too.
    let audit = axum::middleware::from_fn_with_state(state.clone(), audit::audit);
    let router = assembly::with_fallbacks(assembly::router(routes::OPERATOR))
        .layer(once)
        .layer(guard)
        .layer(audit)
        .with_state(state);
    assembly::finish(router, Audience::Operator, requests)
}
