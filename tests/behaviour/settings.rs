//! What an operator sees of the settings file.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path};

use rackseed::settings::{Settings, SettingsProblem, read_private_file};
use serde_json::Value;

/// Settings that keep every rule and leave the rest to the test.
const QUIET: &str = "pxe: {enabled: false}\n";

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
fn the_example_says_what_every_key_is_for() {
    let lines: Vec<_> = Settings::example().lines().collect();
    let is_comment = |line: &str| line.trim_start().starts_with('#');
    for (place, line) in lines.iter().enumerate() {
        let is_key = line.contains(':') && !is_comment(line);
        // Keys that stand directly below each other share one comment.
        let block = lines[..place].iter().rev().take_while(|line| !line.is_empty());
        let is_explained = block.clone().any(|line| is_comment(line)) || line.ends_with(':');
        assert!(!is_key || is_explained, "line {} of the example, `{line}`, has no comment", place + 1);
    }
}

#[test]
fn the_example_needs_only_the_interface_to_be_good() {
    assert_eq!(problems(Settings::example()).len(), 1);
    let text = Settings::example().replacen("interface: \"\"", "interface: eth0", 1);
    assert!(Settings::parse(&text, Path::new("/etc/rackseed")).is_ok());
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_path_and_line() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/settings");
    let found = problems(&fs::read_to_string(folder.join("everything-wrong.yaml")).unwrap()).join("\n") + "\n";
    let expected = folder.join("everything-wrong.txt");
    if std::env::var_os("RACKSEED_WRITE_FIXTURES").is_some() {
        fs::write(&expected, &found).unwrap();
    }
    assert_eq!(found, fs::read_to_string(expected).unwrap());
}

#[test]
fn an_unknown_key_is_refused_with_its_place() {
    let found = problems("server:\n  listen: 127.0.0.1:8080\n  lisen: x\npxe: {enabled: false}\n");
    assert!(found[0].contains("lisen") && found[0].contains("line 3"), "{found:?}");
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_key_that_is_there_twice_is_refused() {
    for text in [
        "join: {confirm_host_key: true}\njoin: {confirm_host_key: false}\n",
        "proxmox: {ssh_port: 22, ssh_port: 23}\n",
        "infrastructure:\n  server_type_map: {a: b, a: c}\n",
    ] {
        let found = problems(text);
        assert!(found[0].contains("duplicate"), "{text}: {found:?}");
    }
}

#[test]
fn a_text_that_is_no_settings_at_all_is_one_sentence() {
    for text in ["- a\n- b\n", "just words", "a: [", &format!("# {}\n{QUIET}", "x".repeat(1 << 20))] {
        assert_eq!(problems(text).len(), 1, "{:.20}", text);
    }
}

#[test]
fn an_empty_file_and_sections_without_keys_are_the_defaults() {
    let empty = Settings::parse(QUIET, Path::new("/etc/rackseed")).unwrap();
    let commented_out = format!("{QUIET}server:\n  # listen: 127.0.0.1:8080\npatience:\njoin: {{}}\n");
    assert_eq!(Settings::parse(&commented_out, Path::new("/etc/rackseed")).unwrap(), empty);
    assert!(problems("")[0].starts_with("pxe.interface: "), "the defaults lack only the interface");
}

#[test]
fn relative_paths_are_relative_to_the_settings_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rackseed.yaml");
    fs::write(&file, format!("{QUIET}data_folder: data\ncatalog: {{ipxe: /srv/ipxe}}\n")).unwrap();
    let settings = Settings::load(&file).unwrap();
    assert_eq!(settings.data_folder, folder.path().join("data"));
    assert_eq!(settings.catalog.server_types, folder.path().join("server-types"));
    assert_eq!(settings.catalog.ipxe, Path::new("/srv/ipxe"));
    assert_eq!(settings.proxmox.key_file, Path::new(""), "what is not set stays so");
}

#[test]
fn a_missing_file_is_told_with_the_command_that_writes_one() {
    let error = Settings::load(Path::new("/does/not/exist.yaml")).expect_err("there is no such file");
    assert!(error.to_string().contains("rackseed config example > /does/not/exist.yaml"), "{error}");
}

#[test]
fn a_public_url_is_scheme_host_and_port_and_nothing_else() {
    let parse = |url: &str| Settings::parse(&format!("{QUIET}server: {{public_url: '{url}'}}\n"), Path::new("/"));
    for url in ["http://192.0.2.1:8081", "http://boot.example", "http://[2001:db8::1]:80"] {
        assert!(parse(url).is_ok(), "{url}");
    }
    for url in [
        "192.0.2.1:8081",
        "https://192.0.2.1",
        "http://192.0.2.1/",
        "http://192.0.2.1/boot",
        "http://192.0.2.1?a=b",
        "http://192.0.2.1#a",
        "http://user@192.0.2.1",
        "http://",
    ] {
        assert!(parse(url).is_err(), "{url}");
    }
}

#[test]
fn two_listeners_cannot_have_one_port_unless_each_has_its_own_address() {
    let parse = |listen: &str, boot: &str| {
        Settings::parse(&format!("{QUIET}server: {{listen: '{listen}', boot_listen: '{boot}'}}\n"), Path::new("/"))
    };
    assert!(parse("127.0.0.1:80", "192.0.2.1:80").is_ok());
    assert!(parse("127.0.0.1:0", "127.0.0.1:0").is_ok(), "the system picks another one each time");
    assert!(parse("127.0.0.1:80", "127.0.0.1:80").is_err());
    assert!(parse("127.0.0.1:80", "0.0.0.0:80").is_err());
}

#[test]
fn a_host_key_of_a_member_is_a_whole_ed25519_key() {
    let good = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl root@pve";
    let parse = |key: &str| {
        let text = format!("{QUIET}proxmox: {{existing_node: 192.0.2.5, existing_node_ssh_host_key: '{key}'}}\n");
        Settings::parse(&text, Path::new("/")).map_err(|error| error.to_string())
    };
    assert_eq!(parse(good).map(|_| ()), Ok(()));
    for bad in [&good[..40], "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ", "SHA256:abc", ""] {
        assert!(parse(bad).unwrap_err().contains("existing_node_ssh_host_key"), "{bad}");
    }
}

#[test]
fn a_secret_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "secret\n").unwrap();
    let text = format!("{QUIET}proxmox: {{root_password_file: password}}\n");
    for mode in [0o644, 0o640, 0o604] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let error = Settings::parse(&text, folder.path()).expect_err("others may read the password");
        assert!(error.to_string().contains("chmod 600") && !error.to_string().contains("secret\n"), "{error}");
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let settings = Settings::parse(&text, folder.path()).unwrap();
    assert_eq!(settings.proxmox.root_password_file, file, "relative paths are relative to the settings file");
    assert!(!format!("{:?}", read_private_file(&file).unwrap()).contains("secret\""), "it is not shown by accident");
    fs::write(&file, "\n").unwrap();
    assert!(Settings::parse(&text, folder.path()).unwrap_err().to_string().contains("is empty"));
    assert!(read_private_file(folder.path()).unwrap_err().contains("is not a file"));
}

#[test]
fn key_and_password_exclude_each_other() {
    let found = problems(&format!("{QUIET}proxmox: {{root_password_file: /a, key_file: /b}}\n"));
    assert!(found.iter().any(|problem| problem.contains("exclude each other")), "{found:?}");
}
