//! What an operator sees of the settings file.

use std::{collections::BTreeSet, os::unix::fs::PermissionsExt, path::Path};

use rackseed::settings::{Settings, SettingsProblem};
use serde_json::Value;

fn problems(text: &str) -> Vec<String> {
    let error = Settings::parse(text, Path::new("/etc/rackseed")).expect_err("the settings are wrong");
    error.0.into_iter().map(|SettingsProblem { path, problem }| format!("{path}: {problem}")).collect()
}

fn keys(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(key, value)| keys(value, &format!("{path}.{key}"), found))
        }
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            found.insert(format!("{path} = {value}"));
        }
    }
}

#[test]
fn the_example_has_every_key_with_its_default() {
    let (mut example, mut defaults) = (BTreeSet::new(), BTreeSet::new());
    keys(&serde_yaml::from_str(Settings::example()).unwrap(), "", &mut example);
    keys(&serde_json::to_value(Settings::default()).unwrap(), "", &mut defaults);
    assert_eq!(example, defaults);
}

#[test]
fn an_unknown_key_is_refused_with_its_place() {
    let found = problems("server:\n  listen: 127.0.0.1:8080\n  lisen: x\n");
    assert!(found[0].contains("lisen") && found[0].contains("line 3"), "{found:?}");
}

#[test]
fn every_problem_is_reported_at_once_with_its_path() {
    let found = problems(
        "pxe: {subnet: 10.0.0.0, armed_minutes: 0}\nproxmox: {cluster_name: a-name-that-is-too-long, existing_node: pve, join_fingerprint: AB}\n\
         credentials: {root_password_hash: plain}\nserver: {public_url: 'http://a/b'}\n",
    );
    for path in [
        "pxe.interface",
        "pxe.subnet",
        "pxe.armed_minutes",
        "proxmox.cluster_name",
        "proxmox.existing_node:",
        "proxmox.existing_node_ssh_host_key",
        "proxmox.join_fingerprint",
        "credentials.root_password_hash",
        "server.public_url",
    ] {
        assert_eq!(found.iter().filter(|problem| problem.starts_with(path)).count(), 1, "{path} in {found:#?}");
    }
    assert_eq!(found.len(), 9, "{found:#?}");
}

#[test]
fn a_secret_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "secret\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let text = "pxe: {enabled: false}\nproxmox: {root_password_file: password}\n";
    let error = Settings::parse(text, folder.path()).expect_err("others may read the password");
    assert!(error.to_string().contains("chmod 600"), "{error}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings = Settings::parse(text, folder.path()).unwrap();
    assert_eq!(settings.proxmox.root_password_file, file, "relative paths are relative to the settings file");
}

#[test]
fn key_and_password_exclude_each_other() {
    let found = problems("pxe: {enabled: false}\nproxmox: {root_password_file: /a, key_file: /b}\n");
    assert!(found.iter().any(|problem| problem.contains("exclude each other")), "{found:?}");
}
