//! Hides what must not be shown of an answer.

use toml::{Table, Value};

/// What stands in place of a secret.
const HIDDEN: &str = "(hidden)";
/// The keys whose values are secret, in kebab-case.
const SECRET_KEYS: &[&str] = &["root-password", "root-password-hashed", "subscription-key", "auth-token", "token"];

/// Returns the text of an answer without passwords, subscription key, and tokens (also those in URLs). It is taken apart and written anew, so
/// that no way of writing TOML gets a secret past it.
pub fn redact(toml_text: &str) -> String {
    let Ok(mut table) = toml_text.parse::<Table>() else {
        return format!("# {HIDDEN}: this is not an answer file\n");
    };
    redact_table(&mut table);
    toml::to_string(&table).unwrap_or_else(|_| format!("# {HIDDEN}\n"))
}

fn redact_table(table: &mut Table) {
    for (key, value) in table.iter_mut() {
        if SECRET_KEYS.contains(&key.replace('_', "-").as_str()) {
            *value = HIDDEN.into();
        } else {
            redact_value(value);
        }
    }
}

fn redact_value(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("://") => *text = redact_url(text),
        Value::Array(values) => values.iter_mut().for_each(redact_value),
        Value::Table(table) => redact_table(table),
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

/// Hides the values of the query and what stands before an `@`.
fn redact_url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let (host, path) = place.find('/').map_or((place, ""), |slash| place.split_at(slash));
    let host = host.rsplit_once('@').map_or(host.to_owned(), |(_, host)| format!("{HIDDEN}@{host}"));
    let query = query.map(|query| {
        let name = |part: &str| format!("{}={HIDDEN}", part.split('=').next().unwrap_or_default());
        format!("?{}", query.split('&').map(name).collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}://{host}{path}{}", query.unwrap_or_default())
}
