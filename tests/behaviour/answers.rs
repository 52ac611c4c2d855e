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

/// What is changed in the good file, and what the complaint must name.
const BROKEN: &[(&str, &str, &str)] = &[
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
    ("source = \"from-dhcp\"", "source = \"from-dhcp\"\ninterface-name-pinning.enabled = false", "pins all the same"),
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
    ("zfs.raid = \"raid1\"", "zfs.raid = \"raid1\"\nzfs.copies = 4", "copies"),
    ("zfs.raid = \"raid1\"", "zfs.raid = \"raid1\"\nzfs.checksum = \"md5\"", "disk-setup.zfs.checksum"),
    ("zfs.raid = \"raid1\"", "zfs.raid = \"raid1\"\nzfs.compress = \"lzo\"", "disk-setup.zfs.compress"),
    ("zfs.raid = \"raid1\"", "zfs.raid = \"raid1\"\nfilter-match = \"some\"", "disk-setup.filter-match"),
    (
        "filesystem = \"zfs\"\ndisk-list = [\"/dev/sda\", \"/dev/sdb\"]\nzfs.raid = \"raid1\"",
        "filesystem = \"btrfs\"\ndisk-list = [\"/dev/sda\", \"/dev/sdb\"]\nbtrfs = { raid = \"raid1\", ashift = 12 }",
        "ashift",
    ),
    (
        "filesystem = \"zfs\"\ndisk-list = [\"/dev/sda\", \"/dev/sdb\"]\nzfs.raid = \"raid1\"",
        "filesystem = \"btrfs\"\ndisk-list = [\"/dev/sda\", \"/dev/sdb\"]\nbtrfs = { raid = \"raid1\", compress = \"lz4\" }",
        "disk-setup.btrfs.compress",
    ),
    (
        "filesystem = \"zfs\"\ndisk-list = [\"/dev/sda\", \"/dev/sdb\"]\nzfs.raid = \"raid1\"",
        "filesystem = \"ext4\"\ndisk-list = [\"/dev/sda\"]\nlvm = { hdsize = 32.0, swapsize = 16.5 }",
        "disk-setup.lvm.swapsize",
    ),
    ("disk-list = [\"/dev/sda\", \"/dev/sdb\"]", "filter.ID_SERIAL = \"?*\"", "matches every disk"),
    ("zfs.raid = \"raid1\"", "zfs.raid = \"raid10\"", "at least 4 disks"),
    ("mailto = \"root@home.arpa\"", "mailto = \"the root@home.arpa\"", "global.mailto"),
    (
        "root-password = \"12345678\"",
        "root-password = \"12345678\"\nsubscription-key = \"pve-0123456789\"",
        "global.subscription-key",
    ),
    (
        "root-password = \"12345678\"",
        "root-password = \"12345678\"\nroot-ssh-keys = [\"ssh-ed25519\"]",
        "global.root-ssh-keys",
    ),
    (
        "source = \"from-dhcp\"",
        "source = \"from-answer\"\ncidr = \"10.0.0.0/24\"\ndns = \"10.0.0.1\"\ngateway = \"10.0.0.1\"\nfilter.A = \"b\"",
        "network.cidr",
    ),
    (
        "source = \"from-dhcp\"",
        "source = \"from-answer\"\ncidr = \"10.0.0.2/24\"\ndns = \"10.0.0.1, 10.0.0.3\"\ngateway = \"10.0.0.1\"\nfilter.A = \"b\"",
        "network.dns",
    ),
    ("zfs.raid = \"raid1\"", "zfs.raid = \"raid1\"\nlvm.swapsize = 1.0", "belongs to ext4"),
    ("filesystem = \"zfs\"", "filesystem = \"ext4\"", "belongs to zfs"),
    ("filesystem = \"zfs\"", "filesystem = \"ntfs\"", "disk-setup.filesystem"),
];

#[test]
fn every_rule_of_the_installer_refuses_before_it_would() {
    assert_eq!(problems(GOOD, "9.2"), Vec::<String>::new());
    for (from, to, complaint) in BROKEN {
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
fn hooks_are_pinned_by_a_whole_fingerprint_and_know_where_to_go() {
    let hooks = "[post-installation-webhook]\nurl = \"https://192.0.2.1/i\"\ncert-fingerprint = \"FP\"\n\
                 [first-boot]\nsource = \"from-url\"\nurl = \"https://192.0.2.1/f\"\n";
    let good = format!("{GOOD}{}", hooks.replace("FP", "aB:".repeat(32).trim_end_matches(':')));
    assert_eq!(problems(&good, "9.2"), Vec::<String>::new());
    for (from, to, complaint) in [
        ("aB:aB", "sha256:aB", "post-installation-webhook.cert-fingerprint"),
        ("https://192.0.2.1/i", "192.0.2.1/i", "post-installation-webhook.url"),
        ("url = \"https://192.0.2.1/f\"", "", "first-boot.url"),
        ("from-url", "from-mars", "first-boot.source"),
        ("source = \"from-url\"", "source = \"from-url\"\nordering = \"soon\"", "first-boot.ordering"),
    ] {
        let found = problems(&good.replacen(from, to, 1), "9.2");
        assert!(found.iter().any(|problem| problem.contains(complaint)), "{to}: {found:?}");
    }
}

/// Ours are stricter than the installer where it would take a disk that nobody named.
const OUR_OWN_RULES: &[&str] = &["selects every disk", "has several keys", "must have full names"];
/// These fail or pass by what the DHCP server says, which the file does not show.
const DECIDED_BY_DHCP: &[&str] = &["fqdn_from_dhcp_no_default_domain.toml", "no_fqdn_from_dhcp.toml"];

#[test]
fn the_installers_own_test_files_pass_and_fail_as_their_names_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/installer");
    for (name, is_good) in [("parse_answer", true), ("parse_answer_fail", false)] {
        // They belong to another project and need not be here; every rule has its own case above.
        for entry in fs::read_dir(folder.join(name)).into_iter().flatten() {
            let path = entry.unwrap().path();
            if DECIDED_BY_DHCP.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            let mut found = problems(&fs::read_to_string(&path).unwrap(), "9.2");
            found.retain(|problem| !OUR_OWN_RULES.iter().any(|ours| problem.contains(ours)));
            assert_eq!(found.is_empty(), is_good, "{}: {found:?}", path.display());
        }
    }
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
fn a_node_always_reboots_by_itself_whatever_the_template_says() {
    let with = |addition: &str| TEMPLATE.replace("root-ssh-keys = []", addition);
    for refused in ["reboot-mode = \"power-off\"", "reboot-on-error = false"] {
        assert!(render(&with(refused), &values("9.2")).unwrap_err().contains("must be"), "{refused}");
    }
    let same = with("reboot-on-error = true\nreboot-mode = \"reboot\"\nroot-ssh-keys = []");
    for release in ["8.3", "9.2"] {
        assert_eq!(render(&same, &values(release)), render(TEMPLATE, &values(release)), "{release}");
    }
}

#[test]
fn a_static_network_takes_the_management_card_of_the_server_type() {
    let network = "source = \"from-answer\"\ncidr = \"192.0.2.10/24\"\ngateway = \"192.0.2.1\"\ndns = \"192.0.2.1\"";
    let mut with_card = values("8.3");
    with_card.server_type.management_nic = Some("enp87s0".into());
    let template = TEMPLATE.replace("source = \"from-dhcp\"", network);
    assert_fixture("static-network-8.3.toml", &render(&template, &with_card).unwrap());
    let refused = render(&template, &values("8.3")).unwrap_err();
    assert!(refused.contains("network.filter"), "without a card the installer would stop half-way: {refused}");
}

#[test]
fn a_subscription_key_is_for_installers_that_know_it() {
    let template = TEMPLATE.replace("root-ssh-keys = []", "subscription-key = \"pve1c-0123456789\"");
    assert!(render(&template, &values("9.2")).unwrap().contains("pve1c-0123456789"));
    assert!(render(&template, &values("9.1")).unwrap_err().contains("needs an installer of 9.2"));
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
