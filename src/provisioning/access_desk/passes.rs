//! What a request carries to be let in: a session, a token, or the command line's token.

use jiff::Timestamp;
use secrecy::SecretString;
use subtle::ConstantTimeEq;

use super::{AccessDesk, AccessRefusal, hash_token};
use crate::domain::access::{
    AccessId, AccessName, ApiToken, COMMAND_LINE, CredentialHash, Scope, Session, is_worth_writing,
};
use secrecy::ExposeSecret;

/// With this every token begins, so that whoever finds one in a file knows what it is.
const TOKEN_PREFIX: &str = "rackseed_";
/// How many tokens may be in use. More make the list longer that somebody should look through.
const MOST_TOKENS: usize = 100;

/// Whose a pass is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassHolder {
    /// Somebody who has signed in.
    Session(Session),
    /// A program.
    Token(ApiToken),
    /// Whoever may read the data folder.
    CommandLine,
}

/// A pass that was found good.
#[derive(Debug, Clone)]
pub struct Pass {
    /// Whose it is.
    pub holder: PassHolder,
    hash: CredentialHash,
}

impl Pass {
    /// The name under which is written down what its holder does.
    pub fn name(&self) -> String {
        match &self.holder {
            PassHolder::Session(session) => session.user.name.to_string(),
            PassHolder::Token(token) => format!("token {}", token.name),
            PassHolder::CommandLine => COMMAND_LINE.to_owned(),
        }
    }

    /// What it allows.
    pub fn scope(&self) -> Scope {
        match &self.holder {
            PassHolder::Session(_) | PassHolder::CommandLine => Scope::Operator,
            PassHolder::Token(token) => token.scope,
        }
    }

    /// The session, if it is one.
    pub fn session(&self) -> Option<&Session> {
        match &self.holder {
            PassHolder::Session(session) => Some(session),
            PassHolder::Token(_) | PassHolder::CommandLine => None,
        }
    }

    /// What only its holder can know besides us, and does not give it away: for the tokens of forms.
    pub fn derived(&self, label: &str) -> CredentialHash {
        hash_token(&format!("{label}\0{}", data_encoding::HEXLOWER.encode(&self.hash)))
    }
}

/// A token that has just been made.
pub struct NewToken {
    /// What is known of it.
    pub token: ApiToken,
    /// Its text, which is shown once.
    pub secret: SecretString,
}

impl AccessDesk {
    /// The pass of a browser, from the text in its cookie.
    pub async fn of_cookie(&self, text: &str) -> Result<Option<Pass>, AccessRefusal> {
        self.session_of(hash_token(text)).await
    }

    /// The pass of a program, from the text of its header.
    pub async fn of_bearer(&self, text: &str) -> Result<Option<Pass>, AccessRefusal> {
        let hash = hash_token(text);
        if hash.ct_eq(&self.command_line).into() {
            return Ok(Some(Pass { holder: PassHolder::CommandLine, hash }));
        }
        self.token_of(hash).await
    }

    /// Whether a pass is good still: for what goes on for longer than a request.
    pub async fn is_good(&self, pass: &Pass) -> Result<bool, AccessRefusal> {
        let found = match &pass.holder {
            PassHolder::Session(_) => self.session_of(pass.hash).await?,
            PassHolder::Token(_) => self.token_of(pass.hash).await?,
            PassHolder::CommandLine => return Ok(true),
        };
        Ok(found.is_some())
    }

    async fn session_of(&self, hash: CredentialHash) -> Result<Option<Pass>, AccessRefusal> {
        let now = self.now();
        let Some(session) = self.tools.ledger.session(hash, now).await? else { return Ok(None) };
        if is_worth_writing(Some(session.last_seen_at), now)
            && let Err(error) = self.tools.ledger.see_session(&session, now).await
        {
            // A full disk must not keep people from seeing that it is full.
            tracing::warn!(%error, "the last use of a session cannot be written down");
        }
        Ok(Some(Pass { holder: PassHolder::Session(session), hash }))
    }

    async fn token_of(&self, hash: CredentialHash) -> Result<Option<Pass>, AccessRefusal> {
        let now = self.now();
        let token = self.tools.ledger.token(hash).await?.filter(|token| token.revoked_at.is_none());
        let Some(token) = token else { return Ok(None) };
        if is_worth_writing(token.last_used_at, now)
            && let Err(error) = self.tools.ledger.see_token(&token.id, now).await
        {
            tracing::warn!(%error, "the last use of a token cannot be written down");
        }
        Ok(Some(Pass { holder: PassHolder::Token(token), hash }))
    }

    /// Makes a token.
    pub async fn make_token(&self, name: &str, scope: Scope, by: &str) -> Result<NewToken, AccessRefusal> {
        let invalid = |problem: String| AccessRefusal::Invalid(vec![("name", problem)]);
        let name: AccessName = name.trim().parse().map_err(|error| invalid(format!("{error}")))?;
        let in_use = self.tokens().await?.iter().filter(|token| token.revoked_at.is_none()).count();
        if in_use >= MOST_TOKENS {
            let problem = format!("there are {MOST_TOKENS} tokens already; revoke those that nobody needs any more");
            return Err(AccessRefusal::NotPossible(problem));
        }
        let secret = self.new_secret(TOKEN_PREFIX)?;
        let token = ApiToken {
            id: self.new_id()?,
            name,
            scope,
            created_at: self.now(),
            created_by: by.to_owned(),
            last_used_at: None,
            revoked_at: None,
        };
        if !self.tools.ledger.add_token(&token, hash_token(secret.expose_secret())).await? {
            return Err(invalid(format!(
                "there is a token `{}` already; choose another name, or revoke that one",
                token.name
            )));
        }
        Ok(NewToken { token, secret })
    }

    /// Every token: those in use first.
    pub async fn tokens(&self) -> Result<Vec<ApiToken>, AccessRefusal> {
        Ok(self.tools.ledger.tokens().await?)
    }

    /// Revokes a token: the next request with it is refused.
    pub async fn revoke_token(&self, token: &AccessId) -> Result<Timestamp, AccessRefusal> {
        let now = self.now();
        if !self.tools.ledger.revoke_token(token, now).await? {
            return Err(AccessRefusal::Unknown("no token in use has this id; it may have been revoked already"));
        }
        self.ring();
        Ok(now)
    }
}
