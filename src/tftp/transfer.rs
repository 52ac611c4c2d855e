//! One transfer as a state machine: what was heard and the time go in, which blocks to send comes out. No sockets, no clock.
//!
//! Block 0 is the acknowledgement of the options, blocks from 1 on are the file's; the last is shorter than the others, and may be empty.
//! A lost packet is sent again when its time is up, or at once where the machine says what it misses. A repeated acknowledgement makes
//! nothing be sent twice (no "Sorcerer's Apprentice", RFC 1123 §4.2.3.1).

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::request::{PLAIN_BLOCK_BYTES, ReadRequest};

/// How long to wait for the first acknowledgement, before the round trip is known; every further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The bounds of a wait. A longer one loses time on a lossy wire; a shorter one fills a slow wire with copies.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// How many round trips a wait lasts.
const ROUND_TRIPS: u32 = 4;
/// How long progress may follow a repeated acknowledgement before that is believed.
const GAP_WAIT: Duration = Duration::from_millis(10);
/// How long a machine may be silent: five repeats to one that never answers. Longer keeps the place of a machine that has vanished;
/// shorter gives up on one whose link comes back after a pause.
const PATIENCE: Duration = Duration::from_secs(13);
/// A machine that says something but never gets further is given up after this many repeats of the same block.
const MOST_REPEATS: u32 = 30;
/// So many times the first block is sent in vain before its size is suspected: some path does not carry such frames.
const TRIES_BEFORE_SUSPICION: u32 = 4;
const HEADER_BYTES: usize = 4;
const DATA: u8 = 3;
const ACKNOWLEDGEMENT: u8 = 4;
const ERROR: u8 = 5;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send these blocks.
    Send(Range<u64>),
    /// Nothing.
    Wait,
    /// It is over.
    End(Ending),
}

/// How a transfer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The machine has the file. `is_confirmed`: it said so; some machines start what they got without another word.
    Fetched {
        /// Whether the last block was acknowledged.
        is_confirmed: bool,
    },
    /// It wanted to know the size and broke off, as OVMF and Intel's ROMs do before they ask again.
    SizeProbe,
    /// The machine broke off.
    BrokenOff {
        /// Its error code.
        code: u16,
        /// Its words.
        words: String,
    },
    /// The machine has closed its port, or is not there any more.
    Unreachable,
    /// The machine says nothing more.
    Silent,
}

/// A transfer.
#[derive(Debug)]
pub struct Transfer {
    file: Bytes,
    options: Option<Vec<u8>>,
    is_size_asked: bool,
    block_bytes: usize,
    window: u64,
    shortest_wait: Duration,
    /// The first block that was not acknowledged.
    next: u64,
    /// The block behind the last that was ever sent.
    sent: u64,
    sent_at: Instant,
    round_trip: Option<Duration>,
    /// How often the present blocks were sent again.
    repeats: u32,
    /// When the machine was last heard, or when it all began.
    silent_since: Instant,
    has_heard: bool,
    /// Whether the machine already said that it misses the first of these blocks.
    is_told_of_a_gap: bool,
    deadline: Instant,
}

impl Transfer {
    /// Begins a transfer of what was agreed; the second value is what to send.
    pub fn start(agreed: &ReadRequest, file: Bytes, now: Instant) -> (Self, Action) {
        let options = agreed.acknowledgement(file.len());
        let first = u64::from(options.is_none());
        let transfer = Self {
            options,
            is_size_asked: agreed.wants_size,
            block_bytes: agreed.block_bytes.unwrap_or(PLAIN_BLOCK_BYTES).into(),
            window: agreed.window.unwrap_or(1).into(),
            shortest_wait: agreed.timeout_seconds.map_or(Duration::ZERO, |seconds| Duration::from_secs(seconds.into())),
            file,
            next: first,
            sent: first + 1,
            sent_at: now,
            round_trip: None,
            repeats: 0,
            silent_since: now,
            has_heard: false,
            is_told_of_a_gap: false,
            deadline: now + FIRST_WAIT,
        };
        (transfer, Action::Send(first..first + 1))
    }

    /// When `time_is_up` wants to be called.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How many bytes of the file the machine is known to have.
    pub fn acknowledged_bytes(&self) -> u64 {
        let blocks = self.next.saturating_sub(1);
        blocks.saturating_mul(self.block_bytes as u64).min(self.file.len() as u64)
    }

    /// Whether the file's first block was sent several times and never acknowledged, though it is larger than any path must carry.
    pub fn suspects_a_narrow_path(&self) -> bool {
        self.next == 1 && self.block_bytes > PLAIN_BLOCK_BYTES.into() && self.repeats + 1 >= TRIES_BEFORE_SUSPICION
    }

    /// Takes a datagram of the machine.
    pub fn hear(&mut self, datagram: &[u8], now: Instant) -> Action {
        let Some((&[high, opcode, first, second], rest)) = datagram.split_first_chunk::<HEADER_BYTES>() else {
            return Action::Wait;
        };
        let number = u16::from_be_bytes([first, second]);
        match (high, opcode) {
            (0, ACKNOWLEDGEMENT) => self.acknowledged(number, now),
            (0, ERROR) => Action::End(self.broken_off(number, rest)),
            _ => Action::Wait,
        }
    }

    /// Sends again what was not acknowledged, or gives up.
    pub fn time_is_up(&mut self, now: Instant) -> Action {
        if now < self.deadline {
            return Action::Wait;
        }
        if now - self.silent_since >= PATIENCE || self.repeats >= MOST_REPEATS {
            return Action::End(self.without_a_word(Ending::Silent));
        }
        self.repeats += 1;
        self.send(now)
    }

    /// The machine's port is closed.
    pub fn is_unreachable(&self) -> Ending {
        self.without_a_word(Ending::Unreachable)
    }

    /// Appends a block's datagram.
    pub fn write(&self, block: u64, datagram: &mut Vec<u8>) {
        if let (0, Some(options)) = (block, &self.options) {
            datagram.extend_from_slice(options);
            return;
        }
        // A number of 16 bits, which begins again at 0 behind 65535.
        let [.., high, low] = block.to_be_bytes();
        datagram.extend_from_slice(&[0, DATA, high, low]);
        let begin = (block.saturating_sub(1) as usize).saturating_mul(self.block_bytes).min(self.file.len());
        let end = begin.saturating_add(self.block_bytes).min(self.file.len());
        datagram.extend_from_slice(&self.file[begin..end]);
    }

    fn acknowledged(&mut self, number: u16, now: Instant) -> Action {
        (self.silent_since, self.has_heard) = (now, true);
        let ahead = u64::from(number.wrapping_sub(self.next as u16));
        if self.next + ahead < self.sent {
            if self.repeats == 0 {
                self.round_trip = Some(now - self.sent_at);
            }
            self.next += ahead + 1;
            (self.repeats, self.is_told_of_a_gap) = (0, false);
            if self.next > self.last_block() {
                return Action::End(Ending::Fetched { is_confirmed: true });
            }
            return self.send(now);
        }
        if number == self.next.wrapping_sub(1) as u16 {
            self.told_of_a_gap(now);
        }
        Action::Wait
    }

    /// A repeated acknowledgement may say that the first block of a window was lost (RFC 7440 §4). It may as well be a copy that the network
    /// made, or one of many that a machine sends for a window that it had already; then progress follows at once. So it only makes the wait
    /// short, once for each gap.
    fn told_of_a_gap(&mut self, now: Instant) {
        if let (true, false, Some(trip)) = (self.window > 1 && self.next > 0, self.is_told_of_a_gap, self.round_trip) {
            self.is_told_of_a_gap = true;
            self.deadline = self.deadline.min((self.sent_at + (trip * 2).max(GAP_WAIT)).max(now));
        }
    }

    fn send(&mut self, now: Instant) -> Action {
        let end = if self.next == 0 { 1 } else { (self.next + self.window).min(self.last_block() + 1) };
        self.sent = self.sent.max(end);
        self.sent_at = now;
        self.deadline = now + self.wait();
        Action::Send(self.next..end)
    }

    fn wait(&self) -> Duration {
        let measured = self.round_trip.map_or(FIRST_WAIT, |trip| trip * ROUND_TRIPS);
        let first = measured.clamp(SHORTEST_WAIT, FIRST_WAIT);
        first.saturating_mul(1 << self.repeats.min(8)).min(LONGEST_WAIT).max(self.shortest_wait)
    }

    fn last_block(&self) -> u64 {
        (self.file.len() / self.block_bytes) as u64 + 1
    }

    /// How it ended when the machine does not say so: one that took all but the last window most likely started what it got.
    fn without_a_word(&self, otherwise: Ending) -> Ending {
        let is_all_sent = self.sent > self.last_block();
        if is_all_sent && self.has_heard { Ending::Fetched { is_confirmed: false } } else { otherwise }
    }

    fn broken_off(&self, code: u16, words: &[u8]) -> Ending {
        if self.is_size_asked && self.next == 0 {
            return Ending::SizeProbe;
        }
        let words = words.split(|byte| *byte == 0).next().unwrap_or_default();
        let words = String::from_utf8_lossy(words).chars().filter(|c| !c.is_control()).take(100).collect();
        Ending::BrokenOff { code, words }
    }
}

#[cfg(test)]
mod tests;
