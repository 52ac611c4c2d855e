//! What a host's machine sent and what it was answered, as its page shows it.

use jiff::Timestamp;

use super::{shell::PageProblem, words::Moment};
use crate::{
    domain::{
        boot_trace::size,
        exchange::{Exchange, KeptBody, MOST_EXCHANGES},
        host::Host,
    },
    http::Visit,
};

/// How many exchanges the page shows unless all are asked for.
const SHOWN: u32 = 6;
/// How many bytes of a body the page shows; the interface for programs has all that is kept.
const LONGEST_SHOWN: usize = 8 << 10;

/// The exchanges.
pub(super) struct ExchangePart {
    pub(super) rows: Vec<ExchangeRow>,
    pub(super) has_more: bool,
    pub(super) most: u32,
}

/// One of them.
pub(super) struct ExchangeRow {
    pub(super) number: i64,
    /// The number behind it: what the interface for programs is asked with for this one alone.
    pub(super) next: i64,
    pub(super) label: &'static str,
    pub(super) at: Moment,
    pub(super) last_at: Moment,
    pub(super) times: u32,
    pub(super) peer: String,
    pub(super) status: u16,
    pub(super) tone: &'static str,
    pub(super) sent: BodyRow,
    pub(super) answered: BodyRow,
}

/// One body.
pub(super) struct BodyRow {
    pub(super) text: String,
    pub(super) size: String,
    /// Whether more of it is kept than is shown.
    pub(super) has_more: bool,
    pub(super) is_cut: bool,
}

impl ExchangePart {
    /// Reads the newest exchanges of a host.
    pub(super) async fn new(state: &Visit, host: &Host, all: bool) -> Result<Self, PageProblem> {
        let shown = if all { MOST_EXCHANGES } else { SHOWN };
        let now = state.clock.now();
        let mut found = state.exchanges.exchanges(&host.id, None, shown + 1).await?;
        let shown = usize::try_from(shown).unwrap_or(usize::MAX);
        let has_more = found.len() > shown;
        found.truncate(shown);
        let rows = found.into_iter().map(|exchange| ExchangeRow::new(exchange, now)).collect();
        Ok(Self { rows, has_more, most: MOST_EXCHANGES })
    }
}

impl ExchangeRow {
    fn new(exchange: Exchange, now: Timestamp) -> Self {
        let Exchange { number, first, times, last_at } = exchange;
        Self {
            number,
            next: number + 1,
            label: first.kind.label(),
            at: Moment::new(first.at, now),
            last_at: Moment::new(last_at, now),
            times,
            peer: first.peer.to_string(),
            status: first.status,
            tone: if first.status < 400 { "good" } else { "bad" },
            sent: BodyRow::new(first.sent),
            answered: BodyRow::new(first.answered),
        }
    }
}

impl BodyRow {
    fn new(body: KeptBody) -> Self {
        let KeptBody { mut text, bytes, is_cut } = body;
        let has_more = text.len() > LONGEST_SHOWN;
        if has_more {
            text.truncate((0..=LONGEST_SHOWN).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0));
        }
        Self { text, size: size(bytes), has_more, is_cut }
    }
}
