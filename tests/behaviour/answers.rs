//! The answers that installers are given: whole files for each dialect, and every rule that refuses one.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use rackseed::{
    catalog::{CatalogFolders, FolderCatalog, redact},
    domain::{
        answer::AnswerValues,
        answer_file::AnswerFile,
        image::InstallerRelease,
        server_type::{Filesystem, ServerType},
    },
    ports::Catalog,
};

use crate::support::clock::TestClock;

const TEMPLATE: &str = include_str!("../../answer-templates/default.toml");

fn release(text: &str) -> InstallerRelease {
    InstallerRelease::parse(text).unwrap()
}

fn values(release_text: &str) -> AnswerValues {
    AnswerValues {
        hostname: "pve-01".into(),
        fqdn: "pve-01.home.arpa".into(),
        mac: "52:54:00:12:34:56".parse().unwrap(),
        server_type: ServerType { boot_disk: Some("/dev/nvme0n1".into()), ..ServerType::sample() },
        root_password_hash: "$6$salt$hash".into(),
        root_ssh_keys: vec!["ssh-ed25519 AAAA rackseed-operation".into()],
        webhook_url: "https://192.0.2.1:8443/api/hosts/h/installed?t=TOKEN".into(),
        first_boot_url: "https://192.0.2.1:8443/api/hosts/h/first-boot-script?t=TOKEN".into(),
        certificate_fingerprint: "ab".repeat(32),
        release: release(release_text),
    }
}

fn render(template: &str, values: &AnswerValues) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let folders = CatalogFolders { answer_templates: path("a"), server_types: path("s"), ipxe: path("i") };
    let catalog = FolderCatalog::open(folders, Arc::new(TestClock::default())).unwrap();
    catalog.render_answer(template, values).map_err(|error| error.to_string())
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
        filesystem: Filesystem::Zfs,
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
    let text = render(&template, &hostile).unwrap();
    let table: toml::Table = toml::from_str(&text).unwrap();
    assert_eq!(table["global"]["root-ssh-keys"][0].as_str(), Some("ssh-ed25519 AAAA a\"] # [global] "));
}

#[test]
fn a_template_cannot_set_what_belongs_to_the_daemon_and_an_unknown_value_is_named() {
    for (addition, complaint) in [
        ("[disk-setup]\nfilesystem = \"ext4\"\nfilter-match = \"all\"\n", "[disk-setup] is the daemon's"),
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

/// A whole file that the installer accepts; each case below changes one thing.
const GOOD: &str = r#"
[global]
country = "at"
fqdn = "pve.home.arpa"
keyboard = "de"
mailto = "root@home.arpa"
timezone = "Europe/Vienna"
root-password = "12345678"
[network]
source = "from-dhcp"
[disk-setup]
filesystem = "zfs"
disk-list = ["/dev/sda", "/dev/sdb"]
zfs.raid = "raid1"
"#;

fn problems(text: &str, release_text: &str) -> Vec<String> {
    match toml::from_str::<AnswerFile>(text) {
        Ok(file) => file.check(release(release_text)),
        Err(error) => vec![error.message().to_owned()],
    }
}

#[test]
fn every_rule_of_the_installer_refuses_before_it_would() {
    assert_eq!(problems(GOOD, "9.2"), Vec::<String>::new());
    let cases = [
        ("country = \"at\"", "country = \"AT\"", "global.country"),
        ("fqdn = \"pve.home.arpa\"", "fqdn = \"pve\"", "global.fqdn"),
        ("fqdn = \"pve.home.arpa\"", "fqdn = \"123.home.arpa\"", "global.fqdn"),
        ("fqdn = \"pve.home.arpa\"", "fqdn = \"pve_1.home.arpa\"", "global.fqdn"),
        ("keyboard = \"de\"", "keyboard = \"xx\"", "global.keyboard"),
        ("mailto = \"root@home.arpa\"", "mailto = \"mail@example.invalid\"", "global.mailto"),
        ("mailto = \"root@home.arpa\"", "mailto = \"root\"", "global.mailto"),
        ("timezone = \"Europe/Vienna\"", "timezone = \"Etc/UTC\"", "global.timezone"),
        ("root-password = \"12345678\"", "root-password = \"1234567\"", "global.root-password"),
        (
            "root-password = \"12345678\"",
            "root-password = \"12345678\"\nroot-password-hashed = \"$6$a$b\"",
            "exactly one of",
        ),
        ("root-password = \"12345678\"", "", "exactly one of"),
        ("root-password = \"12345678\"", "root-password = \"12345678\"\nreboot-mode = \"kexec\"", "global.reboot-mode"),
        ("root-password = \"12345678\"", "root-password = \"12345678\"\nsurprise = 1", "surprise"),
        ("source = \"from-dhcp\"", "", "network.source"),
        ("source = \"from-dhcp\"", "source = \"from-dhcp\"\ncidr = \"10.0.0.2/24\"", "may have no cidr"),
        (
            "source = \"from-dhcp\"",
            "source = \"from-answer\"\ncidr = \"10.0.0.2/33\"\ndns = \"10.0.0.1\"\ngateway = \"10.0.0.1\"\nfilter.A = \"b\"",
            "network.cidr",
        ),
        (
            "source = \"from-dhcp\"",
            "source = \"from-answer\"\ncidr = \"10.0.0.2/24\"\ndns = \"10.0.0.1\"\ngateway = \"10.1.0.1\"\nfilter.A = \"b\"",
            "network.gateway",
        ),
        (
            "source = \"from-dhcp\"",
            "source = \"from-answer\"\ncidr = \"10.0.0.2/24\"\ndns = \"10.0.0.1\"\ngateway = \"10.0.0.1\"",
            "network.filter",
        ),
        (
            "source = \"from-dhcp\"",
            "source = \"from-dhcp\"\ninterface-name-pinning.enabled = false",
            "pins all the same",
        ),
        (
            "source = \"from-dhcp\"",
            "source = \"from-dhcp\"\ninterface-name-pinning.enabled = true\ninterface-name-pinning.mapping.\"52:54:00:12:34:56\" = \"a-name-that-is-too-long\"",
            "2 to 15",
        ),
        ("disk-list = [\"/dev/sda\", \"/dev/sdb\"]", "", "exactly one of disk-list and filter"),
        ("disk-list = [\"/dev/sda\", \"/dev/sdb\"]", "disk-list = [\"/dev/sda\", \"/dev/sda\"]", "a disk twice"),
        ("disk-list = [\"/dev/sda\", \"/dev/sdb\"]", "disk-list = [\"/dev/sda\"]", "at least 2 disks"),
        ("disk-list = [\"/dev/sda\", \"/dev/sdb\"]", "disk-list = [\"sda\", \"sdb\"]", "full names"),
        ("disk-list = [\"/dev/sda\", \"/dev/sdb\"]", "filter.ID_SERIAL = \"*\"", "matches every disk"),
        (
            "disk-list = [\"/dev/sda\", \"/dev/sdb\"]",
            "filter.ID_SERIAL = \"a*\"\nfilter-match = \"all\"",
            "selects every disk",
        ),
        ("disk-list = [\"/dev/sda\", \"/dev/sdb\"]", "filter.ID_SERIAL = \"a\"\nfilter.ID_WWN = \"b\"", "several keys"),
        ("zfs.raid = \"raid1\"", "zfs.raid = \"Raid1\"", "disk-setup.zfs.raid"),
        ("zfs.raid = \"raid1\"", "", "needs raid"),
        ("zfs.raid = \"raid1\"", "zfs.raid = \"raid1\"\nzfs.ashift = 99", "ashift"),
        ("zfs.raid = \"raid1\"", "zfs.raid = \"raid1\"\nlvm.swapsize = 1.0", "belongs to ext4"),
        ("filesystem = \"zfs\"", "filesystem = \"ext4\"", "belongs to zfs"),
        ("filesystem = \"zfs\"", "filesystem = \"ntfs\"", "disk-setup.filesystem"),
    ];
    for (from, to, complaint) in cases {
        let found = problems(&GOOD.replacen(from, to, 1), "9.2");
        assert!(found.iter().any(|problem| problem.contains(complaint)), "{to}: {found:?}");
    }
}

#[test]
fn keys_that_an_older_installer_does_not_know_are_refused_for_it() {
    for (addition, release_text, complaint) in [
        ("root-password = \"12345678\"\nreboot-mode = \"reboot\"", "8.3", "global.reboot-mode"),
        ("root-password = \"12345678\"\nsubscription-key = \"pve1c-0123456789\"", "9.1", "global.subscription-key"),
    ] {
        let found = problems(&GOOD.replacen("root-password = \"12345678\"", addition, 1), release_text);
        assert!(found.iter().any(|problem| problem.contains(complaint)), "{found:?}");
    }
    assert_eq!(
        problems(&GOOD.replacen("source = \"from-dhcp\"", "", 1), "9.1"),
        Vec::<String>::new(),
        "9.1 needs no source"
    );
}

#[test]
fn a_shown_answer_hides_password_and_tokens() {
    let shown = redact(&render(TEMPLATE, &values("9.2")).unwrap());
    assert!(!shown.contains("$6$salt$hash") && !shown.contains("TOKEN"), "{shown}");
    assert!(shown.contains("ssh-ed25519 AAAA rackseed-operation"));
}
