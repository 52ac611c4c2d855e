//! What is made of SSH keys: the lines that answers, `authorized_keys` and people read.

use secrecy::SecretSlice;

/// A key that cannot be read: a sentence that says which one and why, never the key itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an SSH key cannot be used: {0}")]
pub struct UnusableKey(pub String);

/// Reads and spells SSH keys.
pub trait SshKeys: Send + Sync {
    /// The public line `ssh-ed25519 BASE64 COMMENT` of an Ed25519 private key of 32 bytes.
    fn public_line(&self, private_key: &SecretSlice<u8>, comment: &str) -> Result<String, UnusableKey>;

    /// The public line of an unencrypted OpenSSH Ed25519 private key, from the text of its file.
    fn public_line_of_key_file(&self, text: &secrecy::SecretString) -> Result<String, UnusableKey>;

    /// The fingerprint of a public line as `ssh-keygen -l` prints it: `SHA256:...`.
    fn fingerprint(&self, public_line: &str) -> Result<String, UnusableKey>;
}
