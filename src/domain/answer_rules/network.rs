//! The rules of `[network]`.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

use super::Rules;
use crate::domain::{
    answer_file::{Network, Pinning},
    identity::MacAddress,
    image::InstallerRelease,
    udev_glob,
};

/// Where `network.source` became required.
const SOURCE_NEEDED_SINCE: InstallerRelease = InstallerRelease { major: 9, minor: 2 };

impl Rules {
    pub(super) fn network(&mut self, network: &Network) {
        let source = network.source.as_deref();
        self.holds(source.is_some() || self.release < SOURCE_NEEDED_SINCE, "network.source", "is needed since 9.2");
        match source.unwrap_or("from-dhcp") {
            "from-dhcp" => {
                let alone = network.cidr.is_none()
                    && network.dns.is_none()
                    && network.gateway.is_none()
                    && network.filter.is_empty();
                self.holds(alone, "network", "with source = \"from-dhcp\" may have no cidr, dns, gateway or filter");
            }
            "from-answer" => self.static_network(network),
            other => self.one_of("network.source", other, &["from-dhcp", "from-answer"]),
        }
        if let Some(pinning) = &network.interface_name_pinning {
            self.pinning(pinning);
        }
    }

    /// The installer accepts a gateway outside of the network, mixed families, the network's own address and a missing mask; a node with such
    /// a network is lost.
    fn static_network(&mut self, network: &Network) {
        let (Some(cidr), Some(dns), Some(gateway)) = (&network.cidr, &network.dns, &network.gateway) else {
            return self.holds(false, "network", "with source = \"from-answer\" needs cidr, dns and gateway");
        };
        self.card_filter(network);
        self.holds(dns.parse::<IpAddr>().is_ok(), "network.dns", "is not one address");
        let Ok(net) = cidr.parse::<IpNet>() else {
            return self.holds(false, "network.cidr", "is not an address with its mask such as 192.0.2.10/24");
        };
        let has_hosts_between = net.max_prefix_len() - net.prefix_len() > 1;
        let is_host = !has_hosts_between || (net.addr() != net.network() && !is_broadcast(net));
        self.holds(
            is_host,
            "network.cidr",
            "is the address of the network itself or of everybody in it, not of a node",
        );
        let inside = gateway.parse::<IpAddr>().is_ok_and(|gateway| net.contains(&gateway) && gateway != net.addr());
        self.holds(inside, "network.gateway", "is not another address in the network of cidr");
    }

    /// The installer takes the first card of which any property matches.
    fn card_filter(&mut self, network: &Network) {
        const FILTER: &str = "network.filter";
        self.holds(!network.filter.is_empty(), FILTER, "is needed with source = \"from-answer\"");
        self.holds(
            network.filter.len() <= 1,
            FILTER,
            "has several keys, and the installer takes any card that matches any of them; keep one",
        );
        for (key, glob) in &network.filter {
            self.holds(udev_glob::is_valid(glob), FILTER, &format!("has `{glob}`, which is no pattern"));
            self.holds(!glob.trim_matches(['*', '?']).is_empty(), FILTER, "matches every card");
            self.holds(
                key != "ID_NET_NAME_MAC" || *glob == glob.to_lowercase(),
                FILTER,
                "has upper-case letters for ID_NET_NAME_MAC; its values are lower case and case counts",
            );
        }
    }

    fn pinning(&mut self, pinning: &Pinning) {
        const MAPPING: &str = "network.interface-name-pinning.mapping";
        self.since("network.interface-name-pinning", 9, 1, true);
        self.holds(
            pinning.enabled,
            "network.interface-name-pinning.enabled",
            "= false pins all the same (a defect of 9.2); leave the table out",
        );
        let names: BTreeSet<_> = pinning.mapping.values().collect();
        self.holds(names.len() == pinning.mapping.len(), MAPPING, "has a name twice");
        let cards: BTreeSet<_> = pinning.mapping.keys().map(|mac| mac.to_ascii_lowercase()).collect();
        self.holds(cards.len() == pinning.mapping.len(), MAPPING, "has a MAC address twice");
        for (mac, name) in &pinning.mapping {
            self.holds(mac.parse::<MacAddress>().is_ok(), MAPPING, &format!("has `{mac}`, which is not a MAC address"));
            let is_pin = (2..=15).contains(&name.len())
                && name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            self.holds(
                is_pin,
                MAPPING,
                &format!("has `{name}`; a name has 2 to 15 letters, digits and underscores, a letter first"),
            );
            let is_automatic = name
                .strip_prefix("nic")
                .is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()));
            self.holds(
                !is_automatic,
                MAPPING,
                &format!(
                    "has `{name}`, as the installer itself names the cards that are not listed; choose another name"
                ),
            );
        }
    }
}

fn is_broadcast(net: IpNet) -> bool {
    match net {
        IpNet::V4(net) => net.addr() == net.broadcast(),
        IpNet::V6(_) => false,
    }
}
