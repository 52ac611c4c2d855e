//! What booting machines get from proxy DHCP: questions recorded from real firmware, and the replies written out.

mod hostile;
pub(crate) mod packet;
mod sockets;

use std::{
    hint::black_box,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use rackseed::{
    dhcp::{IgnoreReason, Port, overheard, parse, reply},
    domain::{
        boot_options::Discovery,
        boot_path::boot_path,
        boot_request::{BootOffer, BootRequest, Loader, SilenceReason},
        firmware::{FIRMWARE, Transport, firmware},
    },
};

use crate::support::rebuild_world::RebuildWorld;
use packet::{all_recorded, is_as_written, option, recorded, text, with_options, without_options};

/// Our address in the recordings.
const OUR: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 2);

/// The offer for a machine of the recordings, by the way that its kind of firmware likes best.
fn loader(architecture: u16) -> BootOffer {
    let firmware = firmware(architecture).unwrap();
    loader_by(architecture, Discovery::usual(firmware.kind))
}

fn loader_by(architecture: u16, discovery: Discovery) -> BootOffer {
    let firmware = firmware(architecture).unwrap();
    let path = boot_path("52:54:00:f3:00:01".parse().unwrap(), firmware.boot_file);
    let file = match firmware.transport {
        Transport::Tftp => path,
        Transport::Http => format!("http://{OUR}:8081/loader/{path}"),
    };
    BootOffer::Loader(Loader { firmware, file, discovery })
}

fn script() -> BootOffer {
    BootOffer::Script("http://10.78.0.2:8081/ipxe/52:54:00:f3:00:01?b=xyz".to_owned())
}

/// Answers a packet and writes down where the reply goes and every byte of it.
fn answered(packet: &[u8], port: Port, offer: &BootOffer) -> String {
    let request = parse(packet, port).unwrap();
    let reply = reply(&request, offer, OUR).unwrap();
    let destination = reply.destination.map_or("back to its sender".to_owned(), |address| address.to_string());
    format!("to     {destination}\n{}", text(&reply.bytes))
}

#[test]
fn every_row_of_the_firmware_table_is_proved_by_a_recorded_packet() {
    for row in FIRMWARE {
        let request = parse(&recorded(row.proof), Port::Server).unwrap();
        let found = request.boot.firmware().unwrap();
        assert_eq!((found.kind, found.transport), (row.kind, row.transport), "{}", row.proof);
    }
}

/// What a machine of the recordings is offered when it is armed and nothing is known of it.
fn usual_offer(request: &BootRequest) -> BootOffer {
    let row = request.firmware().unwrap();
    match request.ipxe {
        None => loader(row.architecture),
        Some(ipxe) if ipxe.shortcoming(row.kind).is_some() || ipxe.may_lose_the_iso(row.kind) => {
            loader_by(row.architecture, Discovery::Direct)
        }
        Some(_) => script(),
    }
}

#[test]
fn every_recorded_question_has_the_reply_that_is_written_beside_it() {
    let mut written = 0;
    for name in all_recorded() {
        let (port, kind) = if name.contains("4011") { (Port::Proxy, "ack") } else { (Port::Server, "offer") };
        let packet = recorded(&name);
        let Ok(request) = parse(&packet, port) else { continue };
        is_as_written(&answered(&packet, port, &usual_offer(&request.boot)), &format!("{name}.{kind}.txt"));
        written += 1;
    }
    assert_eq!(written, 21, "recorded questions");
}

#[test]
fn bios_firmware_is_told_to_take_the_offered_loader_at_once() {
    // The recording comes from an iPXE ROM; without what makes it iPXE it is the question of a plain ROM.
    let plain = without_options(&recorded("bios-ipxe2019-rom-discover"), &[77, 175]);
    assert!(parse(&plain, Port::Server).unwrap().boot.ipxe.is_none());
    is_as_written(&answered(&plain, Port::Server, &loader(0)), "bios-plain-rom-discover.offer.txt");
}

/// The options of the reply to a recorded question.
fn reply_options(name: &str, port: Port, offer: &BootOffer) -> Vec<(u8, Vec<u8>)> {
    packet::options(&reply(&parse(&recorded(name), port).unwrap(), offer, OUR).unwrap().bytes)
}

#[test]
fn the_way_to_the_boot_file_is_one_option_and_can_be_chosen_for_every_firmware() {
    for (name, port, architecture) in [
        ("ovmf-x64-pxe-discover", Port::Server, 7),
        ("ovmf-x64-pxe-4011-request", Port::Proxy, 7),
        ("relayed-ovmf-x64-discover", Port::Server, 9),
        ("aavmf-arm64-pxe-discover", Port::Server, 11),
        ("bios-ipxe2019-rom-discover", Port::Server, 0),
    ] {
        let with = |discovery| reply_options(name, port, &loader_by(architecture, discovery));
        let (direct, by_boot_server) = (with(Discovery::Direct), with(Discovery::BootServer));
        assert!(direct.contains(&(43, vec![6, 1, 8, 255])), "{name}");
        let others: Vec<_> = direct.into_iter().filter(|(code, _)| *code != 43).collect();
        assert_eq!(others, by_boot_server, "{name}: nothing else differs");
    }
}

#[test]
fn http_boot_is_offered_a_url_of_an_address_twice_and_nothing_of_pxe() {
    for (name, architecture) in
        [("ovmf-x64-http-discover", 16), ("aavmf-arm64-http-discover", 19), ("ovmf-ia32-http-discover", 15)]
    {
        let bytes = reply(&parse(&recorded(name), Port::Server).unwrap(), &loader(architecture), OUR).unwrap().bytes;
        let url = option(&bytes, 67).unwrap();
        assert!(url.starts_with(b"http://10.78.0.2:8081/loader/b/525400f30001/"), "{name}");
        assert_eq!(bytes[108..108 + url.len()], url, "{name}: the header's field says the same");
        assert_eq!(option(&bytes, 60).unwrap(), b"HTTPClient");
        assert_eq!((option(&bytes, 43), option(&bytes, 175)), (None, None));
    }
}

#[test]
fn an_old_ipxe_of_a_vendor_is_chained_to_ours_and_a_good_one_gets_its_script() {
    for (name, gets_script) in [
        ("bios-ipxe2019-rom-discover", true),
        ("bios-ipxe2019-e1000-rom-discover", true),
        ("bios-undionly2.0-chained-discover", true),
        ("snponly2.0-chained-discover", true),
        ("snponly2.0-httpboot-discover", true),
        ("relayed-ipxe-bios-discover", true),
        // It would lose the installer ISO.
        ("snponly2019-discover", false),
    ] {
        let offer = usual_offer(&parse(&recorded(name), Port::Server).unwrap().boot);
        assert_eq!(matches!(offer, BootOffer::Script(_)), gets_script, "{name}");
        let options = reply_options(name, Port::Server, &offer);
        assert!(options.contains(&(175, vec![1, 1, 1])), "{name}: above the file of the LAN's DHCP server");
    }
}

#[test]
fn what_a_machine_says_of_itself_is_read_for_people() {
    let plain = recorded("relayed-ovmf-x64-discover");
    let boot = parse(&plain, Port::Server).unwrap().boot;
    assert_eq!(boot.vendor_class, "PXEClient:Arch:00007:UNDI:003000");
    assert_eq!((boot.uuid, boot.user_class), (None, None), "a virtual machine's zeros are no identity");
    let retry = parse(&recorded("ovmf-x64-pxe-discover-retry-secs28"), Port::Server).unwrap().boot;
    assert_eq!((retry.seconds, retry.to_boot_server), (28, false));
    let told = with_options(&plain, |options| {
        options.retain(|(code, _)| ![60, 97].contains(code));
        options.push((97, [&[0], (0x10..0x20).collect::<Vec<u8>>().as_slice()].concat()));
        options.push((60, b"PXEClient\x1b[2J\xff".to_vec()));
        options.push((77, b"own\n".to_vec()));
    });
    let boot = parse(&told, Port::Server).unwrap().boot;
    assert_eq!(boot.uuid.as_deref(), Some("13121110-1514-1716-1819-1a1b1c1d1e1f"));
    assert_eq!((boot.vendor_class.as_str(), boot.user_class.as_deref()), ("PXEClient?[2J?", Some("own?")));
}

#[test]
fn a_relay_gets_sub_options_back_in_the_order_in_which_it_sent_them() {
    let information = [2, 2, 7, 255, 1, 3, 255, 0, 9];
    let packet = with_options(&recorded("ovmf-x64-pxe-discover"), |options| options.push((82, information.to_vec())));
    let reply = reply(&parse(&packet, Port::Server).unwrap(), &loader(7), OUR).unwrap();
    assert_eq!(packet::options(&reply.bytes).last(), Some(&(82, information.to_vec())));
}

#[test]
fn all_sixteen_bytes_of_the_hardware_address_field_come_back() {
    let mut packet = recorded("ovmf-x64-pxe-discover");
    packet[34..44].copy_from_slice(b"0123456789");
    let reply = reply(&parse(&packet, Port::Server).unwrap(), &loader(7), OUR).unwrap();
    assert_eq!(reply.bytes[28..44], packet[28..44]);
}

#[test]
fn an_offer_holds_no_address_for_the_client_even_if_it_claims_one() {
    let mut packet = recorded("ovmf-x64-pxe-discover");
    packet[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    let reply = reply(&parse(&packet, Port::Server).unwrap(), &loader(7), OUR).unwrap();
    assert_eq!(reply.bytes[12..20], [0; 8]);
}

#[test]
fn a_machine_id_comes_back_as_it_came_and_may_be_missing() {
    let recorded = recorded("ovmf-x64-pxe-discover");
    for machine_id in [None, Some(vec![7]), Some((0..=16).collect()), Some(vec![255; 200])] {
        let packet = with_options(&recorded, |options| {
            options.retain(|(code, _)| *code != 97);
            options.extend(machine_id.clone().map(|machine_id| (97, machine_id)));
        });
        let reply = reply(&parse(&packet, Port::Server).unwrap(), &loader(7), OUR).unwrap();
        assert_eq!(option(&reply.bytes, 97), machine_id);
    }
}

#[test]
fn a_url_that_does_not_fit_into_the_boot_file_field_is_not_sent() {
    let request = parse(&recorded("bios-ipxe2019-rom-discover"), Port::Server).unwrap();
    let of_length = |length: usize| BootOffer::Script("u".repeat(length));
    assert!(reply(&request, &of_length(127), OUR).is_some());
    for length in [128, 129, 4000] {
        assert_eq!(reply(&request, &of_length(length), OUR), None, "{length}");
    }
}

#[test]
fn silence_has_no_bytes() {
    let request = parse(&recorded("ovmf-x64-pxe-discover"), Port::Server).unwrap();
    assert_eq!(reply(&request, &BootOffer::Silence(SilenceReason::NotArmed), OUR), None);
}

#[test]
fn packets_that_are_not_for_us_are_ignored_for_a_reason() {
    use IgnoreReason::{NotEthernetRequest, NotForUs, NotPxe};
    for (name, port, reason) in [
        ("neg-dhclient-discover", Port::Server, NotPxe),
        ("neg-udhcpc-discover", Port::Server, NotPxe),
        ("ovmf-x64-pxe-request", Port::Server, NotForUs),
        ("relayed-ovmf-x64-request", Port::Server, NotForUs),
        ("bios-ipxe2019-rom-request", Port::Server, NotForUs),
        ("bios-undionly2019-chained-request", Port::Server, NotForUs),
        ("snponly2.0-chained-request", Port::Server, NotForUs),
        ("ovmf-x64-pxe-4011-request", Port::Server, NotForUs),
        ("ovmf-x64-pxe-discover", Port::Proxy, NotForUs),
        ("ovmf-x64-http-request", Port::Server, NotForUs),
        ("ovmf-x64-http-discover", Port::Proxy, NotForUs),
        ("ref-lan-dhcp-offer", Port::Server, NotEthernetRequest),
        ("ref-dnsmasq-proxy-uefi-4011-ack", Port::Proxy, NotEthernetRequest),
    ] {
        assert_eq!(parse(&recorded(name), port).unwrap_err(), reason, "{name}");
    }
}

#[test]
fn only_a_booting_machine_that_takes_an_address_is_overheard() {
    for name in all_recorded().into_iter().filter(|name| !name.contains("4011")) {
        let takes_address = name.ends_with("request");
        let server = overheard(&recorded(&name)).map(|taken| taken.server);
        assert_eq!(server, takes_address.then_some(Ipv4Addr::new(10, 78, 0, 1)), "{name}");
    }
    let plain = recorded("ovmf-x64-pxe-request");
    assert_eq!(overheard(&without_options(&plain, &[54])), None);
    assert_eq!(overheard(&without_options(&plain, &[60])), None, "an ordinary client is nothing to us");
}

#[test]
fn the_architecture_is_the_first_known_one_of_a_list_and_else_stands_in_the_vendor_class() {
    let recorded = recorded("ovmf-x64-pxe-discover");
    let architecture = |codes: Option<&[u8]>, class: &str| {
        let packet = with_options(&recorded, |options| {
            options.retain(|(code, _)| ![93, 60].contains(code));
            options.extend(codes.map(|codes| (93, codes.to_vec())));
            options.push((60, class.as_bytes().to_vec()));
        });
        parse(&packet, Port::Server).map(|request| request.boot.architecture)
    };
    let arm = "PXEClient:Arch:00011:UNDI:003000";
    assert_eq!(architecture(Some(&[0, 41, 0, 7]), arm), Ok(7));
    assert_eq!(architecture(Some(&[0, 41, 0, 27]), "PXEClient"), Ok(41));
    assert_eq!(architecture(Some(&[0, 9]), "PXEClient"), Ok(9));
    assert_eq!(architecture(None, arm), Ok(11));
    assert_eq!(architecture(Some(&[7]), arm), Ok(11));
    for class in ["PXEClient", "PXEClient:Arch:", "PXEClient:Arch:1", "PXEClient:Arch:abcde", "PXEClient:Arch:é"] {
        assert_eq!(architecture(None, class), Err(IgnoreReason::NoArchitecture), "{class}");
    }
}

#[test]
fn ipxe_is_known_by_its_user_class_in_both_spellings_or_by_its_own_option() {
    let plain = recorded("ovmf-x64-pxe-discover");
    let is_ipxe = |code: u8, data: &[u8]| {
        let packet = with_options(&plain, |options| options.push((code, data.to_vec())));
        parse(&packet, Port::Server).unwrap().boot.ipxe.is_some()
    };
    assert!(is_ipxe(77, b"iPXE") && is_ipxe(77, b"\x04iPXE") && is_ipxe(175, &[0xeb, 3, 2, 0, 0]));
    assert!(!is_ipxe(77, b"gPXE") && !is_ipxe(12, b"iPXE"));
}

#[tokio::test]
async fn a_question_is_read_decided_and_answered_in_well_under_a_millisecond() {
    const ROUNDS: u32 = 2000;
    let world = RebuildWorld::new();
    for (name, last) in [("pve-01", 1), ("pve-02", 2), ("pve-03", 3)] {
        world.armed(name, last).await;
    }
    let (offers, mut discover) = (world.boot_offers(), recorded("relayed-ipxe-bios-discover"));
    discover[28..34].copy_from_slice(&[0x52, 0x54, 0, 0, 0, 2]);
    let start = Instant::now();
    for _ in 0..ROUNDS {
        let request = parse(black_box(&discover), Port::Server).unwrap();
        black_box(reply(&request, &offers.offer(&request.boot, OUR), OUR).unwrap());
    }
    let each = start.elapsed() / ROUNDS;
    assert!(each < Duration::from_millis(1), "one packet took {each:?}");
}
