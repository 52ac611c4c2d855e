//! Hosts and their histories.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{
    Store,
    change::write_change,
    columns::{all, execute, first, json, optional_json, optional_text, text, to_json},
    images::require_image,
    live_feed::tell,
    notifications::note,
    writer::Write,
};
use crate::{
    domain::{
        boot_order::BootOrder,
        change::Change,
        hardware::Hardware,
        host::{HistoryEntry, Host, NewHost},
        host_lifecycle::HostState,
        host_options::HostOptions,
        identity::{HostId, MacAddress, ServerTypeName},
        live_event::NewLiveEvent,
        notification::MomentKind,
    },
    ports::{HostLedger, LedgerError, RegisterError},
};

/// A host with its latest operation; the place for the condition is at the end.
const SELECT_HOST: &str = "SELECT hosts.*, (SELECT id FROM operations WHERE operations.host = hosts.id
                                            ORDER BY number DESC LIMIT 1) AS operation FROM hosts";

#[async_trait]
impl HostLedger for Store {
    async fn register(&self, host: &NewHost, feed: &NewLiveEvent) -> Result<Host, RegisterError> {
        let (host, feed) = (host.clone(), feed.clone());
        self.write(move |write| {
            if let Some(duplicate) = find_duplicate(write, &host)? {
                return Ok(Err(duplicate));
            }
            insert_host(write, &host)?;
            tell(write, &feed, host.registered_at)?;
            known_host(write, &host.id).map(Ok)
        })
        .await?
    }

    async fn register_all(&self, hosts: &[(NewHost, NewLiveEvent)]) -> Result<Vec<Host>, RegisterError> {
        let hosts = hosts.to_vec();
        self.write(move |write| {
            // Looked at before anything is written: what is answered without an error is committed.
            for (host, _) in &hosts {
                if let Some(duplicate) = find_duplicate(write, host)? {
                    return Ok(Err(duplicate));
                }
            }
            for (host, feed) in &hosts {
                insert_host(write, host)?;
                tell(write, feed, host.registered_at)?;
            }
            hosts.iter().map(|(host, _)| known_host(write, &host.id)).collect::<Result<Vec<_>, _>>().map(Ok)
        })
        .await?
    }

    async fn host(&self, id: &HostId) -> Result<Option<Host>, LedgerError> {
        let id = id.clone();
        self.read(move |connection| find_host(connection, &id)).await
    }

    async fn host_by_mac(&self, mac: MacAddress) -> Result<Option<Host>, LedgerError> {
        self.read(move |connection| {
            first(connection, &format!("{SELECT_HOST} WHERE mac = ?1"), [mac.to_string()], read_host)
        })
        .await
    }

    async fn hosts(&self) -> Result<Vec<Host>, LedgerError> {
        self.read(all_hosts).await
    }

    async fn history(&self, id: &HostId, limit: u32) -> Result<Vec<HistoryEntry>, LedgerError> {
        let id = id.clone();
        self.read(move |connection| {
            let sql = "SELECT * FROM history WHERE host = ?1 ORDER BY number DESC LIMIT ?2";
            all(connection, sql, params![id.as_str(), limit], read_history)
        })
        .await
    }

    async fn history_of_type(
        &self,
        server_type: &ServerTypeName,
        limit: u32,
    ) -> Result<Vec<(HostId, HistoryEntry)>, LedgerError> {
        let server_type = server_type.clone();
        self.read(move |connection| {
            let sql = "SELECT history.* FROM history JOIN hosts ON hosts.id = history.host
                       WHERE hosts.server_type = ?1 ORDER BY history.number DESC LIMIT ?2";
            all(connection, sql, params![server_type.as_str(), limit], |row| {
                Ok((text(row, "host")?, read_history(row)?))
            })
        })
        .await
    }

    async fn tell_overdue(&self, host: &Host, feed: &NewLiveEvent, now: Timestamp) -> Result<bool, LedgerError> {
        let (host, feed) = (host.clone(), feed.clone());
        self.write(move |write| {
            let news = execute(
                write,
                "UPDATE hosts SET overdue_told = ?3
                 WHERE id = ?1 AND state = ?2 AND state_since = ?3 AND overdue_told IS NOT ?3",
                params![host.id.as_str(), host.state.word(), host.state_since.to_string()],
            )?;
            if news == 1 {
                tell(write, &feed, now)?;
                note(write, MomentKind::Overdue, &host.id, host.operation.as_ref(), &feed.message, now)?;
            }
            Ok(news == 1)
        })
        .await
    }

    async fn record(&self, change: &Change) -> Result<Host, LedgerError> {
        let change = change.clone();
        self.write(move |write| {
            write_change(write, &change)?;
            known_host(write, &change.host)
        })
        .await
    }

    async fn set_options(
        &self,
        id: &HostId,
        options: &HostOptions,
        feed: &NewLiveEvent,
        now: Timestamp,
    ) -> Result<Option<Host>, LedgerError> {
        let (id, image, options, feed) = (id.clone(), options.image.clone(), to_json(options)?, feed.clone());
        self.write(move |write| {
            let before = find_host(write, &id)?.and_then(|host| host.options.image);
            // A choice that was made long ago may be patched beside; a new one must be there, and stays because it is chosen.
            if let Some(image) = image.filter(|image| before.as_ref() != Some(image)) {
                require_image(write, &image)?;
            }
            if execute(write, "UPDATE hosts SET options = ?2 WHERE id = ?1", params![id.as_str(), options])? == 0 {
                return Ok(None);
            }
            tell(write, &feed, now)?;
            find_host(write, &id)
        })
        .await
    }

    async fn set_hardware(&self, id: &HostId, hardware: &Hardware) -> Result<(), LedgerError> {
        let (id, hardware) = (id.clone(), to_json(hardware)?);
        self.write(move |write| {
            execute(write, "UPDATE hosts SET hardware = ?2 WHERE id = ?1", params![id.as_str(), hardware])?;
            Ok(())
        })
        .await
    }

    async fn set_boot_order(&self, id: &HostId, order: BootOrder) -> Result<(), LedgerError> {
        let id = id.clone();
        self.write(move |write| {
            execute(write, "UPDATE hosts SET boot_order = ?2 WHERE id = ?1", params![id.as_str(), order.word()])?;
            Ok(())
        })
        .await
    }

    async fn remove(&self, id: &HostId, feed: &NewLiveEvent, now: Timestamp) -> Result<bool, LedgerError> {
        let (id, feed) = (id.clone(), feed.clone());
        self.write(move |write| {
            let Some(host) = find_host(write, &id)? else { return Ok(false) };
            if !host.state.is_stable() {
                return Err(LedgerError::Conflict);
            }
            execute(write, "DELETE FROM hosts WHERE id = ?1", [id.as_str()])?;
            // A parked rebuild has not ended: its secrets go with its host.
            write.note_erased();
            tell(write, &feed, now)?;
            Ok(true)
        })
        .await
    }
}

/// Every host, by name.
pub(super) fn all_hosts(connection: &Connection) -> Result<Vec<Host>, LedgerError> {
    all(connection, &format!("{SELECT_HOST} ORDER BY hostname"), [], read_host)
}

fn find_duplicate(write: &Write<'_>, host: &NewHost) -> Result<Option<RegisterError>, LedgerError> {
    let (mac, hostname) = (host.mac, host.hostname.clone());
    let other = first(write, &format!("{SELECT_HOST} WHERE mac = ?1"), [mac.to_string()], read_host)?;
    if let Some(other) = other {
        return Ok(Some(RegisterError::DuplicateMac { mac, other: other.hostname }));
    }
    let other = first(write, &format!("{SELECT_HOST} WHERE hostname = ?1"), [hostname.as_str()], read_host)?;
    Ok(other.map(|other| RegisterError::DuplicateHostname { hostname, other: other.mac }))
}

fn insert_host(write: &Write<'_>, host: &NewHost) -> Result<(), LedgerError> {
    execute(
        write,
        "INSERT INTO hosts (id, hostname, mac, server_type, state, state_since, registered_at, is_member)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, 0)",
        params![
            host.id.as_str(),
            host.hostname.as_str(),
            host.mac.to_string(),
            host.server_type.as_str(),
            HostState::Registered.word(),
            host.registered_at.to_string(),
        ],
    )?;
    Ok(())
}

fn find_host(connection: &Connection, id: &HostId) -> Result<Option<Host>, LedgerError> {
    first(connection, &format!("{SELECT_HOST} WHERE id = ?1"), [id.as_str()], read_host)
}

/// Reads a host that this very transaction has written.
fn known_host(write: &Write<'_>, id: &HostId) -> Result<Host, LedgerError> {
    find_host(write, id)?.ok_or(LedgerError::Conflict)
}

fn read_history(row: &Row<'_>) -> Result<HistoryEntry, LedgerError> {
    Ok(HistoryEntry {
        at: text(row, "at")?,
        event: text(row, "event")?,
        from: text(row, "from_state")?,
        to: text(row, "to_state")?,
        because: row.get("because")?,
    })
}

fn read_host(row: &Row<'_>) -> Result<Host, LedgerError> {
    Ok(Host {
        id: text(row, "id")?,
        hostname: text(row, "hostname")?,
        mac: text(row, "mac")?,
        server_type: text(row, "server_type")?,
        state: text(row, "state")?,
        state_since: text(row, "state_since")?,
        reason: row.get("reason")?,
        address: optional_text(row, "address")?,
        hardware_id: row.get("hardware_id")?,
        ssh_host_key: row.get("ssh_host_key")?,
        registered_at: text(row, "registered_at")?,
        installed_at: optional_text(row, "installed_at")?,
        is_member: row.get("is_member")?,
        options: json(row, "options")?,
        boot_order: optional_text(row, "boot_order")?,
        hardware: optional_json(row, "hardware")?,
        operation: optional_text(row, "operation")?,
    })
}
