//! Renders a template value by value.

use std::collections::BTreeMap;

use serde::Serialize;
use toml::{Table, Value};

use super::{Notes, Purpose};
use crate::{catalog::render, domain::answer::AnswerValues};

/// What a template may name.
#[derive(Serialize)]
struct Named<'a> {
    hostname: &'a str,
    fqdn: String,
    domain: &'a str,
    mac: String,
    /// Twelve digits without separators, as in `ID_NET_NAME_MAC`.
    mac_digits: String,
    server_type: &'a str,
    release: String,
    vars: &'a BTreeMap<String, serde_json::Value>,
}

const NAMES: &str = "hostname, fqdn, domain, mac, mac_digits, server_type, release, and the host's own vars.NAME";

/// Renders every text, and the MAC addresses of a pinning's mapping.
pub(super) fn render(table: &mut Table, values: &AnswerValues, notes: &mut Notes) {
    let named = Named {
        hostname: &values.hostname,
        fqdn: values.fqdn(),
        domain: values.domain(),
        mac: values.mac.to_string(),
        mac_digits: values.mac.to_string().replace(':', ""),
        server_type: values.server_type.name.as_str(),
        release: values.release.to_string(),
        vars: &values.options.variables,
    };
    render_table("", table, &named, notes);
}

fn render_table(path: &str, table: &mut Table, named: &Named<'_>, notes: &mut Notes) {
    let is_mapping = path.ends_with(".mapping");
    let entries: Vec<_> = std::mem::take(table).into_iter().collect();
    for (key, mut value) in entries {
        let dot = if path.is_empty() { "" } else { "." };
        let inner = format!("{path}{dot}{}", if is_mapping { key.clone() } else { key.replace('_', "-") });
        let key = if is_mapping { text(path, key, named, notes) } else { key };
        render_value(&inner, &mut value, named, notes);
        table.insert(key, value);
    }
}

fn render_value(key: &str, value: &mut Value, named: &Named<'_>, notes: &mut Notes) {
    match value {
        Value::String(template) => *template = text(key, std::mem::take(template), named, notes),
        Value::Array(values) => values.iter_mut().for_each(|value| render_value(key, value, named, notes)),
        Value::Table(table) => render_table(key, table, named, notes),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

/// Renders one text. Where no host is asked for, what it brings stays open.
fn text(key: &str, template: String, named: &Named<'_>, notes: &mut Notes) -> String {
    if !template.contains("{{") && !template.contains("{%") {
        return template;
    }
    let is_open = notes.purpose != Purpose::Host && template.contains("vars.");
    match render::text(&template, named) {
        Ok(text) => return text,
        Err(_) if is_open && render::is_template(&template) => {}
        Err((_, rule)) => {
            let missing = if template.contains("vars.") {
                "; the host's variables are set with `rackseed host set HOST answer.variables.NAME=VALUE`"
            } else {
                ""
            };
            notes.problem(format!("{key}: {rule} in `{template}`; a text may name {NAMES}{missing}"));
        }
    }
    notes.leave_open(key);
    template
}
