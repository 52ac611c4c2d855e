//! Packets that nobody sends by accident: none of them may do more than be ignored.

use proptest::{collection::vec, prelude::*};
use rackseed::dhcp::{IgnoreReason, Port, overheard, parse, reply};

use super::{
    OUR, loader,
    packet::{OPTIONS, all_recorded, option, recorded, with_options},
    script,
};
use crate::support::rebuild_world::RebuildWorld;

/// Ethernet's frame without the headers of IP and UDP: no reply of ours needs a second one.
const ONE_FRAME: usize = 1472;

/// Whatever is read from a packet, its reply is one that we may send.
fn is_harmless(packet: &[u8]) {
    for port in [Port::Server, Port::Proxy] {
        let Ok(request) = parse(packet, port) else { continue };
        for offer in [loader(0), loader(7), script()] {
            let reply = reply(&request, &offer, OUR).unwrap();
            let bytes = &reply.bytes;
            assert!((300..=ONE_FRAME).contains(&bytes.len()));
            assert_eq!(bytes[0], 2, "not a reply");
            assert_eq!(bytes[16..20], [0; 4], "an address for the client");
            assert_eq!(bytes[20..24], OUR.octets());
            assert_eq!(option(bytes, 54).unwrap(), OUR.octets());
            let class = option(bytes, 60).unwrap();
            assert!(class == b"PXEClient" || class == b"HTTPClient");
        }
    }
}

#[test]
fn no_recorded_packet_and_no_beginning_of_one_does_harm() {
    for name in all_recorded() {
        let packet = recorded(&name);
        (0..=packet.len()).for_each(|length| is_harmless(&packet[..length]));
    }
}

#[test]
fn a_hardware_address_longer_than_its_field_is_ignored() {
    for hlen in [0, 5, 7, 16, 17, 128, 255] {
        let mut packet = recorded("ovmf-x64-pxe-discover");
        packet[2] = hlen;
        assert_eq!(parse(&packet, Port::Server).unwrap_err(), IgnoreReason::NotEthernetRequest, "{hlen}");
    }
}

#[test]
fn a_hardware_address_that_is_not_of_one_card_is_ignored() {
    for address in [[0; 6], [255; 6], [1, 0, 0x5e, 0, 0, 1]] {
        let mut packet = recorded("ovmf-x64-pxe-discover");
        packet[28..34].copy_from_slice(&address);
        assert_eq!(parse(&packet, Port::Server).unwrap_err(), IgnoreReason::BadAddress);
    }
}

#[test]
fn a_packet_without_the_cookie_is_ignored() {
    let mut packet = recorded("ovmf-x64-pxe-discover");
    packet[236] ^= 1;
    assert_eq!(parse(&packet, Port::Server).unwrap_err(), IgnoreReason::NotDhcp);
    assert_eq!(parse(&[], Port::Server).unwrap_err(), IgnoreReason::NotDhcp);
}

#[test]
fn an_option_of_odd_length_or_content_hides_nothing_that_follows() {
    // 12: a host name that is not text. 93 and 94: odd lengths. 80, 81, 151 to 155: lengths that a decoder may take for granted.
    for (code, data) in
        [(12, &[0xff, 0xfe][..]), (94, &[1]), (94, &[1, 3, 1, 0]), (80, &[1]), (81, &[0]), (151, &[0]), (155, &[])]
    {
        let packet = with_options(&recorded("ovmf-x64-pxe-discover"), |options| {
            options.retain(|(found, _)| *found != code);
            options.insert(0, (code, data.to_vec()));
        });
        assert_eq!(parse(&packet, Port::Server).unwrap().boot.architecture, 7, "option {code}");
    }
}

/// A recorded packet with some bytes changed, cut anywhere.
fn changed_packet() -> impl Strategy<Value = Vec<u8>> {
    let names = all_recorded();
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..12);
    (prop::sample::select(names), changes, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(name, changes, end, is_cut)| {
            let mut packet = recorded(&name);
            changes.iter().for_each(|(place, byte)| {
                let place = place.index(packet.len());
                packet[place] = *byte;
            });
            if is_cut {
                packet.truncate(end.index(packet.len()) + 1);
            }
            packet
        },
    )
}

/// A question that is well formed up to its options, which are random.
fn random_options() -> impl Strategy<Value = Vec<u8>> {
    (vec((any::<u8>(), vec(any::<u8>(), 0..256)), 0..8), vec(any::<u8>(), 0..40)).prop_map(|(random, tail)| {
        let mut packet = with_options(&recorded("relayed-ovmf-x64-discover"), |options| options.extend(random));
        packet.extend(tail);
        packet
    })
}

/// How many mutated packets the sweep sends. They are the same ones at every run.
const SWEEP: u32 = 100_000;

/// Small, fast, and the same everywhere: what is random need not be secret here (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        // The bytes at which codes, lengths and signs turn are the ones that break readers.
        let turning = [0, 1, 2, 6, 43, 60, 71, 82, 93, 97, 127, 128, 175, 254, 255];
        if self.below(2) == 0 { turning[self.below(turning.len())] } else { u8::try_from(self.below(256)).unwrap() }
    }

    /// Changes bytes, mostly among the options; cuts, doubles and moves pieces.
    fn mutate(&mut self, packet: &mut Vec<u8>) {
        for _ in 0..=self.below(6) {
            let place = if self.below(8) == 0 {
                self.below(packet.len())
            } else {
                OPTIONS + self.below(packet.len().max(241) - OPTIONS)
            };
            match self.below(10) {
                0 => packet.truncate(place.max(1)),
                1 => {
                    let piece = packet[place.min(packet.len())..].to_vec();
                    packet.extend_from_slice(&piece[..piece.len().min(600)]);
                }
                2 => packet.insert(place.min(packet.len()), self.byte()),
                3 if packet.len() > 241 => drop(packet.remove(place.min(packet.len() - 1))),
                _ => {
                    let place = place.min(packet.len() - 1);
                    packet[place] = self.byte();
                }
            }
        }
    }
}

#[tokio::test]
async fn a_hundred_thousand_mutated_packets_are_read_decided_and_answered_within_one_frame_or_not_at_all() {
    let world = RebuildWorld::new();
    world.armed("pve-01", 1).await;
    let (offers, mut dice) = (world.boot_offers(), Dice(0x9e37_79b9_7f4a_7c15));
    let recordings: Vec<_> = all_recorded().iter().map(|name| recorded(name)).collect();
    let (mut read, mut answered) = (0_u32, 0_u32);
    for _ in 0..SWEEP {
        let mut packet = recordings[dice.below(recordings.len())].clone();
        if packet.len() > OPTIONS {
            packet[28..34].copy_from_slice(&[0x52, 0x54, 0, 0, 0, 1]);
            dice.mutate(&mut packet);
        }
        let _ = overheard(&packet);
        let port = if dice.below(4) == 0 { Port::Proxy } else { Port::Server };
        let Ok(request) = parse(&packet, port) else { continue };
        read += 1;
        let offer = offers.offer(&request.boot, OUR);
        let Some(reply) = reply(&request, &offer, OUR) else { continue };
        answered += 1;
        assert!((300..=ONE_FRAME).contains(&reply.bytes.len()));
        assert_eq!((reply.bytes[0], &reply.bytes[16..20]), (2, &[0; 4][..]), "a reply that promises no address");
        assert_eq!(option(&reply.bytes, 54).unwrap(), OUR.octets());
    }
    assert!(
        read > SWEEP / 10 && answered > SWEEP / 20,
        "the sweep misses what it is for: {read} read, {answered} answered"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_do_no_harm(packet in vec(any::<u8>(), 0..1500)) {
        is_harmless(&packet);
    }

    #[test]
    fn changed_packets_do_no_harm(packet in changed_packet()) {
        is_harmless(&packet);
    }

    #[test]
    fn random_options_do_no_harm(packet in random_options()) {
        is_harmless(&packet);
    }
}
