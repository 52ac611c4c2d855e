//! Every rule of the installer, each with its sentence and a file that breaks it; and the installer's own test files where they are at hand.

use std::{fs, path::Path};

use rackseed::domain::answer_file::AnswerFile;

use super::{
    cases::{
        Case, DISK_SETUP, DISKS, FQDN, GLOBAL, GOOD, MAIL, NAMES, NETWORK, PASSWORD, PINNING, RAID, SOURCE, STATIC,
        ZFS_OF_TWO, ZONE, case,
    },
    release,
};

fn problems(text: &str, release_text: &str) -> Vec<String> {
    match toml::from_str::<AnswerFile>(text) {
        Ok(file) => file.check(release(release_text)),
        Err(error) => vec![error.message().to_owned()],
    }
}

fn assert_all_refused(good: &str, cases: &[Case]) {
    assert_eq!(problems(good, "9.2"), Vec::<String>::new(), "{good}");
    for Case { rule, from, to, complaint } in cases {
        assert!(good.contains(from), "{rule}: `{from}` is not in the good file");
        let found = problems(&good.replacen(from, to, 1), "9.2");
        assert!(found.iter().any(|problem| problem.contains(complaint)), "{rule}: {found:?}");
    }
}

#[test]
fn every_rule_of_the_global_section_refuses_before_the_installer_would() {
    assert_all_refused(GOOD, GLOBAL);
    let long = format!("{}.arpa", "abcdefghi.".repeat(25));
    assert!(problems(&GOOD.replacen("pve.home.arpa", &long, 1), "9.2")[0].contains("global.fqdn"), "253 in all");
}

#[test]
fn every_rule_of_the_network_refuses_before_the_installer_would() {
    assert!(
        problems(&GOOD.replacen(SOURCE, "", 1), "9.2")[0].contains("network.source"),
        "source is required since 9.2"
    );
    assert_eq!(problems(&GOOD.replacen(SOURCE, "", 1), "9.1"), Vec::<String>::new(), "and was not before");
    assert_all_refused(&GOOD.replacen(SOURCE, STATIC, 1), NETWORK);
    assert_all_refused(&GOOD.replacen(SOURCE, PINNING, 1), NAMES);
}

#[test]
fn every_rule_of_the_disks_refuses_before_the_installer_would() {
    assert_all_refused(GOOD, DISK_SETUP);
}

#[test]
fn what_the_installer_takes_is_taken() {
    for (from, to) in [
        (MAIL, "mailto = \"root@localhost\""),
        (ZONE, "timezone = \"UTC\""),
        (ZONE, "timezone = \"America/Argentina/Buenos_Aires\""),
        (FQDN, "fqdn = { source = \"from-dhcp\" }"),
        (FQDN, "fqdn = { source = \"from-dhcp\", domain = \"lab.example\" }"),
        (PASSWORD, "root-password-hashed = \"$y$j9T$a$b\"\nreboot-on-error = true\nreboot-mode = \"power-off\""),
        (PASSWORD, "root_password = \"12345678\"\nroot_ssh_keys = [\"ssh-ed25519 AAAA x\"]"),
        (PASSWORD, "root-password = \"12345678\"\nsubscription-key = \"pve4c-1234567890\""),
        (SOURCE, STATIC),
        (SOURCE, PINNING),
        (
            SOURCE,
            "source = \"from-answer\"\ncidr = \"fd00::2/64\"\ndns = \"fd00::1\"\ngateway = \"fd00::1\"\nfilter.INTERFACE = \"eno1\"",
        ),
        (
            RAID,
            "zfs = { raid = \"RAID1\", ashift = 13, arc-max = 4096, checksum = \"sha256\", compress = \"zstd\", copies = 2, hdsize = 80 }",
        ),
        (
            ZFS_OF_TWO,
            "filesystem = \"btrfs\"\ndisk-list = [\"/dev/sda\", \"/dev/sdb\"]\nbtrfs = { raid = \"raid0\", compress = \"zstd\", hdsize = 80 }",
        ),
        (
            ZFS_OF_TWO,
            "filesystem = \"ext4\"\ndisk-list = [\"/dev/sda\"]\nlvm = { hdsize = 64, swapsize = 8, maxroot = 16, maxvz = 0, minfree = 4 }",
        ),
        (ZFS_OF_TWO, "filesystem = \"xfs\"\nfilter.ID_SERIAL = \"INTEL_1\""),
        (DISKS, "filter.ID_SERIAL = \"a\"\nfilter.ID_WWN = \"b\"\nfilter-match = \"any\""),
    ] {
        assert!(GOOD.contains(from));
        assert_eq!(problems(&GOOD.replacen(from, to, 1), "9.2"), Vec::<String>::new(), "{to}");
    }
}

#[test]
fn keys_that_an_older_installer_does_not_know_are_refused_for_it() {
    for (from, to, release_text, complaint) in [
        (PASSWORD, "root-password = \"12345678\"\nreboot-mode = \"reboot\"", "8.3", "global.reboot-mode"),
        (
            PASSWORD,
            "root-password = \"12345678\"\nsubscription-key = \"pve1c-0123456789\"",
            "9.1",
            "global.subscription-key",
        ),
        (PASSWORD, "root-password-hashed = \"$6$a$b\"", "8.2", "global.root-password-hashed"),
        (FQDN, "fqdn = { source = \"from-dhcp\" }", "8.3", "global.fqdn"),
        (SOURCE, PINNING, "9.0", "network.interface-name-pinning"),
    ] {
        let found = problems(&GOOD.replacen(from, to, 1), release_text);
        assert!(found.iter().any(|problem| problem.contains(complaint)), "{to}: {found:?}");
        assert_eq!(problems(&GOOD.replacen(from, to, 1), "9.2"), Vec::<String>::new(), "{to}");
    }
}

#[test]
fn hooks_are_pinned_by_a_whole_fingerprint_and_know_where_to_go() {
    let hooks = "[post-installation-webhook]\nurl = \"https://192.0.2.1/i\"\ncert-fingerprint = \"FP\"\nauth-token = \"x\"\n\
                 [first-boot]\nsource = \"from-url\"\nurl = \"https://192.0.2.1/f\"\n";
    let good = format!("{GOOD}{}", hooks.replace("FP", "aB:".repeat(32).trim_end_matches(':')));
    assert_all_refused(
        &good,
        &[
            case(
                "a fingerprint is 64 hexadecimal digits",
                "aB:aB",
                "sha256:aB",
                "post-installation-webhook.cert-fingerprint",
            ),
            case("the webhook has a URL", "https://192.0.2.1/i", "192.0.2.1/i", "post-installation-webhook.url"),
            case("a script from a URL has one", "url = \"https://192.0.2.1/f\"", "", "first-boot.url"),
            case("a script is from a URL or the ISO", "from-url", "from-mars", "first-boot.source"),
            case(
                "a script has one of three moments",
                "source = \"from-url\"",
                "source = \"from-url\"\nordering = \"soon\"",
                "first-boot.ordering",
            ),
        ],
    );
    assert!(problems(&good, "9.1").iter().any(|problem| problem.contains("auth-token needs an installer of 9.2")));
}

/// Ours are stricter than the installer where it would take a disk that nobody named.
const OUR_OWN_RULES: &[&str] = &["selects every disk", "has several keys", "must have full names"];
/// These fail or pass by what the DHCP server says, which the file does not show.
const DECIDED_BY_DHCP: &[&str] = &["fqdn_from_dhcp_no_default_domain.toml", "no_fqdn_from_dhcp.toml"];

/// The installer's own test files belong to another project and need not be here.
pub(super) fn installer_files(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/installer").join(folder);
    let Ok(entries) = fs::read_dir(&folder) else {
        eprintln!("{} is not here; our own cases stand alone", folder.display());
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn the_installers_own_test_files_pass_and_fail_as_their_names_say() {
    for (folder, is_good) in [("parse_answer", true), ("parse_answer_fail", false)] {
        for (name, text) in installer_files(folder) {
            if DECIDED_BY_DHCP.contains(&name.as_str()) {
                continue;
            }
            let mut found = problems(&text, "9.2");
            found.retain(|problem| !OUR_OWN_RULES.iter().any(|ours| problem.contains(ours)));
            assert_eq!(found.is_empty(), is_good, "{name}: {found:?}");
        }
    }
}
