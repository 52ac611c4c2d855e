//! The story of the README, on machines.

use std::{thread::sleep, time::Duration};

use serde_json::Value;

use crate::{
    iso,
    lab::{Lab, OURS, ROUTER},
    machine::{Firmware, Machine},
    program::wait_until,
    rackseed::{Rackseed, WayIn},
};

/// How long a machine's firmware may take to have an address.
const LEASE_LIMIT: Duration = Duration::from_secs(90);
/// How long members may take to see each other.
const MEMBERS_LIMIT: Duration = Duration::from_secs(60);
/// How long we go on listening after the machine took its address: a proxy's offer would have come before.
const SILENCE: Duration = Duration::from_secs(3);

#[test]
fn bare_machines_become_ready_nodes_with_bios_and_uefi_by_key_and_by_password() {
    let lab = Lab::new("story");
    let mut rackseed = Rackseed::new(&lab);
    let iso = iso::build(&lab.folder);
    rackseed.start(WayIn::Key);
    rackseed.add_image(&iso);

    let mut first = Machine::new(&lab, "pve-01", 1, Firmware::Bios);
    let id = rackseed.register(&first);
    an_unarmed_machine_is_offered_nothing(&lab, &mut first);

    start_rebuild(&rackseed, &mut first, &id);
    let host = become_ready(&lab, &rackseed, &mut first, &id);
    assert_members(&first, &host, &["pve-01"]);

    let mut second = Machine::new(&lab, "pve-02", 2, Firmware::Uefi);
    let second_id = rackseed.register(&second);
    start_rebuild(&rackseed, &mut second, &second_id);
    let second_host = become_ready(&lab, &rackseed, &mut second, &second_id);
    assert_members(&second, &second_host, &["pve-01", "pve-02"]);
    assert_members(&first, &host, &["pve-01", "pve-02"]);

    rackseed.start(WayIn::Password);
    let mut third = Machine::new(&lab, "pve-03", 3, Firmware::Bios);
    let third_id = rackseed.register(&third);
    start_rebuild(&rackseed, &mut third, &third_id);
    // While the third is installed, so that it costs no time.
    the_disk_boots_again(&lab, &rackseed, &mut first, &id, &host);
    let third_host = become_ready(&lab, &rackseed, &mut third, &third_id);
    assert_members(&third, &third_host, &["pve-01", "pve-02", "pve-03"]);
    lab.note("all three are members");
}

fn an_unarmed_machine_is_offered_nothing(lab: &Lab, machine: &mut Machine<'_>) {
    machine.power_on();
    let acknowledged = |line: &str| line.contains("DHCPACK") && line.contains(&machine.mac);
    wait_until(LEASE_LIMIT, "the foreign DHCP server to serve the machine", || {
        lab.dhcp_log().lines().any(acknowledged)
    });
    sleep(SILENCE);
    assert!(!machine.dhcp_packets_from(ROUTER).is_empty(), "the capture saw nothing of the foreign DHCP server");
    assert_eq!(machine.dhcp_packets_from(OURS), Vec::<u32>::new());
    machine.power_off();
    lab.note("an unarmed machine was offered nothing");
}

fn start_rebuild(rackseed: &Rackseed<'_>, machine: &mut Machine<'_>, id: &str) {
    rackseed.rebuild(id, machine.name);
    machine.power_on();
}

/// Follows a rebuild and looks at what must be so when the host is ready.
fn become_ready(lab: &Lab, rackseed: &Rackseed<'_>, machine: &mut Machine<'_>, id: &str) -> Value {
    let host = rackseed.wait_until_ready(id, machine);

    let installing = Rackseed::came_into(&host, "installing");
    let offers = machine.dhcp_packets_from(OURS);
    assert!(!offers.is_empty(), "the installer came from somewhere else");
    let late = offers.iter().filter(|at| i64::from(**at) > installing + 1).count();
    assert_eq!(late, 0, "the machine was offered something after its answer was served: {offers:?}, {installing}");

    let (key, secrets) = rackseed.key_and_secrets(&host);
    assert_eq!(secrets, 0, "the database still holds secrets of the rebuild");
    let places = "/root/.ssh/authorized_keys /root/.ssh/authorized_keys2 /etc/pve/priv/authorized_keys";
    let found = machine.ask(address(&host), &format!("grep -F '{key}' {places} 2>/dev/null; true"));
    assert_eq!(found, "", "the ephemeral key is still on the node");
    // The line of the installer's command line stays out of the node, and the first-boot script ran to its end.
    let facts = machine.ask(
        address(&host),
        "uname -n; ls /var/lib/proxmox-first-boot; findmnt -no SOURCE /; cat /sys/class/net/eth0/address",
    );
    assert_eq!(facts.lines().collect::<Vec<_>>(), [machine.name, "proxmox-first-boot", "/dev/vda3", &machine.mac]);
    lab.note(&format!("{} is ready, and its key is gone", machine.name));
    host
}

/// The second power-on: nothing is asked of us, the same system comes up, and the host stays `ready`.
fn the_disk_boots_again(lab: &Lab, rackseed: &Rackseed<'_>, machine: &mut Machine<'_>, id: &str, host: &Value) {
    let first_boot = machine.wait_until_up();
    machine.shut_down(address(host));
    machine.power_on();
    let second_boot = machine.wait_until_up();
    assert_ne!(first_boot, second_boot);
    assert_eq!(machine.dhcp_packets_from(OURS), Vec::<u32>::new());
    assert_eq!(rackseed.get(&format!("/api/hosts/{id}"))["state"], "ready");
    lab.note(&format!("{} booted its disk again", machine.name));
}

/// The node sees exactly these members, all online, and a quorum. It is given some time: a member that is busy may be missed for a moment.
fn assert_members(machine: &Machine<'_>, host: &Value, names: &[&str]) {
    let what = format!("{} to see {names:?} online with a quorum", machine.name);
    wait_until(MEMBERS_LIMIT, &what, || {
        let members = machine.ask(address(host), "cat /etc/pve/.members");
        let members: Value = serde_json::from_str(&members).expect("JSON");
        let list = members["nodelist"].as_object().expect("a list of nodes");
        list.keys().eq(names) && list.values().all(|node| node["online"] == 1) && members["cluster"]["quorate"] == 1
    });
}

fn address(host: &Value) -> &str {
    host["address"].as_str().expect("an address")
}
