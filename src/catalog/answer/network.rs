//! The network of an answer: the template's, or the host's own static address; the management card by its MAC address; names of cards.

use toml::{Table, Value};

use super::{
    Notes,
    merge::{section, strings},
};
use crate::domain::{answer::AnswerValues, hardware::Nic, identity::MacAddress, udev_glob};

const PINNING: &str = "interface-name-pinning";

/// Puts the host's network into the answer.
pub(super) fn merge(table: &mut Table, values: &AnswerValues, notes: &mut Notes) {
    let Some(network) = section(table, "network", notes) else { return };
    let options = &values.options.network;
    if let Some(cidr) = &options.cidr {
        network.insert("source".into(), "from-answer".into());
        network.insert("cidr".into(), cidr.clone().into());
        for (key, address) in [("gateway", options.gateway), ("dns", options.dns)] {
            if let Some(address) = address {
                network.insert(key.into(), address.to_string().into());
            }
        }
    }
    // Needed since 9.2.
    let source = network.entry("source").or_insert_with(|| "from-dhcp".into()).as_str().unwrap_or_default().to_owned();
    if source == "from-answer" {
        card(network, values, notes);
    }
    pinning(network, values, notes);
    if source == "from-answer" && network.contains_key(PINNING) {
        notes.warning(
            "network.interface-name-pinning with a static address: the installer's report then names no management address (a defect of 9.2); \
             we learn it from the first boot",
        );
    }
}

/// The management card of a static network: the host's choice, the template's filter, the server type's, or the card that it boots from.
/// With DHCP the installer takes the card with the default route.
fn card(network: &mut Table, values: &AnswerValues, notes: &mut Notes) {
    if let Some(nic) = values.options.network.nic {
        is_known(nic, "answer.network.nic", values, notes, true);
        network.insert("filter".into(), by_mac(nic, values).into());
    }
    let default = match &values.server_type.management_nic {
        Some(name) => strings(&[("INTERFACE", name)]),
        None => by_mac(values.mac, values),
    };
    network.entry("filter").or_insert_with(|| default.into());
    let filter = network.get("filter").and_then(Value::as_table);
    let keys = filter.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
    check_filter(&keys.collect::<Vec<_>>(), &values.known_cards, notes);
}

/// The filter for a card. Its name by MAC address is `enx` and the digits in lower case; where udev gave the card no such name (an address that
/// is not burnt in), the kernel's name must do.
fn by_mac(mac: MacAddress, values: &AnswerValues) -> Table {
    let card = values.known_cards.iter().find(|card| card.mac.parse() == Ok(mac)).map(|card| &card.properties);
    match card.map(|properties| (properties.get("ID_NET_NAME_MAC"), properties.get("INTERFACE"))) {
        Some((None, Some(name))) => strings(&[("INTERFACE", &udev_glob::escape(name))]),
        Some(_) | None => strings(&[("ID_NET_NAME_MAC", &format!("*{}", mac.to_string().replace(':', "")))]),
    }
}

/// Tries a filter on the cards that the machine reported, as the installer does: a card of which any key matches will do, and the first one
/// is taken. What names of cards became when they were pinned is not known there, so only udev's own properties are looked at.
fn check_filter(keys: &[(&str, &str)], cards: &[Nic], notes: &mut Notes) {
    let is_match = |card: &&Nic| {
        keys.iter().any(|(key, glob)| card.properties.get(*key).is_some_and(|value| udev_glob::matches(glob, value)))
    };
    let spell =
        |cards: &mut dyn Iterator<Item = &Nic>| cards.map(|card| card.mac.as_str()).collect::<Vec<_>>().join(", ");
    // The first question of an installer tells addresses alone; a card of which no more is known may be the one.
    let are_all_known = cards.iter().all(|card| !card.properties.is_empty());
    match cards.iter().filter(is_match).count() {
        0 if !cards.is_empty() && are_all_known => {
            let known = spell(&mut cards.iter());
            notes.problem(format!("network.filter matches none of the cards that the machine reported: {known}"));
        }
        0 | 1 => {}
        _ => {
            let found = spell(&mut cards.iter().filter(is_match));
            notes.warning(format!("network.filter matches several cards ({found}), and the first by name is taken"));
        }
    }
}

/// Names of cards: the template's and, over them, the host's. A disabled pinning is left out: 9.2 pins all the same.
fn pinning(network: &mut Table, values: &AnswerValues, notes: &mut Notes) {
    if network.get(PINNING).and_then(|pinning| pinning.get("enabled")) == Some(&Value::from(false)) {
        network.remove(PINNING);
        notes.warning(
            "network.interface-name-pinning is left out: with enabled = false the installer 9.2 pins all the same",
        );
    }
    let names = &values.options.network.names;
    if !names.is_empty() {
        let pinning = network.entry(PINNING).or_insert_with(|| Table::new().into());
        if let Some(pinning) = pinning.as_table_mut() {
            pinning.insert("enabled".into(), true.into());
            let mapping = pinning.entry("mapping").or_insert_with(|| Table::new().into());
            if let Some(mapping) = mapping.as_table_mut() {
                // The template may spell the same address otherwise.
                mapping.retain(|key, _| key.parse::<MacAddress>().map_or(true, |mac| !names.contains_key(&mac)));
                mapping.extend(names.iter().map(|(mac, name)| (mac.to_string(), Value::from(name.as_str()))));
            }
        }
    }
    let mapping = network.get_mut(PINNING).and_then(|pinning| pinning.get_mut("mapping")).and_then(Value::as_table_mut);
    let Some(mapping) = mapping else { return };
    for (key, name) in std::mem::take(mapping) {
        let mac = key.parse::<MacAddress>();
        if let Ok(mac) = mac {
            is_known(mac, "network.interface-name-pinning.mapping", values, notes, false);
        }
        // 9.1 before 9.1.7 compares case.
        let spelled = mac.map_or(key, |mac| mac.to_string());
        if mapping.insert(spelled.clone(), name).is_some() {
            notes.problem(format!("network.interface-name-pinning.mapping has {spelled} twice"));
        }
    }
}

/// Says when the machine has reported its cards and this is none of them.
fn is_known(mac: MacAddress, key: &str, values: &AnswerValues, notes: &mut Notes, is_needed: bool) {
    let cards: Vec<MacAddress> = values.known_cards.iter().filter_map(|card| card.mac.parse().ok()).collect();
    if cards.is_empty() || cards.contains(&mac) || mac == values.mac {
        return;
    }
    let known = cards.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let sentence = format!("{key} names {mac}, and the machine reported only {known}");
    if is_needed { notes.problem(sentence) } else { notes.warning(sentence) }
}
