//! What a member reports of a node that is to be rebuilt: the raw pieces that the verb `report` of the join gate prints, read into facts.
//!
//! Each piece is framed: a line `== NAME`, its content with `|` before every line, and a line `-- WORD` that says how the reading went. What
//! could not be read is an error of its own and never an empty list: a pre-flight must not take "unknown" for "nothing there".

mod ceph;
mod frames;
mod guests;
mod section_config;
mod services;
mod votes;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use ceph::CephRoles;
use frames::Frames;
pub use guests::{Guest, GuestKind, GuestState};
pub use services::{BackupJob, HighAvailability, ReplicationJob, StorageEntry};
pub use votes::{CorosyncVotes, NodeVotes, quorum_of};

/// Why something could not be read, for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} could not be read: {why}")]
pub struct Unread {
    /// Which piece.
    pub what: String,
    /// Why.
    pub why: String,
}

/// What was read, or why it was not.
pub type Reading<T> = Result<T, Unread>;

/// Everything that a member reports of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterReport {
    /// The votes of every node, from `corosync.conf`.
    pub votes: Reading<CorosyncVotes>,
    /// The guests that are configured on the node.
    pub guests: Reading<Vec<Guest>>,
    /// What the HA manager has to do with it.
    pub high_availability: Reading<HighAvailability>,
    /// The replication jobs of the cluster.
    pub replication: Reading<Vec<ReplicationJob>>,
    /// Ceph's roles by host.
    pub ceph: Reading<CephRoles>,
    /// The storages of the cluster.
    pub storages: Reading<Vec<StorageEntry>>,
    /// The backup jobs of the cluster.
    pub backup_jobs: Reading<Vec<BackupJob>>,
    /// What the storages hold of backups.
    pub backups: Reading<Backups>,
}

/// The newest backup of each guest, as far as the asked member sees storages. What lies on the node's own disks is not among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backups {
    /// The newest by guest.
    pub newest: BTreeMap<u32, Timestamp>,
    /// The storages that were looked through.
    pub looked_through: Vec<String>,
    /// Those that could not be.
    pub unread: Vec<Unread>,
}

/// Reads the votes of a cluster from its `corosync.conf`.
pub fn read_votes(text: &str) -> Reading<CorosyncVotes> {
    votes::read(text)
}

/// Reads a report of one node.
pub fn read_report(node: &str, text: &str) -> Reading<ClusterReport> {
    let frames = Frames::read(text)?;
    let high_availability = services::high_availability(&frames);
    Ok(ClusterReport {
        votes: frames.content("corosync.conf").and_then(votes::read),
        guests: guests::read(node, &frames),
        high_availability,
        replication: services::replication(&frames),
        ceph: ceph::read(&frames),
        storages: services::storages(&frames),
        backup_jobs: services::backup_jobs(&frames),
        backups: backups(&frames),
    })
}

fn backups(frames: &Frames) -> Reading<Backups> {
    let listed = frames.content("storages")?;
    let mut backups = Backups::default();
    for storage in listed.split_whitespace() {
        match frames.content(&format!("backups/{storage}")) {
            Ok(lines) => {
                backups.looked_through.push(storage.to_owned());
                for (guest, at) in lines.lines().filter_map(newest_of_guest) {
                    let newest = backups.newest.entry(guest).or_insert(at);
                    *newest = at.max(*newest);
                }
            }
            Err(unread) => {
                backups.unread.push(Unread { what: format!("the backups on the storage `{storage}`"), ..unread });
            }
        }
    }
    Ok(backups)
}

/// `VMID SECONDS`: the newest backup of one guest on one storage.
fn newest_of_guest(line: &str) -> Option<(u32, Timestamp)> {
    let (guest, seconds) = line.split_once(' ')?;
    Some((guest.parse().ok()?, Timestamp::from_second(seconds.trim().parse().ok()?).ok()?))
}

#[cfg(test)]
pub(in crate::domain) mod tests;
