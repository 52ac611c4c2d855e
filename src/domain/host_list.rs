//! The list of hosts: which of them are wanted, in which order and in which groups. One set of rules for the page and for the API.

use std::cmp::{Ordering, Reverse};

use jiff::Timestamp;

use super::{
    host::Host,
    host_lifecycle::HostState,
    identity::{MacAddress, ServerTypeName},
    operation::OperationStatus,
};

/// The longest text that is searched for, in characters.
pub const LONGEST_SEARCH: usize = 100;

super::words::words!(
    /// How a host looks from across the room: the colour of its bubble.
    Tone, "tone" {
        /// It needs a person.
        Bad = "bad",
        /// A rebuild is armed: it waits for the machine's next boot.
        Armed = "armed",
        /// Being installed or joined.
        Busy = "busy",
        /// Known, and nothing was asked of it.
        Calm = "calm",
        /// Ready.
        Good = "good",
    }
);

super::words::words!(
    /// The order of a list of hosts.
    Sort, "order of hosts" {
        /// What needs a person first, then what is overdue, then what is under way.
        Attention = "attention",
        /// By name, numbers as numbers: `pve-2` before `pve-10`.
        Name = "name",
        /// The longest in its state first.
        Since = "since",
        /// By server type.
        ServerType = "server_type",
        /// The last installed first.
        Installed = "installed",
    }
);

super::words::words!(
    /// Under which headings a list of hosts is shown.
    Group, "grouping of hosts" {
        /// Under none.
        None = "none",
        /// One for each state.
        State = "state",
        /// One for each server type.
        ServerType = "server_type",
    }
);

/// The states that a list is narrowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateWish {
    /// This one.
    Only(HostState),
    /// Every state on the way from a rebuild's request to its end.
    AtWork,
}

/// The word of [`StateWish::AtWork`].
const AT_WORK: &str = "at_work";

/// What somebody wants to see of the hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostWish {
    /// Words of names, MAC and IP addresses; all of them must be found.
    pub search: String,
    /// In these states.
    pub state: Option<StateWish>,
    /// Of this kind.
    pub server_type: Option<ServerTypeName>,
    /// Only what needs a person.
    pub attention: bool,
    /// Only what takes longer than it should.
    pub overdue: bool,
    /// The order.
    pub sort: Sort,
    /// The headings.
    pub group: Group,
}

impl Default for HostWish {
    fn default() -> Self {
        Self {
            search: String::new(),
            state: None,
            server_type: None,
            attention: false,
            overdue: false,
            sort: Sort::Attention,
            group: Group::None,
        }
    }
}

/// What the rules look at besides the host itself.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// The host.
    pub host: &'a Host,
    /// How it looks.
    pub tone: Tone,
    /// Whether it takes longer than it should.
    pub is_overdue: bool,
}

impl HostWish {
    /// The names of its fields in a query.
    pub const FIELDS: &'static [&'static str] = &["q", "state", "server_type", "attention", "overdue", "sort", "group"];

    /// Reads the fields of a query. What cannot be understood is left at its default and named; empty fields say nothing.
    pub fn read<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> (Self, Vec<(&'static str, String)>) {
        let (mut wish, mut problems) = (Self::default(), Vec::new());
        for (field, text) in fields {
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            if let Err((field, problem)) = wish.take(field, text) {
                problems.push((field, problem));
            }
        }
        (wish, problems)
    }

    fn take(&mut self, field: &str, text: &str) -> Result<(), (&'static str, String)> {
        match field {
            "q" => self.search = text.chars().filter(|c| !c.is_control()).take(LONGEST_SEARCH).collect(),
            "state" => self.state = Some(state_wish(text).map_err(|problem| ("state", problem))?),
            "server_type" => {
                self.server_type =
                    Some(text.parse().map_err(|error: super::identity::InvalidIdentity| ("server_type", error.0))?);
            }
            "attention" => self.attention = yes_or_no(text).map_err(|problem| ("attention", problem))?,
            "overdue" => self.overdue = yes_or_no(text).map_err(|problem| ("overdue", problem))?,
            "sort" => self.sort = word(text, Sort::ALL, Sort::word).map_err(|problem| ("sort", problem))?,
            "group" => self.group = word(text, Group::ALL, Group::word).map_err(|problem| ("group", problem))?,
            // Fields of others, such as those of paging.
            _ => {}
        }
        Ok(())
    }

    /// The fields that say it again, without those that are as they are by default.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let default = Self::default();
        let mut fields = Vec::new();
        if !self.search.is_empty() {
            fields.push(("q", self.search.clone()));
        }
        fields.extend(self.state.map(|state| ("state", state.word().to_owned())));
        fields.extend(self.server_type.as_ref().map(|kind| ("server_type", kind.to_string())));
        for (field, is_set) in [("attention", self.attention), ("overdue", self.overdue)] {
            if is_set {
                fields.push((field, "true".to_owned()));
            }
        }
        if self.sort != default.sort {
            fields.push(("sort", self.sort.to_string()));
        }
        if self.group != default.group {
            fields.push(("group", self.group.to_string()));
        }
        fields
    }

    /// Whether some hosts may be left out.
    pub fn is_narrow(&self) -> bool {
        let Self { search, state, server_type, attention, overdue, sort: _, group: _ } = self;
        !search.is_empty() || state.is_some() || server_type.is_some() || *attention || *overdue
    }

    /// Whether a host is wanted.
    pub fn wants(&self, listed: &Listed<'_>) -> bool {
        let host = listed.host;
        self.state.is_none_or(|state| state.holds(host.state))
            && self.server_type.as_ref().is_none_or(|kind| *kind == host.server_type)
            && (!self.attention || listed.tone == Tone::Bad)
            && (!self.overdue || listed.is_overdue)
            && self.search.split_whitespace().all(|word| is_found(host, &word.to_lowercase()))
    }

    /// The order of two hosts: that of their headings first. Two different hosts are never equal.
    pub fn order(&self, one: &Listed<'_>, other: &Listed<'_>) -> Ordering {
        let (a, b) = (one.host, other.host);
        let by_group = match self.group {
            Group::None => Ordering::Equal,
            Group::State => a.state.cmp(&b.state),
            Group::ServerType => a.server_type.cmp(&b.server_type),
        };
        let by_wish = match self.sort {
            Sort::Attention => urgency(one).cmp(&urgency(other)),
            Sort::Name => Ordering::Equal,
            Sort::Since => a.state_since.cmp(&b.state_since),
            Sort::ServerType => a.server_type.cmp(&b.server_type),
            Sort::Installed => last_first(a.installed_at).cmp(&last_first(b.installed_at)),
        };
        let by_name = || by_name(a.hostname.as_str(), b.hostname.as_str()).then_with(|| a.id.cmp(&b.id));
        by_group.then(by_wish).then_with(by_name)
    }
}

impl StateWish {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Only(state) => state.word(),
            Self::AtWork => AT_WORK,
        }
    }

    fn holds(self, state: HostState) -> bool {
        match self {
            Self::Only(wanted) => wanted == state,
            Self::AtWork => !state.is_stable(),
        }
    }
}

/// How a host looks, by its state and by how its latest operation is doing.
pub fn tone(state: HostState, operation: Option<OperationStatus>) -> Tone {
    if operation == Some(OperationStatus::NeedsAttention) {
        return Tone::Bad;
    }
    match state {
        HostState::Registered => Tone::Calm,
        HostState::PxeReady => Tone::Armed,
        HostState::PxeBooted
        | HostState::Installing
        | HostState::Installed
        | HostState::FirstBoot
        | HostState::Joining => Tone::Busy,
        HostState::Ready => Tone::Good,
        HostState::Failed => Tone::Bad,
    }
}

/// What needs a person comes first, what is overdue next; what is at work before what waits, and what rests last.
fn urgency(listed: &Listed<'_>) -> u8 {
    match (listed.tone, listed.is_overdue) {
        (Tone::Bad, _) => 0,
        (_, true) => 1,
        (Tone::Busy, false) => 2,
        (Tone::Armed, false) => 3,
        (Tone::Calm, false) => 4,
        (Tone::Good, false) => 5,
    }
}

/// Orders moments by the newest, and what never was after all of them.
fn last_first(at: Option<Timestamp>) -> (bool, Reverse<Option<Timestamp>>) {
    (at.is_none(), Reverse(at))
}

fn state_wish(text: &str) -> Result<StateWish, String> {
    if text == AT_WORK {
        return Ok(StateWish::AtWork);
    }
    word(text, HostState::ALL, HostState::word).map(StateWish::Only).map_err(|problem| format!("{problem}, {AT_WORK}"))
}

fn word<T: Copy>(text: &str, all: &[T], word: fn(T) -> &'static str) -> Result<T, String> {
    let found = all.iter().copied().find(|one| word(*one) == text);
    let known = || all.iter().map(|one| word(*one)).collect::<Vec<_>>().join(", ");
    let shown: String = text.chars().take(40).collect();
    found.ok_or_else(|| format!("`{shown}` is none of: {}", known()))
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "true" | "yes" | "1" | "on" => Ok(true),
        "false" | "no" | "0" | "off" => Ok(false),
        other => Err(format!("`{}` is neither true nor false", other.chars().take(40).collect::<String>())),
    }
}

/// Whether a word is part of a host's name, of its MAC address in any notation, or of its IP address.
fn is_found(host: &Host, word: &str) -> bool {
    let digits = |text: &str| text.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect::<String>();
    host.hostname.as_str().contains(word)
        || host.address.is_some_and(|address| address.to_string().contains(word))
        || is_in_mac(host.mac, &digits(word), word)
}

fn is_in_mac(mac: MacAddress, digits: &str, word: &str) -> bool {
    let mac = mac.to_string();
    // Two digits alone would be found in half of all addresses of one maker; with a separator they are meant.
    mac.contains(word) || (digits.len() >= 4 && mac.replace(':', "").contains(digits))
}

/// Orders names as people count: `pve-2` before `pve-10`.
fn by_name(one: &str, other: &str) -> Ordering {
    let (mut a, mut b) = (one, other);
    loop {
        match (a.is_empty(), b.is_empty()) {
            (true, true) => return one.cmp(other),
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => {}
        }
        let ((piece_a, rest_a), (piece_b, rest_b)) = (piece(a), piece(b));
        let number = |text: &str| text.trim_start_matches('0').to_owned();
        let order =
            if piece_a.starts_with(|c: char| c.is_ascii_digit()) && piece_b.starts_with(|c: char| c.is_ascii_digit()) {
                let (x, y) = (number(piece_a), number(piece_b));
                x.len().cmp(&y.len()).then_with(|| x.cmp(&y))
            } else {
                piece_a.cmp(piece_b)
            };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// Splits the digits, or what is before the next digit, off the beginning.
fn piece(text: &str) -> (&str, &str) {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != is_number).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests;
