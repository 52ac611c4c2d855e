//! The parts of the list page that change by themselves: counts, next step, ongoing operations, tiles, sightings.

use std::collections::BTreeSet;

use super::{
    host_list_page::View,
    host_tile::Tile,
    sightings_part::SightingsPart,
    tutorial_part::Tutorial,
    words::{Moment, operation_tone, plain, title},
};
use crate::{
    domain::{
        batch::BatchState,
        host::Host,
        host_lifecycle::HostState,
        host_list::{Group, HostWish, StateWish, Tone},
        operation::OperationStatus,
    },
    http::{Visit, known_hosts::KnownHost},
    ports::LedgerError,
};

/// How many ongoing operations are shown; the tiles show all of them.
const MOST_ONGOING: usize = 6;
/// Among how many of the newest batches those under way are looked for.
const NEWEST_BATCHES: u32 = 20;

/// What the page shows.
pub(super) struct HostListParts {
    pub(super) title: String,
    pub(super) total: usize,
    pub(super) segments: Vec<Segment>,
    pub(super) tutorial: Option<Tutorial>,
    pub(super) ongoing: Vec<Ongoing>,
    pub(super) more_ongoing: usize,
    pub(super) batches: Vec<BatchLine>,
    /// What stands in the list, in its order: headings and tiles.
    pub(super) items: Vec<Item>,
    /// The ids of the items, also of those that are not sent again.
    pub(super) order: String,
    pub(super) found: usize,
    pub(super) sightings: SightingsPart,
    pub(super) has_image: bool,
}

/// One piece of the bar of all hosts.
pub(super) struct Segment {
    pub(super) tone: &'static str,
    pub(super) name: &'static str,
    pub(super) count: usize,
    /// How many hosts stand left of it.
    pub(super) before: usize,
    pub(super) address: String,
}

/// An operation under way.
pub(super) struct Ongoing {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) host: String,
    pub(super) hostname: String,
    pub(super) tone: &'static str,
    pub(super) status: String,
    pub(super) step: String,
    pub(super) done: usize,
    pub(super) steps: usize,
    pub(super) began: Moment,
}

/// A batch under way.
pub(super) struct BatchLine {
    pub(super) id: String,
    pub(super) state: &'static str,
    pub(super) tone: &'static str,
    pub(super) note: String,
    pub(super) done: usize,
    pub(super) hosts: usize,
}

/// Something in the list.
pub(super) enum Item {
    /// What the hosts below have in common.
    Heading { id: String, text: String, count: usize },
    /// A host.
    Host(Box<Tile>),
}

impl HostListParts {
    /// Makes the parts; of the tiles only those that are named, where any are.
    pub(super) async fn new(
        state: &Visit,
        view: &View,
        mut known: Vec<KnownHost>,
        named: Option<&BTreeSet<String>>,
    ) -> Result<Self, LedgerError> {
        let now = state.clock.now();
        let has_image = !state.images.images().await?.is_empty();
        let hosts: Vec<&Host> = known.iter().map(|known| &known.host).collect();
        let sightings = SightingsPart::new(state, &hosts);
        let (segments, tutorial) = (segments(&known, view), Tutorial::new(&known, has_image, sightings.seen()));
        let (ongoing, more_ongoing) = ongoing(&known, now);
        let total = known.len();
        known.retain(|known| view.wish.wants(&known.listed()));
        known.sort_by(|one, other| view.wish.order(&one.listed(), &other.listed()));
        let (items, order) = items(state, view, &known, named);
        Ok(Self {
            title: page_title(&segments),
            total,
            segments,
            tutorial,
            ongoing,
            more_ongoing,
            batches: batches(state).await?,
            items,
            order,
            found: known.len(),
            sightings,
            has_image,
        })
    }
}

/// The bar of all hosts, whatever the list is narrowed to. What needs a person stands first.
fn segments(known: &[KnownHost], view: &View) -> Vec<Segment> {
    let state = |state| HostWish { state: Some(state), ..HostWish::default() };
    let kinds = [
        (Tone::Bad, "need attention", HostWish { attention: true, ..HostWish::default() }),
        (Tone::Busy, "at work", state(StateWish::AtWork)),
        (Tone::Armed, "armed", state(StateWish::Only(HostState::PxeReady))),
        (Tone::Good, "ready", state(StateWish::Only(HostState::Ready))),
        (Tone::Calm, "registered", state(StateWish::Only(HostState::Registered))),
    ];
    let mut before = 0;
    let mut segments = Vec::new();
    for (tone, name, wish) in kinds {
        let count = known.iter().filter(|known| known.tone == tone).count();
        let name = if tone == Tone::Bad && count == 1 { "needs attention" } else { name };
        let wish = HostWish { sort: view.wish.sort, group: view.wish.group, ..wish };
        segments.push(Segment { tone: tone.word(), name, count, before, address: view.with(wish) });
        before += count;
    }
    segments.retain(|segment| segment.count > 0);
    segments
}

/// What the title of the page begins with, so that a tab tells it too.
fn page_title(segments: &[Segment]) -> String {
    let told = segments.iter().find(|segment| [Tone::Bad.word(), Tone::Busy.word()].contains(&segment.tone));
    told.map(|segment| format!("{} {} · ", segment.count, segment.name)).unwrap_or_default()
}

/// The operations under way, what needs a person first, then the oldest.
fn ongoing(known: &[KnownHost], now: jiff::Timestamp) -> (Vec<Ongoing>, usize) {
    let mut open: Vec<_> = known
        .iter()
        .filter_map(|known| Some((&known.host, known.operation.as_ref()?)))
        .filter(|(_, view)| !view.progress.status.is_over())
        .collect();
    open.sort_by_key(|(_, view)| (view.progress.status != OperationStatus::NeedsAttention, view.operation.started_at));
    let more = open.len().saturating_sub(MOST_ONGOING);
    let spell = |(host, view): &(&Host, &crate::operations::OperationView)| Ongoing {
        id: view.operation.id.to_string(),
        title: title(&view.operation.plan),
        host: host.id.to_string(),
        hostname: host.hostname.to_string(),
        tone: operation_tone(view.progress.status),
        status: plain(view.progress.status.word()),
        step: view.progress.current_step().map(|step| title(&step.name)).unwrap_or_default(),
        done: view.progress.steps.iter().filter(|step| step.is_done()).count(),
        steps: view.progress.steps.len(),
        began: Moment::new(view.operation.started_at, now),
    };
    (open.iter().take(MOST_ONGOING).map(spell).collect(), more)
}

async fn batches(state: &Visit) -> Result<Vec<BatchLine>, LedgerError> {
    let newest = state.batches.batches.batches(None, NEWEST_BATCHES).await?;
    let open = newest.iter().filter(|batch| batch.ended_at.is_none()).map(|batch| BatchLine {
        id: batch.id.to_string(),
        state: batch.state.word(),
        tone: match batch.state {
            BatchState::Running => "busy",
            BatchState::Paused => "bad",
            BatchState::Done => "good",
            BatchState::Cancelled => "calm",
        },
        note: batch.note.clone().unwrap_or_default(),
        done: batch.turns.iter().filter(|turn| turn.state.is_over()).count(),
        hosts: batch.turns.len(),
    });
    Ok(open.collect())
}

fn items(state: &Visit, view: &View, known: &[KnownHost], named: Option<&BTreeSet<String>>) -> (Vec<Item>, String) {
    let now = state.clock.now();
    let (mut items, mut order) = (Vec::new(), Vec::with_capacity(known.len()));
    let mut current: Option<String> = None;
    for host in known {
        if let Some((key, text)) = heading(view.wish.group, &host.host)
            && current.as_ref() != Some(&key)
        {
            let count =
                known.iter().filter(|other| heading(view.wish.group, &other.host).is_some_and(|(k, _)| k == key));
            items.push(Item::Heading { id: format!("g-{key}"), text, count: count.count() });
            order.push(format!("g-{key}"));
            current = Some(key);
        }
        let id = host.host.id.as_str();
        order.push(format!("h-{id}"));
        if named.is_none_or(|named| named.contains(id)) {
            let is_ticked = view.ticked.contains(id);
            items.push(Item::Host(Box::new(Tile { is_ticked, ..Tile::new(state, host, now) })));
        }
    }
    (items, order.join(" "))
}

/// The heading under which a host stands: its key and its text.
fn heading(group: Group, host: &Host) -> Option<(String, String)> {
    match group {
        Group::None => None,
        Group::State => Some((host.state.to_string(), host.state.label().to_owned())),
        Group::ServerType => Some((host.server_type.to_string(), host.server_type.to_string())),
    }
}
