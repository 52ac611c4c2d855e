//! The network of an answer: the template's, or the host's own static address; the management card by its MAC address; names of cards.

use toml::{Table, Value};

use super::{
    Notes,
    merge::{section, strings},
};
use crate::domain::{answer::AnswerValues, identity::MacAddress};

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
    let by_mac = |mac: MacAddress| {
        // Its value is `enx` and the digits in lower case.
        strings(&[("ID_NET_NAME_MAC", &format!("*{}", mac.to_string().replace(':', "")))])
    };
    if let Some(nic) = values.options.network.nic {
        is_known(nic, "answer.network.nic", values, notes, true);
        network.insert("filter".into(), by_mac(nic).into());
    }
    let default = match &values.server_type.management_nic {
        Some(name) => strings(&[("INTERFACE", name)]),
        None => by_mac(values.mac),
    };
    network.entry("filter").or_insert_with(|| default.into());
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
    let cards = &values.known_cards;
    if cards.is_empty() || cards.contains(&mac) || mac == values.mac {
        return;
    }
    let known = cards.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let sentence = format!("{key} names {mac}, and the machine reported only {known}");
    if is_needed { notes.problem(sentence) } else { notes.warning(sentence) }
}
