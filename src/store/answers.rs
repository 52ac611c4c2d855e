//! What hosts were given last: one answer each, without its secrets.

use rusqlite::params;

use super::{
    Store,
    columns::{execute, first, text},
    writer::Write,
};
use crate::{
    domain::{answer::ServedAnswer, identity::HostId, image::InstallerRelease},
    ports::LedgerError,
};

/// Writes what a host is given, in the place of what it was given before.
pub(super) fn write_served_answer(write: &Write<'_>, host: &HostId, served: &ServedAnswer) -> Result<(), LedgerError> {
    execute(
        write,
        "INSERT OR REPLACE INTO served_answers (host, at, operation, release, our, answer) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            host.as_str(),
            served.at.to_string(),
            served.operation.as_str(),
            served.release.to_string(),
            served.our.to_string(),
            served.answer,
        ],
    )?;
    Ok(())
}

impl Store {
    pub(super) async fn read_served_answer(&self, host: &HostId) -> Result<Option<ServedAnswer>, LedgerError> {
        let host = host.clone();
        self.read(move |connection| {
            first(connection, "SELECT * FROM served_answers WHERE host = ?1", [host.as_str()], |row| {
                let release: String = row.get("release")?;
                Ok(ServedAnswer {
                    at: text(row, "at")?,
                    operation: text(row, "operation")?,
                    release: InstallerRelease::parse(&release)
                        .ok_or_else(|| LedgerError::Unreadable(format!("`{release}` is no release of an installer")))?,
                    our: text(row, "our")?,
                    answer: row.get("answer")?,
                })
            })
        })
        .await
    }
}
