//! What is remembered of the attempts of one machine, with one kind of firmware, to boot from us: so that it is led neither in a circle nor
//! twice down the same dead end.
//!
//! None of this is kept across a restart: everything is learned again within a few questions.

use std::net::Ipv4Addr;

use jiff::{SignedDuration, Timestamp};

use super::{
    boot_options::Discovery,
    boot_request::BootRequest,
    firmware::{FirmwareKind, Transport},
};

/// How many loaders a machine may load within [`LOOP_WINDOW`] without coming for its script. Fewer give up on machines that need a second try;
/// more let a machine that cannot start iPXE go round for longer before somebody is told.
const MOST_LOADERS: usize = 3;
/// How long a loader counts. Also how long an iPXE may be ours: slow firmware needs half a minute from loader to first question.
const LOOP_WINDOW: SignedDuration = SignedDuration::from_mins(5);
/// How often firmware begins to ask anew before it is led the other way.
const CYCLES_BEFORE_SWITCH: u8 = 2;

/// The attempts of one machine with one kind of firmware.
#[derive(Debug, Clone, Default)]
pub struct BootAttempts {
    /// Since when the host is armed, as far as we know.
    armed_from: Option<Timestamp>,
    /// Transaction and seconds of the firmware's last question.
    last: Option<(u32, u16)>,
    /// How often it began anew without having come on.
    cycles: u8,
    /// Whether it began anew after it had taken an address.
    has_begun_anew: bool,
    /// Whether it is led the other way than its kind of firmware likes best.
    is_switched: bool,
    /// A loader was offered in this transaction, and nothing tells yet that it arrived.
    pending: Option<u32>,
    /// Whose address it took since it came on last.
    taken_from: Option<Ipv4Addr>,
    /// When loaders arrived since the last script; at most [`MOST_LOADERS`].
    loaders: Vec<Timestamp>,
}

impl BootAttempts {
    /// The host is armed since this moment. With a new rebuild, what went wrong before no longer counts.
    pub fn armed(&mut self, since: Timestamp) {
        if self.armed_from.replace(since) != Some(since) {
            self.loaders.clear();
            self.pending = None;
        }
    }

    /// The machine asks. Returns whether it is led the other way from now on.
    pub fn asked(&mut self, request: &BootRequest, now: Timestamp) -> bool {
        if request.ipxe.is_some() {
            // Where TFTP did not see who loaded: an iPXE that begins to ask after a loader was offered is that loader, most likely.
            if self.pending.is_some_and(|transaction| transaction != request.transaction) {
                self.loader_arrived(now);
            }
            self.came_on();
            return false;
        }
        match (request.transport, request.to_boot_server) {
            (Transport::Http, _) => false,
            (Transport::Tftp, true) => {
                self.came_on();
                false
            }
            (Transport::Tftp, false) => self.firmware_asked(request.transaction, request.seconds),
        }
    }

    /// A question of PXE firmware on port 67. Retries of one cycle have rising seconds; some firmware also changes the transaction with each
    /// retry, and a relay or a second interface brings the same packet twice.
    fn firmware_asked(&mut self, transaction: u32, seconds: u16) -> bool {
        let begins_anew = self
            .last
            .replace((transaction, seconds))
            .is_some_and(|last| seconds < last.1 || transaction != last.0 && seconds <= last.1);
        if !begins_anew {
            return false;
        }
        self.has_begun_anew = self.taken_from.is_some();
        self.cycles += 1;
        if self.cycles < CYCLES_BEFORE_SWITCH {
            return false;
        }
        self.cycles = 0;
        self.is_switched = !self.is_switched;
        true
    }

    /// It took its address from a DHCP server.
    pub fn took_address(&mut self, server: Ipv4Addr) {
        self.taken_from = Some(server);
    }

    /// The DHCP server that leads it away from us, most likely: it took an address there, began to ask anew, and never came to us meanwhile.
    pub fn led_away_by(&self) -> Option<Ipv4Addr> {
        self.taken_from.filter(|_| self.has_begun_anew)
    }

    /// It came to us.
    fn came_on(&mut self) {
        self.cycles = 0;
        self.taken_from = None;
        self.has_begun_anew = false;
    }

    /// It was offered a loader.
    pub fn loader_offered(&mut self, transaction: u32) {
        self.pending = Some(transaction);
    }

    /// It loaded a loader to the end.
    pub fn loader_arrived(&mut self, now: Timestamp) {
        self.pending = None;
        self.came_on();
        if self.loaders.len() == MOST_LOADERS {
            self.loaders.remove(0);
        }
        self.loaders.push(now);
    }

    /// Its iPXE came for a script.
    pub fn script_fetched(&mut self) {
        self.came_on();
        self.loaders.clear();
        self.pending = None;
    }

    /// How it comes to its boot file if the operator leaves that to us.
    pub fn discovery(&self, kind: FirmwareKind) -> Discovery {
        let usual = Discovery::usual(kind);
        if self.is_switched { usual.other() } else { usual }
    }

    /// Whether it loads iPXE again and again and never comes for its script.
    pub fn is_in_a_loop(&self, now: Timestamp) -> bool {
        self.recent(now) >= MOST_LOADERS
    }

    /// Whether an iPXE that asks now is one that we handed over.
    pub fn has_our_ipxe(&self, now: Timestamp) -> bool {
        self.recent(now) > 0
    }

    /// Loaders within the window; a clock that jumped back makes them none.
    fn recent(&self, now: Timestamp) -> usize {
        self.loaders.iter().filter(|at| (SignedDuration::ZERO..LOOP_WINDOW).contains(&now.duration_since(**at))).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ipxe::Ipxe;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn question(transaction: u32, seconds: u16) -> BootRequest {
        BootRequest { transaction, seconds, ..BootRequest::new("52:54:00:00:00:01".parse().unwrap(), 7) }
    }

    fn ipxe(transaction: u32) -> BootRequest {
        BootRequest { ipxe: Some(Ipxe::default()), ..question(transaction, 4) }
    }

    #[test]
    fn firmware_that_begins_anew_twice_without_coming_on_is_led_the_other_way_and_back() {
        let mut attempts = BootAttempts::default();
        let mut cycle =
            |transaction| [0, 4, 12, 28].map(|seconds| attempts.asked(&question(transaction, seconds), at(0)));
        assert_eq!(cycle(1), [false; 4]);
        assert_eq!(cycle(2), [false; 4]);
        assert_eq!(cycle(3), [true, false, false, false]);
        assert_eq!(cycle(4), [false; 4]);
        assert_eq!(cycle(5), [true, false, false, false]);
        assert_eq!(attempts.discovery(FirmwareKind::UefiX64), Discovery::BootServer);
    }

    #[test]
    fn the_same_packet_twice_and_new_transactions_of_one_cycle_are_no_new_beginning() {
        let mut attempts = BootAttempts::default();
        for (transaction, seconds) in [(1, 0), (1, 0), (1, 0), (2, 4), (3, 8), (3, 8), (4, 12)] {
            assert!(!attempts.asked(&question(transaction, seconds), at(0)));
        }
        assert_eq!(attempts.discovery(FirmwareKind::Bios), Discovery::Direct);
    }

    #[test]
    fn a_machine_that_came_on_stays_on_its_way() {
        for came_on in [BootRequest { to_boot_server: true, ..question(9, 0) }, ipxe(9)] {
            let mut attempts = BootAttempts::default();
            for transaction in 0..20 {
                assert!(!attempts.asked(&question(transaction, 0), at(0)));
                attempts.asked(&came_on, at(0));
            }
        }
        let mut attempts = BootAttempts::default();
        for transaction in 0..20 {
            assert!(!attempts.asked(&question(transaction, 0), at(0)));
            attempts.loader_arrived(at(0));
        }
        let http = BootRequest { transport: Transport::Http, ..question(1, 0) };
        assert!((0..20).all(|_| !attempts.asked(&http, at(0))));
    }

    #[test]
    fn a_dhcp_server_is_named_once_a_machine_took_its_address_and_began_anew_without_having_come_to_us() {
        let server = Ipv4Addr::new(10, 0, 0, 1);
        let mut attempts = BootAttempts::default();
        attempts.asked(&question(9, 0), at(0));
        attempts.asked(&question(1, 0), at(0));
        attempts.took_address(server);
        attempts.asked(&question(1, 4), at(4));
        assert_eq!(
            attempts.led_away_by(),
            None,
            "a retry, or the packet of a relay; it began anew before it took the address"
        );
        attempts.asked(&question(2, 0), at(60));
        assert_eq!(attempts.led_away_by(), Some(server));
        attempts.asked(&question(2, 4), at(64));
        assert_eq!(attempts.led_away_by(), Some(server), "all through the new cycle");
        attempts.asked(&BootRequest { to_boot_server: true, ..question(3, 0) }, at(65));
        assert_eq!(attempts.led_away_by(), None);
        attempts.asked(&question(4, 0), at(120));
        assert_eq!(attempts.led_away_by(), None, "no address was taken since");
    }

    #[test]
    fn three_loaders_within_five_minutes_without_a_script_are_a_loop() {
        let mut attempts = BootAttempts::default();
        for second in [0, 60, 120] {
            assert!(!attempts.is_in_a_loop(at(second)));
            attempts.loader_arrived(at(second));
        }
        assert!(attempts.is_in_a_loop(at(121)) && attempts.is_in_a_loop(at(299)));
        assert!(!attempts.is_in_a_loop(at(300)), "the first no longer counts");
        assert!(!attempts.is_in_a_loop(at(-10)), "a clock that jumped back");
        attempts.armed(at(0));
        assert!(!attempts.is_in_a_loop(at(121)), "a new rebuild begins anew");
        (0..9).for_each(|second| attempts.loader_arrived(at(second)));
        assert_eq!(attempts.loaders.len(), 3, "no more than that is remembered");
        attempts.armed(at(0));
        assert!(attempts.is_in_a_loop(at(9)), "the same rebuild does not");
        attempts.script_fetched();
        assert!(!attempts.is_in_a_loop(at(9)));
    }

    #[test]
    fn an_ipxe_is_ours_once_our_loader_arrived_or_a_new_transaction_follows_its_offer() {
        let mut attempts = BootAttempts::default();
        attempts.asked(&ipxe(1), at(0));
        attempts.loader_offered(1);
        attempts.asked(&ipxe(1), at(4));
        assert!(!attempts.has_our_ipxe(at(4)), "the ROM repeats its question");
        attempts.asked(&ipxe(2), at(9));
        assert!(attempts.has_our_ipxe(at(9)) && !attempts.has_our_ipxe(at(309)));
        attempts.script_fetched();
        assert!(!attempts.has_our_ipxe(at(10)), "the next boot begins with the card's own again");
        attempts.loader_offered(3);
        attempts.loader_arrived(at(11));
        attempts.asked(&ipxe(4), at(12));
        assert_eq!(attempts.loaders.len(), 1, "one loader is not counted twice");
    }
}
