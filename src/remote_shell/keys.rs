//! Reads and spells SSH keys. Only Ed25519: it is what rebuilds make, what the webhook reports, and what we ask operators for.

use std::sync::Arc;

use russh::keys::{
    HashAlg, PrivateKey, PublicKey,
    ssh_key::private::{Ed25519Keypair, Ed25519PrivateKey, KeypairData},
};
use secrecy::{ExposeSecret, SecretString};

use crate::ports::{Credential, UnusableKey};

/// A credential that has been read, before anything is sent to anybody.
pub(super) enum Proof {
    /// A private key.
    Key(Arc<PrivateKey>),
    /// A password.
    Password(SecretString),
}

pub(super) fn read_credential(credential: &Credential) -> Result<Proof, UnusableKey> {
    Ok(match credential {
        Credential::Ed25519(bytes) => Proof::Key(Arc::new(private_key_of_bytes(bytes.expose_secret())?)),
        Credential::OpenSshKey(text) => Proof::Key(Arc::new(private_key_of_text(text.expose_secret())?)),
        Credential::Password(password) => Proof::Password(password.clone()),
    })
}

pub(super) fn private_key_of_bytes(bytes: &[u8]) -> Result<PrivateKey, UnusableKey> {
    let seed: &[u8; Ed25519PrivateKey::BYTE_SIZE] = bytes
        .try_into()
        .map_err(|_| UnusableKey(format!("an Ed25519 private key has 32 bytes, and this one has {}", bytes.len())))?;
    PrivateKey::new(KeypairData::from(Ed25519Keypair::from_seed(seed)), "")
        .map_err(|error| UnusableKey(format!("the private key of 32 bytes: {error}")))
}

pub(super) fn private_key_of_text(text: &str) -> Result<PrivateKey, UnusableKey> {
    let key = PrivateKey::from_openssh(text)
        .map_err(|error| UnusableKey(format!("the private key file is not in OpenSSH's format: {error}")))?;
    if key.is_encrypted() {
        let why =
            "the private key file has a passphrase; take it off with `ssh-keygen -p`, and keep the file at mode 0600";
        return Err(UnusableKey(why.to_owned()));
    }
    if !key.key_data().is_ed25519() {
        let kind = key.algorithm();
        return Err(UnusableKey(format!("the private key file holds a {kind} key; only ssh-ed25519 is used")));
    }
    Ok(key)
}

/// Reads the host key that alone is believed; `unknown`, other kinds and certificates are refused.
pub(super) fn read_host_key(line: &str) -> Result<PublicKey, UnusableKey> {
    let key = read_public_key(line)?;
    if key.key_data().is_ed25519() {
        return Ok(key);
    }
    Err(UnusableKey(format!("the known host key is of the kind {}; only ssh-ed25519 is believed", key.algorithm())))
}

pub(super) fn read_public_key(line: &str) -> Result<PublicKey, UnusableKey> {
    PublicKey::from_openssh(line.trim()).map_err(|error| {
        let shown: String = line.chars().take(60).collect();
        UnusableKey(format!("`{shown}` is not an OpenSSH public key line: {error}"))
    })
}

/// One `authorized_keys` line. A comment that would end the line, or begin another, is refused.
pub(super) fn spell_public_key(key: &PublicKey, comment: &str) -> Result<String, UnusableKey> {
    if comment.chars().any(char::is_control) {
        return Err(UnusableKey("its comment holds a line break or another control character".to_owned()));
    }
    PublicKey::new(key.key_data().clone(), comment)
        .to_openssh()
        .map_err(|error| UnusableKey(format!("the public key cannot be spelt: {error}")))
}

pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}
