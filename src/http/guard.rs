//! Keeps other web sites away from the operator listener, which has no login yet: the `Host` and `Origin` of every request must be ours
//! (DNS rebinding, cross-site forms).

use axum::{
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{connection::Connection, problem::Problem};

/// Lets a request through, or refuses it with a sentence.
pub(super) async fn guard(ends: Connection, request: Request, next: Next) -> Response {
    let our = ends.our.to_string();
    let is_ours = |authority: &str| {
        let name = host_of(authority);
        ["localhost", "127.0.0.1", "[::1]", our.as_str()].contains(&name)
    };
    let headers = request.headers();
    let host = text(headers, header::HOST).unwrap_or_default();
    if !is_ours(host) {
        let why = format!("`{host}` is not a name of this daemon; open it by the address on which it listens");
        return Problem::new(StatusCode::FORBIDDEN, why).into_response();
    }
    let origin = text(headers, header::ORIGIN).filter(|_| !matches!(*request.method(), Method::GET | Method::HEAD));
    if origin
        .is_some_and(|origin| origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) != Some(host))
    {
        return Problem::new(StatusCode::FORBIDDEN, "this request comes from another web site; nothing was changed")
            .into_response();
    }
    next.run(request).await
}

/// The name in `NAME[:PORT]`; an IPv6 address keeps its brackets.
fn host_of(authority: &str) -> &str {
    match authority.rfind(']') {
        Some(end) => &authority[..=end],
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
