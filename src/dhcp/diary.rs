//! What is written of packets. They come from anybody, so the lines of a second are bounded: a log must not be a way to fill a disk.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    time::{Duration, Instant},
};

use super::request::{IgnoreReason, Port};
use crate::domain::{boot_request::BootOffer, identity::MacAddress};

/// How many lines a second may have. Fewer hide machines of a rack that starts all at once; more let a storm write megabytes.
const MOST_LINES: u32 = 50;
const SECOND: Duration = Duration::from_secs(1);

/// Writes about the packets of one port.
#[derive(Default)]
pub(super) struct Diary {
    offers: LogBudget,
    silences: LogBudget,
}

impl Diary {
    pub(super) fn ignored(&mut self, source: SocketAddrV4, reason: IgnoreReason) {
        if tracing::enabled!(tracing::Level::DEBUG) && self.silences.spend(Instant::now()) {
            tracing::debug!(%source, ?reason, "ignored a packet");
        }
    }

    pub(super) fn decided(&mut self, mac: MacAddress, port: Port, offer: &BootOffer) {
        match offer {
            BootOffer::Silence(reason) => {
                if tracing::enabled!(tracing::Level::DEBUG) && self.silences.spend(Instant::now()) {
                    tracing::debug!(host.mac = %mac, ?reason, "no boot offer");
                }
            }
            BootOffer::Loader(loader) => {
                if self.offers.spend(Instant::now()) {
                    tracing::info!(host.mac = %mac, file = loader.file, ?port, "made a boot offer");
                }
            }
            // The URL holds a one-time token, and tokens are never logged.
            BootOffer::Script(_) => {
                if self.offers.spend(Instant::now()) {
                    tracing::info!(host.mac = %mac, ?port, "offered iPXE its script");
                }
            }
        }
    }

    pub(super) fn strange_relay(&mut self, relay: Ipv4Addr) {
        if self.offers.spend(Instant::now()) {
            tracing::warn!(%relay, "a relay asked that is not in pxe.relays; it was not answered");
        }
    }

    pub(super) fn not_sent(&mut self, destination: SocketAddrV4, error: &io::Error) {
        if self.offers.spend(Instant::now()) {
            tracing::warn!(%destination, %error, "a boot offer could not be sent");
        }
    }
}

/// Counts the lines of one kind.
#[derive(Debug, Default)]
struct LogBudget {
    began: Option<Instant>,
    written: u32,
    withheld: u64,
}

impl LogBudget {
    /// Takes one line; `false` when this second has had its lines. The first line after a storm is preceded by how many were withheld.
    fn spend(&mut self, now: Instant) -> bool {
        if self.began.is_none_or(|began| now.duration_since(began) >= SECOND) {
            (self.began, self.written) = (Some(now), 0);
        }
        if self.written == MOST_LINES {
            self.withheld += 1;
            return false;
        }
        self.written += 1;
        let withheld = std::mem::take(&mut self.withheld);
        if withheld > 0 {
            tracing::warn!(withheld, "DHCP packets came in a storm; most of them are not in this log");
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_writes_a_bounded_number_of_lines_in_each_second() {
        let (mut budget, start) = (LogBudget::default(), Instant::now());
        assert_eq!((0..1000).filter(|_| budget.spend(start)).count(), 50);
        assert_eq!(budget.withheld, 950);
        assert!(budget.spend(start + SECOND));
        assert_eq!(budget.withheld, 0);
    }
}
