//! Turns passwords into what may be stored, slowly.

use async_trait::async_trait;
use secrecy::SecretString;

/// Why a password could not be hashed or compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordsError {
    /// Too many wait already.
    #[error("too many people are signing in at this moment; try again in a few seconds")]
    Busy,
    /// Anything else.
    #[error("the password cannot be checked: {0}")]
    Failed(String),
}

/// Hashes passwords and compares them.
#[async_trait]
pub trait Passwords: Send + Sync {
    /// Makes the PHC string of a password.
    async fn hash(&self, password: SecretString) -> Result<String, PasswordsError>;

    /// Whether a PHC string is of this password. Without a string it takes as long and is `false`: time tells nobody which names there are.
    async fn is(&self, stored: Option<String>, password: SecretString) -> Result<bool, PasswordsError>;
}
