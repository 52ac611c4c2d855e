//! Makes routers of the tables of routes, and adds what all listeners have.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware,
    response::IntoResponse,
};
use tower::ServiceBuilder;
use tower_http::{catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer, timeout::TimeoutLayer};

use super::{
    dashboard::problem_page,
    problem::{self, Problem},
    problem_codes::Code,
    request_counts::{RequestCounts, count},
    routes::LARGE_BODY,
    row::{Audience, Body, Row},
};

/// Makes the router of a table.
pub(super) fn router<S: Clone + Send + Sync + 'static>(rows: &[Row<S>]) -> Router<S> {
    let timeout = TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_LIMIT);
    rows.iter().fold(Router::new(), |router, row| {
        let limit = match row.takes {
            Body::Stream => return router.route(row.path, (row.handler)().layer(DefaultBodyLimit::disable())),
            Body::Report(limit) | Body::Log(limit) => limit,
            Body::Nothing | Body::Json(_) | Body::List(_) | Body::Form(_) | Body::Text(_) => LARGE_BODY,
        };
        router.route(row.path, (row.handler)().layer::<_, Infallible>(DefaultBodyLimit::max(limit)).layer(timeout))
    })
}

/// Adds what is said to questions that no row has.
pub(super) fn with_fallbacks<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router
        .fallback(|| async { Problem::coded(Code::RouteNotFound, "there is nothing here on this listener") })
        .method_not_allowed_fallback(async |method: Method| match method {
            // Which methods there are is in `Allow`, which is put there for both.
            Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
            _ => Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not for this path").into_response(),
        })
}

/// How long a handler may take to begin its answer; downloads and event streams go on after that. A rebuild asks the cluster first.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// What a page may load: nothing from anywhere else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Adds to a router what all three have.
pub(super) fn finish(router: Router, audience: Audience, requests: Arc<RequestCounts>) -> Router {
    let set = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    let panicked = |_| Problem::internal("the daemon stumbled over this request; its log says more").into_response();
    // Who boots sees no document.
    let complete = (audience != Audience::Boot).then(|| middleware::from_fn(problem::complete));
    let pages = (audience == Audience::Operator).then(|| middleware::from_fn(problem_page::for_people));
    let layers = ServiceBuilder::new()
        .option_layer(complete)
        .option_layer(pages)
        .layer(middleware::from_fn_with_state((audience, requests), count))
        .layer(set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .layer(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set(header::REFERRER_POLICY, "same-origin"))
        .layer(set(header::CACHE_CONTROL, "no-store"))
        .layer(CatchPanicLayer::custom(panicked));
    let router = if audience == Audience::Operator { router } else { with_fallbacks(router) };
    router.layer(layers)
}
