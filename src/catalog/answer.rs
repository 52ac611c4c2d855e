//! Makes an answer: the template is parsed first and rendered value by value, so that no value can break out of its place; the daemon's own
//! fields are merged in; the rules of the installer are applied; and it is written in the dialect of the installer's release.

use serde::Serialize;
use toml::{Table, Value};

use super::{places::line_at, render};
use crate::{
    domain::{
        answer::AnswerValues,
        answer_file::AnswerFile,
        image::{InstallerRelease, OLDEST_INSTALLER},
    },
    ports::CannotRender,
};

/// What a template may name.
#[derive(Serialize)]
struct TemplateValues<'a> {
    hostname: &'a str,
    fqdn: &'a str,
    mac: String,
    server_type: &'a str,
}

/// The first release that reads kebab-case everywhere.
const KEBAB_CASE_SINCE: InstallerRelease = InstallerRelease { major: 8, minor: 4 };

/// Parses a template; the error has its line.
pub(super) fn parse(template: &str) -> Result<Table, (Option<usize>, String)> {
    template
        .parse::<Table>()
        .map_err(|error| (error.span().map(|span| line_at(template, span.start)), error.message().to_owned()))
}

/// Renders a template to the TOML that leaves.
pub(super) fn render(template: &str, values: &AnswerValues) -> Result<String, CannotRender> {
    let cannot = |problems: Vec<String>| CannotRender { what: format!("the answer for {}", values.hostname), problems };
    if values.release < OLDEST_INSTALLER {
        return Err(cannot(vec![format!(
            "the installer {} knows neither webhook nor first boot; {OLDEST_INSTALLER} or newer is needed",
            values.release
        )]));
    }
    let mut table = parse(template).map_err(|(_, rule)| cannot(vec![rule]))?;
    let named = TemplateValues {
        hostname: &values.hostname,
        fqdn: &values.fqdn,
        mac: values.mac.to_string(),
        server_type: values.server_type.name.as_str(),
    };
    let mut problems = Vec::new();
    for (key, value) in &mut table {
        render_value(key, value, &named, &mut problems);
    }
    if !problems.is_empty() {
        return Err(cannot(problems));
    }
    to_kebab_case(&mut table).and_then(|()| merge(&mut table, values)).map_err(|problem| cannot(vec![problem]))?;
    let file: AnswerFile =
        table.clone().try_into().map_err(|error: toml::de::Error| cannot(vec![error.message().to_owned()]))?;
    let broken = file.check(values.release);
    if !broken.is_empty() {
        return Err(cannot(broken));
    }
    if values.release < KEBAB_CASE_SINCE {
        to_old_dialect(&mut table).map_err(|problem| cannot(vec![problem]))?;
    }
    let text = toml::to_string(&table).map_err(|error| cannot(vec![error.to_string()]))?;
    // What leaves is read once more, by the same eyes as the installer's.
    toml::from_str::<AnswerFile>(&text).map_err(|error| cannot(vec![error.message().to_owned()]))?;
    Ok(text)
}

fn render_value(key: &str, value: &mut Value, named: &TemplateValues<'_>, problems: &mut Vec<String>) {
    match value {
        Value::String(template) if template.contains("{{") || template.contains("{%") => {
            match render::text(template, named) {
                Ok(text) => *template = text,
                Err((_, rule)) => problems.push(format!(
                    "{key}: {rule} in `{template}`; a text may name hostname, fqdn, mac and server_type"
                )),
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| render_value(key, value, named, problems)),
        Value::Table(table) => {
            table.iter_mut().for_each(|(name, value)| render_value(&format!("{key}.{name}"), value, named, problems))
        }
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

/// Spells every key of ours in kebab-case; udev keys in filters and MAC addresses in mappings stay as they are.
fn to_kebab_case(table: &mut Table) -> Result<(), String> {
    rename_keys(table, &|key| key.replace('_', "-"))
}

/// 8.3 reads `snake_case` in `[global]` and `[disk-setup]` and for the webhook's fingerprint, and kebab-case in `[first-boot]`.
fn to_old_dialect(table: &mut Table) -> Result<(), String> {
    for section in ["global", "disk-setup", "post-installation-webhook"] {
        if let Some(Value::Table(section)) = table.get_mut(section) {
            rename_keys(section, &|key| key.replace('-', "_"))?;
        }
    }
    Ok(())
}

fn rename_keys(table: &mut Table, rename: &impl Fn(&str) -> String) -> Result<(), String> {
    let entries: Vec<_> = std::mem::take(table).into_iter().collect();
    for (key, mut value) in entries {
        if let Value::Table(inner) = &mut value
            && !matches!(key.as_str(), "filter" | "mapping")
        {
            rename_keys(inner, rename)?;
        }
        if table.insert(rename(&key), value).is_some() {
            return Err(format!("`{key}` is there twice, once with dashes and once with underscores; keep one"));
        }
    }
    Ok(())
}

/// Puts the daemon's own fields in place; a template may not set them.
fn merge(table: &mut Table, values: &AnswerValues) -> Result<(), String> {
    for (section, key) in [("global", "fqdn"), ("global", "root-password"), ("global", "root-password-hashed")] {
        if table.get(section).and_then(|section| section.get(key)).is_some() {
            return Err(format!("{section}.{key} is the daemon's to set; remove it from the template"));
        }
    }
    for (key, ours) in [("reboot-on-error", Value::from(true)), ("reboot-mode", Value::from("reboot"))] {
        if table.get("global").and_then(|global| global.get(key)).is_some_and(|value| *value != ours) {
            return Err(format!(
                "global.{key} must be {ours}: without its reboot the node never reports; remove the key"
            ));
        }
    }
    for section in ["disk-setup", "post-installation-webhook", "first-boot"] {
        if table.contains_key(section) {
            return Err(format!(
                "[{section}] is the daemon's to set (disks belong to the server type); remove it from the template"
            ));
        }
    }
    let global = section(table, "global")?;
    global.insert("fqdn".into(), values.fqdn.clone().into());
    global.insert("root-password-hashed".into(), values.root_password_hash.clone().into());
    global.insert("reboot-on-error".into(), true.into());
    let keys = global.entry("root-ssh-keys").or_insert_with(|| Value::Array(Vec::new()));
    let keys = keys.as_array_mut().ok_or("global.root-ssh-keys must be a list of public keys")?;
    keys.extend(values.root_ssh_keys.iter().map(|key| Value::from(key.as_str())));
    // 8.3 does not know this key, and reboots anyway.
    match values.release >= KEBAB_CASE_SINCE {
        true => global.insert("reboot-mode".into(), "reboot".into()),
        false => global.remove("reboot-mode"),
    };
    merge_network(section(table, "network")?, values);
    table.insert("disk-setup".into(), disk_setup(values).into());
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
    Ok(())
}

/// `source` is needed since 9.2. The management card can be chosen only for a static network; with DHCP the installer takes the card with
/// the default route.
fn merge_network(network: &mut Table, values: &AnswerValues) {
    let source = network.entry("source").or_insert_with(|| "from-dhcp".into()).as_str().unwrap_or_default().to_owned();
    if let (Some(nic), "from-answer") = (&values.server_type.management_nic, source.as_str()) {
        network.entry("filter").or_insert_with(|| strings(&[("INTERFACE", nic)]).into());
    }
}

fn disk_setup(values: &AnswerValues) -> Table {
    let kind = &values.server_type;
    let mut setup = strings(&[("filesystem", kind.filesystem.word())]);
    if kind.filesystem.word() == "zfs" {
        setup.insert("zfs".into(), strings(&[("raid", "raid0")]).into());
    }
    match &kind.boot_disk {
        Some(disk) => setup.insert("disk-list".into(), vec![disk.clone()].into()),
        None => setup.insert(
            "filter".into(),
            Value::Table(kind.disk_filter.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect()),
        ),
    };
    setup
}

fn section<'a>(table: &'a mut Table, name: &str) -> Result<&'a mut Table, String> {
    let section = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
    section.as_table_mut().ok_or_else(|| format!("`{name}` must be a section"))
}

fn strings(entries: &[(&str, &str)]) -> Table {
    entries.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect()
}
