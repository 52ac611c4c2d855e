//! What the answer of one host says beyond its template and server type.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    answer_file::{Network, Pinning},
    answer_rules,
    disk_wish::{DiskOptions, DiskWish},
    host_options::OptionProblem,
    identity::{MacAddress, TemplateName},
    server_type::ServerType,
};

mod extra;

/// What the answer of one host says beyond its template and server type. What is absent is as these say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerOptions {
    /// Another answer template than that of the server type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateName>,
    /// Another domain than the setting `proxmox.domain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// A static address, and names of network cards.
    #[serde(skip_serializing_if = "is_default")]
    pub network: NetworkOptions,
    /// The disks of the system, and those that are not touched.
    #[serde(skip_serializing_if = "is_default")]
    pub disks: DiskOptions,
    /// A subscription key, for installers of 9.2 or newer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_key: Option<String>,
    /// What the template may name as `{{ vars.NAME }}`: texts, numbers, true and false.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
    /// Keys of the answer file, by section, that take the place of the template's.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// The network of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkOptions {
    /// The node's address with its mask, such as `192.0.2.10/24`; it comes with `gateway` and `dns`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
    /// The default gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// The name server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<IpAddr>,
    /// The card of the management network; absent: the one that the host boots from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nic: Option<MacAddress>,
    /// Names of cards by MAC address, which the installed system keeps; for installers of 9.1 or newer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<MacAddress, String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A longer text for a template is a mistake.
const LONGEST_VARIABLE_BYTES: usize = 1024;

impl AnswerOptions {
    /// The template that a host with these options gets.
    pub fn template_of<'a>(&'a self, server_type: &'a ServerType) -> &'a TemplateName {
        self.template.as_ref().unwrap_or(&server_type.answer_template)
    }

    /// The rule by which the disks are chosen, as a person reads it before saying yes.
    pub fn disk_rule(&self, server_type: &ServerType) -> String {
        if self.disks.select.is_empty() {
            return server_type.disk_rule();
        }
        self.disks.select.iter().map(DiskWish::sentence).collect::<Vec<_>>().join(", ")
    }

    /// Returns every rule that these options break.
    pub fn check(&self) -> Vec<OptionProblem> {
        let mut problems = self.network.check();
        problems.extend(self.disks.check("answer.disks"));
        let mut holds = |holds: bool, path: &str, rule: &str| {
            if !holds {
                problems.push(OptionProblem::new(path, rule));
            }
        };
        let domain = self.domain.as_deref();
        holds(
            domain.is_none_or(|domain| answer_rules::is_name(domain, 1)),
            "answer.domain",
            "must be a domain such as lab.example",
        );
        let key = self.subscription_key.as_deref();
        holds(
            key.is_none_or(answer_rules::is_subscription_key),
            "answer.subscription_key",
            "is not one such as pve1c-0123456789",
        );
        for (name, value) in &self.variables {
            let path = format!("answer.variables.{name}");
            let is_word = name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            holds(is_word, &path, "must be named by lower-case letters, digits and underscores, a letter first");
            let is_plain = match value {
                Value::String(text) => text.len() <= LONGEST_VARIABLE_BYTES && !text.chars().any(char::is_control),
                Value::Bool(_) | Value::Number(_) => true,
                Value::Null | Value::Array(_) | Value::Object(_) => false,
            };
            holds(is_plain, &path, "must be one line of text, a number, true or false");
        }
        problems.extend(extra::check(&self.extra));
        problems
    }
}

impl NetworkOptions {
    /// The card whose address the node gets, unless another is chosen.
    pub fn is_static(&self) -> bool {
        self.cidr.is_some()
    }

    /// The rules of the installer for a network of these options, each with the option's path.
    fn check(&self) -> Vec<OptionProblem> {
        let mut problems = Vec::new();
        let alone = [("gateway", self.gateway.is_some()), ("dns", self.dns.is_some()), ("nic", self.nic.is_some())];
        if !self.is_static() {
            let without = alone.iter().filter(|(_, is_there)| *is_there);
            problems.extend(without.map(|(field, _)| {
                OptionProblem::new(format!("answer.network.{field}"), "is for a static address; give `cidr` too")
            }));
        }
        let card = self.nic.map(|nic| nic.to_string()).unwrap_or_default();
        let network = Network {
            source: Some(if self.is_static() { "from-answer" } else { "from-dhcp" }.into()),
            cidr: self.cidr.clone(),
            dns: self.dns.filter(|_| self.is_static()).map(|address| address.to_string()),
            gateway: self.gateway.filter(|_| self.is_static()).map(|address| address.to_string()),
            filter: match self.is_static() {
                true => BTreeMap::from([("ID_NET_NAME_MAC".to_owned(), format!("*x{card}"))]),
                false => BTreeMap::new(),
            },
            interface_name_pinning: (!self.names.is_empty()).then(|| Pinning {
                enabled: true,
                mapping: self.names.iter().map(|(mac, name)| (mac.to_string(), name.clone())).collect(),
            }),
        };
        for problem in answer_rules::check_network(&network) {
            let (key, rule) = problem.split_once(' ').unwrap_or((&problem, ""));
            let path = match key.strip_prefix("network.interface-name-pinning.mapping") {
                Some(rest) => format!("network.names{rest}"),
                None => key.to_owned(),
            };
            problems.push(OptionProblem::new(format!("answer.{path}"), rule));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(options: &Value) -> Vec<String> {
        let options: AnswerOptions = serde_json::from_value(options.clone()).unwrap();
        options.check().into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn every_option_has_its_rule_and_says_where_it_is_broken() {
        for (options, paths) in [
            (json!({"domain": "lab.example"}), vec![]),
            (json!({"domain": "lab_1"}), vec!["answer.domain"]),
            (json!({"subscription_key": "pve1c-0123456789"}), vec![]),
            (json!({"subscription_key": "pve1c"}), vec!["answer.subscription_key"]),
            (json!({"variables": {"rack": "A7", "slot": 3, "new": true}}), vec![]),
            (json!({"variables": {"Rack": "A7"}}), vec!["answer.variables.Rack"]),
            (json!({"variables": {"rack": "a\nb"}}), vec!["answer.variables.rack"]),
            (json!({"variables": {"rack": ["A7"]}}), vec!["answer.variables.rack"]),
            (json!({"network": {"cidr": "192.0.2.10/24", "gateway": "192.0.2.1", "dns": "192.0.2.1"}}), vec![]),
            (json!({"network": {"cidr": "2001:db8::10/64", "gateway": "2001:db8::1", "dns": "2001:db8::1"}}), vec![]),
            (json!({"network": {"cidr": "192.0.2.10/24", "gateway": "192.0.2.1"}}), vec!["answer.network"]),
            (json!({"network": {"gateway": "192.0.2.1"}}), vec!["answer.network.gateway"]),
            (json!({"network": {"nic": "52:54:00:12:34:56"}}), vec!["answer.network.nic"]),
            (
                json!({"network": {"cidr": "192.0.2.10/33", "gateway": "192.0.2.1", "dns": "192.0.2.1"}}),
                vec!["answer.network.cidr"],
            ),
            (
                json!({"network": {"cidr": "192.0.2.10/24", "gateway": "198.51.100.1", "dns": "192.0.2.1"}}),
                vec!["answer.network.gateway"],
            ),
            (json!({"network": {"names": {"52:54:00:12:34:56": "mgmt0"}}}), vec![]),
            (json!({"network": {"names": {"52:54:00:12:34:56": "nic0"}}}), vec!["answer.network.names"]),
            (
                json!({"network": {"names": {"52:54:00:12:34:56": "a-name-that-is-too-long"}}}),
                vec!["answer.network.names"],
            ),
            (json!({"disks": {"select": [{"path": "sda"}]}}), vec!["answer.disks.select[0].path"]),
        ] {
            assert_eq!(problems(&options), paths, "{options}");
        }
    }

    #[test]
    fn what_was_not_chosen_is_not_written() {
        let written = serde_json::to_value(AnswerOptions::default()).unwrap();
        assert_eq!(written, json!({}));
    }
}
