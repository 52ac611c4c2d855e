//! One operation: its steps, what a person can do about it, and what is told of it.

use askama::Template;
use axum::{http::StatusCode, response::Response};

use super::{
    activity_page::{ActivityRow, names},
    audit_page::{AuditRow, way},
    operation_part::OperationPart,
    shell::{PageProblem, Shell, render},
    words::{operation_words, span, title},
};
use crate::{
    domain::{
        audit::AuditEntry,
        identity::{BatchId, OperationId},
        operation::{OperationStatus, StepStatus},
        questions::{AuditQuestion, FeedQuestion},
    },
    http::{Visit, problem::Problem, problem_codes::Code},
    operations::OperationView,
};

/// How many rows of the live feed, and of the audit log, are shown. More is on the pages of those.
const ROWS: u32 = 100;

#[derive(Template)]
#[template(path = "operation.html")]
struct OperationPage {
    shell: Shell,
    host_id: String,
    hostname: String,
    what: String,
    /// Who began it, as the end of a sentence.
    starter: String,
    batch: String,
    operation: OperationPart,
    /// How it ended and what is left to do; before that, for what it waits.
    summary: String,
    /// What was overridden to begin it: each check with its sentences.
    overridden: Vec<(String, Vec<String>)>,
    override_reason: String,
    activity: Vec<ActivityRow>,
    audit: Vec<AuditRow>,
}

/// Shows an operation.
pub(super) async fn show(
    state: &Visit,
    id: &OperationId,
    status: StatusCode,
    trouble: Option<String>,
) -> Result<Response, PageProblem> {
    let mut shell = Shell::new(state).await?;
    shell.trouble = trouble;
    let view = state.operations.view(id).await?;
    let view = view.ok_or_else(|| Problem::coded(Code::OperationNotFound, format!("there is no operation {id}")))?;
    let host = state.host(&view.operation.host).await?;
    let hosts = [host];
    let hostname = hosts[0].hostname.to_string();
    let of_it = FeedQuestion { operation: Some(id.clone()), limit: ROWS, ..FeedQuestion::default() };
    let asked = AuditQuestion { operation: Some(id.clone()), limit: ROWS, ..AuditQuestion::default() };
    let (events, entries) = (state.feed.events(&of_it).await?, state.audit.audit_entries(&asked).await?);
    let overridden = state.rebuilds.rebuild(id).await?.and_then(|rebuild| rebuild.overridden).unwrap_or_default();
    let batch = state.journal.batch_of(id).await?;
    let (now, names) = (state.clock.now(), names(&hosts));
    let part = OperationPart::new(&view, &state.operations.outputs(id).await?, now);
    let usual =
        if view.progress.status.is_over() { None } else { Some(state.operations.usual(&view.operation).await?) };
    let page = OperationPage {
        shell,
        host_id: hosts[0].id.to_string(),
        what: operation_words(&view.operation.plan, &hostname),
        starter: starter(&entries, batch.as_ref()),
        batch: batch.as_ref().map(ToString::to_string).unwrap_or_default(),
        operation: part.alone(&usual.unwrap_or_default()),
        summary: summary(&view, &hostname),
        overridden: overridden.findings.into_iter().collect(),
        override_reason: overridden.reason,
        activity: events.iter().map(|event| ActivityRow::new(event, &names, now).on_its_page()).collect(),
        audit: entries.iter().map(|entry| AuditRow::new(entry, now)).collect(),
        hostname,
    };
    Ok(render(status, &page))
}

/// Who began it: the oldest row of the log that is about it, when nothing between its beginning and that row is missing.
fn starter(entries: &[AuditEntry], batch: Option<&BatchId>) -> String {
    if batch.is_some() {
        return "by a batch".to_owned();
    }
    let begun = entries.iter().find(|entry| entry.action.ends_with("/rebuild"));
    match begun.map(|entry| (&entry.actor, entry.via)) {
        Some((Some(name), _)) => format!("by {name}"),
        Some((None, via)) => format!("through {}", way(via)),
        None => String::new(),
    }
}

/// How it ended, and what is left to do; before that, for what it waits.
fn summary(view: &OperationView, hostname: &str) -> String {
    let progress = &view.progress;
    let took = progress.ended_at.map(|ended| span(ended.as_second() - view.operation.started_at.as_second()));
    let took = took.map(|took| format!(" It took {took}.")).unwrap_or_default();
    let reason = progress.reason.clone().unwrap_or_default();
    match progress.status {
        OperationStatus::Succeeded => {
            let skipped = progress.steps.iter().filter(|step| step.status == StepStatus::Skipped);
            let skipped: Vec<_> = skipped
                .map(|step| format!("{} ({})", title(&step.name), step.reason.as_deref().unwrap_or("left out")))
                .collect();
            let result = match view.operation.plan.as_str() {
                "rebuild_host" => format!("Done: {hostname} is installed and a verified member of its cluster."),
                _ => "Every step is done.".to_owned(),
            };
            let left = match skipped.as_slice() {
                [] => " Nothing is left to do.".to_owned(),
                some => format!(" Left out, and yours to do: {}.", some.join("; ")),
            };
            format!("{result}{took}{left}")
        }
        OperationStatus::Failed => {
            let stuck = progress.steps.iter().filter(|step| step.status == StepStatus::UndoFailed);
            let stuck: Vec<_> = stuck.map(|step| title(&step.name)).collect();
            let undone = match stuck.as_slice() {
                [] => "Everything that was done is undone.".to_owned(),
                some => format!("Not undone, and yours to look at: {}.", some.join(", ")),
            };
            format!("{reason}. {undone}{took} Put right what the reason names, then rebuild {hostname} again.")
        }
        OperationStatus::Cancelled => format!("{reason}.{took}"),
        OperationStatus::Running
        | OperationStatus::Waiting
        | OperationStatus::Unwinding
        | OperationStatus::Cancelling
        | OperationStatus::NeedsAttention => reason,
    }
}
