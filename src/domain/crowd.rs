//! A bounded memory of machines: a storm of made-up addresses costs constant memory, and pushes out those that matter least.

use std::collections::{BTreeMap, HashMap};

use super::identity::MacAddress;

/// How much a machine matters, the least first; among equals, the one that was longest silent is forgotten first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Seen once: a packet with a made-up address looks the same.
    SeenOnce,
    /// Seen several times, as a true machine is.
    SeenAgain,
    /// A registered host.
    Registered,
}

/// At most so many machines, and what is known of each.
#[derive(Debug)]
pub struct Crowd<T> {
    most: usize,
    turn: u64,
    members: HashMap<MacAddress, ((Standing, u64), T)>,
    order: BTreeMap<(Standing, u64), MacAddress>,
}

impl<T> Crowd<T> {
    /// Keeps at most so many machines. More remember longer; each costs its memory.
    pub fn of_at_most(most: usize) -> Self {
        Self { most: most.max(1), turn: 0, members: HashMap::new(), order: BTreeMap::new() }
    }

    /// What is known of a machine.
    pub fn get(&self, mac: MacAddress) -> Option<&T> {
        self.members.get(&mac).map(|(_, known)| known)
    }

    /// Changes what is known of a machine, which begins as `new` where nothing is. For a new one in a full crowd, the one that matters least
    /// is forgotten.
    pub fn change(&mut self, mac: MacAddress, new: impl FnOnce() -> T, change: impl FnOnce(&mut T) -> Standing) {
        let mut known = if let Some(known) = self.forget(mac) {
            known
        } else {
            while self.members.len() >= self.most
                && let Some((_, least)) = self.order.pop_first()
            {
                self.members.remove(&least);
            }
            new()
        };
        self.turn += 1;
        let place = (change(&mut known), self.turn);
        self.order.insert(place, mac);
        self.members.insert(mac, (place, known));
    }

    /// Forgets a machine and returns what was known of it.
    pub fn forget(&mut self, mac: MacAddress) -> Option<T> {
        let (place, known) = self.members.remove(&mac)?;
        self.order.remove(&place);
        Some(known)
    }

    /// Every machine, in no order.
    pub fn all(&self) -> impl Iterator<Item = (MacAddress, &T)> {
        self.members.iter().map(|(mac, (_, known))| (*mac, known))
    }

    /// How many machines are kept.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(number: u32) -> MacAddress {
        let [a, b, c, d] = number.to_be_bytes();
        MacAddress::from_bytes([2, 0, a, b, c, d]).unwrap()
    }

    fn ask(crowd: &mut Crowd<u32>, number: u32) {
        crowd.change(
            mac(number),
            || 0,
            |times| {
                *times += 1;
                if *times > 1 { Standing::SeenAgain } else { Standing::SeenOnce }
            },
        );
    }

    #[test]
    fn a_machine_that_asks_again_survives_a_storm_and_the_storm_stays_small() {
        let mut crowd = Crowd::of_at_most(8);
        for _ in 0..3 {
            ask(&mut crowd, 1);
        }
        for number in 1000..101_000 {
            ask(&mut crowd, number);
            assert!(crowd.len() <= 8 && crowd.order.len() == crowd.len());
        }
        assert_eq!(crowd.get(mac(1)), Some(&3));
        assert!(crowd.get(mac(100_999)).is_some() && crowd.get(mac(1000)).is_none(), "the oldest go first");
    }

    #[test]
    fn a_new_machine_is_seen_even_where_everybody_else_asked_twice_and_a_host_is_never_pushed_out_by_strangers() {
        let mut crowd = Crowd::of_at_most(4);
        crowd.change(mac(1), || 0, |_| Standing::Registered);
        for number in 2..5 {
            ask(&mut crowd, number);
            ask(&mut crowd, number);
        }
        ask(&mut crowd, 9);
        assert_eq!((crowd.get(mac(9)), crowd.get(mac(2)), crowd.len()), (Some(&1), None, 4));
        for number in 10..20 {
            ask(&mut crowd, number);
            ask(&mut crowd, number);
        }
        assert!(crowd.get(mac(1)).is_some());
        assert_eq!(crowd.forget(mac(1)), Some(0));
        assert_eq!(crowd.all().count(), 3);
    }
}
