//! Keeps secrets unreadable while they lie in the database.

/// Why a secret could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a stored secret cannot be read: {0}")]
pub struct SecretsError(pub String);

/// Seals and opens secrets with the key file beside the database.
pub trait Secrets: Send + Sync {
    /// Seals a secret for one place; opened for another place (another row, another column) it is refused.
    fn seal(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>, SecretsError>;

    /// Opens a sealed secret.
    fn open(&self, place: &str, sealed: &[u8]) -> Result<secrecy::SecretSlice<u8>, SecretsError>;

    /// Returns `N` random bytes from the operating system.
    fn random_bytes(&self, count: usize) -> Result<Vec<u8>, SecretsError>;
}
