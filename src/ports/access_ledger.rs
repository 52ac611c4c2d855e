//! Where users, their sessions and the tokens of programs are kept.

use async_trait::async_trait;
use jiff::Timestamp;

use super::LedgerError;
use crate::domain::access::{AccessId, AccessName, ApiToken, CredentialHash, Session, User};

/// Keeps who may come in. Passwords come as PHC strings, sessions and tokens as hashes; nothing here knows a secret.
#[async_trait]
pub trait AccessLedger: Send + Sync {
    /// Every user.
    async fn users(&self) -> Result<Vec<User>, LedgerError>;

    /// Adds the first user; `false`, and nothing is written, when there is one already.
    async fn claim(&self, user: &User, password: &str) -> Result<bool, LedgerError>;

    /// A user and the PHC string of its password.
    async fn user(&self, name: &AccessName) -> Result<Option<(User, String)>, LedgerError>;

    /// Gives a user another password and ends all its sessions but this one. Returns how many were ended.
    async fn set_password(&self, user: &AccessId, password: &str, kept: Option<&AccessId>) -> Result<u64, LedgerError>;

    /// Adds a session. Those that have expired go, and of the user's others the oldest, beyond a bound.
    async fn begin_session(&self, session: &Session, hash: CredentialHash) -> Result<(), LedgerError>;

    /// The session of a hash, unless it has expired.
    async fn session(&self, hash: CredentialHash, now: Timestamp) -> Result<Option<Session>, LedgerError>;

    /// Writes down that a session is used.
    async fn see_session(&self, session: &Session, now: Timestamp) -> Result<(), LedgerError>;

    /// Every session that has not expired, the last used one first.
    async fn sessions(&self, now: Timestamp) -> Result<Vec<Session>, LedgerError>;

    /// Ends a session; `false` when there is none.
    async fn end_session(&self, session: &AccessId) -> Result<bool, LedgerError>;

    /// Ends all sessions of a user, or of everybody. Returns how many there were.
    async fn end_sessions(&self, user: Option<&AccessId>) -> Result<u64, LedgerError>;

    /// Adds a token; `false`, and nothing is written, when one in use has the name. Of those that were revoked the oldest go, beyond a bound.
    async fn add_token(&self, token: &ApiToken, hash: CredentialHash) -> Result<bool, LedgerError>;

    /// The token of a hash, also one that was revoked.
    async fn token(&self, hash: CredentialHash) -> Result<Option<ApiToken>, LedgerError>;

    /// Writes down that a token is used.
    async fn see_token(&self, token: &AccessId, now: Timestamp) -> Result<(), LedgerError>;

    /// Every token: those in use first, and in the order in which they were made.
    async fn tokens(&self) -> Result<Vec<ApiToken>, LedgerError>;

    /// Revokes a token; `false` when there is none, or it was revoked before.
    async fn revoke_token(&self, token: &AccessId, now: Timestamp) -> Result<bool, LedgerError>;
}
