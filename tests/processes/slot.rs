//! Ports and loopback addresses that no other world has, on this machine.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener, UdpSocket},
};

/// How many worlds may live at once on one machine.
const MOST_WORLDS: u16 = 200;
/// Below the ports that the system gives to clients, so that a daemon finds its own ports free again after it died.
const FIRST_PORT: u16 = 20_000;
/// How many ports each world has.
const PORTS: u16 = 8;

/// A place for one world. It is free again when this is dropped, or when the test's process dies.
pub(crate) struct Slot {
    number: u16,
    _lock: File,
}

impl Slot {
    pub(crate) fn take() -> Self {
        let folder = std::env::temp_dir().join("rackseed-worlds");
        fs::create_dir_all(&folder).unwrap();
        let free = (0..MOST_WORLDS).find_map(|number| {
            let lock = File::create(folder.join(number.to_string())).unwrap();
            lock.try_lock().ok()?;
            let slot = Self { number, _lock: lock };
            slot.is_free().then_some(slot)
        });
        free.expect("a free place for another world")
    }

    /// A port of the daemon or of its nodes.
    pub(crate) fn port(&self, place: u16) -> u16 {
        assert!(place < PORTS);
        FIRST_PORT + self.number * PORTS + place
    }

    /// An address for a machine: all of 127/8 is loopback.
    pub(crate) fn address(&self, place: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, 77, u8::try_from(self.number).unwrap(), place)
    }

    fn is_free(&self) -> bool {
        (0..PORTS).map(|place| (Ipv4Addr::UNSPECIFIED, self.port(place))).all(|address| {
            let (streams, packets) = (TcpListener::bind(address), UdpSocket::bind(address));
            streams.is_ok() && packets.is_ok()
        })
    }
}
