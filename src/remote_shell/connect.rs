//! From an address to a connection that is logged in.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use russh::{
    Disconnect, Preferred,
    client::{self, AuthResult, Config, Handle},
    keys::{Algorithm, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate},
};
use secrecy::ExposeSecret;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::keys::{Proof, fingerprint};
use crate::ports::{Login, RemoteShellError};

/// How long a node may take from the first packet to the end of the key exchange. Shorter finds a dead node sooner; a node that is
/// busy with its first boot was never seen to need more than three seconds.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// How long we wait for a login to be answered: OpenSSH delays refusals, and PAM may look names up.
const LOGIN_LIMIT: Duration = Duration::from_secs(30);
/// How long we are polite at the end.
const DISCONNECT_LIMIT: Duration = Duration::from_secs(2);
/// A silent connection is probed after this time, and given up when this many probes in a row stay unanswered: a node that lost its
/// network is noticed after a minute and a quarter, though its command's own limit may be half an hour. There is no inactivity
/// time-out beside it, because commands may be silent for long.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_TRIES: usize = 4;

/// A connection that is logged in.
pub(super) type Connection = Handle<HostKeyCheck>;

/// Connects, checks the host key, and logs in; each wait is bounded by `limit` in all.
pub(super) async fn connect(
    login: &Login,
    known_key: PublicKey,
    proof: Proof,
    limit: Duration,
) -> Result<Connection, RemoteShellError> {
    let end = Instant::now() + limit;
    let check = HostKeyCheck { known: known_key, seen: Arc::default() };
    let mut connection = greet(login, check, end).await?;
    let answer_by = end.min(Instant::now() + LOGIN_LIMIT);
    match timeout_at(answer_by, prove(&mut connection, login, proof)).await {
        Ok(Ok(AuthResult::Success)) => Ok(connection),
        // russh says so when the connection ends before the answer. It is no refusal: those name what else may be tried (RFC 4252 §5.1), and
        // a refusal is the proof that a key was removed.
        Ok(Ok(AuthResult::Failure { remaining_methods, .. })) if remaining_methods.is_empty() => {
            Err(broken(login, "it ended during the login"))
        }
        Ok(Ok(AuthResult::Failure { .. })) => {
            disconnect(connection).await;
            Err(RemoteShellError::LoginRefused { address: login.address, user: login.user.clone() })
        }
        Ok(Err(error)) => Err(broken(login, &format!("during the login: {error}"))),
        Err(_) => Err(broken(login, "the login was not answered in time")),
    }
}

/// Takes leave, so that the node's log does not show a lost connection; whether it is heard does not matter any more.
pub(super) async fn disconnect(connection: Connection) {
    let farewell = connection.disconnect(Disconnect::ByApplication, "", "en");
    let _ = tokio::time::timeout(DISCONNECT_LIMIT, farewell).await;
}

/// Opens the TCP connection and exchanges keys; ends with the proof that the node holds the known host key.
async fn greet(login: &Login, check: HostKeyCheck, end: Instant) -> Result<Connection, RemoteShellError> {
    let address = login.address;
    let by = end.min(Instant::now() + CONNECT_LIMIT);
    let cannot_reach = |reason: String| RemoteShellError::CannotReach { address, reason };
    let socket = timeout_at(by, TcpStream::connect(address))
        .await
        .map_err(|_| cannot_reach("no answer in time".to_owned()))?
        .map_err(|error| cannot_reach(error.to_string()))?;
    // Small packets in both directions: waiting to fill them would only cost time. If it cannot be set, everything still works.
    let _ = socket.set_nodelay(true);
    let expected = fingerprint(&check.known);
    let refused_key = Arc::clone(&check.seen);
    let outcome = timeout_at(by, client::connect_stream(Arc::new(configuration()), socket, check)).await;
    let seen = refused_key.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (outcome, seen) {
        (_, Some(seen)) => Err(RemoteShellError::HostKeyMismatch { address, expected, seen }),
        (Ok(Ok(connection)), None) => Ok(connection),
        (Ok(Err(russh::Error::NoCommonAlgo { kind: russh::AlgorithmKind::Key, .. })), None) => {
            Err(RemoteShellError::HostKeyMismatch {
                address,
                expected,
                seen: "no ssh-ed25519 host key at all".to_owned(),
            })
        }
        (Ok(Err(error)), None) => Err(cannot_reach(format!("no SSH key exchange: {error}"))),
        (Err(_), None) => {
            Err(cannot_reach("it accepted the connection, but did not exchange SSH keys in time".to_owned()))
        }
    }
}

async fn prove(connection: &mut Connection, login: &Login, proof: Proof) -> Result<AuthResult, russh::Error> {
    match proof {
        Proof::Key(key) => connection.authenticate_publickey(&login.user, PrivateKeyWithHashAlg::new(key, None)).await,
        Proof::Password(password) => connection.authenticate_password(&login.user, password.expose_secret()).await,
    }
}

/// Only Ed25519 host keys are asked for: a server with several would otherwise be free to show one that nobody told us of.
fn configuration() -> Config {
    Config {
        preferred: Preferred { key: Cow::Borrowed(&[Algorithm::Ed25519]), ..Preferred::default() },
        keepalive_interval: Some(KEEPALIVE_INTERVAL),
        keepalive_max: KEEPALIVE_TRIES,
        ..Config::default()
    }
}

fn broken(login: &Login, reason: &str) -> RemoteShellError {
    RemoteShellError::Broken { address: login.address, reason: reason.to_owned() }
}

/// Believes one host key, and remembers any other that is shown.
pub(super) struct HostKeyCheck {
    known: PublicKey,
    seen: Arc<Mutex<Option<String>>>,
}

impl client::Handler for HostKeyCheck {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let seen = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } if key.key_data() == self.known.key_data() => {
                return Ok(true);
            }
            PublicKeyOrCertificate::PublicKey { key, .. } => fingerprint(key),
            PublicKeyOrCertificate::Certificate(_) => "a host certificate".to_owned(),
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Ok(false)
    }
}
