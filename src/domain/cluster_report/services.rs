//! What of the cluster names nodes: the HA manager, replication, storages, backup jobs.

use serde_json::Value;

use super::{
    Reading, Unread,
    frames::Frames,
    section_config::{Section, sections},
};

/// What the HA manager has to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HighAvailability {
    /// The guests that it manages, such as `vm:101`, each with the node on which it last was.
    pub resources: Vec<(String, Option<String>)>,
    /// Groups and rules, each with the nodes and guests that it names.
    pub rules: Vec<(String, Vec<String>)>,
    /// The node that decides now.
    pub master: Option<String>,
}

/// One replication job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationJob {
    /// Such as `101-0`: the guest, and a number.
    pub id: String,
    /// Where the guest was when it was written last.
    pub source: Option<String>,
    /// Where it is replicated to.
    pub target: Option<String>,
}

impl ReplicationJob {
    /// The guest.
    pub fn guest(&self) -> Option<u32> {
        self.id.split('-').next()?.parse().ok()
    }
}

/// One storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageEntry {
    /// Its name.
    pub name: String,
    /// Its type: `dir`, `zfspool`, `nfs`, …
    pub kind: String,
    /// The nodes that it is limited to; empty: all.
    pub nodes: Vec<String>,
    /// The addresses or names that serve it: empty for local ones.
    pub servers: Vec<String>,
}

/// One backup job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupJob {
    /// Its name.
    pub id: String,
    /// The only node for which it works, if it names one.
    pub node: Option<String>,
}

pub(super) fn high_availability(frames: &Frames) -> Reading<HighAvailability> {
    let resources = sections(frames.optional("ha/resources.cfg")?.unwrap_or_default());
    let groups = sections(frames.optional("ha/groups.cfg")?.unwrap_or_default());
    let rules = sections(frames.optional("ha/rules.cfg")?.unwrap_or_default());
    let status = match frames.optional("ha/manager_status")?.map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => serde_json::from_str(text)
            .map_err(|error| Unread { what: "`ha/manager_status`".into(), why: error.to_string() })?,
        None => Value::Null,
    };
    let placed = |id: &str| status["service_status"][id]["node"].as_str().map(str::to_owned);
    let resources = resources.iter().map(|resource| format!("{}:{}", resource.kind, resource.id));
    let name = |section: &Section| format!("{} `{}`", section.kind, section.id);
    let rules =
        groups.iter().chain(&rules).map(|rule| (name(rule), [rule.names("nodes"), rule.words("resources")].concat()));
    Ok(HighAvailability {
        resources: resources.map(|id| (id.clone(), placed(&id))).collect(),
        rules: rules.collect(),
        master: status["master_node"].as_str().map(str::to_owned),
    })
}

pub(super) fn replication(frames: &Frames) -> Reading<Vec<ReplicationJob>> {
    let jobs = sections(frames.optional("replication.cfg")?.unwrap_or_default());
    let text = |section: &Section, key| section.get(key).map(str::to_owned);
    let jobs = jobs.iter().map(|job| ReplicationJob {
        id: job.id.clone(),
        source: text(job, "source"),
        target: text(job, "target"),
    });
    Ok(jobs.collect())
}

pub(super) fn storages(frames: &Frames) -> Reading<Vec<StorageEntry>> {
    let storages = sections(frames.optional("storage.cfg")?.unwrap_or_default());
    let storages = storages.iter().map(|storage| StorageEntry {
        name: storage.id.clone(),
        kind: storage.kind.clone(),
        nodes: storage.names("nodes"),
        servers: ["server", "server2", "monhost", "portal"].iter().flat_map(|key| storage.names(key)).collect(),
    });
    Ok(storages.collect())
}

pub(super) fn backup_jobs(frames: &Frames) -> Reading<Vec<BackupJob>> {
    let jobs = sections(frames.optional("jobs.cfg")?.unwrap_or_default());
    let jobs = jobs.iter().filter(|job| job.kind == "vzdump");
    Ok(jobs.map(|job| BackupJob { id: job.id.clone(), node: job.get("node").map(str::to_owned) }).collect())
}
