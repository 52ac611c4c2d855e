//! Everything outside that steps may touch, each behind its port.

use std::{collections::BTreeMap, sync::Arc};

use super::{ClusterSettings, Pauses};
use crate::{
    ports::{
        Clock, GateLedger, HostLedger, Infrastructure, MemberCertificates, OperationJournal, Power, RebuildLedger,
        RemoteShell, Secrets, SshKeys,
    },
    provisioning::{HostKeeper, Patience},
};

/// The outside.
#[derive(Clone)]
pub struct World {
    /// Keeps states.
    pub keeper: Arc<HostKeeper>,
    /// Hosts.
    pub hosts: Arc<dyn HostLedger>,
    /// Rebuilds.
    pub rebuilds: Arc<dyn RebuildLedger>,
    /// Journals and turns.
    pub journal: Arc<dyn OperationJournal>,
    /// The key of the join gate, and who has the gate.
    pub gates: Arc<dyn GateLedger>,
    /// The certificates of members, as they were seen first.
    pub certificates: Arc<dyn MemberCertificates>,
    /// Commands on nodes.
    pub shell: Arc<dyn RemoteShell>,
    /// SSH keys and their spelling.
    pub ssh_keys: Arc<dyn SshKeys>,
    /// Switches machines on.
    pub power: Arc<dyn Power>,
    /// Sealed secrets.
    pub secrets: Arc<dyn Secrets>,
    /// The inventory service.
    pub infrastructure: Arc<dyn Infrastructure>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The cluster and how to reach it.
    pub cluster: ClusterSettings,
    /// Our server types in the words of the inventory service.
    pub server_type_map: BTreeMap<String, String>,
    /// How long machines may take.
    pub patience: Patience,
    /// Operations that stand still for a reason of ours.
    pub pauses: Arc<Pauses>,
}
