//! Rebuilds of several hosts as one queue: who is next, when nobody may be, and what stops it. Pure: facts in, one move out.
//!
//! The queue never starts a host twice. Its intent is written before a rebuild is asked for, with the operation that the host had until then;
//! whoever finds an intent without its result asks the host: has it a newer operation, then that is the one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    host::Host,
    identity::{BatchId, HostId, Hostname, ImageId, OperationId},
};

/// The most hosts in one batch.
pub const MOST_HOSTS: usize = 64;
/// The most rebuilds of one batch at the same time. More load the image's disk and the network at once.
pub const MOST_AT_ONCE: u16 = 16;

super::words::words!(
    /// How a batch is doing.
    BatchState, "batch state" {
        /// It starts rebuilds as their turns come.
        Running = "running",
        /// It starts nothing until a person resumes it.
        Paused = "paused",
        /// Every host is done or was skipped.
        Done = "done",
        /// A person ended it; what was under way went on by itself.
        Cancelled = "cancelled",
    }
);

super::words::words!(
    /// How one host of a batch is doing.
    TurnState, "turn state" {
        /// Its turn has not come.
        Waiting = "waiting",
        /// Its rebuild is being asked for: the intent.
        Starting = "starting",
        /// Its rebuild is under way.
        UnderWay = "under_way",
        /// Its rebuild went wrong; a person decides.
        InTrouble = "in_trouble",
        /// It is ready.
        Ready = "ready",
        /// A person left it out.
        Skipped = "skipped",
        /// The batch was cancelled before its turn.
        Untouched = "untouched",
    }
);

/// One host of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// The host.
    pub host: HostId,
    /// Its name when the batch was made.
    pub hostname: Hostname,
    /// How it is doing.
    pub state: TurnState,
    /// The host's latest operation when its start was decided.
    #[serde(skip)]
    pub before: Option<OperationId>,
    /// Its rebuild.
    pub operation: Option<OperationId>,
    /// Why it is in trouble or could not be started.
    pub reason: Option<String>,
}

impl Turn {
    /// The turn of a host that has not come.
    pub fn waiting(host: Host) -> Self {
        let (host, hostname) = (host.id, host.hostname);
        Self { host, hostname, state: TurnState::Waiting, before: None, operation: None, reason: None }
    }
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// How often it was written.
    #[serde(skip)]
    pub revision: i64,
    /// How many rebuilds may be under way at the same time.
    pub at_most: u16,
    /// Whether the cluster must be whole before the next one begins.
    pub rolling: bool,
    /// The image that was asked for.
    pub image: Option<ImageId>,
    /// Whether what speaks against a rebuild without forbidding it was accepted for all.
    pub accept_warnings: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// How it is doing.
    pub state: BatchState,
    /// Why it is paused, or for what it waits.
    pub note: Option<String>,
    /// Since when.
    pub note_since: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its hosts, in the order of their turns.
    pub turns: Vec<Turn>,
}

/// What the ledger says of a host's rebuild.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    UnderWay,
    /// The host is ready.
    Ready,
    /// It needs a person, for this reason.
    Trouble(String),
}

/// What must be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchMove {
    /// Find out what became of the start of this turn.
    Recover(usize),
    /// Write what became of this turn.
    Settle(usize, Outcome),
    /// Start the rebuild of this turn.
    Start(usize),
    /// Every turn is over.
    End,
    /// Nothing now.
    Rest,
}

/// Says what must be done next; `outcomes` by the place of each turn that has a rebuild.
pub fn next(batch: &Batch, outcomes: &BTreeMap<usize, Outcome>) -> BatchMove {
    if batch.ended_at.is_some() {
        return BatchMove::Rest;
    }
    let places = || batch.turns.iter().enumerate();
    if let Some((place, _)) = places().find(|(_, turn)| turn.state == TurnState::Starting) {
        return BatchMove::Recover(place);
    }
    for (place, turn) in places() {
        let Some(outcome) = outcomes.get(&place) else { continue };
        let is_news = match (turn.state, outcome) {
            (TurnState::UnderWay, Outcome::UnderWay) => false,
            (TurnState::InTrouble, Outcome::Trouble(reason)) => turn.reason.as_ref() != Some(reason),
            (TurnState::UnderWay | TurnState::InTrouble, _) => true,
            _ => false,
        };
        if is_news {
            return BatchMove::Settle(place, outcome.clone());
        }
    }
    if batch.turns.iter().all(|turn| turn.state.is_over()) {
        return BatchMove::End;
    }
    let under_way = batch.turns.iter().filter(|turn| turn.state.holds_a_place()).count();
    if batch.state != BatchState::Running || under_way >= usize::from(batch.at_most) {
        return BatchMove::Rest;
    }
    match batch.turns.iter().position(|turn| turn.state == TurnState::Waiting) {
        Some(place) => BatchMove::Start(place),
        None => BatchMove::Rest,
    }
}

impl TurnState {
    /// Whether nothing more will happen.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Ready | Self::Skipped | Self::Untouched)
    }

    /// Whether it counts for the bound. One in trouble does: its machine may still be at work.
    pub fn holds_a_place(self) -> bool {
        matches!(self, Self::Starting | Self::UnderWay | Self::InTrouble)
    }
}

impl Batch {
    /// Writes what became of a turn. Trouble pauses.
    pub fn settle(&mut self, place: usize, outcome: Outcome, now: Timestamp) {
        let turn = &mut self.turns[place];
        match outcome {
            Outcome::UnderWay => (turn.state, turn.reason) = (TurnState::UnderWay, None),
            Outcome::Ready => (turn.state, turn.reason) = (TurnState::Ready, None),
            Outcome::Trouble(reason) => {
                let sentence = format!("{}: {reason}", turn.hostname);
                (turn.state, turn.reason) = (TurnState::InTrouble, Some(reason));
                self.pause(sentence, now);
            }
        }
    }

    /// Writes the intent to start a turn.
    pub fn intend(&mut self, place: usize, before: Option<OperationId>) {
        let turn = &mut self.turns[place];
        (turn.state, turn.before, turn.operation, turn.reason) = (TurnState::Starting, before, None, None);
        (self.note, self.note_since) = (None, None);
    }

    /// Writes that the rebuild of a turn has begun.
    pub fn begun(&mut self, place: usize, operation: OperationId) {
        let turn = &mut self.turns[place];
        (turn.state, turn.operation) = (TurnState::UnderWay, Some(operation));
    }

    /// Writes that the rebuild of a turn was refused: the batch pauses, and nothing was done to the host.
    pub fn refused(&mut self, place: usize, reason: String, now: Timestamp) {
        let turn = &mut self.turns[place];
        let sentence = format!("{} was not started: {reason}", turn.hostname);
        (turn.state, turn.reason) = (TurnState::Waiting, Some(reason));
        self.pause(sentence, now);
    }

    /// Starts nothing more until a person resumes it.
    pub fn pause(&mut self, sentence: String, now: Timestamp) {
        if self.state == BatchState::Running || self.note.is_none() {
            (self.state, self.note, self.note_since) = (BatchState::Paused, Some(sentence), Some(now));
        }
    }

    /// Says for what it waits. Returns whether that is news.
    pub fn wait_for(&mut self, sentence: &str, now: Timestamp) -> bool {
        if self.note.as_deref() == Some(sentence) {
            return false;
        }
        self.note_since = self.note_since.filter(|_| self.note.is_some()).or(Some(now));
        self.note = Some(sentence.to_owned());
        true
    }

    /// Goes on. A host whose rebuild is over has its turn again; one whose rebuild needs attention must be decided first.
    pub fn resume(&mut self, is_over: impl Fn(&OperationId) -> bool) -> Result<(), String> {
        if self.state != BatchState::Paused {
            return Err(format!("only a paused batch can be resumed; this one is {}", self.state));
        }
        for turn in self.turns.iter_mut().filter(|turn| turn.state == TurnState::InTrouble) {
            match &turn.operation {
                Some(operation) if !is_over(operation) => {
                    return Err(format!(
                        "the rebuild of {} needs attention: retry or cancel it (operation {operation}), or skip this host",
                        turn.hostname
                    ));
                }
                Some(_) | None => (turn.state, turn.operation) = (TurnState::Waiting, None),
            }
        }
        (self.state, self.note, self.note_since) = (BatchState::Running, None, None);
        Ok(())
    }

    /// Leaves a host out.
    pub fn skip(&mut self, host: &HostId) -> Result<(), String> {
        let turn = self.turns.iter_mut().find(|turn| turn.host == *host).ok_or("the batch has no such host")?;
        match turn.state {
            TurnState::Waiting | TurnState::InTrouble => {
                turn.state = TurnState::Skipped;
                Ok(())
            }
            TurnState::Starting | TurnState::UnderWay => {
                Err(format!("{} is being rebuilt; cancel its operation first, or let it end", turn.hostname))
            }
            TurnState::Ready | TurnState::Skipped | TurnState::Untouched => {
                Err(format!("{} is {} already", turn.hostname, turn.state))
            }
        }
    }

    /// Ends the batch: what waits stays as it is, what is under way goes on by itself.
    pub fn cancel(&mut self, now: Timestamp) -> Result<(), String> {
        if self.ended_at.is_some() {
            return Err(format!("the batch is over: {}", self.state));
        }
        for turn in self.turns.iter_mut().filter(|turn| turn.state == TurnState::Waiting) {
            turn.state = TurnState::Untouched;
        }
        (self.state, self.ended_at, self.note, self.note_since) = (BatchState::Cancelled, Some(now), None, None);
        Ok(())
    }

    /// Ends the batch because every turn is over.
    pub fn end(&mut self, now: Timestamp) {
        (self.state, self.ended_at, self.note, self.note_since) = (BatchState::Done, Some(now), None, None);
    }
}

/// The words with which a batch of so many hosts is confirmed in place of all their names.
pub fn confirmation(count: usize) -> String {
    format!("rebuild {count} hosts")
}

/// Whether what was typed confirms these hosts: every name, in any order, or their number in the words of [`confirmation`].
pub fn is_confirmed(typed: &str, hostnames: &[&Hostname]) -> bool {
    let typed = typed.trim();
    if typed == confirmation(hostnames.len()) {
        return true;
    }
    let mut names: Vec<&str> = typed.split([' ', ',', '\n', '\t', '\r']).filter(|name| !name.is_empty()).collect();
    let mut wanted: Vec<&str> = hostnames.iter().map(|name| name.as_str()).collect();
    names.sort_unstable();
    wanted.sort_unstable();
    names == wanted
}
