//! A transfer against a machine in virtual time: what is lost, repeated or late never stalls it, and nothing is sent without need.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::tftp::request::{Asked, Limits, read};

const LIMITS: Limits = Limits { block_bytes: 1468, window: 16, timeout_seconds: 5 };
const MOMENT: Duration = Duration::from_millis(2);

fn file(bytes: usize) -> Bytes {
    (0..bytes).map(|place| (place % 251) as u8).collect()
}

fn agreed(options: &str) -> ReadRequest {
    let request = format!("\0\x01a\0octet\0{}", options.replace(' ', "\0") + "\0");
    let Asked::Read(request) = read(request.as_bytes()) else { panic!("{request}") };
    request.within(LIMITS)
}

fn acknowledgement(block: u64) -> [u8; 4] {
    let [.., high, low] = block.to_be_bytes();
    [0, 4, high, low]
}

/// A transfer with a window whose first blocks are on their way.
fn in_a_window(blocks: usize, now: Instant) -> Transfer {
    let (mut transfer, action) = Transfer::start(&agreed("blksize 512 windowsize 4"), file(512 * blocks), now);
    assert_eq!(action, Action::Send(0..1));
    assert_eq!(transfer.hear(&acknowledgement(0), now + MOMENT), Action::Send(1..5));
    transfer
}

#[test]
fn without_options_the_first_block_is_data_and_a_repeated_acknowledgement_sends_nothing_twice() {
    let now = Instant::now();
    let (mut transfer, action) = Transfer::start(&agreed(""), file(1000), now);
    assert_eq!(action, Action::Send(1..2));
    let later = now + MOMENT * 50;
    assert_eq!(transfer.hear(&acknowledgement(1), later), Action::Send(2..3));
    for copy in [1, 0, 7, 65_535, 1] {
        assert_eq!(transfer.hear(&acknowledgement(copy), later + MOMENT * 400), Action::Wait, "{copy}");
    }
    let end = transfer.hear(&acknowledgement(2), later + MOMENT * 401);
    assert_eq!(end, Action::End(Ending::Fetched { is_confirmed: true }));
    assert_eq!(transfer.acknowledged_bytes(), 1000);
}

#[test]
fn a_gap_in_a_window_is_filled_at_once_from_where_it_is() {
    let now = Instant::now();
    let mut transfer = in_a_window(100, now);
    assert_eq!(transfer.hear(&acknowledgement(2), now + MOMENT * 2), Action::Send(3..7));
    assert_eq!(transfer.hear(&acknowledgement(6), now + MOMENT * 3), Action::Send(7..11));
    // What comes late changes nothing.
    assert_eq!(transfer.hear(&acknowledgement(2), now + MOMENT * 4), Action::Wait);
}

#[test]
fn a_lost_first_block_of_a_window_is_sent_again_soon_and_once_however_often_the_machine_says_so() {
    let now = Instant::now();
    let mut transfer = in_a_window(100, now);
    let later = now + MOMENT * 2;
    assert_eq!(transfer.hear(&acknowledgement(4), later), Action::Send(5..9));
    for copy in 0..20 {
        assert_eq!(transfer.hear(&acknowledgement(4), later + MOMENT * copy / 20), Action::Wait);
    }
    assert_eq!(transfer.deadline(), later + GAP_WAIT);
    assert_eq!(transfer.time_is_up(later + GAP_WAIT), Action::Send(5..9));
    for copy in 0..20 {
        assert_eq!(transfer.hear(&acknowledgement(4), later + GAP_WAIT + MOMENT * copy), Action::Wait);
    }
    assert!(transfer.deadline() >= later + GAP_WAIT + SHORTEST_WAIT);
}

#[test]
fn a_machine_that_acknowledges_every_packet_of_a_window_it_has_already_gets_no_window_twice() {
    let now = Instant::now();
    let mut transfer = in_a_window(100, now);
    for window in 1..20 {
        let at = now + MOMENT * window;
        let next = u64::from(window) * 4;
        assert_eq!(transfer.hear(&acknowledgement(next), at), Action::Send(next + 1..next + 5));
        for _ in 0..4 {
            assert_eq!(transfer.hear(&acknowledgement(next), at + MOMENT / 2), Action::Wait);
        }
        assert_eq!(transfer.time_is_up(at + MOMENT), Action::Wait);
    }
}

#[test]
fn a_machine_that_vanishes_is_asked_five_times_more_and_given_up_within_a_quarter_of_a_minute() {
    let began = Instant::now();
    let (mut transfer, _) = Transfer::start(&agreed("blksize 1468 tsize 0"), file(5000), began);
    let mut sent = 0;
    let ending = loop {
        let now = transfer.deadline();
        assert_eq!(transfer.time_is_up(now - Duration::from_millis(1)), Action::Wait);
        match transfer.time_is_up(now) {
            Action::Send(blocks) => {
                assert_eq!(blocks, 0..1);
                sent += 1;
            }
            Action::End(ending) => break ending,
            Action::Wait => panic!("a deadline without a deed"),
        }
    };
    assert_eq!((ending, sent), (Ending::Silent, 5));
    assert_eq!((transfer.deadline() - began).as_secs(), 15);
}

#[test]
fn the_first_repeat_follows_the_round_trip_and_the_wait_that_the_machine_asked_for() {
    let now = Instant::now();
    for (options, trip, expected) in [
        ("blksize 512", MOMENT, SHORTEST_WAIT),
        ("blksize 512", Duration::from_millis(80), Duration::from_millis(320)),
        ("blksize 512", Duration::from_millis(900), Duration::from_secs(1)),
        ("blksize 512 timeout 3", MOMENT, Duration::from_secs(3)),
    ] {
        let (mut transfer, _) = Transfer::start(&agreed(options), file(5000), now);
        assert_eq!(transfer.hear(&acknowledgement(0), now + trip), Action::Send(1..2));
        assert_eq!(transfer.deadline() - (now + trip), expected, "{options}");
    }
}

#[test]
fn a_machine_that_still_speaks_is_not_given_up_for_a_long_time() {
    let now = Instant::now();
    let mut transfer = in_a_window(100, now);
    let mut repeats = 0;
    while let Action::Send(blocks) = transfer.time_is_up(transfer.deadline()) {
        assert_eq!(blocks, 1..5);
        assert_eq!(transfer.hear(&acknowledgement(0), transfer.sent_at), Action::Wait);
        repeats += 1;
    }
    assert_eq!(repeats, MOST_REPEATS);
}

#[test]
fn an_error_tells_a_size_probe_from_a_machine_that_broke_off() {
    let now = Instant::now();
    let error = b"\0\x05\0\x08User aborted the transfer\0";
    for (options, acknowledges, expected) in [
        ("tsize 0 blksize 1468", false, Ending::SizeProbe),
        ("blksize 1468", false, Ending::BrokenOff { code: 8, words: "User aborted the transfer".into() }),
        ("tsize 0", true, Ending::BrokenOff { code: 8, words: "User aborted the transfer".into() }),
    ] {
        let (mut transfer, _) = Transfer::start(&agreed(options), file(5000), now);
        if acknowledges {
            transfer.hear(&acknowledgement(0), now);
        }
        assert_eq!(transfer.hear(error, now), Action::End(expected), "{options}");
    }
}

#[test]
fn only_a_large_first_block_that_never_arrives_makes_the_path_suspect() {
    let now = Instant::now();
    for (options, acknowledged, expected) in
        [("blksize 1468", 0, true), ("blksize 512", 0, false), ("blksize 1468", 1, false)]
    {
        let (mut transfer, _) = Transfer::start(&agreed(options), file(5000), now);
        for block in 0..=acknowledged {
            transfer.hear(&acknowledgement(block), now);
        }
        assert!(!transfer.suspects_a_narrow_path());
        for _ in 0..3 {
            transfer.time_is_up(transfer.deadline());
        }
        assert_eq!(transfer.suspects_a_narrow_path(), expected, "{options}");
    }
}

#[test]
fn a_machine_that_closes_its_port_at_the_very_end_has_the_file() {
    let now = Instant::now();
    let (transfer, _) = Transfer::start(&agreed("blksize 512"), file(100), now);
    assert_eq!(transfer.is_unreachable(), Ending::Unreachable);
    let mut transfer = in_a_window(6, now);
    assert_eq!(transfer.is_unreachable(), Ending::Unreachable);
    assert_eq!(transfer.hear(&acknowledgement(4), now + MOMENT * 2), Action::Send(5..8));
    assert_eq!(transfer.is_unreachable(), Ending::Fetched { is_confirmed: false });
}

/// Numbers that look random and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A wire that loses, copies and delays, and the machine at its end.
struct World {
    chance: Chance,
    percent: u64,
    /// What is under way: when it arrives, whether to the server, and the datagram.
    wire: Vec<(Instant, bool, Vec<u8>)>,
    got: Vec<u8>,
    last: u64,
    in_window: u64,
    heard_at: Instant,
    sent_blocks: usize,
}

impl World {
    fn put(&mut self, now: Instant, to_server: bool, datagram: &[u8]) {
        if self.chance.below(100) < self.percent {
            return;
        }
        let copies = 1 + u64::from(self.chance.below(100) < self.percent);
        for _ in 0..copies {
            let late = if self.chance.below(100) < self.percent { self.chance.below(30) } else { 0 };
            let arrives = now + Duration::from_millis(1 + late);
            self.wire.push((arrives, to_server, datagram.to_vec()));
        }
    }

    fn take(&mut self, action: Action, transfer: &Transfer, now: Instant) -> Option<Ending> {
        match action {
            Action::End(ending) => return Some(ending),
            Action::Wait => {}
            Action::Send(blocks) => {
                for block in blocks {
                    let mut datagram = Vec::new();
                    transfer.write(block, &mut datagram);
                    self.sent_blocks += 1;
                    self.put(now, false, &datagram);
                }
            }
        }
        None
    }

    /// The machine takes a datagram, as RFC 7440 says.
    fn hear(&mut self, datagram: &[u8], block_bytes: usize, window: u64, now: Instant) {
        self.heard_at = now;
        if datagram[1] == 6 {
            return self.put(now, true, &acknowledgement(0));
        }
        let number = u16::from_be_bytes([datagram[2], datagram[3]]);
        if number != (self.last + 1) as u16 {
            self.in_window = 0;
            return self.put(now, true, &acknowledgement(self.last));
        }
        self.got.extend_from_slice(&datagram[4..]);
        self.last += 1;
        self.in_window += 1;
        if self.in_window == window || datagram.len() - 4 < block_bytes {
            self.in_window = 0;
            self.put(now, true, &acknowledgement(self.last));
        }
    }
}

/// Runs a whole transfer in virtual time; returns how it ended, how long it took and how many blocks were sent.
fn run(options: &str, bytes: &Bytes, percent: u64, seed: u64) -> (Ending, Duration, usize, Vec<u8>) {
    let (began, agreed) = (Instant::now(), agreed(options));
    let (block_bytes, window) = (agreed.block_bytes.unwrap_or(512).into(), agreed.window.unwrap_or(1).into());
    let (mut transfer, first) = Transfer::start(&agreed, bytes.clone(), began);
    let mut world = World {
        chance: Chance(seed),
        percent,
        wire: Vec::new(),
        got: Vec::new(),
        last: 0,
        in_window: 0,
        heard_at: began,
        sent_blocks: 0,
    };
    let mut now = began;
    let mut ending = world.take(first, &transfer, now);
    while ending.is_none() {
        let machine_is_bored = world.heard_at + Duration::from_secs(2);
        let arrives = world.wire.iter().map(|(at, ..)| *at).min();
        now = arrives.unwrap_or(transfer.deadline()).min(transfer.deadline()).min(machine_is_bored).max(now);
        if let Some(place) = world.wire.iter().position(|(at, ..)| *at <= now) {
            let (_, to_server, datagram) = world.wire.remove(place);
            if to_server {
                let action = transfer.hear(&datagram, now);
                ending = world.take(action, &transfer, now);
            } else {
                world.hear(&datagram, block_bytes, window, now);
            }
        } else if machine_is_bored <= now {
            world.heard_at = now;
            world.put(now, true, &acknowledgement(world.last));
        } else {
            let action = transfer.time_is_up(now);
            ending = world.take(action, &transfer, now);
        }
    }
    (ending.unwrap(), now - began, world.sent_blocks, world.got)
}

#[test]
fn a_wire_that_loses_copies_and_delays_one_packet_in_five_never_stalls_a_transfer() {
    let bytes = file(300_001);
    for options in ["", "blksize 1468", "blksize 1468 windowsize 4", "blksize 1468 windowsize 16"] {
        for seed in 0..60 {
            let (ending, took, _, got) = run(options, &bytes, 20, seed);
            assert!(matches!(ending, Ending::Fetched { .. }), "{options} {seed}: {ending:?} after {took:?}");
            assert!(got == bytes, "{options} {seed}");
            assert!(took < Duration::from_secs(180), "{options} {seed}: {took:?}");
        }
    }
}

#[test]
fn on_a_good_wire_every_block_is_sent_once_also_past_block_65535() {
    let bytes = file(8 * 70_000);
    for options in ["blksize 8", "blksize 8 windowsize 16"] {
        let (ending, _, sent, got) = run(options, &bytes, 0, 1);
        assert_eq!((ending, sent), (Ending::Fetched { is_confirmed: true }, 70_002), "{options}");
        assert!(got == bytes);
    }
}
