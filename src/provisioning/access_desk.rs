//! Lets people and programs in: the first visit, signing in and out, and the tokens of programs.

mod guesses;
mod passes;
mod refusal;

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use super::hash_token;
use crate::{
    domain::access::{
        AccessId, AccessName, CredentialHash, LONGEST_PASSWORD, Session, SetUpCode, User, check_password,
    },
    ports::{AccessLedger, Clock, LedgerError, Passwords, Secrets, SecretsError},
};
use guesses::Guesses;

pub use passes::{NewToken, Pass, PassHolder};
pub use refusal::AccessRefusal;

/// How many random bytes the text of a session or token is made of.
const SECRET_BYTES: usize = 32;

/// What the desk works with.
pub struct AccessTools {
    /// Users, sessions, tokens.
    pub ledger: Arc<dyn AccessLedger>,
    /// Hashes passwords.
    pub passwords: Arc<dyn Passwords>,
    /// Randomness.
    pub secrets: Arc<dyn Secrets>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Lets in whom it knows.
pub struct AccessDesk {
    tools: AccessTools,
    /// The hash of the command line's token.
    command_line: CredentialHash,
    /// What the first visitor has to know; `None` once there is a user.
    set_up: Mutex<Option<SetUpCode>>,
    guesses: Mutex<Guesses>,
    /// Rings when a session or token has ended.
    ended: watch::Sender<u64>,
}

/// From where somebody signs in.
#[derive(Debug, Clone)]
pub struct Doorstep {
    /// The address.
    pub peer: std::net::IpAddr,
    /// What kind of program: one of a few words.
    pub agent: &'static str,
}

/// A session that has just begun.
pub struct SignedIn {
    /// What is known of it.
    pub session: Session,
    /// The text that its browser keeps.
    pub secret: SecretString,
}

impl AccessDesk {
    /// Opens the desk. Where there is no user yet, there is a new set-up code.
    pub async fn open(tools: AccessTools, command_line_token: &SecretString) -> Result<Self, AccessRefusal> {
        let set_up = if tools.ledger.users().await?.is_empty() {
            let mut random = [0; 12];
            random.copy_from_slice(&tools.secrets.random_bytes(12)?);
            Some(SetUpCode::from_random(random))
        } else {
            None
        };
        Ok(Self {
            tools,
            command_line: hash_token(command_line_token.expose_secret()),
            set_up: Mutex::new(set_up),
            guesses: Mutex::default(),
            ended: watch::Sender::new(0),
        })
    }

    /// What the first visitor has to know, until somebody has claimed this daemon.
    pub fn set_up_code(&self) -> Option<SetUpCode> {
        self.set_up.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes the administrator, for whoever knows the set-up code, and signs them in.
    pub async fn claim(
        &self,
        code: &str,
        name: &str,
        password: &SecretString,
        from: Doorstep,
    ) -> Result<SignedIn, AccessRefusal> {
        let wanted = self.set_up_code().ok_or(AccessRefusal::Claimed)?;
        let mut problems = Vec::new();
        let parsed = name.parse::<AccessName>().map_err(|error| problems.push(("name", error.0))).ok();
        if let Err(problem) = check_password(name, password.expose_secret()) {
            problems.push(("password", problem));
        }
        self.guess(&from, None)?;
        let is_right: bool = wanted.letters().as_bytes().ct_eq(SetUpCode::typed(code).letters().as_bytes()).into();
        if !is_right {
            problems.insert(0, ("code", "this is not the set-up code that the running daemon shows".to_owned()));
            return Err(AccessRefusal::Invalid(problems));
        }
        self.forgive(&from, None);
        let (Some(name), true) = (parsed, problems.is_empty()) else { return Err(AccessRefusal::Invalid(problems)) };
        let hash = self.tools.passwords.hash(password.clone()).await?;
        let user = User { id: self.new_id()?, name, created_at: self.now() };
        let is_first = self.tools.ledger.claim(&user, &hash).await?;
        *self.set_up.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if !is_first {
            return Err(AccessRefusal::Claimed);
        }
        tracing::info!(user = user.name.as_str(), peer = %from.peer, "this Rackseed has been claimed");
        self.begin(user, from).await
    }

    /// Signs somebody in.
    pub async fn sign_in(
        &self,
        name: &str,
        password: &SecretString,
        from: Doorstep,
    ) -> Result<SignedIn, AccessRefusal> {
        self.guess(&from, Some(name))?;
        let known = match name.parse::<AccessName>() {
            Ok(name) => self.tools.ledger.user(&name).await?,
            Err(_) => None,
        };
        let (user, stored) = known.unzip();
        if !self.is_password(stored, password).await? {
            tracing::warn!(peer = %from.peer, "somebody was not let in: wrong name or password");
            return Err(AccessRefusal::Wrong);
        }
        let user = user.ok_or(AccessRefusal::Wrong)?;
        self.forgive(&from, Some(name));
        self.begin(user, from).await
    }

    /// Gives the user of a session another password, for whoever knows the old one; all other sessions end.
    pub async fn change_password(
        &self,
        session: &Session,
        old: &SecretString,
        new: &SecretString,
        from: &Doorstep,
    ) -> Result<u64, AccessRefusal> {
        let name = session.user.name.as_str();
        check_password(name, new.expose_secret())
            .map_err(|problem| AccessRefusal::Invalid(vec![("password", problem)]))?;
        self.guess(from, Some(name))?;
        let stored = self.tools.ledger.user(&session.user.name).await?.map(|(_, stored)| stored);
        if !self.is_password(stored, old).await? {
            let problem = "this is not your password until now".to_owned();
            return Err(AccessRefusal::Invalid(vec![("old_password", problem)]));
        }
        self.forgive(from, Some(name));
        let hash = self.tools.passwords.hash(new.clone()).await?;
        let ended = self.tools.ledger.set_password(&session.user.id, &hash, Some(&session.id)).await?;
        self.ring();
        Ok(ended)
    }

    /// Every session that has not ended, the last used one first.
    pub async fn sessions(&self) -> Result<Vec<Session>, LedgerError> {
        self.tools.ledger.sessions(self.now()).await
    }

    /// Ends a session.
    pub async fn end_session(&self, session: &AccessId) -> Result<(), AccessRefusal> {
        if !self.tools.ledger.end_session(session).await? {
            return Err(AccessRefusal::Unknown("no session has this id; it may have ended already"));
        }
        self.ring();
        Ok(())
    }

    /// Ends all sessions of a user, or of everybody. Returns how many there were.
    pub async fn sign_out_everywhere(&self, user: Option<&AccessId>) -> Result<u64, LedgerError> {
        let ended = self.tools.ledger.end_sessions(user).await?;
        self.ring();
        Ok(ended)
    }

    /// Hears when a session or a token has ended: streams then look whether it was theirs.
    pub fn endings(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    async fn begin(&self, user: User, from: Doorstep) -> Result<SignedIn, AccessRefusal> {
        let now = self.now();
        let secret = self.new_secret("")?;
        let session = Session {
            id: self.new_id()?,
            user,
            created_at: now,
            last_seen_at: now,
            peer: from.peer.to_string(),
            agent: from.agent.to_owned(),
        };
        self.tools.ledger.begin_session(&session, hash_token(secret.expose_secret())).await?;
        Ok(SignedIn { session, secret })
    }

    async fn is_password(&self, stored: Option<String>, password: &SecretString) -> Result<bool, AccessRefusal> {
        // No password is that long, so this is none; comparing takes as long all the same.
        let is_possible = password.expose_secret().chars().count() <= LONGEST_PASSWORD;
        let password = if is_possible { password.clone() } else { SecretString::default() };
        Ok(self.tools.passwords.is(stored.filter(|_| is_possible), password).await?)
    }

    fn guess(&self, from: &Doorstep, name: Option<&str>) -> Result<(), AccessRefusal> {
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        guesses.begin(from.peer, name, self.now()).map_err(AccessRefusal::Wait)
    }

    fn forgive(&self, from: &Doorstep, name: Option<&str>) {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner).forgive(from.peer, name);
    }

    fn ring(&self) {
        self.ended.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn now(&self) -> Timestamp {
        self.tools.clock.now()
    }

    fn new_id(&self) -> Result<AccessId, SecretsError> {
        let mut random = [0; 8];
        random.copy_from_slice(&self.tools.secrets.random_bytes(8)?);
        Ok(AccessId::from_random(random))
    }

    fn new_secret(&self, prefix: &str) -> Result<SecretString, SecretsError> {
        let bytes = self.tools.secrets.random_bytes(SECRET_BYTES)?;
        Ok(format!("{prefix}{}", data_encoding::BASE64URL_NOPAD.encode(&bytes)).into())
    }
}
