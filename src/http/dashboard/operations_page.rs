//! Every operation, the newest first: what goes on, what needs a person, what has ended.

use askama::Template;
use axum::{
    http::{StatusCode, Uri},
    response::Response,
};

use super::{
    filters::{Choice, address, choices, given, is_limited},
    shell::{PageProblem, Shell, render},
    words::{Moment, operation_tone, operation_words, plain, span, title},
};
use crate::{
    http::{Visit, api::operations::asked, paging::Paging},
    operations::{OperationView, plans::PLANS},
};

#[derive(Template)]
#[template(path = "operations.html")]
struct OperationsPage {
    shell: Shell,
    address: String,
    rows: Vec<Row>,
    statuses: Vec<Choice>,
    plans: Vec<Choice>,
    host: String,
    hostnames: Vec<String>,
    is_limited: bool,
    is_newest: bool,
    older: Option<String>,
}

struct Row {
    id: String,
    what: String,
    host: String,
    hostname: String,
    status: String,
    tone: &'static str,
    /// Why it is as it is, or at which step.
    sentence: String,
    started: Moment,
    took: String,
    done: usize,
    of: usize,
}

/// The page.
pub(in crate::http) async fn operations(state: Visit, paging: Paging, uri: Uri) -> Result<Response, PageProblem> {
    let shell = Shell::new(&state).await?;
    let question = asked(&state, &uri, &paging).await?;
    let (found, is_more) = paging.only(state.operations.list(&question).await?);
    let older = found.last().filter(|_| is_more).map(|(last, _)| paging.older_query(last.operation.id.as_str()));
    let statuses = [("running", "Running"), ("needs_attention", "Needs attention"), ("ended", "Ended")];
    let titles: Vec<_> = PLANS.iter().map(|plan| (plan.name, title(plan.name))).collect();
    let now = state.clock.now();
    let page = OperationsPage {
        address: address(&uri),
        rows: found.iter().map(|(view, hostname)| Row::new(view, hostname, now)).collect(),
        statuses: choices("Any", statuses, &given(&uri, "status")),
        plans: choices("Any", titles.iter().map(|(name, title)| (*name, title.as_str())), &given(&uri, "plan")),
        host: given(&uri, "host"),
        hostnames: state.hosts.hosts().await?.into_iter().map(|host| host.hostname.to_string()).collect(),
        is_limited: is_limited(&uri, &["status", "plan", "host"]),
        is_newest: question.before.is_none(),
        older,
        shell,
    };
    Ok(render(StatusCode::OK, &page))
}

impl Row {
    fn new(view: &OperationView, hostname: &str, now: jiff::Timestamp) -> Self {
        let progress = &view.progress;
        let at = progress.current_step().filter(|_| !progress.status.is_over()).map(|step| title(&step.name));
        let pause = view.pause.as_ref().map(|pause| pause.reason.clone());
        let took = progress.ended_at.map(|ended| span(ended.as_second() - view.operation.started_at.as_second()));
        Self {
            id: view.operation.id.to_string(),
            what: operation_words(&view.operation.plan, hostname),
            host: view.operation.host.to_string(),
            hostname: hostname.to_owned(),
            status: plain(progress.status.word()),
            tone: operation_tone(progress.status),
            sentence: pause.or_else(|| progress.reason.clone()).or(at).unwrap_or_default(),
            started: Moment::new(view.operation.started_at, now),
            took: took.unwrap_or_default(),
            done: progress.steps.iter().filter(|step| step.is_done()).count(),
            of: progress.steps.len(),
        }
    }
}
