//! Signing in and out.

use askama::Template;
use axum::{
    extract::RawQuery,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};

use super::{
    forms::{FORM_TOKEN, ours},
    shell::{PageProblem, exposure, render},
};
use crate::{
    http::{
        Visit,
        api::access::doorstep,
        connection::Connection,
        credential::{no_cookie, own_path, session_cookie},
        entrance::Entrant,
        extract::{FormFields, query_field},
        guard::is_over_tls,
        problem::Problem,
    },
    provisioning::SignedIn,
};

#[derive(Template)]
#[template(path = "knock.html")]
struct KnockPage<'a> {
    next: &'a str,
    exposed: Option<String>,
}

/// Lets a browser ask once more. Whoever follows a link in a message comes without the cookie, because another site sent them: a page
/// of ours that sends them on does not.
pub(in crate::http) fn knock_again(path: &str) -> Response {
    render(StatusCode::OK, &KnockPage { next: own_path(path), exposed: None })
}

#[derive(Template)]
#[template(path = "sign-in.html")]
struct SignInPage {
    exposed: Option<String>,
    form_token: String,
    next: String,
    name: String,
    trouble: Option<String>,
}

/// Shows the page. Who has signed in already goes on.
pub(in crate::http) async fn show(state: Visit, RawQuery(query): RawQuery) -> Response {
    let next = query_field(query.as_deref(), "next").unwrap_or_default();
    let next = own_path(&next);
    if state.visitor.pass.is_some() {
        return Redirect::to(next).into_response();
    }
    if state.access.set_up_code().is_some() {
        return Redirect::to("/first-visit").into_response();
    }
    page(&state, StatusCode::OK, "", next, None)
}

fn page(state: &Visit, status: StatusCode, name: &str, next: &str, trouble: Option<String>) -> Response {
    let page = SignInPage {
        exposed: exposure(state),
        form_token: state.form_token.text().to_owned(),
        next: next.to_owned(),
        name: name.chars().take(64).collect(),
        trouble,
    };
    render(status, &page)
}

/// Signs in, and goes on to where somebody wanted to go.
pub(in crate::http) async fn sign_in(
    state: Visit,
    ends: Connection,
    headers: HeaderMap,
    entrant: Option<axum::Extension<Entrant>>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let fields = of_our_daemon(&state, fields)?;
    let (name, next) = (fields.get("name").trim(), own_path(fields.get("next")));
    match state.access.sign_in(name, &fields.get("password").into(), doorstep(ends, &headers)).await {
        Ok(signed_in) => Ok(welcome(&signed_in, next, is_over_tls(&state, &headers), entrant)),
        Err(refusal) => {
            let problem = Problem::from(refusal);
            let trouble = Some(problem.detail().to_owned());
            Ok(with_retry_after(&problem, page(&state, problem.status(), name, next, trouble)))
        }
    }
}

/// Signs out.
pub(in crate::http) async fn sign_out(
    state: Visit,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    ours(&state, fields)?;
    if let Some(session) = state.visitor.pass.as_ref().and_then(|pass| pass.session()) {
        state.access.end_session(&session.id).await?;
    }
    Ok(([(header::SET_COOKIE, no_cookie())], Redirect::to("/sign-in")).into_response())
}

/// Takes a form of somebody who has no session, only from a page of this daemon.
pub(super) fn of_our_daemon(state: &Visit, fields: Result<FormFields, Problem>) -> Result<FormFields, PageProblem> {
    let fields = fields?;
    if state.form_token.is(fields.get(FORM_TOKEN)) {
        return Ok(fields);
    }
    let detail = "this form is not from a page of the running daemon; go back, reload the page, and try again";
    Err(Problem::new(StatusCode::FORBIDDEN, detail).into())
}

/// Says on a page, too, after which time it may be tried again.
pub(super) fn with_retry_after(problem: &Problem, mut page: Response) -> Response {
    if let Some(seconds) = problem.retry_after() {
        page.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    page
}

/// Gives a browser its session and sends it on.
pub(super) fn welcome(
    signed_in: &SignedIn,
    next: &str,
    is_over_tls: bool,
    entrant: Option<axum::Extension<Entrant>>,
) -> Response {
    if let Some(axum::Extension(entrant)) = entrant {
        entrant.is(signed_in.session.user.name.as_str());
    }
    let mut response = Redirect::to(next).into_response();
    if let Some(cookie) = session_cookie(&signed_in.secret, is_over_tls) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
