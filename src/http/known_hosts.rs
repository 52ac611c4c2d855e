//! Every host with what lists of hosts look at, read with few questions however many there are.

use std::collections::BTreeSet;

use super::OperatorState;
use crate::{
    domain::{
        host::Host,
        host_lifecycle::HostState,
        host_list::{Listed, Tone, tone},
    },
    operations::OperationView,
    ports::LedgerError,
    provisioning::HostPatience,
};

/// A host with everything that the rules of a list and its tile look at.
pub(in crate::http) struct KnownHost {
    /// The host.
    pub(in crate::http) host: Host,
    /// Its latest operation, while that is open or tells why the host failed.
    pub(in crate::http) operation: Option<OperationView>,
    /// How it is doing in its state.
    pub(in crate::http) patience: Option<HostPatience>,
    /// How it looks.
    pub(in crate::http) tone: Tone,
}

impl KnownHost {
    /// As the rules see it.
    pub(in crate::http) fn listed(&self) -> Listed<'_> {
        Listed { host: &self.host, tone: self.tone, is_overdue: self.is_overdue() }
    }

    /// Whether it takes longer than it should.
    pub(in crate::http) fn is_overdue(&self) -> bool {
        self.patience.as_ref().is_some_and(|patience| patience.is_overdue)
    }
}

impl OperatorState {
    /// Every host.
    pub(in crate::http) async fn known_hosts(&self) -> Result<Vec<KnownHost>, LedgerError> {
        let hosts = self.hosts.hosts().await?;
        let open: BTreeSet<_> = self.journal.open_operations().await?.into_iter().collect();
        // What is over is told of a host that failed alone: most hosts of a large rack rest, and their journals are long.
        let is_told = |host: &&Host| {
            host.state == HostState::Failed || host.operation.as_ref().is_some_and(|id| open.contains(id))
        };
        let told: Vec<_> = hosts.iter().filter(is_told).filter_map(|host| host.operation.clone()).collect();
        let mut operations = self.operations.outlines(&told).await?;
        let mut known = Vec::with_capacity(hosts.len());
        for host in hosts {
            let operation = host.operation.as_ref().and_then(|id| operations.remove(id));
            let tone = tone(host.state, operation.as_ref().map(|view| view.progress.status));
            known.push(KnownHost { patience: self.patience.look(&host).await?, operation, tone, host });
        }
        Ok(known)
    }
}
