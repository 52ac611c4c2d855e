//! Datagrams that nobody sends by mistake.

use std::{fs, time::Duration};

use super::{Running, bios_loader, client::read_request};
use crate::dhcp::packet::recorded;

const DATAGRAMS: usize = 100_000;
/// How many are sent before the server is asked whether it is still there; more would overflow its socket unseen.
const BATCH: usize = 50;
/// What allocators keep for themselves.
const MOST_GROWTH_KIB: u64 = 24 << 10;

/// Numbers that look random and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn mutate(&mut self, packet: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let place = self.below(packet.len().max(1));
            match self.below(6) {
                0 => packet.truncate(place),
                1 => packet.insert(place.min(packet.len()), self.below(256) as u8),
                2 => packet.extend_from_within(place.min(packet.len())..),
                3 if place < packet.len() => drop(packet.remove(place)),
                4 if place < packet.len() => packet[place] = [0, 255, b'/', b'9', b'\\'][self.below(5)],
                _ if place < packet.len() => packet[place] ^= 1 << self.below(8),
                _ => {}
            }
            packet.truncate(1400);
        }
    }
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_hundred_thousand_mutated_datagrams_neither_end_the_server_nor_make_it_grow() {
    let server = Running::start();
    let machine = server.machine().await;
    let seeds: Vec<_> = [
        "tftp-rrq-ovmf-tsize-probe",
        "tftp-rrq-ovmf",
        "tftp-rrq-ipxe-rom",
        "tftp-rrq-ipxe-autoexec",
        "tftp-error8-ovmf",
    ]
    .iter()
    .map(|name| recorded(name))
    .chain([read_request("undionly.kpxe", &[("blksize", 1468), ("tsize", 0), ("windowsize", 16)])])
    .collect();
    let mut chance = Chance(1);
    let mut resident = 0;
    for batch in 0..DATAGRAMS / BATCH {
        for _ in 0..BATCH {
            let mut packet = seeds[chance.below(seeds.len())].clone();
            chance.mutate(&mut packet);
            machine.ask(&packet).await;
        }
        // From another port: whatever the sweep made the server send goes to the first.
        let (code, _) = machine.beside().await.fetch(&read_request("is-it-there", &[])).await.unwrap_err();
        assert_eq!(code, 1);
        if batch == DATAGRAMS / BATCH / 10 {
            resident = resident_kib();
        }
    }
    let growth = resident_kib().saturating_sub(resident);
    assert!(growth < MOST_GROWTH_KIB, "{growth} KiB");
    server.end().await;
}

#[tokio::test]
async fn a_storm_of_requests_from_many_machines_leaves_places_for_those_that_go_on() {
    let server = Running::start();
    let wanted = read_request("undionly.kpxe", &[("blksize", 1468), ("windowsize", 16)]);
    let mut storm = Vec::new();
    for _ in 0..300 {
        let machine = server.machine().await;
        machine.ask(&wanted).await;
        storm.push(machine);
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(server.machine().await.fetch(&wanted).await.unwrap().bytes == bios_loader());
    server.end().await;
}
