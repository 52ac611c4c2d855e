//! Who is let in: oneself, signed-in browsers, and the tokens of programs.

use axum::{
    Json,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        access::{AccessId, ApiToken, Scope, Session},
        audit::agent_class,
    },
    http::{
        Visit,
        connection::Connection,
        extract::{AccessPath, JsonBody, header_text},
        problem::Problem,
        schema::described,
    },
    provisioning::{Doorstep, NewToken, PassHolder},
};

described! {
    /// Who asks.
    #[derive(Debug, Serialize)]
    pub(crate) struct AccountJson as "Account" {
        /// The name under which is written down what is done.
        name: String,
        /// `session` for a person who has signed in, `token` for a program, `command_line` for whoever may read the data folder.
        kind: String,
        /// `read_only` or `operator`.
        scope: String,
        /// The session or token; null for the command line.
        id: Option<String>,
        /// When the session ends if it is used no more.
        expires_at: Option<Timestamp>,
    }
}

described! {
    /// One signed-in browser.
    #[derive(Debug, Serialize)]
    pub(crate) struct SessionJson as "Session" {
        /// Its id.
        id: String,
        /// Whose it is.
        user: String,
        /// When it began.
        created_at: Timestamp,
        /// When it was used last, to the minute.
        last_seen_at: Timestamp,
        /// When it ends if it is used no more.
        expires_at: Timestamp,
        /// The address from which it began.
        peer: String,
        /// `browser`, `shell`, `program` or `unnamed`: by what the program calls itself.
        agent: String,
        /// Whether this request came with it.
        current: bool,
    }
}

described! {
    /// One token of a program.
    #[derive(Debug, Serialize)]
    pub(crate) struct TokenJson as "Token" {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// `read_only` or `operator`.
        scope: String,
        /// When it was made.
        created_at: Timestamp,
        /// Who made it.
        created_by: String,
        /// When it was used last, to the minute.
        last_used_at: Option<Timestamp>,
        /// When it was revoked; it lets nobody in any more.
        revoked_at: Option<Timestamp>,
        /// Its text, which is never shown again: only where it has just been made.
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<String>,
    }
}

described! {
    /// What is said to make a token.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub(crate) struct NewTokenJson as "NewToken" {
        /// 1 to 64 visible characters; another token in use has another name.
        name: String,
        /// `read_only`, which is what is meant when nothing is said, or `operator`.
        scope: Option<String>,
    }
}

described! {
    /// What is said to change one's password.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct NewPasswordJson as "NewPassword" {
        /// The password until now.
        old_password: String,
        /// The password from now on: 10 to 256 characters.
        password: String,
    }
}

described! {
    /// What became of it.
    #[derive(Debug, Serialize)]
    pub(crate) struct SignedOutJson as "SignedOut" {
        /// How many sessions have ended.
        ended: u64,
    }
}

impl SessionJson {
    fn new(session: &Session, current: Option<&AccessId>) -> Self {
        Self {
            id: session.id.to_string(),
            user: session.user.name.to_string(),
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at(),
            peer: session.peer.clone(),
            agent: session.agent.clone(),
            current: current == Some(&session.id),
        }
    }
}

impl TokenJson {
    fn new(token: &ApiToken) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name.to_string(),
            scope: token.scope.to_string(),
            created_at: token.created_at,
            created_by: token.created_by.clone(),
            last_used_at: token.last_used_at,
            revoked_at: token.revoked_at,
            token: None,
        }
    }
}

/// Who asks.
pub(crate) async fn account(state: Visit) -> Result<Json<AccountJson>, Problem> {
    let pass = state.visitor.pass.as_ref().ok_or_else(|| Problem::internal("nobody has let this request in"))?;
    let (kind, id, expires_at) = match &pass.holder {
        PassHolder::Session(session) => ("session", Some(session.id.to_string()), Some(session.expires_at())),
        PassHolder::Token(token) => ("token", Some(token.id.to_string()), None),
        PassHolder::CommandLine => ("command_line", None, None),
    };
    let (name, scope) = (pass.name(), pass.scope().to_string());
    Ok(Json(AccountJson { name, kind: kind.to_owned(), scope, id, expires_at }))
}

/// Every session that has not ended.
pub(crate) async fn sessions(state: Visit) -> Result<Json<Vec<SessionJson>>, Problem> {
    let current = state.visitor.pass.as_ref().and_then(|pass| pass.session()).map(|session| &session.id);
    let sessions = state.access.sessions().await?;
    Ok(Json(sessions.iter().map(|session| SessionJson::new(session, current)).collect()))
}

/// Ends a session.
pub(crate) async fn end_session(state: Visit, AccessPath(id): AccessPath) -> Result<StatusCode, Problem> {
    state.access.end_session(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends every session: those of one's own user, or of everybody where a program asks.
pub(crate) async fn sign_out_everywhere(state: Visit) -> Result<Json<SignedOutJson>, Problem> {
    Ok(Json(SignedOutJson { ended: end_all(&state).await? }))
}

/// Ends the sessions of the visitor's user, or of everybody for a visitor who is none.
pub(in crate::http) async fn end_all(state: &Visit) -> Result<u64, Problem> {
    let user = state.visitor.pass.as_ref().and_then(|pass| pass.session()).map(|session| &session.user.id);
    Ok(state.access.sign_out_everywhere(user).await?)
}

/// Changes the password of whoever asks.
pub(crate) async fn change_password(
    state: Visit,
    ends: Connection,
    headers: HeaderMap,
    JsonBody(new): JsonBody<NewPasswordJson>,
) -> Result<StatusCode, Problem> {
    exchange_password(&state, &doorstep(ends, &headers), &new.old_password.into(), &new.password.into()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes the password of the visitor. Returns how many other sessions have ended.
pub(in crate::http) async fn exchange_password(
    state: &Visit,
    from: &Doorstep,
    old: &SecretString,
    new: &SecretString,
) -> Result<u64, Problem> {
    let session = state.visitor.pass.as_ref().and_then(|pass| pass.session()).ok_or_else(|| {
        let detail = "a token has no password; sign in, or run `rackseed user reset-password NAME` on the computer of the daemon";
        Problem::new(StatusCode::CONFLICT, detail)
    })?;
    Ok(state.access.change_password(session, old, new, from).await?)
}

/// From where somebody signs in.
pub(in crate::http) fn doorstep(ends: Connection, headers: &HeaderMap) -> Doorstep {
    let agent = agent_class(header_text(headers, &header::USER_AGENT).unwrap_or_default());
    Doorstep { peer: ends.asker, agent }
}

/// Every token.
pub(crate) async fn tokens(state: Visit) -> Result<Json<Vec<TokenJson>>, Problem> {
    Ok(Json(state.access.tokens().await?.iter().map(TokenJson::new).collect()))
}

/// Makes a token and shows its text, once.
pub(crate) async fn make_token(
    state: Visit,
    JsonBody(new): JsonBody<Option<NewTokenJson>>,
) -> Result<impl IntoResponse, Problem> {
    let new = new.unwrap_or_default();
    let scope = new.scope.as_deref().unwrap_or(Scope::ReadOnly.word());
    let made = token_of(&state, &new.name, scope).await?;
    let place = format!("/api/tokens/{}", made.token.id);
    let token = Some(made.secret.expose_secret().to_owned());
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(TokenJson { token, ..TokenJson::new(&made.token) })))
}

/// Makes a token for the visitor.
pub(in crate::http) async fn token_of(state: &Visit, name: &str, scope: &str) -> Result<NewToken, Problem> {
    let scope: Scope =
        scope.parse().map_err(|_| Problem::fields(&[("scope", "a scope is read_only or operator".to_owned())]))?;
    let by = state.visitor.name.clone().unwrap_or_default();
    Ok(state.access.make_token(name, scope, &by).await?)
}

/// Revokes a token.
pub(crate) async fn revoke_token(state: Visit, AccessPath(id): AccessPath) -> Result<StatusCode, Problem> {
    state.access.revoke_token(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
