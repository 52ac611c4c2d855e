//! Commands on nodes, over SSH, with a host key that is known before.

use std::{fmt, net::SocketAddr, time::Duration};

use async_trait::async_trait;
use secrecy::SecretString;

/// How we prove who we are.
#[derive(Clone)]
pub enum Credential {
    /// An Ed25519 private key, 32 bytes.
    Ed25519(secrecy::SecretSlice<u8>),
    /// The text of an OpenSSH private key file.
    OpenSshKey(SecretString),
    /// A password.
    Password(SecretString),
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Ed25519(_) => "Ed25519(..)",
            Self::OpenSshKey(_) => "OpenSshKey(..)",
            Self::Password(_) => "Password(..)",
        })
    }
}

/// Where to log in, as whom, and whom to believe.
#[derive(Debug, Clone)]
pub struct Login {
    /// The node.
    pub address: SocketAddr,
    /// The user, `root` on nodes.
    pub user: String,
    /// Our proof.
    pub credential: Credential,
    /// The only host key that is accepted: `ssh-ed25519 BASE64`. There is no trust on first use.
    pub host_key: String,
}

/// One command.
#[derive(Debug, Clone)]
pub struct Command {
    /// The line that the node's shell runs. Never holds a secret.
    pub line: String,
    /// What it reads on standard input; secrets go here.
    pub input: SecretString,
    /// How long it may take, connecting included.
    pub limit: Duration,
}

impl Command {
    /// A command without input.
    pub fn new(line: impl Into<String>, limit: Duration) -> Self {
        Self { line: line.into(), input: SecretString::default(), limit }
    }
}

/// What a command said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; `None` when a signal ended it.
    pub status: Option<u32>,
    /// The first MiB of its standard output.
    pub output: String,
    /// The first 64 KiB of its standard error.
    pub error: String,
}

impl Output {
    /// Whether it ended with status 0 (which `pvecm` also does when it failed).
    pub fn is_success(&self) -> bool {
        self.status == Some(0)
    }
}

/// Why a command was not run, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteShellError {
    /// Nobody answers there.
    #[error("cannot reach {address} by SSH: {reason}")]
    CannotReach {
        /// The node.
        address: SocketAddr,
        /// The network's error.
        reason: String,
    },
    /// Another host key than the one that is known: another machine, or somebody in between. Nothing was sent to it.
    #[error(
        "{address} showed another SSH host key than the one that is known for it (expected {expected}, seen {seen}); nothing was sent to it"
    )]
    HostKeyMismatch {
        /// The node.
        address: SocketAddr,
        /// SHA-256 fingerprint of the known key.
        expected: String,
        /// SHA-256 fingerprint of the key that it showed.
        seen: String,
    },
    /// The node does not accept our proof.
    #[error("{address} refused the login of `{user}`")]
    LoginRefused {
        /// The node.
        address: SocketAddr,
        /// The user.
        user: String,
    },
    /// It took too long; the command may still run there.
    #[error("{address} did not finish the command within {} s", limit.as_secs())]
    TimedOut {
        /// The node.
        address: SocketAddr,
        /// The limit.
        limit: Duration,
    },
    /// The connection broke; the command may still run there.
    #[error("the SSH connection to {address} broke: {reason}")]
    Broken {
        /// The node.
        address: SocketAddr,
        /// The error.
        reason: String,
    },
    /// A key that cannot be read: ours, or the one that is to be believed.
    #[error("an SSH key cannot be used: {0}")]
    InvalidKey(String),
}

/// Runs commands on nodes.
#[async_trait]
pub trait RemoteShell: Send + Sync {
    /// Connects, checks the host key before anything is sent, logs in, runs one command to its end, and disconnects.
    async fn run(&self, login: &Login, command: &Command) -> Result<Output, RemoteShellError>;
}
