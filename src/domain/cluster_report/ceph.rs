//! Ceph's roles: who is a monitor, who has disks in it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Reading, Unread, frames::Frames};

/// Ceph as the cluster sees it. Empty where there is no Ceph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CephRoles {
    /// `(role, host)`: `mon`, `mgr`, `mds` or `osd`, with the host's name, or its address where only that is known.
    roles: BTreeSet<(String, String)>,
    /// How many disks of each host are in it.
    disks: Vec<(String, usize)>,
}

impl CephRoles {
    /// Whether a host has a role, known by its name or its address.
    pub fn has(&self, role: &str, name: &str, address: Option<&str>) -> bool {
        let mut of_role = self.roles.iter().filter(|(its, _)| its == role);
        of_role.any(|(_, host)| host == name || Some(host.as_str()) == address)
    }

    /// How many disks of a host are in it.
    pub fn disks_of(&self, name: &str) -> usize {
        self.disks.iter().find(|(host, _)| host == name).map_or(0, |(_, disks)| *disks)
    }
}

/// Reads Ceph's own list, and its settings file for what that does not tell. Both must be readable where there is Ceph.
pub(super) fn read(frames: &Frames) -> Reading<CephRoles> {
    let Some(settings) = frames.optional("ceph.conf")? else { return Ok(CephRoles::default()) };
    let mut roles = CephRoles::default();
    read_settings(settings, &mut roles);
    let text =
        frames.content("ceph").map_err(|unread| Unread { what: "Ceph's list of its services".into(), ..unread })?;
    let list: Value = serde_json::from_str(text)
        .map_err(|error| Unread { what: "Ceph's list of its services".into(), why: error.to_string() })?;
    for role in ["mon", "mgr", "mds"] {
        for (name, service) in list[role].as_object().into_iter().flatten() {
            // The key is `ID@HOST`.
            let host = service["hostname"].as_str().or_else(|| name.rsplit('@').next()).unwrap_or(name);
            roles.roles.insert((role.to_owned(), host.to_owned()));
        }
    }
    for disk in list["osd"].as_array().into_iter().flatten() {
        let Some(host) = disk["hostname"].as_str() else { continue };
        roles.roles.insert(("osd".to_owned(), host.to_owned()));
        match roles.disks.iter_mut().find(|(known, _)| known == host) {
            Some((_, disks)) => *disks += 1,
            None => roles.disks.push((host.to_owned(), 1)),
        }
    }
    Ok(roles)
}

/// `[mon.NAME]` and `[mds.NAME]` sections, and the addresses of `mon_host`.
fn read_settings(text: &str, roles: &mut CephRoles) {
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            if let Some((role @ ("mon" | "mds" | "mgr" | "osd"), name)) = section.split_once('.') {
                roles.roles.insert((role.to_owned(), name.trim().to_owned()));
            }
        } else if let Some((key, value)) = line.split_once('=')
            && matches!(key.trim(), "mon_host" | "mon host")
        {
            // Bare addresses, or `[v2:10.0.0.1:3300,v1:10.0.0.1:6789]`.
            let words = value.split([' ', ',', ';', '[', ']', '\t']);
            let addresses = words.map(|word| {
                let word = word.trim().trim_start_matches("v1:").trim_start_matches("v2:");
                word.split([':', '/']).next().unwrap_or_default()
            });
            let monitors = addresses.filter(|address| !address.is_empty());
            roles.roles.extend(monitors.map(|address| ("mon".to_owned(), address.to_owned())));
        }
    }
}
