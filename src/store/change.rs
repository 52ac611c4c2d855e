//! One change of a host, all of it in the transaction of the caller: host, history, token, marks, opened and ended rebuild, live feed.

use rusqlite::{named_params, params};

use super::{
    answers::write_served_answer,
    columns::execute,
    live_feed::tell_with,
    notifications::note_change,
    operations::{insert_operation, supersede_operations},
    rebuilds::{erase_secrets, forget_tokens, insert_rebuild, write_marks},
    writer::Write,
};
use crate::{
    domain::{
        change::{Change, OpenedRebuild},
        host_lifecycle::{HostEvent, HostState},
        identity::HostId,
        rebuild::TokenHash,
    },
    ports::LedgerError,
};

/// How many lines of a host's history are kept. More remembers longer; fewer bounds what a machine that asks for ever can write.
const HISTORY_KEPT: i64 = 1_000;

/// Writes a change, or fails with [`LedgerError::Conflict`] when the host has moved or the token is not what proves this event.
pub(super) fn write_change(write: &Write<'_>, change: &Change) -> Result<(), LedgerError> {
    move_host(write, change)?;
    write_history(write, change)?;
    if let Some(hash) = &change.spends {
        spend_token(write, hash, change)?;
    }
    if let Some((operation, marks)) = &change.marks {
        write_marks(write, operation, Some(&change.host), marks)?;
    }
    if let Some(opened) = &change.opens {
        open_rebuild(write, &change.host, opened)?;
    }
    if let Some(operation) = &change.ends {
        erase_secrets(write, operation, change.at)?;
    }
    if let Some(served) = &change.served {
        write_served_answer(write, &change.host, served)?;
    }
    note_change(write, change)?;
    // Who cancelled a rebuild has looked.
    let attention = change.to == HostState::Failed && change.from != change.to && change.event != HostEvent::Cancelled;
    change.feed.iter().try_for_each(|event| tell_with(write, event, attention, change.at))
}

/// Moves the host where it is still in the state from which it was to move. A repeat keeps `state_since`, so that a machine that asks
/// again and again still runs out of patience. A rebuild that begins forgets what belonged to the system that it replaces.
fn move_host(write: &Write<'_>, change: &Change) -> Result<(), LedgerError> {
    let facts = &change.facts;
    let moved = execute(
        write,
        "UPDATE hosts SET
             state = :to,
             state_since = iif(:from = :to, state_since, :at),
             reason = :reason,
             address = coalesce(:address, address),
             hardware_id = coalesce(:hardware_id, hardware_id),
             ssh_host_key = coalesce(:ssh_host_key, iif(:installs, NULL, ssh_host_key)),
             installed_at = coalesce(:installed_at, installed_at),
             is_member = coalesce(:is_member, iif(:installs, 0, is_member))
         WHERE id = :host AND state = :from",
        named_params! {
            ":host": change.host.as_str(),
            ":from": change.from.word(),
            ":to": change.to.word(),
            ":at": change.at.to_string(),
            ":reason": facts.reason,
            ":address": facts.address.map(|address| address.to_string()),
            ":hardware_id": facts.hardware_id,
            ":ssh_host_key": facts.ssh_host_key,
            ":installed_at": facts.installed_at.map(|at| at.to_string()),
            ":is_member": facts.is_member,
            // What is known of the old system holds until the installer may write over it.
            ":installs": change.event == HostEvent::AnswerServed,
        },
    )?;
    if moved == 1 { Ok(()) } else { Err(LedgerError::Conflict) }
}

fn write_history(write: &Write<'_>, change: &Change) -> Result<(), LedgerError> {
    execute(
        write,
        "INSERT INTO history (host, at, event, from_state, to_state, because) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            change.host.as_str(),
            change.at.to_string(),
            change.event.word(),
            change.from.word(),
            change.to.word(),
            change.because,
        ],
    )?;
    execute(
        write,
        "DELETE FROM history WHERE host = ?1 AND number <=
             (SELECT number FROM history WHERE host = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
        params![change.host.as_str(), HISTORY_KEPT],
    )?;
    Ok(())
}

/// Spends the token that proves an event. A repeat of the same event is proved by the same token again; another event never is.
fn spend_token(write: &Write<'_>, hash: &TokenHash, change: &Change) -> Result<(), LedgerError> {
    let event: HostEvent = change.event;
    let spent = execute(
        write,
        "UPDATE tokens SET spent_at = coalesce(spent_at, :at), spent_by = :event
         WHERE hash = :hash AND host = :host AND (spent_by IS NULL OR spent_by = :event)",
        named_params! {
            ":hash": hash.as_slice(),
            ":host": change.host.as_str(),
            ":at": change.at.to_string(),
            ":event": event.word(),
        },
    )?;
    if spent == 1 { Ok(()) } else { Err(LedgerError::Conflict) }
}

/// Opens an operation with its rebuild. Whatever of an earlier rebuild is still there ends here: secrets, tokens, operation, turn.
fn open_rebuild(write: &Write<'_>, host: &HostId, opened: &OpenedRebuild) -> Result<(), LedgerError> {
    if opened.operation.host != *host || opened.rebuild.host != *host || opened.rebuild.operation != opened.operation.id
    {
        return Err(LedgerError::Database("a rebuild was to be opened for another host".into()));
    }
    supersede_operations(write, host, opened.operation.started_at)?;
    forget_tokens(write, host)?;
    insert_operation(write, &opened.operation)?;
    insert_rebuild(write, opened)
}
