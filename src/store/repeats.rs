//! Requests that were sent with a key.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Row, params};

use super::{
    Store,
    columns::{execute, first, number},
};
use crate::{
    domain::repeat::{Fingerprint, KeptAnswer, KeyedRequest, Repeat},
    ports::{LedgerError, RepeatLedger},
};

#[async_trait]
impl RepeatLedger for Store {
    async fn begin(
        &self,
        request: &KeyedRequest,
        now: Timestamp,
        since: Timestamp,
        most: u32,
    ) -> Result<Repeat, LedgerError> {
        let request = request.clone();
        self.write(move |write| {
            // A clock that was set back makes no row older than it is: rows are in the order in which they came.
            execute(write, "DELETE FROM repeats WHERE at < ?1", [since.to_string()])?;
            let oldest = "DELETE FROM repeats WHERE number <= (SELECT number FROM repeats ORDER BY number DESC LIMIT 1 OFFSET ?1)";
            execute(write, oldest, [most.saturating_sub(1)])?;
            let known = first(write, "SELECT * FROM repeats WHERE key = ?1", [&request.key[..]], |row| {
                let is_same = row.get::<_, Vec<u8>>("request")? == request.request;
                if is_same { read_repeat(row) } else { Ok(Repeat::Different) }
            })?;
            if let Some(known) = known {
                return Ok(known);
            }
            let sql = "INSERT INTO repeats (key, request, intended, at) VALUES (?1, ?2, ?3, ?4)";
            execute(write, sql, params![&request.key[..], &request.request[..], &request.intended[..], now.to_string()])?;
            Ok(Repeat::First)
        })
        .await
    }

    async fn finish(&self, key: &Fingerprint, answer: &KeptAnswer) -> Result<(), LedgerError> {
        let (key, answer) = (*key, answer.clone());
        self.write(move |write| {
            let sql = "UPDATE repeats SET status = ?2, place = ?3, kind = ?4, body = ?5 WHERE key = ?1";
            execute(write, sql, params![&key[..], answer.status, answer.place, answer.kind, answer.body])?;
            Ok(())
        })
        .await
    }
}

fn read_repeat(row: &Row<'_>) -> Result<Repeat, LedgerError> {
    if row.get::<_, Option<i64>>("status")?.is_none() {
        let intended: Vec<u8> = row.get("intended")?;
        let intended = intended.try_into().map_err(|_| LedgerError::Unreadable("column `intended`".into()))?;
        return Ok(Repeat::Unfinished(intended));
    }
    Ok(Repeat::Answered(KeptAnswer {
        status: number(row, "status")?,
        place: row.get("place")?,
        kind: row.get("kind")?,
        body: row.get("body")?,
    }))
}
