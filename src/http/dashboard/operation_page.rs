//! One operation: its steps, and what a person can do about it.

use askama::Template;
use axum::{http::StatusCode, response::Response};

use super::{
    operation_part::OperationPart,
    shell::{PageProblem, Shell, render},
};
use crate::{
    domain::identity::OperationId,
    http::{Visit, problem::Problem, problem_codes::Code},
};

#[derive(Template)]
#[template(path = "operation.html")]
struct OperationPage {
    shell: Shell,
    host_id: String,
    hostname: String,
    operation: OperationPart,
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
    let page = OperationPage {
        shell,
        host_id: host.id.to_string(),
        hostname: host.hostname.to_string(),
        operation: OperationPart::new(&view, &state.operations.outputs(id).await?, state.clock.now()),
    };
    Ok(render(status, &page))
}
