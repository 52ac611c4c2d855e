//! A few connections that only ask, beside the writer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{StoreError, connection::open_for_reading};
use crate::ports::LedgerError;

/// How many questions are answered at the same time; more callers wait. More costs memory (a page cache each), fewer makes pages wait.
const READERS: usize = 4;

/// The connections and the turns to use one.
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    /// Opens them; the writer must have opened the database before.
    pub(super) fn open(data_folder: &Path) -> Result<Self, StoreError> {
        let idle = (0..READERS).map(|_| open_for_reading(data_folder)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { idle: Arc::new(Mutex::new(idle)), turns: Arc::new(Semaphore::new(READERS)) })
    }

    /// Asks a question off the runtime's threads, in one read transaction. A panic in it fails that question alone.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let failed = |what: &str| LedgerError::Database(what.to_owned());
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| failed("it is closed"))?;
        let idle = Arc::clone(&self.idle);
        let asked = tokio::task::spawn_blocking(move || {
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = taken.ok_or_else(|| failed("no connection is left to read with"))?;
            let answer = catch_unwind(AssertUnwindSafe(|| ask(&connection, question)));
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(turn);
            answer.unwrap_or_else(|_| Err(failed("a question panicked")))
        });
        asked.await.unwrap_or_else(|_| Err(LedgerError::Database("the question was given up".into())))
    }
}

fn ask<T>(
    connection: &Connection,
    question: impl FnOnce(&Connection) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    let transaction = connection.unchecked_transaction()?;
    let answer = question(&transaction)?;
    transaction.finish()?;
    Ok(answer)
}
