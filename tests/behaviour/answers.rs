//! The answers that installers are given: whole files for each dialect, and every rule that refuses one.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use rackseed::{
    catalog::{CatalogFolders, FolderCatalog, redact},
    domain::{
        answer::{AnswerReview, AnswerValues},
        answer_options::AnswerOptions,
        image::InstallerRelease,
        server_type::{Filesystem, ServerType},
    },
    ports::Catalog,
};

use crate::support::clock::TestClock;

mod cases;
mod dialects;
mod disks;
mod hosts;
mod names;
mod rules;

const TEMPLATE: &str = include_str!("../../answer-templates/default.toml");

fn release(text: &str) -> InstallerRelease {
    InstallerRelease::parse(text).unwrap()
}

fn values(release_text: &str) -> AnswerValues {
    AnswerValues {
        hostname: "pve-01".into(),
        domain: "home.arpa".into(),
        mac: "52:54:00:12:34:56".parse().unwrap(),
        server_type: ServerType { boot_disk: Some("/dev/nvme0n1".into()), ..ServerType::sample() },
        options: AnswerOptions::default(),
        known_disks: Vec::new(),
        known_cards: Vec::new(),
        root_password_hash: "$6$salt$hash".into(),
        root_ssh_keys: vec!["ssh-ed25519 AAAA rackseed-operation".into()],
        webhook_url: "https://192.0.2.1:8443/api/hosts/h/installed?t=TOKEN".into(),
        first_boot_url: "https://192.0.2.1:8443/api/hosts/h/first-boot-script?t=TOKEN".into(),
        certificate_fingerprint: "ab".repeat(32),
        release: release(release_text),
    }
}

fn catalog() -> FolderCatalog {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let folders = CatalogFolders { answer_templates: path("a"), server_types: path("s"), ipxe: path("i") };
    FolderCatalog::open(folders, Arc::new(TestClock::default())).unwrap()
}

fn render(template: &str, values: &AnswerValues) -> Result<String, String> {
    catalog().render_answer(template, values).map_err(|error| error.to_string())
}

fn review(template: &str, values: &AnswerValues) -> AnswerReview {
    catalog().review_answer(&"default".parse().unwrap(), template, values)
}

/// Compares with the file that a reader can look at; `RACKSEED_WRITE_FIXTURES=1` writes it anew.
fn assert_fixture(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/answers").join(name);
    if std::env::var_os("RACKSEED_WRITE_FIXTURES").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&path).unwrap(), "{name}");
}

#[test]
fn every_dialect_is_written_as_its_installer_reads_it() {
    for text in ["8.3", "8.4", "9.2"] {
        assert_fixture(&format!("default-{text}.toml"), &render(TEMPLATE, &values(text)).unwrap());
    }
}

#[test]
fn a_disk_can_be_named_by_its_serial_and_the_file_system_chosen() {
    let mut zfs = values("9.2");
    zfs.server_type = ServerType {
        boot_disk: None,
        disk_filter: BTreeMap::from([("ID_SERIAL_SHORT".to_owned(), "S3Z1".to_owned())]),
        filesystem: Some(Filesystem::Zfs),
        ..ServerType::sample()
    };
    assert_fixture("zfs-by-serial-9.2.toml", &render(TEMPLATE, &zfs).unwrap());
}

#[test]
fn an_installer_before_8_3_is_refused_with_the_reason() {
    assert!(render(TEMPLATE, &values("8.2")).unwrap_err().contains("8.3 or newer is needed"));
}

#[test]
fn no_value_can_break_out_of_its_place() {
    let mut hostile = values("9.2");
    hostile.hostname = "a\"\n[global]\nroot-password = \"owned".into();
    let template = TEMPLATE.replace("root-ssh-keys = []", "root-ssh-keys = [\"ssh-ed25519 AAAA {{ hostname }}\"]");
    let refused = render(&template, &hostile).unwrap_err();
    assert!(refused.contains("root-ssh-keys"), "a line break in a key is refused: {refused}");
    hostile.hostname = "a\"] # [global] ".into();
    let template = template
        .replace("root@{{ fqdn }}", "root@home.arpa")
        .replace("[global]", "[global]\nfqdn = {source = \"from-dhcp\"}");
    let text = render(&template, &hostile).unwrap();
    let table: toml::Table = toml::from_str(&text).unwrap();
    assert_eq!(table["global"]["root-ssh-keys"][0].as_str(), Some("ssh-ed25519 AAAA a\"] # [global] "));
}

#[test]
fn a_template_cannot_set_what_belongs_to_the_daemon_and_an_unknown_value_is_named() {
    for (addition, complaint) in [
        ("[post-installation-webhook]\nurl = \"https://192.0.2.9/\"\n", "[post-installation-webhook] is the daemon's"),
        ("[first-boot]\nsource = \"from-iso\"\n", "[first-boot] is the daemon's"),
        ("[surprise]\nx = 1\n", "surprise"),
    ] {
        let refused = render(&format!("{TEMPLATE}\n{addition}"), &values("9.2")).unwrap_err();
        assert!(refused.contains(complaint), "{refused}");
    }
    let refused = render(&TEMPLATE.replace("root@{{ fqdn }}", "root@{{ nothing }}"), &values("9.2")).unwrap_err();
    assert!(refused.contains("global.mailto"), "{refused}");
    let refused =
        render(&TEMPLATE.replace("root@{{ fqdn }}", "{% for i in range(100000000) %}x{% endfor %}"), &values("9.2"))
            .unwrap_err();
    assert!(refused.contains("global.mailto"), "an endless template ends: {refused}");
}

#[test]
fn a_template_may_be_written_in_either_spelling_but_not_in_both() {
    let with = |addition: &str| TEMPLATE.replace("root-ssh-keys = []", addition);
    let underscores = render(&with("root_ssh_keys = [\"ssh-ed25519 AAAA mine\"]"), &values("9.2")).unwrap();
    assert!(
        underscores.contains("root-ssh-keys = [\"ssh-ed25519 AAAA mine\", \"ssh-ed25519 AAAA rackseed-operation\"]")
    );
    let refused = render(&with("root_ssh_keys = []\nroot-ssh-keys = []"), &values("9.2")).unwrap_err();
    assert!(refused.contains("is there twice"), "{refused}");
}

#[test]
fn a_node_reboots_by_itself_unless_the_template_says_otherwise_and_then_somebody_is_told() {
    let with = |addition: &str| TEMPLATE.replace("root-ssh-keys = []", addition);
    for (said, warning) in [
        ("reboot-mode = \"power-off\"", "the machine stays off"),
        ("reboot-on-error = false", "waits at a shell on its console"),
    ] {
        let review = review(&with(said), &values("9.2"));
        assert!(review.toml.unwrap().contains(said), "{said}");
        assert!(review.warnings[0].text.contains(warning), "{:?}", review.warnings);
        assert_eq!(review.warnings[0].place.as_deref(), Some("answer-templates/default.toml:11"));
    }
    let same = with("reboot-on-error = true\nreboot-mode = \"reboot\"\nroot-ssh-keys = []");
    for release in ["8.3", "9.2"] {
        assert_eq!(render(&same, &values(release)), render(TEMPLATE, &values(release)), "{release}");
    }
    // 8.3 would reboot all the same.
    let refused = render(&with("reboot-mode = \"power-off\""), &values("8.3")).unwrap_err();
    assert!(refused.contains("global.reboot-mode needs an installer of 8.4"), "{refused}");
}

#[test]
fn a_subscription_key_is_left_out_where_the_installer_does_not_know_it() {
    let template = TEMPLATE.replace("root-ssh-keys = []", "subscription-key = \"pve1c-0123456789\"");
    let mut of_host = values("9.2");
    of_host.options.subscription_key = Some("pve2s-aaaaaaaaaa".into());
    assert!(render(&template, &values("9.2")).unwrap().contains("pve1c-0123456789"));
    let text = render(&template, &of_host).unwrap();
    assert!(text.contains("pve2s-aaaaaaaaaa") && !text.contains("pve1c"), "the host's own comes first: {text}");
    for release in ["8.3", "8.4", "9.1"] {
        let review = review(&template, &values(release));
        assert!(!review.toml.unwrap().contains("subscription"), "{release}");
        assert!(review.warnings[0].text.contains("is left out"), "{:?}", review.warnings);
    }
}

#[test]
fn a_shown_answer_hides_password_and_tokens() {
    for release in ["8.3", "9.2"] {
        let shown = redact(&render(TEMPLATE, &values(release)).unwrap());
        assert!(!shown.contains("$6$salt$hash") && !shown.contains("TOKEN"), "{shown}");
        assert!(shown.contains("ssh-ed25519 AAAA rackseed-operation") && shown.contains("?t=(hidden)"), "{shown}");
    }
}

#[test]
fn no_way_of_writing_a_secret_gets_past_the_redaction() {
    for text in [
        "global = { root-password = \"SECRET\" }",
        "[global]\n\"root_password\" = \"SECRET\"",
        "[global]\nroot-password-hashed = \"\"\"\nSECRET\n\"\"\"",
        "[global]\nsubscription-key='SECRET'",
        "[post-installation-webhook]\nauth-token = \"SECRET\"",
        "[post-installation-webhook]\nurl = \"https://192.0.2.1/i?a=b&t=SECRET\"",
        "[post-installation-webhook]\nurl = \"https://user:SECRET@192.0.2.1/i\"",
        "[first-boot]\nurl = [\"https://192.0.2.1/?SECRET=SECRET\"]\ntoken = [\"SECRET\"]",
        "broken = SECRET",
    ] {
        let shown = redact(text).replace("SECRET=(hidden)", "");
        assert!(!shown.contains("SECRET") && shown.contains("(hidden)"), "{text} is shown as {shown}");
    }
}
