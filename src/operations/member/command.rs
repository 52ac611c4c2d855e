//! What Rackseed asks of a member: the verbs of the script `join-gate`, with words that were checked before they leave.

use std::{net::Ipv4Addr, time::Duration};

use crate::{domain::identity::Hostname, operations::cluster_access::SHORT_COMMAND};

/// The script itself.
pub(in crate::operations) const SCRIPT: &str = include_str!("join-gate");
/// Ends the script where a root shell reads it.
const END_OF_SCRIPT: &str = "END_OF_JOIN_GATE";

/// One thing that a member can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::operations) enum GateCommand {
    /// What it sees of the cluster: its `/etc/pve/.members`.
    Members,
    /// Its clock, and the configuration of its cluster's links.
    About,
    /// The SHA-256 fingerprint of its API certificate, as `openssl x509` prints it.
    Fingerprint,
    /// Let this key (`TYPE BASE64`) log in to the cluster for some minutes.
    Authorise {
        /// The joining node's public key.
        key: String,
        /// For how long.
        minutes: u8,
    },
    /// Take such a key back before its time.
    Withdraw {
        /// The key.
        key: String,
    },
    /// Remove an offline node, with what is left of it, from the cluster.
    Remove {
        /// Its name.
        node: Hostname,
        /// Its address: both must be what the cluster lists.
        address: Ipv4Addr,
    },
    /// The checksum of the installed script.
    Version,
    /// Take a key of ours off the member, and the script with the last of them.
    Retire {
        /// The key.
        key: String,
    },
    /// Everything that the cluster knows of a node that is to be rebuilt.
    Report {
        /// Its name.
        node: Hostname,
    },
}

impl GateCommand {
    /// The verb and its words.
    pub(in crate::operations) fn words(&self) -> String {
        match self {
            Self::Members => "members".into(),
            Self::About => "about".into(),
            Self::Fingerprint => "fingerprint".into(),
            Self::Authorise { key, minutes } => format!("authorise {key} {minutes}"),
            Self::Withdraw { key } => format!("withdraw {key}"),
            Self::Remove { node, address } => format!("remove {node} {address}"),
            Self::Version => "version".into(),
            Self::Retire { key } => format!("retire {key}"),
            Self::Report { node } => format!("report {node}"),
        }
    }

    /// How long the member may take for it, connecting included.
    pub(in crate::operations) fn limit(&self) -> Duration {
        match self {
            // The gate's own waits: for its turn on the member, the quorum, a writable `/etc/pve`, the lock, and the list.
            Self::Remove { .. } => Duration::from_secs(200),
            // Several of Proxmox's programs, which are bounded there.
            Self::Report { .. } => Duration::from_secs(40),
            Self::Members
            | Self::About
            | Self::Fingerprint
            | Self::Authorise { .. }
            | Self::Withdraw { .. }
            | Self::Version
            | Self::Retire { .. } => SHORT_COMMAND,
        }
    }

    /// The line that a root shell runs: the script comes with it.
    pub(in crate::operations) fn line_for_root(&self) -> String {
        format!("sh -s -- {} <<'{END_OF_SCRIPT}'\n{SCRIPT}{END_OF_SCRIPT}\n", self.words())
    }
}
