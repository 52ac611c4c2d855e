//! Lets in who may come in: finds out who asks, and whether that is enough for what is asked.

use std::sync::{Arc, OnceLock};

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use data_encoding::BASE32_NOPAD;

use super::{
    OperatorState,
    credential::{Credential, credential, no_cookie, sign_in_path},
    dashboard::sign_in_page::knock_again,
    extract::header_text,
    guard::{SEC_FETCH_SITE, comes_from_our_page},
    problem::Problem,
    routes::OPERATOR,
    row::{Body, Needs, Row},
    visit::{FormToken, Visitor},
};
use crate::{domain::access::Scope, provisioning::Pass};

/// From what of a pass the token of its forms is made.
const FORM_LABEL: &str = "form";

/// Tells those outside of the entrance who it was that came in.
#[derive(Clone, Default)]
pub(super) struct Entrant(Arc<OnceLock<String>>);

impl Entrant {
    /// The name, once it is known.
    pub(super) fn name(&self) -> Option<String> {
        self.0.get().cloned()
    }

    /// Says who it is.
    pub(super) fn is(&self, name: &str) {
        let _ = self.0.set(name.to_owned());
    }
}

/// Answers a request of somebody who may ask it; sends away everybody else.
pub(super) async fn let_in(state: &OperatorState, mut request: Request, next: Next) -> Response {
    let row = row_of(&request);
    // What no row has is nobody's business either.
    let needs = row.map_or(Needs::ReadOnly, |row| row.needs);
    let carried = credential(request.headers());
    let is_cookie = matches!(carried, Some(Credential::Cookie(_)));
    let found = match &carried {
        Some(Credential::Bearer(token)) => state.access.of_bearer(secrecy::ExposeSecret::expose_secret(token)).await,
        Some(Credential::Cookie(text)) => state.access.of_cookie(secrecy::ExposeSecret::expose_secret(text)).await,
        Some(Credential::Unreadable) | None => Ok(None),
    };
    let pass = match found {
        Ok(pass) => pass,
        Err(error) => return Problem::from(error).into_response(),
    };
    if pass.is_none() && needs != Needs::Nobody {
        return nobody(state, &request, row, carried.as_ref());
    }
    let visitor = visitor(state, pass);
    // Also for whoever is refused below.
    if let (Some(name), Some(entrant)) = (&visitor.name, request.extensions().get::<Entrant>()) {
        entrant.is(name);
    }
    if needs == Needs::Operator && visitor.scope != Scope::Operator {
        let detail =
            "this token may only look (its scope is read_only); changing something needs one with the scope operator";
        return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    // A browser sends its cookie with whatever another page on this computer makes it ask; our own pages also say where they are from.
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if is_cookie && is_change && !is_form(row) && !comes_from_our_page(request.headers()) {
        let detail =
            "a session may change something only from a page of ours; programs send `Authorization: Bearer TOKEN`";
        return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    request.extensions_mut().insert(visitor);
    next.run(request).await
}

/// The row of our table that a request is for.
fn row_of(request: &Request) -> Option<&'static Row<OperatorState>> {
    let pattern = request.extensions().get::<MatchedPath>()?.as_str();
    let method = if request.method() == Method::HEAD { "GET" } else { request.method().as_str() };
    OPERATOR.iter().find(|row| row.path == pattern && row.method == method)
}

fn visitor(state: &OperatorState, pass: Option<Pass>) -> Visitor {
    match pass {
        Some(pass) => {
            let form_token = FormToken::from(BASE32_NOPAD.encode(&pass.derived(FORM_LABEL)));
            Visitor { name: Some(pass.name()), scope: pass.scope(), form_token, pass: Some(pass) }
        }
        // On the pages that are open to everybody.
        None => Visitor { name: None, scope: Scope::ReadOnly, form_token: state.form_token.clone(), pass: None },
    }
}

/// Says that nobody is let in without a credential: to people by the page on which they get one, to programs by a problem document.
fn nobody(
    state: &OperatorState,
    request: &Request,
    row: Option<&Row<OperatorState>>,
    carried: Option<&Credential>,
) -> Response {
    let is_unclaimed = state.access.set_up_code().is_some();
    let is_program = matches!(carried, Some(Credential::Bearer(_) | Credential::Unreadable));
    if is_page(row, request) && !is_program {
        let next = (request.method() == Method::GET).then(|| request.uri().path_and_query()).flatten();
        let site = header_text(request.headers(), &SEC_FETCH_SITE);
        let comes_by_link = site.is_some_and(|site| site == "cross-site" || site == "same-site");
        if let (Some(next), true, None) = (next, comes_by_link && !is_unclaimed, carried) {
            return knock_again(next.as_str());
        }
        let place = match is_unclaimed {
            true => "/first-visit".to_owned(),
            false => sign_in_path(next.map(axum::http::uri::PathAndQuery::as_str)),
        };
        let mut response = Redirect::to(&place).into_response();
        if carried.is_some() {
            response.headers_mut().insert(header::SET_COOKIE, no_cookie());
        }
        return response;
    }
    let (detail, challenge) = match carried {
        Some(Credential::Bearer(_)) => {
            ("this token is not known here, or it was revoked", r#"Bearer realm="Rackseed", error="invalid_token""#)
        }
        Some(Credential::Unreadable) => {
            ("send a token as `Authorization: Bearer TOKEN`", r#"Bearer realm="Rackseed", error="invalid_request""#)
        }
        Some(Credential::Cookie(_)) => ("this session has ended; sign in again", r#"Bearer realm="Rackseed""#),
        None if is_unclaimed => (
            "nobody has claimed this Rackseed yet: open /first-visit with the set-up code that the daemon shows in its log",
            r#"Bearer realm="Rackseed""#,
        ),
        None => (
            "sign in on the dashboard, or send `Authorization: Bearer TOKEN` with a token made under Account",
            r#"Bearer realm="Rackseed""#,
        ),
    };
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

/// Whether people ask for it, and not programs.
fn is_page(row: Option<&Row<OperatorState>>, request: &Request) -> bool {
    match row {
        Some(row) => is_form(Some(row)) || matches!(row.gives.1, Body::Text(kind) if kind.starts_with("text/html")),
        None => !request.uri().path().starts_with("/api/"),
    }
}

fn is_form(row: Option<&Row<OperatorState>>) -> bool {
    row.is_some_and(|row| matches!(row.takes, Body::Form(_)))
}
