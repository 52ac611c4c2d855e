//! The rules of the list, by examples.

use super::*;
use crate::domain::host_options::HostOptions;

fn host(name: &str, number: u8, state: HostState) -> Host {
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    Host {
        id: format!("aaaaaaaaaa{}{}", char::from(b'a' + number / 10), char::from(b'a' + number % 10)).parse().unwrap(),
        hostname: name.parse().unwrap(),
        mac: MacAddress::from_bytes([0x52, 0x54, 0, 0xab, 0xcd, number]).unwrap(),
        server_type: if number.is_multiple_of(2) { "even" } else { "odd" }.parse().unwrap(),
        state,
        state_since: at(1000 - i64::from(number)),
        reason: None,
        address: Some(std::net::Ipv4Addr::new(192, 0, 2, number)),
        hardware_id: None,
        ssh_host_key: None,
        registered_at: at(0),
        installed_at: (number > 2).then(|| at(i64::from(number))),
        is_member: false,
        options: HostOptions::default(),
        boot_order: None,
        hardware: None,
        operation: None,
    }
}

fn hosts() -> Vec<Host> {
    vec![
        host("pve-10", 1, HostState::Ready),
        host("pve-2", 2, HostState::Failed),
        host("pve-1", 3, HostState::Installing),
        host("gpu-01", 4, HostState::Registered),
        host("pve-3", 5, HostState::PxeReady),
        host("pve-4", 6, HostState::Ready),
    ]
}

fn wish(query: &str) -> HostWish {
    let fields = query.split('&').filter_map(|field| field.split_once('='));
    let (wish, problems) = HostWish::read(fields);
    assert!(problems.is_empty(), "{problems:?}");
    wish
}

/// The names that a wish finds, in its order. `pve-3` is overdue.
fn found(query: &str) -> Vec<String> {
    let (wish, hosts) = (wish(query), hosts());
    let listed = hosts.iter().map(|host| Listed {
        host,
        tone: tone(host.state, None),
        is_overdue: host.hostname.as_str() == "pve-3",
    });
    let mut wanted: Vec<_> = listed.filter(|listed| wish.wants(listed)).collect();
    wanted.sort_by(|one, other| wish.order(one, other));
    wanted.iter().map(|listed| listed.host.hostname.to_string()).collect()
}

#[test]
fn what_needs_a_person_comes_first_then_what_is_overdue_then_what_is_under_way() {
    assert_eq!(found(""), ["pve-2", "pve-3", "pve-1", "gpu-01", "pve-4", "pve-10"]);
}

#[test]
fn each_order_is_what_its_name_says() {
    for (query, names) in [
        ("sort=name", ["gpu-01", "pve-1", "pve-2", "pve-3", "pve-4", "pve-10"]),
        ("sort=since", ["pve-4", "pve-3", "gpu-01", "pve-1", "pve-2", "pve-10"]),
        ("sort=server_type", ["gpu-01", "pve-2", "pve-4", "pve-1", "pve-3", "pve-10"]),
        ("sort=installed", ["pve-4", "pve-3", "gpu-01", "pve-1", "pve-2", "pve-10"]),
        ("sort=name&group=server_type", ["gpu-01", "pve-2", "pve-4", "pve-1", "pve-3", "pve-10"]),
        ("sort=name&group=state", ["gpu-01", "pve-3", "pve-1", "pve-4", "pve-10", "pve-2"]),
    ] {
        assert_eq!(found(query), names, "{query}");
    }
}

#[test]
fn a_list_is_narrowed_by_state_type_attention_and_time() {
    for (query, names) in [
        ("state=ready&sort=name", vec!["pve-4", "pve-10"]),
        ("state=at_work&sort=name", vec!["pve-1", "pve-3"]),
        ("server_type=odd&sort=name", vec!["pve-1", "pve-3", "pve-10"]),
        ("attention=true", vec!["pve-2"]),
        ("overdue=true", vec!["pve-3"]),
        ("attention=true&overdue=true", vec![]),
    ] {
        assert_eq!(found(query), names, "{query}");
    }
}

#[test]
fn names_addresses_and_mac_addresses_in_any_notation_are_searched() {
    for (query, names) in [
        ("q=GPU", vec!["gpu-01"]),
        ("q=192.0.2.4", vec!["gpu-01"]),
        ("q=52:54:00:AB:CD:02", vec!["pve-2"]),
        ("q=5254.00ab.cd02", vec!["pve-2"]),
        ("q=52-54-00-ab-cd-02", vec!["pve-2"]),
        ("q=abcd02", vec!["pve-2"]),
        ("q=pve cd:03", vec!["pve-1"]),
        ("q=nothing", vec![]),
    ] {
        assert_eq!(found(query), names, "{query}");
    }
}

#[test]
fn what_is_said_in_a_query_is_said_again_in_the_same_words() {
    let query = "q=pve 1&state=at_work&server_type=odd&attention=true&overdue=true&sort=since&group=state";
    let again: Vec<_> = wish(query).fields().iter().map(|(field, text)| format!("{field}={text}")).collect();
    assert_eq!(again.join("&"), query);
    assert!(wish("sort=attention&group=none&q=").fields().is_empty());
    assert!(wish("q=a").is_narrow() && !wish("sort=name&group=state").is_narrow());
}

#[test]
fn what_is_not_understood_is_named_and_left_at_its_default() {
    let said = [("state", "asleep"), ("sort", "colour"), ("overdue", "maybe"), ("group", "x"), ("limit", "3")];
    let (wish, problems) = HostWish::read(said.into_iter());
    assert_eq!(wish, HostWish::default());
    let fields: Vec<_> = problems.iter().map(|(field, _)| *field).collect();
    assert_eq!(fields, ["state", "sort", "overdue", "group"]);
    assert!(problems[0].1.contains("`asleep` is none of: registered, pxe_ready") && problems[0].1.contains("at_work"));
}

#[test]
fn an_operation_that_needs_attention_makes_a_host_red_whatever_its_state() {
    assert_eq!(tone(HostState::Joining, Some(OperationStatus::NeedsAttention)), Tone::Bad);
    assert_eq!(tone(HostState::Joining, Some(OperationStatus::Waiting)), Tone::Busy);
    assert_eq!(tone(HostState::Failed, None), Tone::Bad);
}
