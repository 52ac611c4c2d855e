//! Which spellings each release of the installer reads.

use rackseed::catalog::check_dialect;

use super::{
    cases::{FQDN, GOOD, MAIL, PASSWORD, PINNING, RAID, SOURCE},
    release,
    rules::installer_files,
};

/// In our own words: which spellings each release reads.
const DIALECTS: &[(&str, &str, &str, &[&str])] = &[
    ("root_password alone", PASSWORD, "root_password = \"12345678\"", &["8.2", "8.3", "8.4", "9.1", "9.2"]),
    ("a dash in [global]", PASSWORD, "root-password = \"12345678\"", &["8.4", "9.1", "9.2"]),
    ("no source", SOURCE, "", &["8.2", "8.3", "8.4", "9.1"]),
    ("a level in upper case", RAID, "zfs.raid = \"RAID1\"", &["8.3", "8.4", "9.1", "9.2"]),
    ("reboot_mode", MAIL, "mailto = \"root@home.arpa\"\nreboot_mode = \"reboot\"", &["8.4", "9.1", "9.2"]),
    ("reboot-mode", MAIL, "mailto = \"root@home.arpa\"\nreboot-mode = \"reboot\"", &["8.4", "9.1", "9.2"]),
    ("a name from DHCP", FQDN, "fqdn.source = \"from-dhcp\"", &["8.4", "9.1", "9.2"]),
    ("names of cards", SOURCE, PINNING, &["9.1", "9.2"]),
    ("a subscription", MAIL, "mailto = \"root@home.arpa\"\nsubscription_key = \"pve1c-0123456789\"", &["9.2"]),
    (
        "a webhook with cert_fingerprint",
        RAID,
        "zfs.raid = \"raid1\"\n[post-installation-webhook]\nurl=\"u\"\ncert_fingerprint=\"f\"",
        &["8.3", "8.4", "9.1", "9.2"],
    ),
    (
        "a webhook with cert-fingerprint",
        RAID,
        "zfs.raid = \"raid1\"\n[post-installation-webhook]\nurl=\"u\"\ncert-fingerprint=\"f\"",
        &["8.4", "9.1", "9.2"],
    ),
    (
        "a first boot with cert-fingerprint",
        RAID,
        "zfs.raid = \"raid1\"\n[first-boot]\nsource=\"from-url\"\ncert-fingerprint=\"f\"",
        &["8.3", "8.4", "9.1", "9.2"],
    ),
    (
        "a first boot with cert_fingerprint",
        RAID,
        "zfs.raid = \"raid1\"\n[first-boot]\nsource=\"from-url\"\ncert_fingerprint=\"f\"",
        &["8.4", "9.1", "9.2"],
    ),
];

#[test]
fn each_release_reads_its_own_spellings() {
    // What every release reads, but for the one thing that a case changes.
    let plain = GOOD.replace("root-password", "root_password").replace("disk-list", "disk_list");
    for (what, from, to, readers) in DIALECTS {
        let from = from.replace("root-password", "root_password");
        assert!(plain.contains(&from), "{what}");
        let text = plain.replacen(&from, to, 1);
        for release_text in ["8.2", "8.3", "8.4", "9.1", "9.2"] {
            let found = check_dialect(&text, release(release_text));
            assert_eq!(found.is_empty(), readers.contains(&release_text), "{what} for {release_text}: {found:?}");
        }
    }
}

#[test]
fn the_installers_own_dialect_files_are_read_by_the_releases_that_read_them() {
    let readers = |name: &str| -> &[&str] {
        match &name[..1] {
            "a" => &["8.2", "8.3", "8.4", "9.1", "9.2"],
            "b" => &["9.2"],
            "d" | "g" => &["8.3", "8.4", "9.1", "9.2"],
            "h" => &["8.2", "8.3", "8.4", "9.1"],
            "c" | "e" | "f" | "i" => &["8.4", "9.1", "9.2"],
            other => panic!("an unknown dialect {other}"),
        }
    };
    for (name, text) in installer_files("") {
        let of = if name.starts_with("example-answer-8.2") { "8.2" } else { "9.2" };
        if name.starts_with("example-answer") {
            assert_eq!(check_dialect(&text, release(of)), Vec::<String>::new(), "{name}");
        }
    }
    for (name, text) in installer_files("dialect") {
        for release_text in ["8.2", "8.3", "8.4", "9.1", "9.2"] {
            let found = check_dialect(&text, release(release_text));
            assert_eq!(
                found.is_empty(),
                readers(&name).contains(&release_text),
                "{name} for {release_text}: {found:?}"
            );
        }
    }
}
