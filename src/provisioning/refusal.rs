//! Why a machine or a person is not given what it asked for, in words for whoever stands at the machine.

use std::{
    collections::{BTreeSet, VecDeque},
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use crate::{
    domain::{
        identity::HostId,
        live_event::{NewLiveEvent, Topic},
        rebuild::TokenPurpose,
    },
    ports::{CannotRender, Clock, ImageLibraryError, LedgerError, LiveFeed, SecretsError},
};

/// Why something is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The token is missing, unknown, of another host or of an older rebuild, or the machine is not the one that it was made for.
    #[error("{0}")]
    Forbidden(String),
    /// The host is not there yet, or no longer: the same call may succeed later.
    #[error("{0}")]
    NotNow(String),
    /// The body or a parameter cannot be understood.
    #[error("{0}")]
    Invalid(String),
    /// Nothing has this id.
    #[error("{0}")]
    Unknown(String),
    /// The answer or a script cannot be made.
    #[error(transparent)]
    Render(#[from] CannotRender),
    /// The image cannot be read.
    #[error(transparent)]
    Image(#[from] ImageLibraryError),
    /// A stored secret cannot be read.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// How many refusals are remembered, so that each is told once. Smaller forgets sooner and repeats itself to the operator.
const REMEMBERED_REFUSALS: usize = 512;

/// Tells the operator of every refused token once, with host and purpose, however often the machine repeats it.
pub struct RefusalLog {
    feed: Arc<dyn LiveFeed>,
    clock: Arc<dyn Clock>,
    told: Mutex<(BTreeSet<String>, VecDeque<String>)>,
}

impl RefusalLog {
    /// Writes to this feed.
    pub fn new(feed: Arc<dyn LiveFeed>, clock: Arc<dyn Clock>) -> Self {
        Self { feed, clock, told: Mutex::default() }
    }

    /// Tells of a refusal, unless the same was told before.
    pub async fn tell(&self, host: Option<&HostId>, purpose: TokenPurpose, peer: Ipv4Addr, reason: &str) {
        let key = format!("{}|{purpose}|{peer}|{reason}", host.map_or("", HostId::as_str));
        if !self.is_new(key) {
            return;
        }
        tracing::warn!(host.id = host.map(HostId::as_str), purpose = purpose.word(), %peer, reason, "refused a machine's request");
        let message = format!("refused {peer} ({}): {reason}", purpose.word().replace('_', " "));
        let event = NewLiveEvent { topic: Topic::Warning, host: host.cloned(), operation: None, message };
        if let Err(error) = self.feed.publish(&event, self.clock.now()).await {
            tracing::error!(%error, "cannot write to the live feed");
        }
    }

    fn is_new(&self, key: String) -> bool {
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (known, order) = &mut *told;
        if !known.insert(key.clone()) {
            return false;
        }
        order.push_back(key);
        if order.len() > REMEMBERED_REFUSALS
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
        true
    }
}
