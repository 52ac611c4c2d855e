//! What a host's machine sent and what it was answered.

use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    domain::exchange::{Exchange, KeptBody},
    http::{
        OperatorState,
        extract::HostPath,
        paging::{Page, Paging},
        problem::Problem,
        schema::described,
    },
};

described! {
    /// One request of a machine and what it was answered, without secrets. The same one several times in a row is one.
    #[derive(Debug, Serialize)]
    pub(crate) struct ExchangeJson as "Exchange" {
        /// Rises with every exchange.
        number: u64,
        /// `answer`, `first_boot_script`, `installed`, `phone_home` or `failed`.
        kind: String,
        /// The same for people.
        label: String,
        /// The operation of the rebuild whose token was shown.
        operation: String,
        /// When it was answered, the first time.
        at: Timestamp,
        /// The last time.
        last_at: Timestamp,
        /// How many times in a row.
        times: u32,
        /// The address that asked.
        peer: String,
        /// The HTTP status of the answer.
        status: u32,
        /// What was sent.
        sent: BodyJson,
        /// What was answered.
        answered: BodyJson,
    }
}

described! {
    /// A body without its secrets.
    #[derive(Debug, Serialize)]
    pub(crate) struct BodyJson as "KeptBody" {
        /// The text; its beginning, where it was very long.
        text: String,
        /// How many bytes went over the wire.
        bytes: u64,
        /// Whether its end was left out.
        cut: bool,
    }
}

/// The exchanges of a host, newest first.
pub(crate) async fn list(
    State(state): State<OperatorState>,
    HostPath(id): HostPath,
    paging: Paging,
) -> Result<Page<ExchangeJson>, Problem> {
    let host = state.host(&id).await?;
    let before = paging.before("is the number of an exchange")?;
    let found = state.exchanges.exchanges(&host.id, before, paging.rows()).await?;
    Ok(paging.older(found, |exchange| exchange.number.to_string()).map(ExchangeJson::new))
}

impl ExchangeJson {
    pub(super) fn new(exchange: Exchange) -> Self {
        let Exchange { number, first, times, last_at } = exchange;
        Self {
            number: number.unsigned_abs(),
            kind: first.kind.to_string(),
            label: first.kind.label().to_owned(),
            operation: first.operation.to_string(),
            at: first.at,
            last_at,
            times,
            peer: first.peer.to_string(),
            status: first.status.into(),
            sent: BodyJson::new(first.sent),
            answered: BodyJson::new(first.answered),
        }
    }
}

impl BodyJson {
    fn new(body: KeptBody) -> Self {
        Self { text: body.text, bytes: body.bytes, cut: body.is_cut }
    }
}
