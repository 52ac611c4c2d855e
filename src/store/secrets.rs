//! The key file beside the database: what it sealed is unreadable in a copy of the database alone.
//!
//! A sealed secret is a random nonce of 24 bytes and what XChaCha20-Poly1305 makes of the secret, with the place (row and column) as
//! additional data: moved to another place it does not open. Random nonces of that length do not repeat in practice.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use secrecy::SecretSlice;
use zeroize::Zeroizing;

use super::{StoreError, folder};
use crate::ports::{Secrets, SecretsError};

/// The key file in the data folder.
const KEY_FILE: &str = "secret.key";
/// Its length in bytes, and that of the key.
const KEY_BYTES: usize = 32;
/// The length of a nonce in bytes.
const NONCE_BYTES: usize = 24;

/// Seals and opens secrets with the key of one data folder.
pub struct KeyFile {
    key: Zeroizing<[u8; KEY_BYTES]>,
}

impl KeyFile {
    /// Reads the key file; at the first start it is made, for its owner alone. One that others may read is refused.
    pub fn open(data_folder: &Path) -> Result<Self, StoreError> {
        folder::make(data_folder)?;
        let path = key_path(data_folder);
        match read_key(&path) {
            Err(StoreError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
                make_key(data_folder, &path)?;
                read_key(&path)
            }
            result => result,
        }
        .map(|key| Self { key })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.key).into())
    }
}

/// Where the key file of a data folder is.
pub(super) fn key_path(data_folder: &Path) -> PathBuf {
    data_folder.join(KEY_FILE)
}

fn read_key(path: &Path) -> Result<Zeroizing<[u8; KEY_BYTES]>, StoreError> {
    let failed = |source| StoreError::File { action: "read the key file", path: path.to_owned(), source };
    let refused = |problem| StoreError::KeyFile { path: path.to_owned(), problem };
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(refused(format!("can be read by others (mode {mode:04o}); run `chmod 600 {}`", path.display())));
    }
    if metadata.len() != KEY_BYTES as u64 {
        let length = metadata.len();
        return Err(refused(format!("has {length} bytes in place of {KEY_BYTES}; restore it from a backup")));
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    file.read_exact(&mut *key).map_err(failed)?;
    Ok(key)
}

/// Makes the key under another name first, so that the key file is either whole or not there; when two processes make it at the same
/// moment, the first one stays.
fn make_key(data_folder: &Path, path: &Path) -> Result<(), StoreError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(&mut *key).map_err(StoreError::NoRandomness)?;
    let new = data_folder.join(format!("{KEY_FILE}.new-{}", std::process::id()));
    let write = || {
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&*key)?;
        file.sync_all()?;
        match fs::hard_link(&new, path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::remove_file(&new)?;
        File::open(data_folder)?.sync_all()
    };
    write().map_err(|source| StoreError::File { action: "make the key file", path: path.to_owned(), source })
}

impl Secrets for KeyFile {
    fn seal(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>, SecretsError> {
        let nonce = self.random_bytes(NONCE_BYTES)?;
        let payload = Payload { msg: secret, aad: place.as_bytes() };
        let nonce_array = XNonce::try_from(nonce.as_slice()).map_err(|_| cannot_seal())?;
        let sealed = self.cipher().encrypt(&nonce_array, payload).map_err(|_| cannot_seal())?;
        Ok([nonce, sealed].concat())
    }

    fn open(&self, place: &str, sealed: &[u8]) -> Result<SecretSlice<u8>, SecretsError> {
        let refused = || {
            SecretsError(format!("{place} was sealed with another key file or for another place, or it was altered"))
        };
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES).ok_or_else(refused)?;
        let nonce = XNonce::try_from(nonce).map_err(|_| refused())?;
        let payload = Payload { msg: sealed, aad: place.as_bytes() };
        self.cipher().decrypt(&nonce, payload).map(SecretSlice::from).map_err(|_| refused())
    }

    fn random_bytes(&self, count: usize) -> Result<Vec<u8>, SecretsError> {
        let mut bytes = vec![0; count];
        getrandom::fill(&mut bytes)
            .map_err(|error| SecretsError(format!("the operating system gives no random bytes ({error})")))?;
        Ok(bytes)
    }
}

fn cannot_seal() -> SecretsError {
    SecretsError("it could not be sealed".into())
}
