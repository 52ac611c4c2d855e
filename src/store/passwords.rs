//! Passwords as argon2id makes them: each guess at a stolen database costs 19 MiB of memory and some hundredths of a second.

use std::sync::Arc;

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::ports::{Passwords, PasswordsError};

/// How many passwords are hashed at once. More take memory and processors away from machines that boot.
const MOST_AT_ONCE: usize = 2;
/// How many may wait for that; the next one is told to come again.
const MOST_WAITING: usize = 16;

/// What an unknown name's password is compared with: the hash of a random text that nobody knows, with the parameters of today.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$cmFja3NlZWQgbm9ib2R5IQ$C1y1cT8rOCyFGxEHkJtQr2v8Gq6m0oR1nq5k5o0w5uE";

/// Hashes with argon2id.
pub struct Argon2Passwords {
    working: Arc<Semaphore>,
    waiting: Semaphore,
}

impl Default for Argon2Passwords {
    fn default() -> Self {
        Self { working: Arc::new(Semaphore::new(MOST_AT_ONCE)), waiting: Semaphore::new(MOST_WAITING) }
    }
}

impl Argon2Passwords {
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordsError> + Send + 'static,
    ) -> Result<T, PasswordsError> {
        let failed = |error: &dyn std::error::Error| PasswordsError::Failed(error.to_string());
        let _waiting = self.waiting.try_acquire().map_err(|_| PasswordsError::Busy)?;
        let working = Arc::clone(&self.working).acquire_owned().await.map_err(|error| failed(&error))?;
        let work = tokio::task::spawn_blocking(move || {
            // Held by the work itself: whoever asked may have gone away.
            let _working = working;
            work()
        });
        work.await.map_err(|error| failed(&error))?
    }
}

#[async_trait]
impl Passwords for Argon2Passwords {
    async fn hash(&self, password: SecretString) -> Result<String, PasswordsError> {
        self.work(move || {
            let hash = Argon2::default().hash_password(password.expose_secret().as_bytes());
            hash.map(|hash| hash.to_string()).map_err(|error| PasswordsError::Failed(error.to_string()))
        })
        .await
    }

    async fn is(&self, stored: Option<String>, password: SecretString) -> Result<bool, PasswordsError> {
        self.work(move || {
            let hash = stored.as_deref().unwrap_or(NOBODY);
            let is_it = Argon2::default().verify_password(password.expose_secret().as_bytes(), hash).is_ok();
            Ok(is_it && stored.is_some())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn a_password_is_kept_as_argon2id_and_found_again() {
        let passwords = Argon2Passwords::default();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash("correct horse".into()).await.unwrap(), "every hash has a salt of its own");
        assert!(passwords.is(Some(hash.clone()), "correct horse".into()).await.unwrap());
        assert!(!passwords.is(Some(hash), "correct horsf".into()).await.unwrap());
        assert!(!passwords.is(Some("nonsense".into()), "correct horse".into()).await.unwrap());
    }

    #[tokio::test]
    async fn an_unknown_name_takes_as_long_as_a_wrong_password() {
        let passwords = Argon2Passwords::default();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        let began = Instant::now();
        assert!(!passwords.is(Some(hash), "wrong password".into()).await.unwrap());
        let known = began.elapsed();
        let began = Instant::now();
        assert!(!passwords.is(None, "wrong password".into()).await.unwrap());
        // A string that cannot be read would be refused at once, a thousand times faster.
        assert!(began.elapsed() * 10 > known, "{:?} and {known:?}", began.elapsed());
    }
}
