//! Every route on one page: what the README lists and the OpenAPI document is made of. A test holds that the routers have exactly these.

use std::time::Duration;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use tower::ServiceBuilder;
use tower_http::{catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer, timeout::TimeoutLayer};

use super::problem::Problem;

/// Who asks; one listener each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Booting machines (HTTP).
    Boot,
    /// Installers and nodes (HTTPS).
    Machine,
    /// People and their programs (HTTP, loopback).
    Operator,
}

/// One route.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// Who asks.
    pub audience: Audience,
    /// The method.
    pub method: &'static str,
    /// The path, with `{parameters}`.
    pub path: &'static str,
    /// What it is for.
    pub summary: &'static str,
}

const fn route(audience: Audience, method: &'static str, path: &'static str, summary: &'static str) -> Route {
    Route { audience, method, path, summary }
}

/// Every route.
pub const ROUTES: &[Route] = {
    use Audience::{Boot, Machine, Operator};
    &[
        route(Boot, "GET", "/ipxe/{mac}", "iPXE script for a machine; always a valid script, also for errors"),
        route(
            Boot,
            "GET",
            "/boot/{token}/{file}",
            "kernel, initrd or private ISO of an armed rebuild; also HEAD and ranges",
        ),
        route(Boot, "GET", "/healthz", "whether the listener answers"),
        route(Machine, "POST", "/api/boot/answer", "the answer file of the asking installer (TOML)"),
        route(Machine, "POST", "/api/hosts/{id}/installed", "post-installation webhook"),
        route(Machine, "GET", "/api/hosts/{id}/first-boot-script", "the script of the first boot"),
        route(Machine, "POST", "/api/hosts/{id}/phone-home", "the installed system's address and hardware id"),
        route(Machine, "GET", "/healthz", "whether the listener answers"),
        route(Operator, "GET", "/api/hosts", "list the hosts"),
        route(Operator, "POST", "/api/hosts", "register a host"),
        route(Operator, "GET", "/api/hosts/{id}", "one host with its history and operation"),
        route(Operator, "DELETE", "/api/hosts/{id}", "remove a host that is not being rebuilt"),
        route(Operator, "POST", "/api/hosts/{id}/rebuild", "reinstall a host; wipes its disk"),
        route(
            Operator,
            "POST",
            "/api/hosts/{id}/confirm-host-key",
            "confirm the SSH fingerprint that the console shows",
        ),
        route(
            Operator,
            "GET",
            "/api/hosts/{id}/answer-preview",
            "the answer that the host would be given, without secrets",
        ),
        route(Operator, "GET", "/api/operations/{id}", "one operation with its steps"),
        route(Operator, "POST", "/api/operations/{id}/retry", "try the failed step of a parked operation again"),
        route(Operator, "POST", "/api/operations/{id}/cancel", "end an operation"),
        route(Operator, "GET", "/api/images", "list the installer images"),
        route(Operator, "GET", "/api/catalog", "what the catalog's folders hold, and what is wrong with them"),
        route(Operator, "GET", "/api/openapi.json", "this interface as an OpenAPI document"),
        route(Operator, "GET", "/events", "the live feed (server-sent events), resumable by Last-Event-ID"),
        route(Operator, "GET", "/metrics", "figures in the OpenMetrics format"),
        route(Operator, "GET", "/healthz", "whether the daemon can read and write its database"),
        route(Operator, "GET", "/", "the hosts as a page"),
        route(Operator, "POST", "/hosts", "the registration form"),
        route(Operator, "GET", "/hosts/{id}", "one host as a page"),
        route(Operator, "POST", "/hosts/{id}/rebuild", "the rebuild form"),
        route(Operator, "POST", "/hosts/{id}/remove", "the removal form"),
        route(Operator, "POST", "/hosts/{id}/confirm-host-key", "the form that confirms a fingerprint"),
        route(Operator, "GET", "/operations/{id}", "one operation as a page"),
        route(Operator, "POST", "/operations/{id}/retry", "the retry form"),
        route(Operator, "POST", "/operations/{id}/cancel", "the cancel form"),
        route(Operator, "GET", "/assets/{file}", "style and script of the pages"),
    ]
};

/// The largest body that is read.
const LARGEST_BODY_BYTES: usize = 1 << 20;
/// How long a handler may take to begin its answer; downloads and event streams go on after that. A rebuild asks the cluster first.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// What a page may load: nothing from anywhere else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Adds to a router what all three have.
pub(super) fn finish(router: Router) -> Router {
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    let layers = ServiceBuilder::new()
        .layer(header(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(header::CACHE_CONTROL, "no-store"))
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_LIMIT))
        .layer(DefaultBodyLimit::max(LARGEST_BODY_BYTES));
    router
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is nothing here on this listener") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not for this path")
        })
        .layer(layers)
}
