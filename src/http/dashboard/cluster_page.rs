//! The cluster as a page: who is in it, how many may fail, who waits to join, and which members have the join gate.
//!
//! The page never waits for a member. It shows what one said last; its script has one asked, and without scripts a link does.

use std::time::Duration;

use askama::Template;
use axum::{
    extract::Path,
    http::{StatusCode, Uri},
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;

use super::{
    forms::ours,
    shell::{PageProblem, Shell, render},
    words::{Moment, title},
};
use crate::{
    http::{
        Visit,
        api::cluster::{ClusterJson, JoinJson, describe},
        extract::FormFields,
        paging::parameter,
        problem::Problem,
    },
    operations::GateView,
};

/// How old an answer may be before the page's script has a member asked again. Less asks members more often.
const FRESH_SECONDS: i64 = 20;
/// How long a person without scripts waits for a member before they are shown the page as it is.
const PERSON_WAITS: Duration = Duration::from_secs(6);

#[derive(Template)]
#[template(path = "cluster.html")]
struct ClusterPage {
    shell: Shell,
    name: String,
    tone: &'static str,
    state: &'static str,
    cluster: ClusterJson,
    answered: Option<Moment>,
    asked: Option<Moment>,
    /// Whether there is anybody to ask.
    has_members: bool,
    /// Whether a member is being asked, or should be.
    is_stale: bool,
    joins: Vec<JoinRow>,
    gates: Vec<GateRow>,
}

struct JoinRow {
    join: JoinJson,
    is_holder: bool,
    step: String,
    since: Option<Moment>,
}

struct GateRow {
    address: String,
    node: String,
    installed: Moment,
    is_current: bool,
    fingerprint: String,
}

/// The page.
pub(in crate::http) async fn cluster(state: Visit, uri: Uri) -> Result<Response, PageProblem> {
    if parameter(&uri, "ask", "is true or false")?.unwrap_or(false) {
        let desk = state.cluster.clone();
        // It goes on when the person does not wait any longer: the next page shows what was said.
        let asked = tokio::spawn(async move { desk.ask().await });
        let _ = tokio::time::timeout(PERSON_WAITS, asked).await;
    }
    page(&state, StatusCode::OK, None).await
}

async fn page(state: &Visit, status: StatusCode, trouble: Option<String>) -> Result<Response, PageProblem> {
    let mut shell = Shell::new(state).await?;
    shell.trouble = trouble;
    let look = state.cluster.glance().await?;
    let mut cluster = describe(state, &look).await?;
    let now = state.clock.now();
    let joins = cluster.holder.take().into_iter().map(|join| (join, true));
    let joins: Vec<_> = joins.chain(cluster.waiting.drain(..).map(|join| (join, false))).collect();
    let (tone, word) = match (cluster.quorate, cluster.members.iter().all(|member| member.online)) {
        (Some(true), true) => ("good", "quorate"),
        (Some(true), false) => ("armed", "quorate, not all online"),
        (Some(false), _) => ("bad", "no quorum"),
        (None, _) => ("calm", if look.has_members { "not known" } else { "none yet" }),
    };
    let gates = state.gates.gates().await?;
    let page = ClusterPage {
        name: cluster.name.clone().unwrap_or_default(),
        tone,
        state: word,
        answered: cluster.answered_at.map(|at| Moment::new(at, now)),
        asked: look.asked_at.map(|at| Moment::new(at, now)),
        has_members: look.has_members,
        is_stale: look.has_members && is_stale(look.asked_at, now),
        joins: joins.into_iter().map(|(join, is_holder)| JoinRow::new(join, is_holder, now)).collect(),
        gates: gates.into_iter().map(|view| GateRow::new(view, now)).collect(),
        cluster,
        shell,
    };
    Ok(render(status, &page))
}

fn is_stale(asked_at: Option<Timestamp>, now: Timestamp) -> bool {
    asked_at.is_none_or(|at| now.as_second() - at.as_second() > FRESH_SECONDS)
}

/// Takes the join gate off a member, or only off our list.
pub(in crate::http) async fn remove_gate(
    state: Visit,
    address: Result<Path<String>, axum::extract::rejection::PathRejection>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let fields = ours(&state, fields)?;
    let address = address.map(|Path(address)| address).unwrap_or_default();
    match state.gates.remove(&address, fields.get("forget") == "yes").await.map_err(Problem::from) {
        Ok(()) => Ok(Redirect::to("/cluster#gates").into_response()),
        Err(problem) => page(&state, problem.status(), Some(problem.detail().to_owned())).await,
    }
}

impl JoinRow {
    fn new(join: JoinJson, is_holder: bool, now: Timestamp) -> Self {
        Self { is_holder, step: title(&join.step), since: join.since.map(|at| Moment::new(at, now)), join }
    }
}

impl GateRow {
    fn new(view: GateView, now: Timestamp) -> Self {
        Self {
            address: view.gate.address.to_string(),
            node: view.gate.node,
            installed: Moment::new(view.gate.installed_at, now),
            is_current: view.is_current,
            fingerprint: view.fingerprint.unwrap_or_default(),
        }
    }
}
