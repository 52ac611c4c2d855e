//! What went wrong, as a page: what it means and what to do next. It asks nothing of the database, which may be what is broken.

use askama::Template;
use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::Response,
};

use super::shell::{Navigation, render};
use crate::http::{extract::header_text, problem::Problem};

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    code: u16,
    reason: &'static str,
    title: &'static str,
    detail: &'a str,
    next: &'static str,
    navigation: Navigation,
    places: &'static [(&'static str, &'static str)],
}

/// Where one can always go on.
const ONWARD: &[(&str, &str)] = &[("/", "To the hosts"), ("/operations", "Operations")];
/// Where one can go on who is not signed in.
const TO_SIGN_IN: &[(&str, &str)] = &[("/sign-in", "Sign in")];
/// Where one can go on when the fault is ours.
const TO_HEALTH: &[(&str, &str)] = &[("/", "To the hosts"), ("/about", "How Rackseed is")];

/// Makes the page.
pub(super) fn page(status: StatusCode, detail: &str) -> Response {
    let (title, next, places) = meaning(status);
    let reason = status.canonical_reason().unwrap_or("Error");
    render(
        status,
        &ProblemPage { code: status.as_u16(), reason, title, detail, next, navigation: Navigation::default(), places },
    )
}

/// Gives a problem document as a page to whoever asks with a browser.
pub(in crate::http) async fn for_people(request: Request, next: Next) -> Response {
    let wants_page = wants_page(request.headers());
    let response = next.run(request).await;
    match response.extensions().get::<Problem>() {
        Some(problem) if wants_page => {
            let mut dressed = page(response.status(), problem.detail());
            for (name, value) in response.headers() {
                // What else was said stands, for example when to try again.
                if ![header::CONTENT_TYPE, header::CONTENT_LENGTH].contains(name) {
                    dressed.headers_mut().append(name, value.clone());
                }
            }
            dressed
        }
        Some(_) | None => response,
    }
}

fn wants_page(headers: &HeaderMap) -> bool {
    header_text(headers, &header::ACCEPT).is_some_and(|accepted| accepted.contains("text/html"))
}

/// What a status means to a person, what to do, and where to go on.
fn meaning(status: StatusCode) -> (&'static str, &'static str, &'static [(&'static str, &'static str)]) {
    match status {
        StatusCode::UNAUTHORIZED => ("Please sign in", "Your session has ended, or there was none.", TO_SIGN_IN),
        StatusCode::FORBIDDEN => {
            ("You may not do that", "If you should, ask an administrator of this Rackseed for the right to.", ONWARD)
        }
        StatusCode::NOT_FOUND => (
            "Not found",
            "It may have been removed since the link was made, or the address has a typing mistake.",
            ONWARD,
        ),
        StatusCode::CONFLICT => ("Not now", "Look at how things stand, then try again.", ONWARD),
        StatusCode::TOO_MANY_REQUESTS => ("Too often", "Wait a little, then try again.", ONWARD),
        StatusCode::INSUFFICIENT_STORAGE => {
            ("The disk is full", "Make room on the disk of the data folder; nothing that was kept is lost.", TO_HEALTH)
        }
        status if status.is_server_error() => (
            "Rackseed stumbled",
            "Machines under way are not harmed by this page. Try again; if it stays, the daemon's log and `rackseed doctor` say more.",
            TO_HEALTH,
        ),
        _ => ("That was not understood", "Go back, put it right, and try again.", ONWARD),
    }
}
