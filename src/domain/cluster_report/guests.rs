//! The guests of a node: the names of their files in `/etc/pve`, and what the cluster last heard of their state.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Reading, Unread, frames::Frames};

crate::domain::words::words!(
    /// What a guest is.
    GuestKind, "kind of guest" {
        /// A virtual machine.
        Vm = "vm",
        /// A container.
        Container = "ct",
    }
);

crate::domain::words::words!(
    /// What a guest does, as far as the cluster knows.
    GuestState, "state of a guest" {
        /// It runs.
        Running = "running",
        /// It does not.
        Stopped = "stopped",
        /// Nobody knows: the node does not tell.
        Unknown = "unknown",
    }
);

/// One guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// Its VMID.
    pub id: u32,
    /// What it is.
    pub kind: GuestKind,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What it does.
    pub state: GuestState,
}

impl Guest {
    /// `VM 101 (web)`.
    pub fn title(&self) -> String {
        let kind = match self.kind {
            GuestKind::Vm => "VM",
            GuestKind::Container => "CT",
        };
        match &self.name {
            Some(name) => format!("{kind} {} ({name})", self.id),
            None => format!("{kind} {}", self.id),
        }
    }
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    vmid: serde_json::Value,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    node: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    status: String,
}

/// Reads the guests of a node. The files decide what there is; a resource list that cannot be read leaves every state unknown.
pub(super) fn read(node: &str, frames: &Frames) -> Reading<Vec<Guest>> {
    let names = names(frames.optional("names").ok().flatten().unwrap_or_default());
    let mut guests = BTreeMap::new();
    for (piece, kind) in [("qemu-server", GuestKind::Vm), ("lxc", GuestKind::Container)] {
        for line in frames.optional(piece)?.unwrap_or_default().lines() {
            let Some(id) = line.trim().strip_suffix(".conf").and_then(|id| id.parse().ok()) else { continue };
            let name = names.get(&id).cloned();
            guests.insert(id, Guest { id, kind, name, state: GuestState::Unknown });
        }
    }
    for row in frames.content("resources").and_then(rows).unwrap_or_default() {
        let (Some(id), true) = (number(&row.vmid), row.node == node) else { continue };
        let kind = if row.kind == "lxc" { GuestKind::Container } else { GuestKind::Vm };
        let guest = guests.entry(id).or_insert(Guest { id, kind, name: None, state: GuestState::Unknown });
        guest.name = guest.name.take().or(row.name);
        guest.state = match row.status.as_str() {
            "stopped" => GuestState::Stopped,
            "" | "unknown" => GuestState::Unknown,
            // Paused and suspended ones too hold memory that a wipe would lose.
            _ => GuestState::Running,
        };
    }
    Ok(guests.into_values().collect())
}

/// One object in a line, with what is left of the list around it.
fn rows(text: &str) -> Reading<Vec<Row>> {
    let objects =
        text.lines().map(|line| line.trim_matches(['[', ']', ',', ' ', '\r'])).filter(|line| !line.is_empty());
    objects
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .map_err(|error| Unread { what: "the list of guests".into(), why: error.to_string() })
}

/// Proxmox mixes numbers and numeric strings.
fn number(value: &serde_json::Value) -> Option<u32> {
    match value {
        serde_json::Value::Number(number) => number.as_u64()?.try_into().ok(),
        serde_json::Value::String(text) => text.parse().ok(),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => None,
    }
}

/// The names in lines such as `…/101.conf:name: web`. What follows a `[` line of the same file belongs to a snapshot.
fn names(text: &str) -> BTreeMap<u32, String> {
    let (mut names, mut ended) = (BTreeMap::new(), None);
    for line in text.lines() {
        let Some((path, said)) = line.split_once(".conf:") else { continue };
        let Some(id) = path.rsplit('/').next().and_then(|id| id.parse::<u32>().ok()) else { continue };
        if said.starts_with('[') {
            ended = Some(id);
        }
        let name = said.strip_prefix("name: ").or_else(|| said.strip_prefix("hostname: "));
        if let (Some(name), true) = (name, ended != Some(id)) {
            names.insert(id, name.trim().to_owned());
        }
    }
    names
}
