//! What a machine sent and what it was answered, as it is kept: without a secret, and never more than somebody reads.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    identity::{HostId, OperationId},
    masking::Masker,
};

/// How many exchanges are kept of a host, the newest ones. More tells longer stories; fewer keeps the database small.
pub const MOST_EXCHANGES: u32 = 50;
/// How many bytes of a body are kept. As much as most machine routes take at all.
pub const LONGEST_BODY: usize = 64 << 10;
/// What stands where a secret stood.
const HIDDEN: &str = "[secret]";
/// Parts of the names of fields whose value is a secret.
const SECRET_NAMES: [&str; 7] = ["password", "passwd", "token", "secret", "ticket", "private", "subscription"];

super::words::words!(
    /// What a machine asked.
    ExchangeKind, "exchange" {
        /// The installer asked for its answer.
        Answer = "answer",
        /// The installer fetched the script of the first boot.
        FirstBootScript = "first_boot_script",
        /// The installer reported the end of the installation.
        Installed = "installed",
        /// The installed system phoned home.
        PhoneHome = "phone_home",
        /// Something in the machine failed.
        Failed = "failed",
    }
);

impl ExchangeKind {
    /// The same for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Answer => "The installer asked for its answer",
            Self::FirstBootScript => "The installer fetched the script of the first boot",
            Self::Installed => "The installer reported the end of the installation",
            Self::PhoneHome => "The installed system phoned home",
            Self::Failed => "The machine reported that something failed",
        }
    }
}

/// A body as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptBody {
    /// Its text without secrets; its beginning, where it was longer than [`LONGEST_BODY`].
    pub text: String,
    /// How many bytes went over the wire.
    pub bytes: u64,
    /// Whether its end was left out.
    pub is_cut: bool,
}

/// An exchange that has not been kept yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewExchange {
    /// The host whose token was shown.
    pub host: HostId,
    /// The operation of that token's rebuild.
    pub operation: OperationId,
    /// What was asked.
    pub kind: ExchangeKind,
    /// When it was answered.
    pub at: Timestamp,
    /// Who asked.
    pub peer: Ipv4Addr,
    /// The HTTP status of the answer.
    pub status: u16,
    /// What was sent.
    pub sent: KeptBody,
    /// What was answered.
    pub answered: KeptBody,
}

/// An exchange as it was kept; the same one several times in a row is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Rises with every exchange.
    pub number: i64,
    /// The exchange, as it was for the first time.
    pub first: NewExchange,
    /// How many times in a row.
    pub times: u32,
    /// When it was for the last time.
    pub last_at: Timestamp,
}

impl KeptBody {
    /// Takes the secrets out of a body and cuts it: in this order, as half a secret would not be recognised.
    pub fn new(body: &[u8], masker: &Masker) -> Self {
        let text = match serde_json::from_slice::<Value>(body) {
            Ok(mut value) => {
                hide_fields(&mut value);
                serde_json::to_string_pretty(&value).unwrap_or_default()
            }
            Err(_) => String::from_utf8_lossy(body).into_owned(),
        };
        let mut text = masker.mask(&text);
        let is_cut = text.len() > LONGEST_BODY;
        if is_cut {
            text.truncate((0..=LONGEST_BODY).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0));
        }
        // SQLite ends a text at a NUL in some of its functions, and no page can show one.
        Self { text: text.replace('\0', "\u{fffd}"), bytes: body.len() as u64, is_cut }
    }
}

/// Hides the values of fields that say of themselves that they are secret.
fn hide_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                let name = name.to_ascii_lowercase();
                if SECRET_NAMES.iter().any(|secret| name.contains(secret)) {
                    *value = HIDDEN.into();
                } else {
                    hide_fields(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(hide_fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "Zk3vXy0123456789abcdefghijABCDEFGHIJ-_67890";

    fn kept(body: &str) -> String {
        KeptBody::new(body.as_bytes(), &Masker::new([TOKEN.to_owned()])).text
    }

    #[test]
    fn a_body_loses_known_tokens_secret_fields_and_whatever_looks_like_a_token_of_ours() {
        let other = "A".repeat(43);
        for (body, secret) in [
            (format!("curl https://10.0.0.1/x?t={TOKEN} failed"), TOKEN),
            (format!("curl 'https://10.0.0.1/x?t={other}&x=1' failed"), other.as_str()),
            (format!("iPXE http://10.0.0.1/ipxe/aa?b={other}"), other.as_str()),
            (r#"{"a": [{"root_password": "hunter22"}]}"#.to_owned(), "hunter22"),
            (r#"{"Root-Password-Hashed": {"deep": "$6$x$yyyy"}}"#.to_owned(), "$6$x"),
            (r#"{"log": "root:$6$salt$hashhash:1"}"#.to_owned(), "hashhash"),
        ] {
            let kept = kept(&body);
            assert!(kept.contains(HIDDEN) && !kept.contains(secret), "{kept}");
        }
    }

    #[test]
    fn what_is_no_secret_stays_readable() {
        let body =
            r#"{"dmi":{"system":{"serial":"ABC"}},"ssh-public-host-keys":{"ed25519":"ssh-ed25519 AAAA"},"size":1.5}"#;
        let kept = kept(body);
        assert!(kept.contains("\"serial\": \"ABC\"") && kept.contains("ssh-ed25519 AAAA"), "{kept}");
    }

    #[test]
    fn a_long_body_is_cut_after_its_secrets_were_taken_out() {
        let body = format!("{}ü{TOKEN}", "x".repeat(LONGEST_BODY - 9));
        let kept = KeptBody::new(body.as_bytes(), &Masker::new([TOKEN.to_owned()]));
        assert!(kept.is_cut && kept.text.len() <= LONGEST_BODY && !kept.text.contains("Zk3"), "{}", kept.text.len());
        assert_eq!(kept.bytes, body.len() as u64);
        let umlauts = KeptBody::new("ü".repeat(LONGEST_BODY).as_bytes(), &Masker::default());
        assert!(umlauts.is_cut && umlauts.text.chars().all(|c| c == 'ü'));
    }
}
