//! Writes down what machines send and what they are answered, without a secret. Only who shows a token of ours is written down, so that a
//! stranger on the network can push nothing out of a host's book; what is refused to strangers is told by the refusal log.

use std::{net::Ipv4Addr, sync::Arc};

use super::{answer_preview::PREVIEW_KEY, host_keeper::HostKeeper, tokens::hash_token};
use crate::{
    domain::{
        exchange::{ExchangeKind, KeptBody, NewExchange},
        identity::HostId,
        masking::Masker,
        rebuild::{Rebuild, TokenPurpose},
    },
    ports::{Catalog, Clock, ExchangeLedger, LedgerError, RebuildLedger},
};

/// One request of a machine, and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// What was asked.
    pub kind: ExchangeKind,
    /// The host in the path, where there is one.
    pub host: Option<&'a HostId>,
    /// The token that was shown.
    pub token: &'a str,
    /// Who asked.
    pub peer: Ipv4Addr,
    /// What was sent.
    pub sent: &'a [u8],
    /// The HTTP status of the answer.
    pub status: u16,
    /// What was answered.
    pub answered: &'a str,
}

/// Keeps the book.
pub struct ExchangeBook {
    /// Where it is kept.
    pub exchanges: Arc<dyn ExchangeLedger>,
    /// For the rebuild of a token.
    pub rebuilds: Arc<dyn RebuildLedger>,
    /// For the tokens of a rebuild, which must not be written down.
    pub keeper: Arc<HostKeeper>,
    /// Knows what of an answer is secret.
    pub catalog: Arc<dyn Catalog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What must never be written down, whatever the rebuild.
    pub secrets: Vec<String>,
}

impl ExchangeBook {
    /// Writes an exchange down. Where that fails, the machine is answered all the same.
    pub async fn note(&self, heard: Heard<'_>) {
        if let Err(error) = self.keep(heard).await {
            tracing::warn!(peer = %heard.peer, kind = heard.kind.word(), %error, "what a machine sent was not written down");
        }
    }

    async fn keep(&self, heard: Heard<'_>) -> Result<(), LedgerError> {
        let Some(record) = self.rebuilds.token(&hash_token(heard.token)).await? else { return Ok(()) };
        if heard.host.is_some_and(|host| *host != record.host) {
            return Ok(());
        }
        let Some(rebuild) = self.rebuilds.rebuild(&record.operation).await? else { return Ok(()) };
        let masker = self.masker(&rebuild, heard.token);
        let answered = self.without_keys(&rebuild, heard);
        let mut answered_body = KeptBody::new(answered.as_bytes(), &masker);
        answered_body.bytes = heard.answered.len() as u64;
        self.exchanges
            .keep_exchange(&NewExchange {
                host: record.host,
                operation: record.operation,
                kind: heard.kind,
                at: self.clock.now(),
                peer: heard.peer,
                status: heard.status,
                sent: KeptBody::new(heard.sent, &masker),
                answered: answered_body,
            })
            .await
    }

    /// Knows every token of the rebuild, also the one that was shown when the others are erased already.
    fn masker(&self, rebuild: &Rebuild, shown: &str) -> Masker {
        let tokens = self.keeper.tokens(rebuild).ok().flatten();
        let tokens = tokens.iter().flat_map(|tokens| TokenPurpose::ALL.iter().map(|purpose| tokens.token(*purpose)));
        Masker::new(tokens.chain([shown.to_owned()]).chain(self.secrets.iter().cloned()))
    }

    /// What was answered, with a placeholder for the rebuild's own key and without the secret fields of an answer.
    fn without_keys(&self, rebuild: &Rebuild, heard: Heard<'_>) -> String {
        let text = heard.answered.replace(&rebuild.public_key, PREVIEW_KEY);
        match heard.kind {
            ExchangeKind::Answer if heard.status == 200 && !text.trim_start().starts_with('{') => {
                self.catalog.redact_answer(&text)
            }
            ExchangeKind::Answer
            | ExchangeKind::FirstBootScript
            | ExchangeKind::Installed
            | ExchangeKind::PhoneHome
            | ExchangeKind::Failed => text,
        }
    }
}
