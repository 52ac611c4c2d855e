//! What a node is called, where it is found, and what a template may name.

use rackseed::domain::{answer_options::AnswerOptions, hardware::Nic};
use serde_json::json;

use super::{TEMPLATE, assert_fixture, render, review, values};

fn options(options: serde_json::Value) -> AnswerOptions {
    let options: AnswerOptions = serde_json::from_value(options).unwrap();
    assert_eq!(options.check(), vec![]);
    options
}

fn with_global(addition: &str) -> String {
    TEMPLATE.replace("root-ssh-keys = []", addition)
}

fn with_network(network: &str) -> String {
    TEMPLATE.replace("source = \"from-dhcp\"", network)
}

const STATIC: &str = "source = \"from-answer\"\ncidr = \"192.0.2.10/24\"\ngateway = \"192.0.2.1\"\ndns = \"192.0.2.1\"";

#[test]
fn a_static_network_takes_the_management_card_of_the_server_type() {
    let mut with_card = values("8.3");
    with_card.server_type.management_nic = Some("enp87s0".into());
    assert_fixture("static-network-8.3.toml", &render(&with_network(STATIC), &with_card).unwrap());
}

#[test]
fn a_static_network_takes_the_card_that_the_host_boots_from() {
    let text = render(&with_network(STATIC), &values("9.2")).unwrap();
    assert!(text.contains("ID_NET_NAME_MAC = \"*525400123456\""), "{text}");
    let filtered = format!("{STATIC}\nfilter.ID_PATH = \"pci-0000:02:00.0\"");
    let text = render(&with_network(&filtered), &values("9.2")).unwrap();
    assert!(text.contains("ID_PATH = \"pci-0000:02:00.0\"") && !text.contains("ID_NET_NAME_MAC"), "{text}");
}

#[test]
fn a_hosts_own_address_card_and_names_stand_over_template_and_server_type() {
    let mut of_host = values("9.2");
    of_host.server_type.management_nic = Some("enp87s0".into());
    of_host.options = options(json!({
        "domain": "lab.example",
        "network": {
            "cidr": "198.51.100.7/24", "gateway": "198.51.100.1", "dns": "198.51.100.53", "nic": "B4-2E-99-AC-AD-B4",
            "names": { "b4:2e:99:ac:ad:b4": "mgmt0" },
        },
    }));
    let template = with_network(&format!(
        "{STATIC}\nfilter.INTERFACE = \"eno1\"\ninterface-name-pinning = {{ enabled = true, mapping = {{ \"B4:2E:99:AC:AD:B4\" = \"old\", \"{{{{ mac }}}}\" = \"boot0\" }} }}"
    ));
    assert_fixture("own-network-9.2.toml", &render(&template, &of_host).unwrap());
    let review = review(&template, &of_host);
    assert!(
        review.warnings.iter().any(|note| note.text.contains("names no management address")),
        "{:?}",
        review.warnings
    );
}

#[test]
fn a_card_that_the_machine_did_not_report_is_no_management_card() {
    let mut of_host = values("9.2");
    of_host.options = options(
        json!({"network": {"cidr": "198.51.100.7/24", "gateway": "198.51.100.1", "dns": "198.51.100.1", "nic": "b4:2e:99:ac:ad:b4"}}),
    );
    of_host.known_cards = vec![card("52:54:00:12:34:57", &[])];
    let refused = render(TEMPLATE, &of_host).unwrap_err();
    assert!(
        refused.contains("answer.network.nic names b4:2e:99:ac:ad:b4, and the machine reported only 52:54:00:12:34:57"),
        "{refused}"
    );
    of_host.known_cards.push(card("B4:2E:99:AC:AD:B4", &[]));
    assert!(render(TEMPLATE, &of_host).is_ok());
}

fn card(mac: &str, properties: &[(&str, &str)]) -> Nic {
    let properties = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Nic { mac: mac.to_owned(), properties, ..Nic::default() }
}

#[test]
fn a_filter_is_tried_on_the_cards_that_the_machine_reported() {
    let mut of_host = values("9.2");
    of_host.known_cards = vec![
        card(
            "52:54:00:12:34:56",
            &[("INTERFACE", "eno1"), ("ID_NET_NAME_MAC", "enx525400123456"), ("ID_NET_DRIVER", "igb")],
        ),
        card(
            "52:54:00:12:34:57",
            &[("INTERFACE", "eno2"), ("ID_NET_NAME_MAC", "enx525400123457"), ("ID_NET_DRIVER", "igb")],
        ),
    ];
    let filtered = |filter: &str| with_network(&format!("{STATIC}\nfilter.{filter}"));
    assert_eq!(review(&filtered("INTERFACE = \"eno2\""), &of_host).warnings, []);
    assert_eq!(review(&with_network(STATIC), &of_host).warnings, []);
    let refused = render(&filtered("INTERFACE = \"eno3\""), &of_host).unwrap_err();
    assert!(refused.contains("network.filter matches none of the cards"), "{refused}");
    let several = review(&filtered("ID_NET_DRIVER = \"igb\""), &of_host).warnings;
    assert!(several[0].text.contains("matches several cards (52:54:00:12:34:56, 52:54:00:12:34:57)"), "{several:?}");
    of_host.known_cards.push(card("52:54:00:12:34:58", &[]));
    assert!(
        render(&filtered("INTERFACE = \"eno3\""), &of_host).is_ok(),
        "it may be the card of which only the address is known"
    );
    // udev names no card by an address that is not burnt in.
    of_host.known_cards = vec![card("52:54:00:12:34:56", &[("INTERFACE", "usb0")])];
    assert!(render(&with_network(STATIC), &of_host).unwrap().contains("INTERFACE = \"usb0\""));
}

#[test]
fn names_of_cards_are_for_installers_that_know_them_and_disabled_ones_are_left_out() {
    let pinned = with_network("source = \"from-dhcp\"\ninterface-name-pinning.enabled = true");
    assert!(render(&pinned, &values("9.1")).is_ok());
    assert!(render(&pinned, &values("9.0")).unwrap_err().contains("needs an installer of 9.1"));
    let disabled = with_network("source = \"from-dhcp\"\ninterface-name-pinning.enabled = false");
    let review = review(&disabled, &values("9.2"));
    assert!(!review.toml.unwrap().contains("pinning"));
    assert!(review.warnings[0].text.contains("pins all the same"), "{:?}", review.warnings);
}

#[test]
fn a_node_is_called_as_it_is_registered() {
    let fqdn = |fqdn: &str, release: &str| {
        render(&with_global(&format!("fqdn = {fqdn}")), &values(release))
            .map(|text| text.parse::<toml::Table>().unwrap()["global"]["fqdn"].clone())
    };
    assert_eq!(fqdn("\"{{ hostname }}.lab.example\"", "9.2").unwrap().as_str(), Some("pve-01.lab.example"));
    assert!(fqdn("\"pve-02.home.arpa\"", "9.2").unwrap_err().contains("must begin with the host's own name"));
    let from_dhcp = fqdn("{ source = \"from-dhcp\", domain = \"{{ domain }}\" }", "9.2").unwrap();
    assert_eq!(from_dhcp["domain"].as_str(), Some("home.arpa"));
    assert!(fqdn("{ source = \"from-dhcp\" }", "8.3").unwrap_err().contains("needs an installer of 8.4"));
    let review = review(&with_global("fqdn.source = \"from-dhcp\""), &values("9.2"));
    assert!(review.warnings[0].text.contains("must give the machine the host name `pve-01`"), "{:?}", review.warnings);
    let mut of_host = values("9.2");
    of_host.options = options(json!({"domain": "lab.example"}));
    assert!(render(TEMPLATE, &of_host).unwrap().contains("fqdn = \"pve-01.lab.example\""));
}

#[test]
fn a_template_may_set_the_password_of_root() {
    for said in ["root-password = \"correct horse\"", "root-password-hashed = \"$y$j9T$own$hash\""] {
        let text = render(&with_global(said), &values("9.2")).unwrap();
        assert!(text.contains(said) && !text.contains("$6$salt$hash"), "{text}");
    }
}

#[test]
fn a_template_names_the_hosts_own_variables() {
    let template =
        with_global("mailto = \"{{ vars.team }}@home.arpa\"\nroot-ssh-keys = [\"ssh-ed25519 AAAA {{ vars.slot }}\"]")
            .replace("mailto = \"root@{{ fqdn }}\"\n", "");
    let mut of_host = values("9.2");
    of_host.options = options(json!({"variables": {"team": "storage", "slot": 7}}));
    let text = render(&template, &of_host).unwrap();
    assert!(text.contains("mailto = \"storage@home.arpa\"") && text.contains("ssh-ed25519 AAAA 7"), "{text}");
    let refused = render(&template, &values("9.2")).unwrap_err();
    assert!(
        refused.contains("global.mailto")
            && refused.contains("global.root-ssh-keys")
            && refused.contains("answer.variables.NAME=VALUE"),
        "every missing variable is named, with what to do: {refused}"
    );
}

#[test]
fn a_hosts_extra_keys_stand_in_the_place_of_the_templates() {
    let mut of_host = values("9.2");
    of_host.options = options(json!({"extra": {
        "global": {"keyboard": "de", "root_ssh_keys": ["ssh-ed25519 AAAA of-host"]},
        "disk-setup": {"lvm": {"swapsize": 4, "maxvz": 0}},
    }}));
    let table: toml::Table = render(TEMPLATE, &of_host).unwrap().parse().unwrap();
    assert_eq!(table["global"]["keyboard"].as_str(), Some("de"));
    assert_eq!(table["global"]["root-ssh-keys"][0].as_str(), Some("ssh-ed25519 AAAA of-host"));
    assert_eq!(table["global"]["root-ssh-keys"][1].as_str(), Some("ssh-ed25519 AAAA rackseed-operation"));
    assert_eq!(table["disk-setup"]["lvm"]["maxvz"].as_integer(), Some(0));
    of_host.server_type.filesystem = Some(rackseed::domain::server_type::Filesystem::Zfs);
    let review = review(TEMPLATE, &of_host);
    assert_eq!(review.problems[0].to_string(), "answer.extra.disk-setup.lvm: disk-setup.lvm belongs to ext4 and xfs");
}

#[test]
fn every_problem_is_told_at_once_with_the_place_where_it_is_changed() {
    let template = TEMPLATE
        .replace("keyboard = \"en-us\"", "keyboard = \"xx\"")
        .replace("timezone = \"UTC\"", "timezone = \"Etc/UTC\"");
    let mut of_host = values("9.2");
    of_host.options = options(json!({"disks": {"select": [{"model": "INTEL*"}]}}));
    let review = review(&template, &of_host);
    assert_eq!(review.toml, None);
    let told: Vec<_> = review.problems.iter().map(ToString::to_string).collect();
    for (place, key) in [
        ("answer-templates/default.toml:7: ", "global.keyboard is `xx`"),
        ("answer-templates/default.toml:8: ", "global.timezone must be"),
        ("answer.disks: ", "disk-setup: the machine has not reported its disks yet"),
    ] {
        assert!(told.iter().any(|problem| problem.starts_with(&format!("{place}{key}"))), "{place}: {told:?}");
    }
    assert_eq!(told.len(), 3, "{told:?}");
}
