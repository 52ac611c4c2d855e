//! Registers and removes hosts.

use std::sync::Arc;

use super::{
    host_keeper::{HostKeeper, KeeperError},
    sightings::Sightings,
};
use crate::{
    domain::{
        host::{Host, NewHost},
        host_options::OptionProblem,
        identity::{HostId, Hostname, ServerTypeName},
        live_event::{NewLiveEvent, Topic},
        power::PowerOptions,
        registration::{FieldProblem, Register, Typed, Understood, understand},
        repeat::Intended,
    },
    ports::{Catalog, Clock, HostLedger, LedgerError, RegisterError, Secrets, SecretsError},
};

/// Why a host was not registered or removed.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// Fields that are wrong, each with its sentence.
    #[error("{}", .0.iter().map(|(field, problem)| format!("{field}: {problem}")).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<(&'static str, String)>),
    /// Name or address are taken.
    #[error(transparent)]
    Taken(RegisterError),
    /// There is no such host.
    #[error("there is no host {0}")]
    Unknown(HostId),
    /// A rebuild is under way.
    #[error("{hostname} is `{label}`; cancel its operation first")]
    Busy {
        /// The host's name.
        hostname: Hostname,
        /// Its state, for a person.
        label: &'static str,
    },
    /// Options that break rules, each with its path.
    #[error("{}", .0.iter().map(|problem| format!("{}: {}", problem.path, problem.rule)).collect::<Vec<_>>().join("; "))]
    InvalidOptions(Vec<OptionProblem>),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No randomness for an id.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

/// Registers hosts.
pub struct Enrolment {
    /// Keeps states.
    pub keeper: Arc<HostKeeper>,
    /// Hosts.
    pub hosts: Arc<dyn HostLedger>,
    /// Server types.
    pub catalog: Arc<dyn Catalog>,
    /// For the randomness of an id.
    pub secrets: Arc<dyn Secrets>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Machines that are not registered.
    pub sightings: Arc<Sightings>,
}

impl Enrolment {
    /// Registers a host from what an operator typed; every wrong field is named at once.
    pub async fn register(&self, hostname: &str, mac: &str, server_type: &str) -> Result<Host, EnrolmentError> {
        self.register_as(None, hostname, mac, server_type).await
    }

    /// The same under an id that was chosen before.
    pub async fn register_as(
        &self,
        intended: Option<Intended>,
        hostname: &str,
        mac: &str,
        server_type: &str,
    ) -> Result<Host, EnrolmentError> {
        let typed = Typed { hostname: hostname.into(), mac: mac.into(), server_type: server_type.into() };
        let wanted = understand(&typed, &self.kinds()).map_err(invalid)?;
        let (host, feed) = self.new_host(intended, wanted)?;
        let host = self.hosts.register(&host, &feed).await.map_err(refused)?;
        self.show(&host.id).await?;
        self.sightings.forget(host.mac);
        Ok(host)
    }

    /// Registers several hosts at once: all of them or none.
    pub async fn register_all(&self, wanted: Vec<Understood>) -> Result<Vec<Host>, EnrolmentError> {
        let new: Vec<_> = wanted.into_iter().map(|wanted| self.new_host(None, wanted)).collect::<Result<_, _>>()?;
        let hosts = self.hosts.register_all(&new).await.map_err(refused)?;
        for host in &hosts {
            self.show(&host.id).await?;
            self.sightings.forget(host.mac);
        }
        Ok(hosts)
    }

    /// Changes what was chosen for a host by a merge patch (RFC 7396). A rebuild that is under way keeps what it began with, apart from how
    /// the machine boots.
    pub async fn change_options(&self, id: &HostId, patch: &serde_json::Value) -> Result<Host, EnrolmentError> {
        let host = self.hosts.host(id).await?.ok_or_else(|| EnrolmentError::Unknown(id.clone()))?;
        let options = host.options.patched(patch).map_err(EnrolmentError::InvalidOptions)?;
        if options.power != host.options.power {
            self.check_switches_no_other(&host, &options.power).await?;
        }
        let message = format!("the options of {} were changed", host.hostname);
        let feed = NewLiveEvent { topic: Topic::Host, host: Some(id.clone()), operation: None, message };
        let changed = self.hosts.set_options(id, &options, &feed, self.clock.now()).await?;
        let changed = changed.ok_or_else(|| EnrolmentError::Unknown(id.clone()))?;
        self.show(id).await?;
        Ok(changed)
    }

    /// A BMC that was copied from another host's options would restart that other host at a rebuild.
    async fn check_switches_no_other(&self, host: &Host, power: &PowerOptions) -> Result<(), EnrolmentError> {
        let Some(machine) = power.machine() else { return Ok(()) };
        let others = self.hosts.hosts().await?;
        match others
            .iter()
            .find(|other| other.id != host.id && other.options.power.machine().as_ref() == Some(&machine))
        {
            Some(other) => {
                let rule = format!("that switches {}, another host", other.hostname);
                Err(EnrolmentError::InvalidOptions(vec![OptionProblem::new(format!("power.{}", power.driver), rule)]))
            }
            None => Ok(()),
        }
    }

    async fn show(&self, id: &HostId) -> Result<(), EnrolmentError> {
        self.keeper.show(id).await.map_err(|error| match error {
            KeeperError::Ledger(error) => EnrolmentError::Ledger(error),
            KeeperError::Secrets(error) => EnrolmentError::Secrets(error),
            KeeperError::UnknownHost(_) | KeeperError::Illegal(_) => EnrolmentError::Unknown(id.clone()),
        })
    }

    /// What registrations are checked against, as things are now.
    pub async fn register_of_now(&self) -> Result<Register, LedgerError> {
        Ok(Register::new(self.hosts.hosts().await?.iter(), self.kinds()))
    }

    fn kinds(&self) -> Vec<ServerTypeName> {
        self.catalog.server_types().into_iter().map(|kind| kind.name).collect()
    }

    fn new_host(
        &self,
        intended: Option<Intended>,
        wanted: Understood,
    ) -> Result<(NewHost, NewLiveEvent), SecretsError> {
        let random = intended.map_or_else(|| self.secrets.short_random(), Ok)?;
        let Understood { hostname, mac, server_type } = wanted;
        let message = format!("{hostname} ({mac}) was registered as {server_type}");
        let host =
            NewHost { id: HostId::from_random(random), hostname, mac, server_type, registered_at: self.clock.now() };
        let feed = NewLiveEvent { topic: Topic::Host, host: Some(host.id.clone()), operation: None, message };
        Ok((host, feed))
    }

    /// Removes a host that is not being rebuilt.
    pub async fn remove(&self, id: &HostId) -> Result<(), EnrolmentError> {
        let host = self.hosts.host(id).await?.ok_or_else(|| EnrolmentError::Unknown(id.clone()))?;
        let busy = || EnrolmentError::Busy { hostname: host.hostname.clone(), label: host.state.label() };
        if !host.state.is_stable() {
            return Err(busy());
        }
        match self.keeper.remove(&host).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(KeeperError::UnknownHost(_)) => Err(EnrolmentError::Unknown(id.clone())),
            Err(KeeperError::Ledger(LedgerError::Conflict) | KeeperError::Illegal(_)) => Err(busy()),
            Err(KeeperError::Ledger(error)) => Err(error.into()),
            Err(KeeperError::Secrets(error)) => Err(error.into()),
        }
    }
}

fn invalid(problems: Vec<FieldProblem>) -> EnrolmentError {
    EnrolmentError::Invalid(problems.into_iter().map(|problem| (problem.field, problem.problem)).collect())
}

fn refused(error: RegisterError) -> EnrolmentError {
    match error {
        RegisterError::Ledger(error) => EnrolmentError::Ledger(error),
        taken @ (RegisterError::DuplicateMac { .. } | RegisterError::DuplicateHostname { .. }) => {
            EnrolmentError::Taken(taken)
        }
    }
}
