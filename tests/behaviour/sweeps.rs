//! A hundred thousand mutated inputs for every parser of what comes from outside: none panics, and memory does not grow.
//!
//! The same in every run, and fast; `fuzz/` looks longer.

use std::fs;

use crate::{dhcp::packet::recorded, support::parsers};

const INPUTS: usize = 100_000;
/// What allocators keep for themselves.
const MOST_GROWTH_KIB: u64 = 24 << 10;

/// Numbers that look random and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    /// Changes bits, cuts, doubles, inserts what means something to parsers, and joins two inputs.
    fn mutate(&mut self, input: &mut Vec<u8>, other: &[u8], words: &[&str]) {
        for _ in 0..=self.below(3) {
            let (place, end) = (self.below(input.len()), self.below(input.len()));
            match self.below(7) {
                0 => input.truncate(place),
                1 => drop(input.drain(place.min(end)..place.max(end).min(place.min(end) + 30))),
                2 => input.extend_from_within(place.min(end)..place.max(end).min(place.min(end) + 200)),
                3 => drop(input.splice(place..place, words[self.below(words.len())].bytes())),
                4 => drop(input.splice(place.., other[self.below(other.len())..].iter().copied())),
                _ if place < input.len() => input[place] ^= 1 << self.below(8),
                _ => {}
            }
        }
        input.truncate(8 << 10);
    }
}

fn sweep(parse: fn(&[u8]), seeds: &[Vec<u8>], words: &[&str]) {
    let mut chance = Chance(1);
    let mut resident = 0;
    for number in 0..INPUTS {
        let mut input = seeds[chance.below(seeds.len())].clone();
        let other = &seeds[chance.below(seeds.len())];
        chance.mutate(&mut input, other, words);
        parse(&input);
        if number == INPUTS / 10 {
            resident = resident_kib();
        }
    }
    let growth = resident_kib().saturating_sub(resident);
    assert!(growth < MOST_GROWTH_KIB, "{growth} KiB");
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn file(path: &str) -> Vec<u8> {
    fs::read(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn tftp_requests_and_what_machines_say_in_transfers() {
    let acknowledgements: Vec<u8> = (0..200_u8).flat_map(|block| [0, 4, 0, block]).collect();
    let names = ["tftp-rrq-ovmf-tsize-probe", "tftp-rrq-ovmf", "tftp-rrq-ipxe-rom", "tftp-rrq-ipxe-autoexec"];
    let seeds: Vec<_> = names
        .iter()
        .map(|name| {
            let mut seed = recorded(name);
            seed.resize(200, 0);
            [seed, acknowledgements.clone()].concat()
        })
        .collect();
    sweep(
        parsers::tftp,
        &seeds,
        &["\0", "blksize\x008\0", "windowsize\x0065535\0", "tsize\x000\0", "octet\0", "\0\x05", "\0\x04"],
    );
}

#[test]
fn the_installers_json() {
    let seeds = [
        br#"{"$schema":{"version":"1.2"},"iso":{"release":"9.2","isorelease":"1"},"dmi":{"system":{"serial":"x","uuid":"y"}},"network_interfaces":[{"link":"enp1s0","mac":"52:54:00:12:34:56"}]}"#.to_vec(),
        br#"{"product":{"version":"9.2"},"ssh-public-host-keys":{"ed25519":"ssh-ed25519 AAAA"},"disks":[{"size":1,"udev-properties":{"ID_SERIAL":"x"}}],"network-interfaces":[{"name":"eth0","mac":"52:54:00:12:34:56","address":"10.0.0.1/24"}]}"#.to_vec(),
        br#"{"ip":"10.0.0.1","hardware_id":"abc"}"#.to_vec(),
    ];
    sweep(parsers::installer_json, &seeds, &["null", "{}", "[", "]", "\"", "1e999", "-0", "\\ud800", "true", ","]);
}

#[test]
fn answer_templates() {
    // Without the comments, which are most of them and teach a parser nothing.
    let templates = ["default", "static-network", "zfs-mirror"].map(|name| {
        let text = String::from_utf8(file(&format!("answer-templates/{name}.toml"))).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        lines.join("\n").into_bytes()
    });
    sweep(
        parsers::answer,
        &templates,
        &["{{ hostname }}", "{%", "}}", "{{ ''|e }}", "[network]\n", "= ", "\"\"\"", "[[", "'"],
    );
}

#[test]
fn what_an_iso_says_that_it_is() {
    let seeds =
        [b"PRODUCT='pve'\nPRODUCTLONG='Proxmox VE'\nRELEASE='9.2'\nISORELEASE='1'\nISONAME='proxmox-ve'\n".to_vec()];
    sweep(parsers::iso, &seeds, &["'", "\"", "=", "\n", "99999999999", "../", "-", "\u{fffd}"]);
}

#[test]
fn dhcp_packets() {
    let names = [
        "ovmf-x64-pxe-discover",
        "bios-ipxe2019-rom-discover",
        "relayed-ovmf-x64-request",
        "snponly2.0-httpboot-discover",
    ];
    sweep(parsers::dhcp, &names.map(recorded), &["\u{1}", "5\u{1}\u{1}", "\u{0}\u{7f}", "R\u{2}"]);
}
