//! Keeps other sites' pages away from the operator listener: a browser would otherwise carry out what any page on the internet says
//! (forged requests, and names that are made to resolve to 127.0.0.1). Who is not kept away stands before the entrance.

use std::net::IpAddr;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    OperatorState, connection::Connection, entrance::let_in, extract::header_text, problem::Problem, routes::OPERATOR,
};

/// Tells what a browser thinks of where a request comes from (W3C Fetch Metadata).
pub(super) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Lets through what was meant for us.
pub(super) async fn guard(
    State(state): State<OperatorState>,
    ends: Connection,
    request: Request,
    next: Next,
) -> Response {
    match check(&state, ends, &request) {
        Ok(()) => let_in(&state, request, next).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(state: &OperatorState, ends: Connection, request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let host = header_text(headers, &header::HOST).unwrap_or_default();
    let absolute = request.uri().authority().map(axum::http::uri::Authority::as_str);
    let is_behind_proxy = trusted(state, host).next().is_some();
    if !(is_ours(ends, host) || is_behind_proxy) || absolute.is_some_and(|authority| authority != host) {
        return Err(forbidden(format!(
            "this is the operator page of Rackseed and `{host}` is not a name of it; use the address on which it listens ({}), or name a proxy's \
             origin in server.trusted_origins",
            state.listen
        )));
    }
    // A page of ours has exactly the origin under which it was loaded; tunnels may give it another port than ours.
    if let Some(origin) = header_text(headers, &header::ORIGIN)
        && !match is_behind_proxy {
            true => trusted(state, host).any(|trusted| trusted == origin),
            false => origin.strip_prefix("http://") == Some(host),
        }
    {
        return Err(forbidden(format!("a page of `{origin}` may not ask Rackseed")));
    }
    if is_safe(request.method()) {
        return Ok(());
    }
    if header_text(headers, &SEC_FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(forbidden("a page of another site may not change anything here".to_owned()));
    }
    // DELETE needs no body; browsers ask before they send one from another site, and are refused above. So they do before a file.
    let path = request.uri().path();
    let is_expected = is_json(headers)
        || (path == "/api/images" && is_file(headers))
        || (path == "/api/hosts/import" && is_kind(headers, "text/csv"));
    if request.method() == Method::POST && path.starts_with("/api/") && is_route(request) && !is_expected {
        let detail = "send JSON, with the header `Content-Type: application/json`";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    Ok(())
}

/// The origins of the settings that have this name.
fn trusted<'a>(state: &'a OperatorState, host: &'a str) -> impl Iterator<Item = &'a str> {
    let origins = state.trusted_origins.iter().map(String::as_str);
    origins.filter(move |origin| origin.split_once("://").is_some_and(|(_, name)| name == host))
}

/// Whether a browser has come through a proxy with TLS: then its cookie is for TLS alone.
pub(super) fn is_over_tls(state: &OperatorState, headers: &HeaderMap) -> bool {
    let host = header_text(headers, &header::HOST).unwrap_or_default();
    trusted(state, host).any(|origin| origin.starts_with("https://"))
}

/// Whether there is such a route at all: else it is the path or the method that is wrong, whatever was sent.
fn is_route(request: &Request) -> bool {
    let pattern = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    OPERATOR.iter().any(|row| Some(row.path) == pattern && row.method == request.method().as_str())
}

/// Whether a browser says that a page of ours asks; that its words are true has been checked before.
pub(super) fn comes_from_our_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || header_text(headers, &SEC_FETCH_SITE) == Some("same-origin")
}

fn forbidden(detail: String) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, detail)
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn is_json(headers: &HeaderMap) -> bool {
    is_kind(headers, "application/json")
}

fn is_file(headers: &HeaderMap) -> bool {
    is_kind(headers, "application/octet-stream")
}

fn is_kind(headers: &HeaderMap, wanted: &str) -> bool {
    let kind = header_text(headers, &header::CONTENT_TYPE).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted)
}

/// Whether a `Host` is a name of this listener: loopback's, or the address on which the connection
/// came in. Another name could be made to resolve to us by whoever owns it.
fn is_ours(ends: Connection, host: &str) -> bool {
    let name = without_port(host);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match address {
        Ok(address) => address.is_loopback() || address.to_canonical() == ends.local,
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_taken_off_and_an_ipv6_address_is_left_alone() {
        for (host, name) in [
            ("localhost:8080", "localhost"),
            ("localhost", "localhost"),
            ("[::1]:8080", "[::1]"),
            ("[::1]", "[::1]"),
            ("evil:name:1", "evil:name:1"),
        ] {
            assert_eq!(without_port(host), name);
        }
    }
}
