//! What a database must forget before it may be used again after time has passed without it: restored from a backup, or with its key lost.
//!
//! It says of machines what was true once. Whatever it had armed or begun since has happened, or not, without its knowledge: so nothing
//! stays armed, every token is void, and every operation that was under way ends with a sentence.

use jiff::Timestamp;
use rusqlite::params;

use super::{
    Store,
    batches::pause_all,
    change::write_change,
    columns::{all, execute, text},
    hosts::all_hosts,
    live_feed::tell,
    operations::end_operations,
    rebuilds::erase_secrets,
    writer::Write,
};
use crate::{
    domain::{
        change::Change,
        host::{Host, HostFacts},
        host_lifecycle::{self, HostEvent},
        identity::{ImageId, OperationId},
        live_event::{NewLiveEvent, Topic},
    },
    ports::LedgerError,
};

impl Store {
    /// Ends everything that was under way, because of `reason`, in one transaction. Returns the hosts whose rebuild ended.
    pub async fn disarm(&self, reason: &str, now: Timestamp) -> Result<Vec<Host>, LedgerError> {
        let reason = reason.to_owned();
        self.write(move |write| {
            let mut disarmed = Vec::new();
            for host in all_hosts(write)? {
                let is_moved = fail_host(write, &host, &reason, now)?;
                let ended = end_operations(write, &host.id, &reason, now)?;
                if is_moved || ended > 0 {
                    disarmed.push(host);
                }
            }
            let open = "SELECT operation FROM rebuilds WHERE ended_at IS NULL";
            for id in all(write, open, [], |row| text::<OperationId>(row, "operation"))? {
                erase_secrets(write, &id, now)?;
            }
            pause_all(write, &reason, now)?;
            // Who was signed in then may have been sent away since.
            for table in ["tokens", "turns", "sealed_secrets", "sessions"] {
                execute(write, &format!("DELETE FROM {table}"), [])?;
            }
            // What people were to be told then is no news now.
            let told = "UPDATE deliveries SET state = 'given_up', ended_at = ?1, problem = ?2 WHERE state = 'waiting'";
            execute(write, told, params![now.to_string(), reason])?;
            write.note_erased();
            let message = format!("everything that was under way was ended: {reason}");
            tell(write, &NewLiveEvent { topic: Topic::Operation, host: None, operation: None, message }, now)?;
            Ok(disarmed)
        })
        .await
    }

    /// Forgets images whose files are not there, so that they can be added again.
    pub async fn forget_images(&self, images: &[ImageId]) -> Result<(), LedgerError> {
        let images = images.to_vec();
        self.write(move |write| {
            for image in &images {
                execute(write, "DELETE FROM images WHERE id = ?1", [image.as_str()])?;
            }
            Ok(())
        })
        .await
    }
}

fn fail_host(write: &Write<'_>, host: &Host, reason: &str, now: Timestamp) -> Result<bool, LedgerError> {
    let Ok(row) = host_lifecycle::next(host.state, HostEvent::Cancelled) else { return Ok(false) };
    let change = Change {
        host: host.id.clone(),
        from: row.from,
        to: row.to,
        event: HostEvent::Cancelled,
        because: reason.to_owned(),
        at: now,
        facts: HostFacts { reason: Some(reason.to_owned()), ..HostFacts::default() },
        marks: None,
        spends: None,
        opens: None,
        ends: None,
        served: None,
        feed: Vec::new(),
    };
    write_change(write, &change)?;
    Ok(true)
}
