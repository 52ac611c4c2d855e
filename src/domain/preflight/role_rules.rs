//! Findings about what else the host is to the cluster: high availability, replication, Ceph, storages, backup jobs.

use super::{Facts, Rule, blocker, list, note, warning};
use crate::domain::cluster_report::{CephRoles, ClusterReport, Guest, GuestKind};

pub(super) const RULES: &[Rule] = &[
    blocker("ceph_monitor", |facts| {
        role(
            facts,
            "mon",
            "is a monitor of Ceph; remove it there first (`pveceph mon destroy`), or Ceph may stop for the whole cluster",
        )
    }),
    blocker("ceph_disks", |facts| {
        let Some(ceph) = facts.read(|report| &report.ceph).filter(|ceph| has(facts, ceph, "osd")) else {
            return Vec::new();
        };
        let disks = match ceph.disks_of(facts.name()) {
            0 => "disks (OSDs)".to_owned(),
            1 => "1 disk (OSD)".to_owned(),
            disks => format!("{disks} disks (OSDs)"),
        };
        vec![format!("{} has {disks} in Ceph; take them out and let Ceph recover first", facts.name())]
    }),
    blocker("ceph_unread", |facts| unread(facts.unread(|report| &report.ceph), "Ceph's monitors and disks")),
    blocker("serves_storage", |facts| {
        let address = facts.address();
        let is_it = |server: &String| server == facts.name() || Some(server) == address.as_ref();
        let storages = facts.read(|report| &report.storages).into_iter().flatten();
        let served: Vec<_> =
            storages.filter(|storage| storage.servers.iter().any(is_it)).map(|it| it.name.clone()).collect();
        if served.is_empty() {
            return Vec::new();
        }
        vec![format!("{} serves storages to the cluster: {}; the guests on them stop", facts.name(), list(served))]
    }),
    blocker("ha_unread", |facts| unread(facts.unread(|report| &report.high_availability), "high availability")),
    blocker("replication_unread", |facts| unread(facts.unread(|report| &report.replication), "replication")),
    blocker("storages_unread", |facts| unread(facts.unread(|report| &report.storages), "storages")),
    warning("ceph_service", |facts| {
        let mut found = role(facts, "mgr", "is a manager of Ceph; make sure that there is another one");
        found.extend(role(facts, "mds", "is a metadata server of Ceph; make sure that there is another one"));
        found
    }),
    warning("ha_resources", |facts| {
        let Some(ha) = facts.read(|report| &report.high_availability) else { return Vec::new() };
        let here = ha.resources.iter().filter(|(id, node)| {
            node.as_deref() == Some(facts.name()) || guests(facts).any(|guest| is_resource(id, guest))
        });
        let here: Vec<_> = here.map(|(id, _)| id.clone()).collect();
        if here.is_empty() {
            return Vec::new();
        }
        vec![format!("the HA manager looks after {}: it will try to start them on other nodes", list(here))]
    }),
    warning("ha_rules", |facts| {
        let Some(ha) = facts.read(|report| &report.high_availability) else { return Vec::new() };
        let naming = ha.rules.iter().filter(|(_, names)| names.iter().any(|name| name == facts.name()));
        let naming: Vec<_> = naming.map(|(rule, _)| rule.clone()).collect();
        if naming.is_empty() {
            return Vec::new();
        }
        vec![format!(
            "these HA rules name {}: {}; they hold again once it has joined again",
            facts.name(),
            list(naming)
        )]
    }),
    warning("replication_jobs", |facts| {
        let is_here = |node: &Option<String>| node.as_deref() == Some(facts.name());
        let jobs = facts.read(|report| &report.replication).into_iter().flatten();
        let jobs = jobs.filter(|job| {
            is_here(&job.source) || is_here(&job.target) || guests(facts).any(|guest| job.guest() == Some(guest.id))
        });
        let jobs: Vec<_> =
            jobs.map(|job| format!("{} (to {})", job.id, job.target.as_deref().unwrap_or("?"))).collect();
        if jobs.is_empty() {
            return Vec::new();
        }
        vec![format!("replication jobs go from or to {}: {}; the copies on it are lost", facts.name(), list(jobs))]
    }),
    warning("storage_only_here", |facts| {
        let storages = facts.read(|report| &report.storages).into_iter().flatten();
        let only = storages.filter(|storage| storage.nodes == [facts.name()]);
        let only: Vec<_> = only.map(|storage| format!("{} ({})", storage.name, storage.kind)).collect();
        if only.is_empty() {
            return Vec::new();
        }
        vec![format!("these storages are on {} alone: {}", facts.name(), list(only))]
    }),
    warning("backup_jobs", |facts| {
        let jobs = facts.read(|report| &report.backup_jobs).into_iter().flatten();
        let jobs = jobs.filter(|job| job.node.as_deref() == Some(facts.name()));
        let jobs: Vec<_> = jobs.map(|job| job.id.clone()).collect();
        if jobs.is_empty() {
            return Vec::new();
        }
        vec![format!("these backup jobs are for {} alone: {}", facts.name(), list(jobs))]
    }),
    note("backup_jobs_unread", |facts| unread(facts.unread(|report| &report.backup_jobs), "backup jobs")),
    note("ha_master", |facts| {
        let master = facts.read(|report| &report.high_availability).and_then(|ha| ha.master.as_deref());
        if master == Some(facts.name()) {
            vec!["it is the node that decides for the HA manager now; another one takes over".to_owned()]
        } else {
            Vec::new()
        }
    }),
];

fn unread(why: Option<String>, what: &str) -> Vec<String> {
    why.map(|why| format!("{why}; nobody knows what {what} this host has to do with")).into_iter().collect()
}

fn guests(facts: &Facts) -> impl Iterator<Item = &Guest> {
    facts.read(|report: &ClusterReport| &report.guests).into_iter().flatten()
}

/// Whether `vm:101` or `ct:101` is this guest.
fn is_resource(id: &str, guest: &Guest) -> bool {
    let kind = match guest.kind {
        GuestKind::Vm => "vm",
        GuestKind::Container => "ct",
    };
    id == format!("{kind}:{}", guest.id)
}

fn has(facts: &Facts, ceph: &CephRoles, role: &str) -> bool {
    ceph.has(role, facts.name(), facts.address().as_deref())
}

fn role(facts: &Facts, role: &str, words: &str) -> Vec<String> {
    let is_one = facts.read(|report| &report.ceph).is_some_and(|ceph| has(facts, ceph, role));
    if is_one { vec![format!("{} {words}", facts.name())] } else { Vec::new() }
}
