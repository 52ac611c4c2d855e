//! The real binary as a process of its own, killed, starved and lied to, while simulated machines and nodes live on in the test's process.
//!
//! A `World` has a folder, ports and loopback addresses of its own, so many run beside each other. What really happened is read from the
//! nodes' own logs, never from what the daemon believes.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "in a test, a panic is the report, and what is printed belongs to it"
)]

#[allow(dead_code, reason = "other tests ask more of a browser")]
#[path = "../support/browser.rs"]
mod browser;
mod cable;
mod clock;
mod daemon;
mod dashboard;
mod full_disk;
mod journal;
mod kills;
mod member;
mod proof;
mod slot;
mod small_disk;
mod unreachable;
mod webhook;
mod world;
