//! Commands on nodes over SSH: the adapter behind [`RemoteShell`] and [`SshKeys`].
//!
//! A connection is made for one command and belongs to nobody afterwards. Its server must show exactly the Ed25519 host key that is
//! known for it: nothing but the key exchange is sent before, certificates count as another key, and there is no trust on first use.
//! No terminal is asked for, so output is what the command wrote, and every wait ends with the command's limit.

mod connect;
mod keys;
mod run;

use std::time::Instant;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::ports::{Command, Login, Output, RemoteShell, RemoteShellError, SshKeys, UnusableKey};

/// The SSH client. It holds nothing: keys come with each login.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ssh;

#[async_trait]
impl RemoteShell for Ssh {
    async fn run(&self, login: &Login, command: &Command) -> Result<Output, RemoteShellError> {
        let known_key = keys::read_host_key(&login.host_key).map_err(invalid_key)?;
        let proof = keys::read_credential(&login.credential).map_err(invalid_key)?;
        let began = Instant::now();
        let connection = connect::connect(login, known_key, proof, command.limit).await?;
        let remaining = command.limit.saturating_sub(began.elapsed());
        let outcome = tokio::time::timeout(remaining, run::run_command(&connection, login, command)).await;
        connect::disconnect(connection).await;
        outcome.unwrap_or(Err(RemoteShellError::TimedOut { address: login.address, limit: command.limit }))
    }
}

impl SshKeys for Ssh {
    fn public_line(&self, private_key: &SecretSlice<u8>, comment: &str) -> Result<String, UnusableKey> {
        keys::spell_public_key(keys::private_key_of_bytes(private_key.expose_secret())?.public_key(), comment)
    }

    fn public_line_of_key_file(&self, text: &SecretString) -> Result<String, UnusableKey> {
        let key = keys::private_key_of_text(text.expose_secret())?;
        keys::spell_public_key(key.public_key(), key.comment().as_str_lossy())
    }

    fn fingerprint(&self, public_line: &str) -> Result<String, UnusableKey> {
        keys::read_public_key(public_line).map(|key| keys::fingerprint(&key))
    }
}

fn invalid_key(error: UnusableKey) -> RemoteShellError {
    RemoteShellError::InvalidKey(error.0)
}
