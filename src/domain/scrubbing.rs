//! Takes secrets out of what leaves the house in a support bundle: values whose name says that they are secret, and what addresses carry.
//! The secrets that are known are taken out by [`Masker`](super::masking::Masker) besides.

use serde_json::Value;

/// What stands where something was taken out.
pub const REMOVED: &str = "[removed]";
/// The names of values that are secret, in small letters with `_`.
const SECRET_NAMES: &[&str] = &[
    "password",
    "root_password",
    "root_password_hash",
    "root_password_hashed",
    "subscription_key",
    "token",
    "auth_token",
    "form_token",
    "secret",
    "private_key",
    "credential",
];
/// Below these names an address is as good as a password: whoever knows it may switch a machine or write to a chat.
const SECRET_PLACES: &[&str] = &["webhook"];

/// Takes out of a JSON value whatever is secret by its name, and what addresses carry. Returns how many values were taken out.
pub fn scrub(value: &mut Value) -> usize {
    scrub_below(value, false)
}

fn scrub_below(value: &mut Value, is_secret_place: bool) -> usize {
    match value {
        Value::Object(fields) => fields
            .iter_mut()
            .map(|(name, value)| {
                let name = name.to_ascii_lowercase().replace('-', "_");
                let is_secret = SECRET_NAMES.contains(&name.as_str());
                if is_secret && !value.is_null() && !value.is_boolean() {
                    *value = REMOVED.into();
                    return 1;
                }
                scrub_below(value, is_secret_place || SECRET_PLACES.contains(&name.as_str()))
            })
            .sum(),
        Value::Array(values) => values.iter_mut().map(|value| scrub_below(value, is_secret_place)).sum(),
        Value::String(text) => {
            let (clean, count) = scrub_addresses(text, is_secret_place);
            *text = clean;
            count
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// Takes user, password and query out of every address in a text; of a secret place the path too. Returns how many were changed.
pub fn scrub_addresses(text: &str, is_secret_place: bool) -> (String, usize) {
    let (mut clean, mut rest, mut count) = (String::with_capacity(text.len()), text, 0);
    while let Some(place) = rest.find("://") {
        let (before, address) = rest.split_at(place + "://".len());
        let end = address.find(|c: char| c.is_whitespace() || "\"'<>`|\\".contains(c)).unwrap_or(address.len());
        let (address, after) = address.split_at(end);
        clean.push_str(before);
        let shown = shown_address(address, is_secret_place);
        count += usize::from(shown != address);
        clean.push_str(&shown);
        rest = after;
    }
    clean.push_str(rest);
    (clean, count)
}

fn shown_address(address: &str, is_secret_place: bool) -> String {
    let authority_end = address.find(['/', '?', '#']).unwrap_or(address.len());
    let (authority, path) = address.split_at(authority_end);
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{REMOVED}@{host}"),
        None => authority.to_owned(),
    };
    if is_secret_place && path.len() > 1 {
        return format!("{authority}/{REMOVED}");
    }
    match path.split_once('?') {
        Some((path, query)) if !query.is_empty() => format!("{authority}{path}?{REMOVED}"),
        Some(_) | None => format!("{authority}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_secret_by_its_name_or_its_address_is_taken_out_and_nothing_else() {
        let mut value = json!({
            "subscription-key": "pve2c-1234567890", "token": null, "has_secret": true, "ssh_host_key": "ssh-ed25519 AAAA",
            "deep": [{ "Password": "x" }],
            "said": "asked https://user:pw@bmc.example/redfish?session=abc, then http://10.0.0.1/plain",
            "power": { "webhook": { "on_url": "http://plug.example/api/KEY/on", "method": "GET" } },
        });
        assert_eq!(scrub(&mut value), 4);
        let expected = json!({
            "subscription-key": REMOVED, "token": null, "has_secret": true, "ssh_host_key": "ssh-ed25519 AAAA",
            "deep": [{ "Password": REMOVED }],
            "said": "asked https://[removed]@bmc.example/redfish?[removed] then http://10.0.0.1/plain",
            "power": { "webhook": { "on_url": "http://plug.example/[removed]", "method": "GET" } },
        });
        assert_eq!(value, expected);
    }
}
