//! The names and numbers by which things are known: parsed once at the door, valid everywhere inside.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a text is not the identity that it was given as: a sentence for the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidIdentity(pub String);

/// An Ethernet address.
///
/// Reads `52:54:00:12:34:56`, with `-` or `.` instead of `:`, and bare hexadecimal, in any case (the installer sends upper case
/// since 9.2, iPXE lower case); prints lower case with colons. Multicast and all-zero addresses are refused: no network card has one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress([u8; 6]);

impl MacAddress {
    /// Takes the six bytes as they stand in a packet.
    pub fn from_bytes(bytes: [u8; 6]) -> Result<Self, InvalidIdentity> {
        let address = Self(bytes);
        if bytes == [0; 6] || bytes[0] & 1 == 1 {
            return Err(InvalidIdentity(format!("`{address}` is not the address of one network card")));
        }
        Ok(address)
    }

    /// The six bytes as they stand in a packet.
    pub fn bytes(&self) -> [u8; 6] {
        self.0
    }
}

impl FromStr for MacAddress {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || {
            InvalidIdentity(format!(
                "`{}` is not a MAC address; write six pairs of hexadecimal digits, such as 52:54:00:12:34:56",
                text.chars().take(40).collect::<String>()
            ))
        };
        let separators = text.chars().filter(|c| !c.is_ascii_hexdigit()).collect::<String>();
        let pairs = matches!(separators.as_str(), "" | ":::::" | "-----" | "..");
        let digits: Vec<u8> =
            text.chars().filter_map(|c| c.to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
        let grouped = text.split([':', '-', '.']).all(|group| matches!(group.len(), 2 | 4 | 12));
        if !pairs || !grouped || digits.len() != 12 {
            return Err(refused());
        }
        let mut bytes = [0; 6];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        Self::from_bytes(bytes)
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl TryFrom<String> for MacAddress {
    type Error = InvalidIdentity;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(address: MacAddress) -> Self {
        address.to_string()
    }
}

/// Declares a newtype over a checked text: the type, its parser and its printed form.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidIdentity;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> Result<(), String> = $check;
                check(text).map(|()| Self(text.to_owned())).map_err(InvalidIdentity)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidIdentity;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

checked_text!(
    /// Names a host record: twelve characters of lower-case base32, safe in URLs.
    HostId,
    |text| short_id("host", text)
);
checked_text!(
    /// Names an operation: twelve characters of lower-case base32, safe in URLs.
    OperationId,
    |text| short_id("operation", text)
);
checked_text!(
    /// Names a batch of rebuilds: twelve characters of lower-case base32, safe in URLs.
    BatchId,
    |text| short_id("batch", text)
);
checked_text!(
    /// Names an ingested installer image: made from product, release and checksum, such as `pve-9.2-1-3fa94c21`.
    ImageId,
    |text| slug("image", text)
);
checked_text!(
    /// Names a server type: the key below `server_types:`.
    ServerTypeName,
    |text| slug("server type", text)
);
checked_text!(
    /// Names an answer template: its file name without `.toml`.
    TemplateName,
    |text| slug("answer template", text)
);
checked_text!(
    /// The name that a machine will have as a node: one DNS label (RFC 1123 §2.1), lower case, at most 63 characters, not digits
    /// only (the installer refuses a first label of digits, `proxmox-installer-types` `options.rs`).
    Hostname,
    |text| {
        let label = !text.is_empty()
            && text.len() <= 63
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !text.starts_with('-')
            && !text.ends_with('-')
            && !text.chars().all(|c| c.is_ascii_digit());
        if label { Ok(()) } else {
            Err(format!(
                "`{}` is not a host name; use 1 to 63 lower-case letters, digits and dashes, not at either end, and not digits only",
                text.chars().take(70).collect::<String>()
            ))
        }
    }
);

/// How many random bytes make a short id; seven and a half bytes are twelve base32 characters, so eight are asked for.
const SHORT_ID_LENGTH: usize = 12;
/// The alphabet of RFC 4648 base32, in lower case.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Spells sixty random bits as a short id.
fn spell_short_id(random: [u8; 8]) -> String {
    let bits = u64::from_be_bytes(random);
    (0..SHORT_ID_LENGTH).map(|place| char::from(BASE32[(bits >> (5 * place) & 31) as usize])).collect()
}

impl HostId {
    /// Makes an id from random bytes; the caller brings the randomness.
    pub fn from_random(random: [u8; 8]) -> Self {
        Self(spell_short_id(random))
    }
}

impl BatchId {
    /// Makes an id from random bytes; the caller brings the randomness.
    pub fn from_random(random: [u8; 8]) -> Self {
        Self(spell_short_id(random))
    }
}

impl OperationId {
    /// Makes an id from random bytes; the caller brings the randomness.
    pub fn from_random(random: [u8; 8]) -> Self {
        Self(spell_short_id(random))
    }
}

fn short_id(kind: &str, text: &str) -> Result<(), String> {
    if text.len() == SHORT_ID_LENGTH && text.bytes().all(|b| BASE32.contains(&b)) {
        return Ok(());
    }
    Err(format!("`{}` is not the id of a {kind}", text.chars().take(40).collect::<String>()))
}

fn slug(kind: &str, text: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !text.is_empty() && text.len() <= 64 && text.chars().all(allowed) && !text.starts_with('.') {
        return Ok(());
    }
    Err(format!(
        "`{}` is not the name of a {kind}; use 1 to 64 letters, digits, dashes, underscores and dots",
        text.chars().take(70).collect::<String>()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_address_is_read_in_every_usual_spelling_and_printed_in_one() {
        for text in ["52:54:00:AB:cd:0f", "52-54-00-ab-cd-0f", "5254.00ab.cd0f", "525400abcd0f"] {
            assert_eq!(text.parse::<MacAddress>().unwrap().to_string(), "52:54:00:ab:cd:0f", "{text}");
        }
    }

    #[test]
    fn what_is_not_the_address_of_one_card_is_refused() {
        for text in [
            "",
            "52:54:00:ab:cd",
            "52:54:00:ab:cd:zz",
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "5:254:00:ab:cd:0f",
            "52:5:4:00:ab:cd0f",
        ] {
            assert!(text.parse::<MacAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_hostname_is_one_dns_label() {
        assert!("pve-01".parse::<Hostname>().is_ok());
        for text in ["", "-pve", "pve-", "12345", "Pve", "pve.lan", "pve_1", "é"] {
            assert!(text.parse::<Hostname>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_short_id_made_from_random_bytes_is_read_back() {
        let id = HostId::from_random([1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(id.as_str().parse::<HostId>().unwrap(), id);
    }
}
