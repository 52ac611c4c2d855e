//! Counts guesses at passwords and at the set-up code: by the address that guesses, and by the name that is guessed at.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use crate::domain::access::AttemptTable;

/// As much of a typed name is looked at as a name may have.
const NAME_CHARACTERS: usize = 64;

/// The guesses that were not right.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    peers: AttemptTable,
    names: AttemptTable,
}

impl Guesses {
    /// Counts a guess, or says how long to wait for it.
    pub(super) fn begin(&mut self, peer: IpAddr, name: Option<&str>, now: Timestamp) -> Result<(), SignedDuration> {
        let (peer, name) = (neighbourhood(peer), name.map(spelled));
        let waits = [self.peers.wait(&peer, now), name.as_ref().and_then(|name| self.names.wait(name, now))];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(wait);
        }
        self.peers.count(&peer, now);
        if let Some(name) = name {
            self.names.count(&name, now);
        }
        Ok(())
    }

    /// The guess was right.
    pub(super) fn forgive(&mut self, peer: IpAddr, name: Option<&str>) {
        self.peers.forgive(&neighbourhood(peer));
        if let Some(name) = name {
            self.names.forgive(&spelled(name));
        }
    }
}

/// An address as it is counted: of IPv6 the network, because every computer there has as many addresses as it likes.
fn neighbourhood(peer: IpAddr) -> String {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

fn spelled(name: &str) -> String {
    name.chars().take(NAME_CHARACTERS).collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_are_counted_by_address_and_by_name() {
        let now = Timestamp::UNIX_EPOCH;
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut guesses = Guesses::default();
        // One name from many addresses.
        for number in 0..5 {
            guesses.begin(at(&format!("192.0.2.{number}")), Some("Admin"), now).unwrap();
        }
        assert!(guesses.begin(at("192.0.2.77"), Some("aDMIN"), now).is_err());
        guesses.begin(at("192.0.2.77"), Some("other"), now).unwrap();
        // Many names from one network.
        for number in 0..5 {
            guesses.begin(at(&format!("2001:db8::{number}")), Some(&format!("name-{number}")), now).unwrap();
        }
        assert!(guesses.begin(at("2001:db8::99"), Some("new"), now).is_err());
        assert!(guesses.begin(at("2001:db8::99"), None, now).is_err());
        guesses.begin(at("2001:db8:0:1::1"), None, now).unwrap();
        guesses.forgive(at("2001:db8::1"), Some("new"));
        guesses.begin(at("2001:db8::99"), Some("new"), now).unwrap();
    }
}
