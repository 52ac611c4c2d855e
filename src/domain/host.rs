//! What we know of one machine.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    boot_order::BootOrder,
    hardware::Hardware,
    host_lifecycle::{HostEvent, HostState},
    host_options::HostOptions,
    identity::{HostId, Hostname, MacAddress, OperationId, ServerTypeName},
};

/// One machine, whether it runs or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Host {
    /// Our id of it.
    pub id: HostId,
    /// The name that it has, or will have, as a node.
    pub hostname: Hostname,
    /// The address of the network card that it boots from.
    pub mac: MacAddress,
    /// The kind of server that it is.
    pub server_type: ServerTypeName,
    /// Where it is in its life.
    pub state: HostState,
    /// Since when.
    pub state_since: Timestamp,
    /// Why it failed, for the person who must act; only in `failed`.
    pub reason: Option<String>,
    /// The address with which it phoned home last.
    pub address: Option<Ipv4Addr>,
    /// The SMBIOS system UUID, or another hardware id, with which it phoned home last.
    pub hardware_id: Option<String>,
    /// The SSH host key (OpenSSH line, ed25519) that the webhook of its last rebuild reported.
    pub ssh_host_key: Option<String>,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// When an installer was last given an answer for it: from then on its disk is no longer blank.
    pub installed_at: Option<Timestamp>,
    /// Whether we have seen it as a verified member of the cluster, and it has neither left nor been installed since.
    pub is_member: bool,
    /// What the operator chose for it beyond its server type.
    pub options: HostOptions,
    /// What it does first when it starts, as far as that was seen.
    pub boot_order: Option<BootOrder>,
    /// Its hardware, as far as it has been reported.
    pub hardware: Option<Hardware>,
    /// Its latest operation.
    pub operation: Option<OperationId>,
}

/// What an operator says to register a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHost {
    /// Our id of it, made from random bytes.
    pub id: HostId,
    /// The name that it will have as a node.
    pub hostname: Hostname,
    /// The address of the network card that it boots from.
    pub mac: MacAddress,
    /// The kind of server that it is.
    pub server_type: ServerTypeName,
    /// Now.
    pub registered_at: Timestamp,
}

/// What an event teaches us about a host; `None` leaves what was known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Why it failed; cleared by every change that does not set it.
    pub reason: Option<String>,
    /// The address with which it phoned home.
    pub address: Option<Ipv4Addr>,
    /// The hardware id with which it phoned home.
    pub hardware_id: Option<String>,
    /// The SSH host key that its webhook reported.
    pub ssh_host_key: Option<String>,
    /// When its installer was given an answer.
    pub installed_at: Option<Timestamp>,
    /// Whether it is a verified member of the cluster.
    pub is_member: Option<bool>,
}

/// One line of a host's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryEntry {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: HostEvent,
    /// The state before.
    pub from: HostState,
    /// The state after.
    pub to: HostState,
    /// The sentence for a person.
    pub because: String,
}

impl HistoryEntry {
    /// Whether the machine itself spoke to us.
    pub fn is_from_machine(&self) -> bool {
        [HostEvent::BootScriptServed, HostEvent::AnswerServed, HostEvent::InstallReported, HostEvent::PhonedHome]
            .contains(&self.event)
    }
}
