//! Users, sessions and the tokens of programs.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Row, params};

use super::{
    Store,
    columns::{all, execute, first, optional_text, text},
};
use crate::{
    domain::access::{AccessId, AccessName, ApiToken, CredentialHash, Session, User, session_end},
    ports::{AccessLedger, LedgerError},
};

/// How many sessions a user may have; the one that was used longest ago gives way. More make the list on the account page longer.
const MOST_SESSIONS: i64 = 100;
/// How many revoked tokens are remembered, so that the account page can tell when one was revoked.
const REVOKED_KEPT: i64 = 50;

const SESSION: &str = "SELECT sessions.*, users.name, users.created_at AS user_since FROM sessions
                       JOIN users ON users.id = sessions.user";

#[async_trait]
impl AccessLedger for Store {
    async fn users(&self) -> Result<Vec<User>, LedgerError> {
        self.read(|connection| all(connection, "SELECT * FROM users ORDER BY folded", [], read_user)).await
    }

    async fn claim(&self, user: &User, password: &str) -> Result<bool, LedgerError> {
        let (user, password) = (user.clone(), password.to_owned());
        self.write(move |write| {
            let sql = "INSERT INTO users (id, name, folded, password, created_at) SELECT ?1, ?2, ?3, ?4, ?5
                       WHERE NOT EXISTS (SELECT 1 FROM users)";
            let name = &user.name;
            let row = params![user.id.as_str(), name.as_str(), name.folded(), password, user.created_at.to_string()];
            Ok(execute(write, sql, row)? == 1)
        })
        .await
    }

    async fn user(&self, name: &AccessName) -> Result<Option<(User, String)>, LedgerError> {
        let folded = name.folded();
        self.read(move |connection| {
            let sql = "SELECT * FROM users WHERE folded = ?1";
            first(connection, sql, [&folded], |row| Ok((read_user(row)?, row.get("password")?)))
        })
        .await
    }

    async fn set_password(&self, user: &AccessId, password: &str, kept: Option<&AccessId>) -> Result<u64, LedgerError> {
        let (user, password, kept) = (user.clone(), password.to_owned(), kept.cloned());
        self.write(move |write| {
            let changed =
                execute(write, "UPDATE users SET password = ?2 WHERE id = ?1", params![user.as_str(), password])?;
            if changed == 0 {
                return Err(LedgerError::Conflict);
            }
            // Nobody shall guess at the old one in what the disk remembers of it.
            write.note_erased();
            let kept = kept.as_ref().map_or("", |kept| kept.as_str());
            Ok(execute(write, "DELETE FROM sessions WHERE user = ?1 AND id <> ?2", params![user.as_str(), kept])?
                as u64)
        })
        .await
    }

    async fn begin_session(&self, session: &Session, hash: CredentialHash) -> Result<(), LedgerError> {
        let session = session.clone();
        self.write(move |write| {
            execute(write, "DELETE FROM sessions WHERE expires_at <= ?1", [spell(session.created_at)])?;
            let oldest = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE user = ?1
                          ORDER BY last_seen_at DESC LIMIT -1 OFFSET ?2)";
            execute(write, oldest, params![session.user.id.as_str(), MOST_SESSIONS - 1])?;
            execute(
                write,
                "INSERT INTO sessions (id, hash, user, created_at, last_seen_at, expires_at, peer, agent)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    session.id.as_str(),
                    hash,
                    session.user.id.as_str(),
                    spell(session.created_at),
                    spell(session.last_seen_at),
                    spell(session.expires_at()),
                    session.peer,
                    session.agent,
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn session(&self, hash: CredentialHash, now: Timestamp) -> Result<Option<Session>, LedgerError> {
        self.read(move |connection| {
            let sql = format!("{SESSION} WHERE hash = ?1 AND expires_at > ?2");
            first(connection, &sql, params![hash, spell(now)], read_session)
        })
        .await
    }

    async fn see_session(&self, session: &Session, now: Timestamp) -> Result<(), LedgerError> {
        let (id, end) = (session.id.clone(), session_end(session.created_at, now));
        self.write(move |write| {
            let sql = "UPDATE sessions SET last_seen_at = ?2, expires_at = ?3 WHERE id = ?1";
            execute(write, sql, params![id.as_str(), spell(now), spell(end)])?;
            Ok(())
        })
        .await
    }

    async fn sessions(&self, now: Timestamp) -> Result<Vec<Session>, LedgerError> {
        self.read(move |connection| {
            let sql = format!("{SESSION} WHERE expires_at > ?1 ORDER BY last_seen_at DESC, sessions.id");
            all(connection, &sql, [spell(now)], read_session)
        })
        .await
    }

    async fn end_session(&self, session: &AccessId) -> Result<bool, LedgerError> {
        let id = session.clone();
        self.write(move |write| Ok(execute(write, "DELETE FROM sessions WHERE id = ?1", [id.as_str()])? > 0)).await
    }

    async fn end_sessions(&self, user: Option<&AccessId>) -> Result<u64, LedgerError> {
        let user = user.map(ToString::to_string);
        self.write(
            move |write| Ok(execute(write, "DELETE FROM sessions WHERE ?1 IS NULL OR user = ?1", [user])? as u64),
        )
        .await
    }

    async fn add_token(&self, token: &ApiToken, hash: CredentialHash) -> Result<bool, LedgerError> {
        let token = token.clone();
        self.write(move |write| {
            let oldest = "DELETE FROM api_tokens WHERE id IN (SELECT id FROM api_tokens WHERE revoked_at IS NOT NULL
                          ORDER BY revoked_at DESC LIMIT -1 OFFSET ?1)";
            execute(write, oldest, [REVOKED_KEPT])?;
            let sql = "INSERT INTO api_tokens (id, hash, name, folded, scope, created_at, created_by)
                       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE NOT EXISTS
                       (SELECT 1 FROM api_tokens WHERE folded = ?4 AND revoked_at IS NULL)";
            let row = params![
                token.id.as_str(),
                hash,
                token.name.as_str(),
                token.name.folded(),
                token.scope.word(),
                spell(token.created_at),
                token.created_by,
            ];
            Ok(execute(write, sql, row)? == 1)
        })
        .await
    }

    async fn token(&self, hash: CredentialHash) -> Result<Option<ApiToken>, LedgerError> {
        self.read(move |connection| first(connection, "SELECT * FROM api_tokens WHERE hash = ?1", [hash], read_token))
            .await
    }

    async fn see_token(&self, token: &AccessId, now: Timestamp) -> Result<(), LedgerError> {
        let id = token.clone();
        self.write(move |write| {
            let sql = "UPDATE api_tokens SET last_used_at = ?2 WHERE id = ?1";
            execute(write, sql, params![id.as_str(), spell(now)])?;
            Ok(())
        })
        .await
    }

    async fn tokens(&self) -> Result<Vec<ApiToken>, LedgerError> {
        self.read(|connection| {
            let sql = "SELECT * FROM api_tokens ORDER BY revoked_at IS NOT NULL, created_at, id";
            all(connection, sql, [], read_token)
        })
        .await
    }

    async fn revoke_token(&self, token: &AccessId, now: Timestamp) -> Result<bool, LedgerError> {
        let id = token.clone();
        self.write(move |write| {
            let sql = "UPDATE api_tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
            Ok(execute(write, sql, params![id.as_str(), spell(now)])? > 0)
        })
        .await
    }
}

/// A moment to the second, so that texts are in the order of time whatever their fractions.
fn spell(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn read_user(row: &Row<'_>) -> Result<User, LedgerError> {
    Ok(User { id: text(row, "id")?, name: text::<AccessName>(row, "name")?, created_at: text(row, "created_at")? })
}

fn read_session(row: &Row<'_>) -> Result<Session, LedgerError> {
    Ok(Session {
        id: text(row, "id")?,
        user: User { id: text(row, "user")?, name: text(row, "name")?, created_at: text(row, "user_since")? },
        created_at: text(row, "created_at")?,
        last_seen_at: text(row, "last_seen_at")?,
        peer: row.get("peer")?,
        agent: row.get("agent")?,
    })
}

fn read_token(row: &Row<'_>) -> Result<ApiToken, LedgerError> {
    Ok(ApiToken {
        id: text(row, "id")?,
        name: text(row, "name")?,
        scope: text(row, "scope")?,
        created_at: text(row, "created_at")?,
        created_by: row.get("created_by")?,
        last_used_at: optional_text(row, "last_used_at")?,
        revoked_at: optional_text(row, "revoked_at")?,
    })
}
