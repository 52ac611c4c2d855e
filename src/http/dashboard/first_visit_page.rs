//! The first visit: whoever knows the set-up code makes the administrator.

use askama::Template;
use axum::{
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::{
    shell::{PageProblem, exposure, render},
    sign_in_page::{of_our_daemon, welcome, with_retry_after},
};
use crate::{
    domain::access::{LONGEST_PASSWORD, SHORTEST_PASSWORD},
    http::{
        Visit, api::access::doorstep, connection::Connection, entrance::Entrant, extract::FormFields,
        guard::is_over_tls, problem::Problem,
    },
    provisioning::AccessRefusal,
};

#[derive(Template)]
#[template(path = "first-visit.html")]
struct FirstVisitPage {
    exposed: Option<String>,
    form_token: String,
    shortest: usize,
    longest: usize,
    form: Typed,
}

/// What was typed, with what is wrong beside the fields. Passwords are typed again.
#[derive(Default)]
struct Typed {
    code: String,
    name: String,
    code_problem: Option<String>,
    name_problem: Option<String>,
    password_problem: Option<String>,
    again_problem: Option<String>,
    trouble: Option<String>,
}

/// Shows the page, until somebody has claimed this daemon.
pub(in crate::http) async fn show(state: Visit) -> Response {
    if state.access.set_up_code().is_none() {
        return Redirect::to("/").into_response();
    }
    page(&state, StatusCode::OK, Typed::default())
}

fn page(state: &Visit, status: StatusCode, form: Typed) -> Response {
    let page = FirstVisitPage {
        exposed: exposure(state),
        form_token: state.form_token.text().to_owned(),
        shortest: SHORTEST_PASSWORD,
        longest: LONGEST_PASSWORD,
        form,
    };
    render(status, &page)
}

/// Makes the administrator and signs them in.
pub(in crate::http) async fn claim(
    state: Visit,
    ends: Connection,
    headers: HeaderMap,
    entrant: Option<axum::Extension<Entrant>>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let fields = of_our_daemon(&state, fields)?;
    let (code, name) = (fields.get("code"), fields.get("name").trim());
    let (password, again): (SecretString, SecretString) = (fields.get("password").into(), fields.get("again").into());
    let is_same: bool = password.expose_secret().as_bytes().ct_eq(again.expose_secret().as_bytes()).into();
    let result = match is_same {
        true => state.access.claim(code, name, &password, doorstep(ends, &headers)).await,
        false => Err(AccessRefusal::Invalid(vec![("again", "this is not what was typed above".to_owned())])),
    };
    let problem = match result {
        Ok(signed_in) => return Ok(welcome(&signed_in, "/", is_over_tls(&state, &headers), entrant)),
        Err(refusal) => Problem::from(refusal),
    };
    let said = |field: &str| problem.field(field).map(str::to_owned);
    let mut form = Typed {
        code: code.chars().take(40).collect(),
        name: name.chars().take(64).collect(),
        code_problem: said("code"),
        name_problem: said("name"),
        password_problem: said("password"),
        again_problem: said("again"),
        trouble: None,
    };
    if problem.status() != StatusCode::UNPROCESSABLE_ENTITY {
        form.trouble = Some(problem.detail().to_owned());
    }
    Ok(with_retry_after(&problem, page(&state, problem.status(), form)))
}
