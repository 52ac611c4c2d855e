//! Where people install the join gate on a member, see who has it, and take it away.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use secrecy::SecretString;

use super::{
    command::GateCommand,
    gate::{ask, gate_key, gate_login, script_sha256, settings_credential},
    gate_install::install_gate,
};
use crate::{
    domain::gate::Gate,
    operations::{
        World,
        cluster_access::{SHORT_COMMAND, plain_public_key},
        step::StepError,
    },
    ports::{Command, Credential, LedgerError, Login, RemoteShellError, SecretsError, UnusableKey},
};

/// How long an installation may take in all; it can be asked for again, and goes on where it was.
const LONGEST: Duration = Duration::from_secs(50);

/// What is said for an installation. The password and the key are used for this one login and forgotten.
#[derive(Debug, Default)]
pub struct GateRequest {
    /// The member's IPv4 address.
    pub address: String,
    /// Its SSH host key, `ssh-ed25519 BASE64`; not needed where it is known already.
    pub ssh_host_key: Option<String>,
    /// Root's password there.
    pub password: Option<SecretString>,
    /// Or the text of an OpenSSH private key that root there accepts.
    pub key: Option<SecretString>,
}

/// A gate, and what is to be said of it now.
#[derive(Debug)]
pub struct GateView {
    /// The gate.
    pub gate: Gate,
    /// The fingerprint of the member's host key.
    pub fingerprint: Option<String>,
    /// Whether it has the script of this program.
    pub is_current: bool,
}

/// Why a gate was not installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum GateRefusal {
    /// A field of the request is wrong.
    #[error("{problem}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Nobody said which host key is to be believed.
    #[error(
        "no host key is known for {address}, and none is believed because it was shown; it shows {shown}. At its own console, \
         `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` must print the same; then give the text of that file as its host key"
    )]
    HostKeyNeeded {
        /// The member.
        address: Ipv4Addr,
        /// The fingerprint that it showed.
        shown: String,
    },
    /// There is no such gate.
    #[error("no join gate is installed at {0}; `rackseed gate list` shows where there is one")]
    Unknown(Ipv4Addr),
    /// The member cannot have it, or did not do what it should.
    #[error("{0}")]
    Member(String),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No key can be made or read.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// No key can be spelt.
    #[error(transparent)]
    Key(#[from] UnusableKey),
}

impl From<StepError> for GateRefusal {
    fn from(error: StepError) -> Self {
        Self::Member(error.reason)
    }
}

/// Installs, shows and removes gates.
pub struct GateDesk {
    /// The outside.
    pub world: Arc<World>,
}

impl GateDesk {
    /// Every gate that is installed.
    pub async fn gates(&self) -> Result<Vec<GateView>, LedgerError> {
        Ok(self.world.gates.gates().await?.into_iter().map(|gate| self.view(gate)).collect())
    }

    /// Says in the log which gates have an older script than this program: it does for the commands that it knows.
    pub async fn tell_older(&self) {
        let gates = self.gates().await.unwrap_or_else(|error| {
            tracing::error!(%error, "the members with the join gate cannot be read");
            Vec::new()
        });
        for GateView { gate, .. } in gates.into_iter().filter(|view| !view.is_current) {
            let (address, node) = (gate.address, gate.node);
            tracing::warn!(
                %node,
                "the join gate of {address} has the script of another version; it goes on with what that one knows, and `rackseed gate install --node {address}` brings it up to date"
            );
        }
    }

    /// Installs the gate on a member, or brings it up to date, over a login that an operator gives for this once.
    pub async fn install(&self, request: GateRequest) -> Result<GateView, GateRefusal> {
        let address = address(&request.address)?;
        let host_key = match request.ssh_host_key.as_deref().map(str::trim).filter(|key| !key.is_empty()) {
            Some(given) => self.readable(given)?,
            None => match self.known_host_key(address).await? {
                Some(known) => known,
                None => return Err(self.shown_host_key(address).await?),
            },
        };
        let credential = match (request.password, request.key) {
            (Some(_), Some(_)) => return Err(invalid("key", "and password exclude each other; give one")),
            (Some(password), None) => Credential::Password(password),
            (None, Some(key)) => {
                let usable = self.world.ssh_keys.public_line_of_key_file(&key);
                usable.map_err(|error| invalid("key", error.to_string()))?;
                Credential::OpenSshKey(key)
            }
            (None, None) => settings_credential(&self.world)
                .ok_or_else(|| invalid("password", "is needed for this one login, or a key that root there accepts"))?,
        };
        let root = self.login(address, credential, host_key);
        let installed = tokio::time::timeout(LONGEST, install_gate(&self.world, &root)).await;
        let took_too_long =
            || GateRefusal::Member(format!("{address} took longer than {} s; try again", LONGEST.as_secs()));
        Ok(self.view(installed.map_err(|_| took_too_long())??))
    }

    /// Has the gate take our key off the member, proves that it is gone, and forgets the gate; or only forgets it, when the member is gone.
    pub async fn remove(&self, address_text: &str, only_forget: bool) -> Result<(), GateRefusal> {
        let address = address(address_text)?;
        let gates = self.world.gates.gates().await?;
        let gate = gates.into_iter().find(|gate| gate.address == address).ok_or(GateRefusal::Unknown(address))?;
        if !only_forget {
            self.retire(&gate).await.map_err(|error| {
                GateRefusal::Member(format!(
                    "{}; nothing was forgotten. When this member is gone for good: `rackseed gate remove --node {address} --forget`",
                    error.reason
                ))
            })?;
        }
        self.world.gates.forget_gate(address).await?;
        Ok(())
    }

    async fn retire(&self, gate: &Gate) -> Result<(), StepError> {
        let key = gate_key(&self.world).await?;
        let login = gate_login(&self.world, &key, gate.address, &gate.ssh_host_key);
        ask(&self.world, &login, &GateCommand::Retire { key: key.public.clone() }).await?;
        match self.world.shell.run(&login, &Command::new(GateCommand::Version.words(), SHORT_COMMAND)).await {
            Err(RemoteShellError::LoginRefused { .. }) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => Err(StepError::passing("the member still lets us in at its gate after the key was removed")),
        }
    }

    fn view(&self, gate: Gate) -> GateView {
        GateView {
            fingerprint: self.world.ssh_keys.fingerprint(&gate.ssh_host_key).ok(),
            is_current: gate.script_sha256 == script_sha256(),
            gate,
        }
    }

    fn readable(&self, host_key: &str) -> Result<String, GateRefusal> {
        let unreadable = |problem: String| invalid("ssh_host_key", problem);
        let key = plain_public_key(host_key).filter(|key| key.starts_with("ssh-ed25519 "));
        let key = key.ok_or_else(|| {
            unreadable(
                "is not an Ed25519 host key; take the line in /etc/ssh/ssh_host_ed25519_key.pub of the member".into(),
            )
        })?;
        self.world.ssh_keys.fingerprint(&key).map_err(|error| unreadable(error.to_string()))?;
        Ok(key)
    }

    /// The host key that the settings pin, or that the webhook of our own installation reported.
    async fn known_host_key(&self, address: Ipv4Addr) -> Result<Option<String>, LedgerError> {
        let settings = &self.world.cluster;
        if settings.existing_node == Some(address) {
            return Ok(settings.existing_node_ssh_host_key.clone());
        }
        let hosts = self.world.hosts.hosts().await?;
        Ok(hosts.into_iter().find(|host| host.address == Some(address)).and_then(|host| host.ssh_host_key))
    }

    /// Looks which host key the member shows. It is told a key of nobody's, so that nothing is sent to it whatever it shows.
    async fn shown_host_key(&self, address: Ipv4Addr) -> Result<GateRefusal, GateRefusal> {
        let nobody = self.world.secrets.random_bytes(32)?.into();
        let host_key = self.world.ssh_keys.public_line(&nobody, "")?;
        let login = self.login(address, Credential::Password(SecretString::default()), host_key);
        match self.world.shell.run(&login, &Command::new("true", SHORT_COMMAND)).await {
            Err(RemoteShellError::HostKeyMismatch { seen, .. }) => {
                Ok(GateRefusal::HostKeyNeeded { address, shown: seen })
            }
            Err(error) => Err(GateRefusal::Member(error.to_string())),
            Ok(_) => Err(GateRefusal::Member(format!("{address} showed a host key that was made up a moment ago"))),
        }
    }

    fn login(&self, address: Ipv4Addr, credential: Credential, host_key: String) -> Login {
        let address = SocketAddr::new(IpAddr::V4(address), self.world.cluster.ssh_port);
        Login { address, user: "root".into(), credential, host_key }
    }
}

fn address(text: &str) -> Result<Ipv4Addr, GateRefusal> {
    let address = text.trim().parse().ok().filter(|address: &Ipv4Addr| !address.is_unspecified());
    address.ok_or_else(|| invalid("address", "is not the IPv4 address of a member, such as 192.0.2.11"))
}

fn invalid(field: &'static str, problem: impl Into<String>) -> GateRefusal {
    GateRefusal::Invalid { field, problem: problem.into() }
}
