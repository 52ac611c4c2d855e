//! The pages of one host and of one operation.

use axum::{
    http::{StatusCode, Uri},
    response::Response,
};

use super::{host_page, operation_page, shell::PageProblem};
use crate::http::{
    Visit,
    extract::{HostPath, OperationPath, query_field},
    problem::Problem,
};

/// One host.
pub(in crate::http) async fn host(
    state: Visit,
    id: Result<HostPath, Problem>,
    uri: Uri,
) -> Result<Response, PageProblem> {
    let HostPath(id) = id?;
    host_page::look(&state, &id, query_field(uri.query(), "show").as_deref() == Some("all")).await
}

/// One operation.
pub(in crate::http) async fn operation(
    state: Visit,
    id: Result<OperationPath, Problem>,
) -> Result<Response, PageProblem> {
    let OperationPath(id) = id?;
    operation_page::show(&state, &id, StatusCode::OK, None).await
}
