//! What several lists are limited by.

use axum::http::Uri;

use super::batches::find_host;
use crate::{
    domain::identity::HostId,
    http::{OperatorState, extract::query_field, problem::Problem},
};

/// The host that a list is limited to: by its name, its MAC address, or its id; by its id also after it was removed.
pub(in crate::http) async fn host_asked(state: &OperatorState, uri: &Uri) -> Result<Option<HostId>, Problem> {
    let wanted = query_field(uri.query(), "host").unwrap_or_default();
    if wanted.trim().is_empty() {
        return Ok(None);
    }
    if let Ok(id) = find_host(&state.hosts.hosts().await?, &wanted) {
        return Ok(Some(id));
    }
    match wanted.trim().parse() {
        Ok(id) => Ok(Some(id)),
        Err(_) => {
            let rule = "is the name, the MAC address or the id of a host, such as `rackseed host list` shows it";
            Err(Problem::parameter("host", rule))
        }
    }
}
