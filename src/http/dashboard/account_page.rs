//! The account: who one is, the password, signed-in browsers, and the tokens of programs.

use askama::Template;
use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::{
    forms::ours,
    shell::{PageProblem, Shell, render},
    sign_in_page::with_retry_after,
    words::Moment,
};
use crate::{
    domain::access::{ApiToken, LONGEST_PASSWORD, SHORTEST_PASSWORD, Scope, Session},
    http::{
        Visit,
        api::access::{doorstep, end_all, exchange_password, token_of},
        connection::Connection,
        credential::no_cookie,
        extract::{AccessPath, FormFields},
        problem::Problem,
    },
    provisioning::{NewToken, PassHolder},
};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    shell: Shell,
    name: String,
    /// Whether it is a person, who has a password.
    is_person: bool,
    sessions: Vec<SessionRow>,
    tokens: Vec<TokenRow>,
    revoked: Vec<TokenRow>,
    shortest: usize,
    longest: usize,
    said: Said,
}

/// What a form has brought about.
#[derive(Default)]
struct Said {
    done: Option<String>,
    old_password_problem: Option<String>,
    password_problem: Option<String>,
    again_problem: Option<String>,
    token_name: String,
    is_operator: bool,
    token_name_problem: Option<String>,
    /// The token that was made just now: its name and its text.
    made: Option<(String, String)>,
}

struct SessionRow {
    id: String,
    agent: &'static str,
    peer: String,
    is_this: bool,
    since: Moment,
    seen: Moment,
    ends: String,
}

struct TokenRow {
    id: String,
    name: String,
    is_operator: bool,
    by: String,
    made: Moment,
    used: Option<Moment>,
    revoked: Option<Moment>,
}

impl SessionRow {
    fn new(session: &Session, visitor: Option<&Session>, now: Timestamp) -> Self {
        Self {
            id: session.id.to_string(),
            agent: match session.agent.as_str() {
                "browser" => "A browser",
                "shell" => "A shell",
                _ => "A program",
            },
            peer: session.peer.clone(),
            is_this: visitor.is_some_and(|visitor| visitor.id == session.id),
            since: Moment::new(session.created_at, now),
            seen: Moment::new(session.last_seen_at, now),
            ends: session.expires_at().strftime("%Y-%m-%d").to_string(),
        }
    }
}

impl TokenRow {
    fn new(token: &ApiToken, now: Timestamp) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name.to_string(),
            is_operator: token.scope == Scope::Operator,
            by: token.created_by.clone(),
            made: Moment::new(token.created_at, now),
            used: token.last_used_at.map(|at| Moment::new(at, now)),
            revoked: token.revoked_at.map(|at| Moment::new(at, now)),
        }
    }
}

/// The page.
pub(in crate::http) async fn show(state: Visit) -> Result<Response, PageProblem> {
    page(&state, StatusCode::OK, Said::default(), None).await
}

async fn page(state: &Visit, status: StatusCode, said: Said, trouble: Option<String>) -> Result<Response, PageProblem> {
    let shell = Shell { trouble, ..Shell::new(state).await? };
    let now = state.clock.now();
    let visitor = state.visitor.pass.as_ref().and_then(|pass| pass.session());
    let sessions = state.access.sessions().await?;
    let tokens = state.access.tokens().await?.into_iter().map(|token| TokenRow::new(&token, now));
    let (tokens, revoked) = tokens.partition(|token| token.revoked.is_none());
    let is_person = matches!(state.visitor.pass.as_ref().map(|pass| &pass.holder), Some(PassHolder::Session(_)));
    let page = AccountPage {
        shell,
        name: state.visitor.name.clone().unwrap_or_default(),
        is_person,
        sessions: sessions.iter().map(|session| SessionRow::new(session, visitor, now)).collect(),
        tokens,
        revoked,
        shortest: SHORTEST_PASSWORD,
        longest: LONGEST_PASSWORD,
        said,
    };
    Ok(render(status, &page))
}

/// Says what a form was refused for on the page that it was on.
async fn refused(state: &Visit, problem: &Problem, said: Said) -> Result<Response, PageProblem> {
    let is_beside_a_field = problem.status() == StatusCode::UNPROCESSABLE_ENTITY;
    let trouble = (!is_beside_a_field).then(|| problem.detail().to_owned());
    Ok(with_retry_after(problem, page(state, problem.status(), said, trouble).await?))
}

/// Changes the password.
pub(in crate::http) async fn change_password(
    state: Visit,
    ends: Connection,
    headers: HeaderMap,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let fields = ours(&state, fields)?;
    let [old, new, again] = ["old_password", "password", "again"].map(|name| SecretString::from(fields.get(name)));
    let is_same: bool = new.expose_secret().as_bytes().ct_eq(again.expose_secret().as_bytes()).into();
    let changed = match is_same {
        true => exchange_password(&state, &doorstep(ends, &headers), &old, &new).await,
        false => Err(Problem::fields(&[("again", "this is not what was typed above".to_owned())])),
    };
    match changed {
        Ok(others) => {
            let done = match others {
                0 => "The password is changed.".to_owned(),
                1 => "The password is changed, and one other session has ended.".to_owned(),
                count => format!("The password is changed, and {count} other sessions have ended."),
            };
            page(&state, StatusCode::OK, Said { done: Some(done), ..Said::default() }, None).await
        }
        Err(problem) => {
            let beside = |field: &str| problem.field(field).map(str::to_owned);
            let said = Said {
                old_password_problem: beside("old_password"),
                password_problem: beside("password"),
                again_problem: beside("again"),
                ..Said::default()
            };
            refused(&state, &problem, said).await
        }
    }
}

/// Ends a session.
pub(in crate::http) async fn end_session(
    state: Visit,
    id: Result<AccessPath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (AccessPath(id), _) = (id?, ours(&state, fields)?);
    match state.access.end_session(&id).await {
        Ok(()) => Ok(Redirect::to("/account#sessions").into_response()),
        Err(refusal) => refused(&state, &refusal.into(), Said::default()).await,
    }
}

/// Ends all sessions, also the one that asks.
pub(in crate::http) async fn sign_out_everywhere(
    state: Visit,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    ours(&state, fields)?;
    end_all(&state).await?;
    Ok(([(header::SET_COOKIE, no_cookie())], Redirect::to("/sign-in")).into_response())
}

/// Makes a token and shows it, once.
pub(in crate::http) async fn make_token(
    state: Visit,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let fields = ours(&state, fields)?;
    let (name, scope) = (fields.get("name"), fields.get("scope"));
    match token_of(&state, name, scope).await {
        Ok(NewToken { token, secret }) => {
            let made = Some((token.name.to_string(), secret.expose_secret().to_owned()));
            page(&state, StatusCode::OK, Said { made, ..Said::default() }, None).await
        }
        Err(problem) => {
            let said = Said {
                token_name: name.chars().take(64).collect(),
                is_operator: scope == Scope::Operator.word(),
                token_name_problem: problem.field("name").or_else(|| problem.field("scope")).map(str::to_owned),
                ..Said::default()
            };
            refused(&state, &problem, said).await
        }
    }
}

/// Revokes a token.
pub(in crate::http) async fn revoke_token(
    state: Visit,
    id: Result<AccessPath, Problem>,
    fields: Result<FormFields, Problem>,
) -> Result<Response, PageProblem> {
    let (AccessPath(id), _) = (id?, ours(&state, fields)?);
    match state.access.revoke_token(&id).await {
        Ok(_) => Ok(Redirect::to("/account#tokens").into_response()),
        Err(refusal) => refused(&state, &refusal.into(), Said::default()).await,
    }
}
