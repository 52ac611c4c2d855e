//! Operations: look, retry, skip, cancel.

use axum::{Json, extract::State};

use super::views::OperationJson;
use crate::http::{OperatorState, extract::OperationPath, problem::Problem, problem_codes::Code};

/// One operation with its steps.
pub(crate) async fn show(
    State(state): State<OperatorState>,
    OperationPath(id): OperationPath,
) -> Result<Json<OperationJson>, Problem> {
    let view = state.operations.view(&id).await?;
    let view = view.ok_or_else(|| Problem::coded(Code::OperationNotFound, format!("there is no operation {id}")))?;
    let outputs = state.operations.outputs(&id).await?;
    Ok(Json(OperationJson::with_outputs(&view, &outputs)))
}

/// Tries the failed step of a parked operation again.
pub(crate) async fn retry(
    State(state): State<OperatorState>,
    OperationPath(id): OperationPath,
) -> Result<Json<OperationJson>, Problem> {
    Ok(Json(OperationJson::new(&state.operations.retry(&id).await?)))
}

/// Leaves out the step at which an operation stands.
pub(crate) async fn skip(
    State(state): State<OperatorState>,
    OperationPath(id): OperationPath,
) -> Result<Json<OperationJson>, Problem> {
    Ok(Json(OperationJson::new(&state.operations.skip(&id).await?)))
}

/// Ends an operation.
pub(crate) async fn cancel(
    State(state): State<OperatorState>,
    OperationPath(id): OperationPath,
) -> Result<Json<OperationJson>, Problem> {
    Ok(Json(OperationJson::new(&state.operations.cancel(&id).await?)))
}
