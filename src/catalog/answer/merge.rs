//! Puts the host's own keys and the daemon's fields into an answer.

use toml::{Table, Value};

use super::{KEBAB_CASE_SINCE, Notes, Purpose, dialect};
use crate::domain::answer::AnswerValues;

/// Sections that no template and no host may set.
const OURS: &[&str] = &["post-installation-webhook", "first-boot"];

/// Puts the host's extra keys in the place of the template's. They are taken as they stand, not rendered.
pub(super) fn extra(table: &mut Table, values: &AnswerValues, notes: &mut Notes) {
    let extra = Table::try_from(&values.options.extra).map_err(|error| error.to_string());
    let extra = extra.and_then(|mut extra| dialect::to_kebab_case(&mut extra).map(|()| extra));
    match extra {
        Ok(extra) => put(table, extra),
        Err(problem) => notes.problem(format!("answer.extra: {problem}")),
    }
}

fn put(target: &mut Table, source: Table) {
    for (key, value) in source {
        match (target.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => put(inner, value),
            (_, value) => {
                target.insert(key, value);
            }
        }
    }
}

/// Puts the daemon's own fields in place.
pub(super) fn daemon_fields(table: &mut Table, values: &AnswerValues, notes: &mut Notes) {
    for name in OURS {
        if table.remove(*name).is_some() {
            notes.problem(format!("[{name}] is the daemon's to set; remove it from the template"));
        }
    }
    if let Some(global) = section(table, "global", notes) {
        fqdn(global, values, notes);
        root(global, values, notes);
        reboot(global, values, notes);
        if let Some(key) = &values.options.subscription_key {
            global.insert("subscription-key".into(), key.clone().into());
        }
    }
    let fingerprint = &values.certificate_fingerprint;
    table.insert(
        "post-installation-webhook".into(),
        strings(&[("url", &values.webhook_url), ("cert-fingerprint", fingerprint)]).into(),
    );
    let first_boot = [
        ("source", "from-url"),
        ("ordering", "fully-up"),
        ("url", &values.first_boot_url),
        ("cert-fingerprint", fingerprint),
    ];
    table.insert("first-boot".into(), strings(&first_boot).into());
}

/// The node must be called as it is registered: that is how the cluster is asked for it. A template may choose the domain, also that of the
/// DHCP server; then the server must give the machine its registered name, and the webhook shows whether it did.
fn fqdn(global: &mut Table, values: &AnswerValues, notes: &mut Notes) {
    match global.get_mut("fqdn") {
        None => {
            global.insert("fqdn".into(), values.fqdn().into());
        }
        Some(Value::Table(from_dhcp)) => {
            if let Some(domain) = &values.options.domain {
                from_dhcp.insert("domain".into(), domain.clone().into());
            }
            notes.warning(format!(
                "global.fqdn comes from the DHCP server: it must give the machine the host name `{}` (option 12), or the rebuild stops at the webhook",
                values.hostname
            ));
        }
        Some(Value::String(name)) => {
            if name.split('.').next() != Some(values.hostname.as_str()) {
                notes.rule(format!(
                    "global.fqdn must begin with the host's own name; write {{{{ hostname }}}} and the domain, or remove the key (it is `{name}` for {})",
                    values.hostname
                ));
            }
        }
        // Of another type: the rules say so.
        Some(Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) | Value::Array(_)) => {}
    }
}

fn root(global: &mut Table, values: &AnswerValues, notes: &mut Notes) {
    if !global.contains_key("root-password") && !global.contains_key("root-password-hashed") {
        global.insert("root-password-hashed".into(), values.root_password_hash.clone().into());
    }
    let keys = global.entry("root-ssh-keys").or_insert_with(|| Value::Array(Vec::new()));
    match keys.as_array_mut() {
        Some(keys) => keys.extend(values.root_ssh_keys.iter().map(|key| Value::from(key.as_str()))),
        None => notes.problem("global.root-ssh-keys must be a list of public keys"),
    }
}

/// Without its reboot a node reports only when somebody helps; who asks for that is told what follows.
fn reboot(global: &mut Table, values: &AnswerValues, notes: &mut Notes) {
    if global.get("reboot-on-error") == Some(&Value::from(false)) {
        notes.warning("global.reboot-on-error = false: after a mistake the machine waits at a shell on its console until somebody comes");
    }
    if global.get("reboot-mode") == Some(&Value::from("power-off")) {
        notes.warning("global.reboot-mode = power-off: the machine stays off after the installation; switch it on before the patience for `installed` ends");
    }
    global.entry("reboot-on-error").or_insert(true.into());
    // 8.3 does not know this key, and reboots anyway.
    if values.release >= KEBAB_CASE_SINCE {
        global.entry("reboot-mode").or_insert("reboot".into());
    } else if global.get("reboot-mode") == Some(&Value::from("reboot")) {
        global.remove("reboot-mode");
    }
}

/// A section, made if it is not there; `None` when it is something else.
pub(super) fn section<'a>(table: &'a mut Table, name: &str, notes: &mut Notes) -> Option<&'a mut Table> {
    let section = table.entry(name).or_insert_with(|| Value::Table(Table::new())).as_table_mut();
    if section.is_none() {
        notes.problem(format!("{name} must be a section"));
    }
    section
}

/// A table of texts.
pub(super) fn strings(entries: &[(&str, &str)]) -> Table {
    entries.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect()
}

/// Whether an answer is made for one host.
pub(super) fn is_for_host(notes: &Notes) -> bool {
    notes.purpose == Purpose::Host
}
