//! Hides what must not be shown of an answer.

use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use crate::domain::masking::Masker;

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

/// Returns the text of a template as its author wrote it, comments included, without its secrets. Where a secret cannot be cut out of the
/// text with certainty, it is written anew without comments.
pub(super) fn redact_template(text: &str) -> String {
    let Ok(table) = DeTable::parse(text) else {
        return redact(text);
    };
    let mut secrets = Vec::new();
    find_secrets(table.get_ref(), &mut secrets);
    secrets.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut readable = text.to_owned();
    for (span, shown) in &secrets {
        if readable.get(span.clone()).is_none() {
            return redact(text);
        }
        readable.replace_range(span.clone(), shown);
    }
    let readable: String = readable
        .split_inclusive('\n')
        .map(|line| if line.trim_start().starts_with('#') { redact_line(line) } else { line.to_owned() })
        .collect();
    // What is left must say the same as the version that was taken apart; else that one is shown.
    match readable.parse::<Table>() {
        Ok(left) if redact(text) == toml::to_string(&left).unwrap_or_default() => readable,
        Ok(_) | Err(_) => redact(text),
    }
}

type Secret = (std::ops::Range<usize>, String);

/// The places of everything that must not be shown, each with what is shown in its place.
fn find_secrets(table: &DeTable<'_>, found: &mut Vec<Secret>) {
    for (key, value) in table {
        if SECRET_KEYS.contains(&key.get_ref().replace('_', "-").as_str()) {
            found.push((value.span(), format!("\"{HIDDEN}\"")));
        } else {
            find_in(value.span(), value.get_ref(), found);
        }
    }
}

fn find_in(span: std::ops::Range<usize>, value: &DeValue<'_>, found: &mut Vec<Secret>) {
    match value {
        DeValue::String(text) if text.contains("://") => {
            found.push((span, Value::from(redact_url(text)).to_string()));
        }
        DeValue::Array(values) => values.iter().for_each(|value| find_in(value.span(), value.get_ref(), found)),
        DeValue::Table(table) => find_secrets(table, found),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}

/// One line of whatever file, without what looks like a secret.
pub(super) fn redact_line(line: &str) -> String {
    let end = line.trim_end_matches(['\r', '\n']).len();
    let (line, line_break) = line.split_at(end);
    // The lower case of ASCII changes no length.
    let lower = line.to_ascii_lowercase().replace('_', "-");
    let key = SECRET_KEYS.iter().filter_map(|secret| Some(lower.find(secret)? + secret.len())).min();
    let separator = key.and_then(|key| Some(key + line.get(key..)?.find(['=', ':'])?));
    let shown = match separator {
        Some(separator) => format!("{} {HIDDEN}", line.get(..=separator).unwrap_or_default()),
        None => Masker::default().mask(line),
    };
    let shown = match shown.find("://") {
        Some(place) if shown[place..].contains(['?', '@']) => format!("{}://{HIDDEN}", &shown[..place]),
        Some(_) | None => shown,
    };
    shown + line_break
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_keeps_its_comments_and_loses_its_secrets_however_they_are_written() {
        let text = concat!(
            "# for the rack\n[global]\nroot-password = \"hunter2hunter2\" # ours\n\"root_password_hashed\" = '$6$x$y'\n",
            "mailto = \"a@b\"\n# root-password = \"oldoldold\"\n[x]\nextra = { subscription-key = \"pve2c-1234\" }\n",
            "[first-boot]\nurl = \"https://u:pw@h/x?t=tok\"\n",
        );
        let readable = redact_template(text);
        for secret in ["hunter2", "$6$", "oldoldold", "pve2c-1234", "u:pw", "tok"] {
            assert!(!readable.contains(secret), "{secret} in {readable}");
        }
        for kept in ["# for the rack", "# ours", "mailto = \"a@b\"", "[first-boot]", "https://(hidden)@h/x?t=(hidden)"]
        {
            assert!(readable.contains(kept), "{kept} not in {readable}");
        }
    }

    #[test]
    fn a_quoted_line_shows_no_secret() {
        for (line, shown) in [
            ("root-password = \"hunter2\"", "root-password = (hidden)"),
            ("  Root_Password_Hashed: $6$a$b", "  Root_Password_Hashed: (hidden)"),
            ("keyboard = \"en-uss\"", "keyboard = \"en-uss\""),
            ("x = \"$6$abc$def\"", "x = \"[secret]\""),
            ("url = \"https://u:p@h/\"", "url = \"https://(hidden)"),
        ] {
            assert_eq!(redact_line(line), shown);
        }
    }
}
