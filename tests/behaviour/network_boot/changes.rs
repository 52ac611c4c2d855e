//! Interfaces that come, go and change while we run.

use super::*;

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 91, 1, last)
}

fn waiting_for(server: &Server, interface: &str) -> String {
    server.wait_until(interface, InterfaceState::Waiting).waiting_for.unwrap()
}

#[test]
fn an_interface_that_is_made_anew_or_gets_another_address_is_served_again() {
    let (server, lan) = (Namespace::new(), Namespace::new());
    server.cable("vmbr0", &lan, "eth0");
    server.ip("address add 10.91.1.1/24 dev vmbr0");
    server.cable("eth7", &lan, "eth7");
    server.ip("address add 10.91.7.1/24 dev eth7");
    let running = Server::start(&server, config(vec![wanted("vmbr0")]));
    ask_everybody(&lan.socket("eth0", 68), "ovmf-x64-pxe-discover").is_ours(address(1), 67);
    server.ip("address add 10.91.1.9/24 dev vmbr0");
    server.ip("address delete 10.91.1.1/24 dev vmbr0");
    // Whether its second address is kept depends on the system's settings.
    let _ = server.enter(|| {
        std::process::Command::new("ip").args(["address", "replace", "10.91.1.9/24", "dev", "vmbr0"]).status()
    });
    wait_for("the other address", || (running.interface("vmbr0").addresses == [address(9)]).then_some(()));
    ask_everybody(&lan.socket("eth0", 68), "ovmf-x64-pxe-discover").is_ours(address(9), 67);
    server.ip("link set vmbr0 down");
    assert!(waiting_for(&running, "vmbr0").contains("`ip link set vmbr0 up`"));
    server.ip("link delete vmbr0");
    wait_for("the interface to be gone", || {
        running.interface("vmbr0").sentence().contains("there is no network interface `vmbr0`").then_some(())
    });
    server.cable("vmbr0", &lan, "eth0");
    let sentence = wait_for("the interface without address", || {
        Some(running.interface("vmbr0").sentence()).filter(|sentence| sentence.contains("has no IPv4 address"))
    });
    assert!(sentence.ends_with("or name another interface (eth7 has 10.91.7.1)"), "{sentence}");
    server.ip("address add 10.91.1.1/24 dev vmbr0");
    running.wait_until("vmbr0", InterfaceState::Answering);
    lan.ip("address add 10.91.1.50/24 dev eth0");
    ask_everybody(&lan.socket("eth0", 68), "ovmf-x64-pxe-discover").is_ours(address(1), 67);
    assert_eq!(load(&lan, "eth0", address(1), "undionly.kpxe").from.ip(), address(1));
}

#[test]
fn an_interface_that_is_deleted_and_made_anew_at_once_is_served_again() {
    let (server, lan) = (Namespace::new(), Namespace::new());
    server.cable("vmbr0", &lan, "eth0");
    server.ip("address add 10.91.1.1/24 dev vmbr0");
    let _running = Server::start(&server, config(vec![wanted("vmbr0")]));
    server.ip("link delete vmbr0");
    server.cable("vmbr0", &lan, "eth0");
    server.ip("address add 10.91.1.1/24 dev vmbr0");
    let machine = lan.socket("eth0", 68);
    wait_for("an offer", || {
        send(&machine, &recorded("ovmf-x64-pxe-discover"), EVERYBODY);
        (!is_silent(&machine)).then_some(())
    });
}

#[test]
fn a_vlan_is_an_interface_like_any_other_and_may_come_later() {
    let (server, lan) = (Namespace::new(), Namespace::new());
    server.cable("eth0", &lan, "eth0");
    server.ip("address add 10.91.1.1/24 dev eth0");
    let running = Server::start(&server, config(vec![wanted("eth0"), wanted("eth0.30")]));
    let sentence = waiting_for(&running, "eth0.30");
    assert!(sentence.contains("there is no network interface `eth0.30`; there are: eth0, lo"), "{sentence}");
    assert_eq!(running.interface("eth0").state(), InterfaceState::Answering, "one does not wait for the other");
    server.vlan("eth0", &lan, "eth0", 30);
    server.ip("address add 10.91.30.1/24 dev eth0.30");
    running.wait_until("eth0.30", InterfaceState::Answering);
    let (untagged, tagged) = (lan.socket("eth0", 68), lan.socket("eth0.30", 68));
    ask_everybody(&tagged, "ovmf-x64-pxe-discover").is_ours(Ipv4Addr::new(10, 91, 30, 1), 67);
    assert!(is_silent(&tagged) && is_silent(&untagged), "it was answered twice");
    ask_everybody(&untagged, "ovmf-x64-pxe-discover").is_ours(address(1), 67);
    assert!(is_silent(&tagged) && is_silent(&untagged), "it was answered twice");
}

#[test]
fn the_address_of_a_virtual_router_is_served_only_while_we_have_it() {
    let (server, lan) = (Namespace::new(), Namespace::new());
    server.cable("eth0", &lan, "eth0");
    server.ip("address add 10.91.1.1/24 dev eth0");
    let virtual_address = WantedInterface { address: Some(address(100)), ..wanted("eth0") };
    let running = Server::start(&server, config(vec![virtual_address]));
    let machine = lan.socket("eth0", 68);
    let sentence = waiting_for(&running, "eth0");
    assert!(sentence.contains("does not have the address 10.91.1.100"), "{sentence}");
    send(&machine, &recorded("ovmf-x64-pxe-discover"), EVERYBODY);
    assert!(is_silent(&machine));
    server.ip("address add 10.91.1.100/32 dev eth0");
    running.wait_until("eth0", InterfaceState::Answering);
    ask_everybody(&machine, "ovmf-x64-pxe-discover").is_ours(address(100), 67);
    server.ip("address delete 10.91.1.100/32 dev eth0");
    running.wait_until("eth0", InterfaceState::Waiting);
    send(&machine, &recorded("ovmf-x64-pxe-discover"), EVERYBODY);
    assert!(is_silent(&machine));
}
