//! A machine that was seen on the wire and is not registered.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{boot_request::BootRequest, identity::MacAddress};

/// The longest text that is kept of what a machine says.
const LONGEST_TEXT: usize = 120;

/// A machine that asked for a boot, or for a script, and is not registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The address of the card that asked.
    pub mac: MacAddress,
    /// Its SMBIOS system UUID, where it tells one.
    pub uuid: Option<String>,
    /// The client architecture (DHCP option 93); absent where only a script was asked for.
    pub architecture: Option<u16>,
    /// What asked, for a person: `UEFI x86-64`, `iPXE 2.0.0 on BIOS`.
    pub client: String,
    /// DHCP option 60.
    pub vendor_class: String,
    /// The interface on which it was heard; empty where only a script was asked for.
    pub interface: String,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// How often it has asked. Firmware asks several times in one boot.
    pub count: u64,
}

/// What one question tells of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Who asks.
    pub mac: MacAddress,
    /// See [`Sighting::uuid`].
    pub uuid: Option<String>,
    /// See [`Sighting::architecture`].
    pub architecture: Option<u16>,
    /// See [`Sighting::client`].
    pub client: String,
    /// See [`Sighting::vendor_class`].
    pub vendor_class: String,
    /// See [`Sighting::interface`].
    pub interface: String,
}

impl Question {
    /// A question for a boot.
    pub fn for_boot(request: &BootRequest, interface: &str) -> Self {
        Self {
            mac: request.mac,
            uuid: request.uuid.clone(),
            architecture: Some(request.architecture),
            client: request.client(),
            vendor_class: request.vendor_class.clone(),
            interface: interface.to_owned(),
        }
    }

    /// A question for a script.
    pub fn for_script(mac: MacAddress, platform: Option<&str>, version: Option<&str>) -> Self {
        let client = match (platform, version) {
            (Some(platform), Some(version)) => format!("iPXE {version} ({platform})"),
            (None | Some(_), _) => "iPXE".to_owned(),
        };
        Self { mac, uuid: None, architecture: None, client, vendor_class: String::new(), interface: String::new() }
    }
}

impl Sighting {
    /// Begins with the first question.
    pub fn new(question: &Question, now: Timestamp) -> Self {
        let mut sighting = Self {
            mac: question.mac,
            uuid: None,
            architecture: None,
            client: String::new(),
            vendor_class: String::new(),
            interface: String::new(),
            first_seen: now,
            last_seen: now,
            count: 0,
        };
        sighting.asked(question, now);
        sighting
    }

    /// Takes a question: the latest is shown, but what it does not tell stays as it was.
    pub fn asked(&mut self, question: &Question, now: Timestamp) {
        self.count = self.count.saturating_add(1);
        self.last_seen = self.last_seen.max(now);
        self.uuid = question.uuid.as_deref().map(short).or(self.uuid.take());
        self.architecture = question.architecture.or(self.architecture);
        for (kept, said) in [
            (&mut self.client, &question.client),
            (&mut self.vendor_class, &question.vendor_class),
            (&mut self.interface, &question.interface),
        ] {
            if !said.is_empty() {
                *kept = short(said);
            }
        }
    }
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_TEXT).collect()
}

/// Suggests a name for a new host: the prefix of its kind, and the first number that is free.
pub fn suggested_hostname<'a>(prefix: Option<&str>, taken: impl Iterator<Item = &'a str>) -> String {
    let prefix = prefix.filter(|prefix| !prefix.is_empty()).unwrap_or("pve-");
    let taken: std::collections::HashSet<_> = taken.collect();
    let name = |number: usize| format!("{prefix}{number:02}");
    (1..=taken.len() + 1).map(name).find(|name| !taken.contains(name.as_str())).unwrap_or_else(|| name(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_machine_is_one_sighting_however_often_and_by_whatever_way_it_asks() {
        let mac = "52:54:00:00:00:01".parse().unwrap();
        let mut request = BootRequest::new(mac, 7);
        request.uuid = Some("4c4c4544".into());
        let mut sighting = Sighting::new(&Question::for_boot(&request, "vmbr0"), at(10));
        sighting.asked(&Question::for_script(mac, Some("efi"), Some("2.0.0")), at(20));
        sighting.asked(&Question::for_script(mac, None, None), at(15));
        assert_eq!((sighting.count, sighting.first_seen, sighting.last_seen), (3, at(10), at(20)));
        assert_eq!((sighting.uuid.as_deref(), sighting.architecture), (Some("4c4c4544"), Some(7)));
        assert_eq!((sighting.client.as_str(), sighting.interface.as_str()), ("iPXE", "vmbr0"));
        assert_eq!(sighting.vendor_class, "PXEClient:Arch:00007");
        request.vendor_class = "x".repeat(5000);
        sighting.asked(&Question::for_boot(&request, "a\u{7}b"), at(30));
        assert_eq!((sighting.vendor_class.len(), sighting.interface.as_str()), (LONGEST_TEXT, "ab"));
    }

    #[test]
    fn the_suggested_name_is_the_first_that_is_free() {
        assert_eq!(suggested_hostname(None, [].into_iter()), "pve-01");
        assert_eq!(suggested_hostname(Some("gpu"), ["gpu01", "gpu03", "pve-02"].into_iter()), "gpu02");
        assert_eq!(suggested_hostname(Some(""), ["pve-01", "pve-02"].into_iter()), "pve-03");
    }
}
