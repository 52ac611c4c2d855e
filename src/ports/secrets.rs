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

    /// Returns as many random bytes as a short id is made of.
    fn short_random(&self) -> Result<[u8; 8], SecretsError> {
        let mut random = [0; 8];
        random.copy_from_slice(&self.random_bytes(8)?);
        Ok(random)
    }
}
