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
    dhcp::{IgnoreReason, Port, parse, reply},
    domain::{
        boot_request::{BootOffer, SilenceReason},
        firmware::{FIRMWARE, firmware},
    },
};

use crate::support::rebuild_world::RebuildWorld;
use packet::{is_as_written, option, recorded, text, with_options, without_options};

/// Our address in the recordings.
const OUR: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 2);

fn loader(architecture: u16) -> BootOffer {
    BootOffer::Loader(firmware(architecture).unwrap())
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
        assert_eq!(firmware(request.boot.architecture).unwrap().kind, row.kind, "{}", row.proof);
    }
}

#[test]
fn uefi_firmware_is_offered_its_loader_without_option_43() {
    let offer = answered(&recorded("ovmf-x64-pxe-discover"), Port::Server, &loader(7));
    is_as_written(&offer, "ovmf-x64-pxe-discover.offer.txt");
}

#[test]
fn uefi_firmware_is_answered_on_the_proxy_port_where_it_asked_from() {
    let ack = answered(&recorded("ovmf-x64-pxe-4011-request"), Port::Proxy, &loader(7));
    is_as_written(&ack, "ovmf-x64-pxe-4011-request.ack.txt");
}

#[test]
fn bios_firmware_is_told_to_take_the_offered_loader_at_once() {
    // The recording comes from an iPXE ROM; without what makes it iPXE it is the question of a plain ROM.
    let plain = without_options(&recorded("bios-ipxe2019-rom-discover"), &[77, 175]);
    assert!(!parse(&plain, Port::Server).unwrap().boot.is_ipxe);
    is_as_written(&answered(&plain, Port::Server, &loader(0)), "bios-plain-rom-discover.offer.txt");
}

#[test]
fn ipxe_is_offered_its_script_with_priority_over_the_file_of_the_lan() {
    for name in ["bios-ipxe2019-rom-discover", "snponly2.0-chained-discover", "bios-undionly2019-chained-discover"] {
        assert!(parse(&recorded(name), Port::Server).unwrap().boot.is_ipxe, "{name}");
        let offer = answered(&recorded(name), Port::Server, &script());
        is_as_written(&offer, &format!("{name}.offer.txt"));
    }
}

#[test]
fn ipxe_that_asks_the_boot_server_gets_its_script_and_its_boot_item_back() {
    for name in ["snponly2019-4011-request", "bios-ipxe2019-rom-4011-bootserver-request"] {
        let ack = answered(&recorded(name), Port::Proxy, &script());
        is_as_written(&ack, &format!("{name}.ack.txt"));
    }
}

#[test]
fn a_relayed_question_is_answered_to_the_relay_with_its_information_last() {
    let cases = [("relayed-ovmf-x64-discover", loader(7)), ("relayed-ipxe-bios-discover", script())];
    for (name, offer) in cases {
        is_as_written(&answered(&recorded(name), Port::Server, &offer), &format!("{name}.offer.txt"));
    }
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
    use IgnoreReason::{HttpBoot, NotEthernetRequest, NotForUs, NotPxe};
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
        ("ovmf-x64-http-discover", Port::Server, HttpBoot),
        ("ovmf-ia32-http-discover", Port::Server, HttpBoot),
        ("aavmf-arm64-http-discover", Port::Server, HttpBoot),
        ("ref-lan-dhcp-offer", Port::Server, NotEthernetRequest),
        ("ref-dnsmasq-proxy-uefi-4011-ack", Port::Proxy, NotEthernetRequest),
    ] {
        assert_eq!(parse(&recorded(name), port).unwrap_err(), reason, "{name}");
    }
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
    assert_eq!(architecture(Some(&[0, 41, 0, 11]), "PXEClient"), Ok(41));
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
        parse(&packet, Port::Server).unwrap().boot.is_ipxe
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
