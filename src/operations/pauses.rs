//! Operations that cannot move at the moment for a reason of ours, such as a full disk: who they are and why, in memory alone, because
//! there is no place to write it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;

use crate::domain::identity::OperationId;

/// Why an operation stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Why, for a person.
    pub reason: String,
}

/// The operations that stand still.
#[derive(Debug, Default)]
pub struct Pauses(Mutex<BTreeMap<OperationId, Pause>>);

impl Pauses {
    /// Every one of them.
    pub fn all(&self) -> BTreeMap<OperationId, Pause> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that an operation stands still. Returns whether this is news.
    pub(super) fn begin(&self, id: &OperationId, now: Timestamp, reason: String) -> bool {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = pauses.get(id).is_some_and(|pause| pause.reason == reason);
        if !is_known {
            pauses.insert(id.clone(), Pause { since: now, reason });
        }
        !is_known
    }

    /// Notes that it moves again. Returns whether it stood still.
    pub(super) fn end(&self, id: &OperationId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id).is_some()
    }
}
