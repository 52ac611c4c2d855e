//! Every kind of machine and network gets as far as the installer's answer: kernel, initrd and the whole ISO have been loaded then, and the
//! stand-in installer has mounted it and asked.

use serde_json::{Value, json};

use crate::{
    iso,
    lab::Lab,
    machine::{Firmware, Machine},
    rackseed::{Rackseed, WayIn},
};

/// Registers a machine with its choices, arms it, switches it on, and returns its boot trace when its installer has its answer.
fn boots_the_installer(rackseed: &Rackseed<'_>, machine: &mut Machine<'_>, options: &Value) -> String {
    let id = rackseed.register(machine);
    rackseed.choose(&id, options);
    rackseed.rebuild(&id, machine.name);
    machine.power_on();
    rackseed.wait_until_installing(&id, machine);
    machine.power_off();
    rackseed.log_of(&machine.mac)
}

fn furnished(lab: &Lab) -> Rackseed<'_> {
    let mut rackseed = Rackseed::new(lab);
    let iso = iso::build(&lab.folder);
    rackseed.start(WayIn::Key);
    rackseed.add_image(&iso);
    rackseed
}

#[test]
fn every_kind_of_client_boots_the_installer() {
    let lab = Lab::new("clients");
    let rackseed = furnished(&lab);
    let nothing = json!({});

    // The stand-in's kernel has no driver for this card, so its installer starts from the whole ISO and cannot ask.
    let mut e1000 = Machine::new(&lab, "bios-e1000", 1, Firmware::Bios).with_card("e1000");
    let id = rackseed.register(&e1000);
    rackseed.rebuild(&id, e1000.name);
    e1000.power_on();
    e1000.wait_until_the_installer_runs();
    e1000.power_off();

    let mut undionly = Machine::new(&lab, "bios-undionly", 2, Firmware::Bios);
    let log = boots_the_installer(&rackseed, &mut undionly, &json!({ "boot": { "own_ipxe": true } }));
    assert!(log.contains("undionly.kpxe"), "the card's own iPXE was to load ours:\n{log}");

    let mut http = Machine::new(&lab, "uefi-http", 3, Firmware::UefiHttp);
    let log = boots_the_installer(&rackseed, &mut http, &nothing);
    assert!(log.contains("snponly.efi") && !log.contains("TFTP"), "the loader was to come by HTTP:\n{log}");

    let mut direct = Machine::new(&lab, "uefi-direct", 4, Firmware::Uefi);
    let log = boots_the_installer(&rackseed, &mut direct, &json!({ "boot": { "discovery": "direct" } }));
    assert!(!log.contains("Proxy"), "it was to take the offered file at once:\n{log}");
}

#[test]
fn machines_behind_a_relay_boot_the_installer() {
    let mut lab = Lab::new("relay");
    lab.add_far_network();
    let rackseed = furnished(&lab);
    let mut bios = Machine::new(&lab, "far-bios", 1, Firmware::Bios).far();
    boots_the_installer(&rackseed, &mut bios, &json!({}));
    let mut uefi = Machine::new(&lab, "far-uefi", 2, Firmware::Uefi).far();
    boots_the_installer(&rackseed, &mut uefi, &json!({}));
}

#[test]
fn machines_boot_the_installer_although_a_rival_offers_them_something_else() {
    let mut lab = Lab::new("rival");
    lab.add_rival();
    let rackseed = furnished(&lab);
    let mut bios = Machine::new(&lab, "rival-bios", 1, Firmware::Bios);
    boots_the_installer(&rackseed, &mut bios, &json!({}));
    // Between two boot servers that it must ask, firmware takes any; an offer that it may take at once comes first.
    let mut uefi = Machine::new(&lab, "rival-uefi", 2, Firmware::Uefi);
    boots_the_installer(&rackseed, &mut uefi, &json!({ "boot": { "discovery": "direct" } }));
    assert!(lab.rival_log().contains("PXE"), "the rival offered nothing:\n{}", lab.rival_log());
}

#[test]
fn machines_boot_the_installer_through_a_wire_that_loses_packets() {
    let lab = Lab::new("loss");
    let rackseed = furnished(&lab);
    // Five per cent.
    lab.lose_one_packet_of(20);
    let mut bios = Machine::new(&lab, "loss-bios", 1, Firmware::Bios);
    boots_the_installer(&rackseed, &mut bios, &json!({}));
    let lost = lab.lost_packets();
    assert!(lost > 100, "only {lost} packets were lost");
    lab.note(&format!("{lost} packets were lost"));
}
