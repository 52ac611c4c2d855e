//! The disks of an answer: every file system with its options, and machines whose disks are known.

use std::collections::BTreeMap;

use rackseed::domain::{
    answer::AnswerValues,
    hardware::Disk,
    server_type::{Filesystem, ServerType},
};
use serde_json::json;

use super::{TEMPLATE, assert_fixture, render, review, values};

/// A server type that leaves the disks to the template.
fn without_disks(release: &str) -> AnswerValues {
    let values = values(release);
    AnswerValues { server_type: ServerType { boot_disk: None, ..values.server_type.clone() }, ..values }
}

fn with_disks(setup: &str) -> String {
    format!("{TEMPLATE}\n[disk-setup]\n{setup}\n")
}

fn disk(path: &str, model: &str, serial: &str, gib: u64, is_boot_disk: bool) -> Disk {
    let properties = [
        ("ID_MODEL", model.to_owned()),
        ("ID_SERIAL", format!("{model}_{serial}")),
        ("ID_SERIAL_SHORT", serial.to_owned()),
    ];
    Disk {
        path: path.to_owned(),
        size_bytes: Some(gib << 30),
        is_boot_disk,
        properties: properties.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<BTreeMap<_, _>>(),
    }
}

/// A machine that has reported two small disks with its system and one with data.
fn reported(release: &str, options: serde_json::Value) -> AnswerValues {
    let mut values = without_disks(release);
    values.known_disks = vec![
        disk("/dev/sda", "INTEL_SSDSC2KB240G8", "PHYF01", 223, true),
        disk("/dev/sdb", "INTEL_SSDSC2KB240G8", "PHYF02", 223, true),
        disk("/dev/sdc", "ST8000NM0055", "ZA1A", 7452, false),
    ];
    values.options.disks = serde_json::from_value(options).unwrap();
    assert_eq!(values.options.check(), vec![]);
    values
}

fn setup(template: &str, values: &AnswerValues) -> Result<toml::Table, String> {
    render(template, values).map(|text| text.parse::<toml::Table>().unwrap()["disk-setup"].as_table().unwrap().clone())
}

fn table(text: &str) -> toml::Table {
    text.parse().unwrap()
}

#[test]
fn every_file_system_with_all_its_options_can_be_said_in_a_template() {
    for said in [
        "disk-list = [\"/dev/sda\"]\nfilesystem = \"ext4\"\nlvm = { hdsize = 64, swapsize = 8.5, maxroot = 16, maxvz = 20, minfree = 4 }",
        "disk-list = [\"/dev/sda\"]\nfilesystem = \"xfs\"\nlvm = { swapsize = 0 }",
        "disk-list = [\"/dev/sda\", \"/dev/sdb\"]\nfilesystem = \"zfs\"\nzfs = { raid = \"raid1\", ashift = 12, arc-max = 4096, checksum = \"sha256\", compress = \"zstd\", copies = 2, hdsize = 80 }",
        "disk-list = [\"/dev/sda\", \"/dev/sdb\", \"/dev/sdc\", \"/dev/sdd\"]\nfilesystem = \"zfs\"\nzfs = { raid = \"raidz-2\" }",
        "disk-list = [\"/dev/sda\", \"/dev/sdb\"]\nfilesystem = \"btrfs\"\nbtrfs = { raid = \"raid1\", compress = \"zstd\", hdsize = 80 }",
        "filesystem = \"ext4\"\nfilter = { ID_SERIAL = \"INTEL_1\" }",
    ] {
        for release in ["8.4", "9.2"] {
            assert_eq!(setup(&with_disks(said), &without_disks(release)).unwrap(), table(said), "{release}");
        }
    }
}

#[test]
fn a_level_in_upper_case_and_spellings_with_dashes_are_written_as_the_oldest_installer_reads_them() {
    let said =
        "disk-list = [\"/dev/sda\", \"/dev/sdb\"]\nfilesystem = \"zfs\"\nzfs = { raid = \"RAID1\", arc-max = 4096 }";
    assert_fixture("zfs-mirror-8.3.toml", &render(&with_disks(said), &without_disks("8.3")).unwrap());
}

#[test]
fn what_is_said_of_disks_must_agree() {
    for (said, complaint) in [
        ("disk-list = [\"/dev/sda\"]\nfilter.ID_SERIAL = \"a\"", "exactly one of disk-list and filter"),
        ("disk-list = [\"sda\"]", "must have full names"),
        ("disk-list = []", "must have full names"),
        ("disk-list = [\"/dev/sda\", \"/dev/sdb\"]", "one disk for ext4 and xfs"),
        (
            "disk-list = [\"/dev/sda\", \"/dev/sdb\"]\nfilesystem = \"zfs\"",
            "disk-setup.zfs.raid is needed with 2 disks",
        ),
        ("disk-list = [\"/dev/sda\", \"/dev/sda\"]\nfilesystem = \"zfs\"\nzfs.raid = \"raid1\"", "a disk twice"),
        ("disk-list = [\"/dev/sda\"]\nfilesystem = \"zfs\"\nzfs.raid = \"raid1\"", "needs at least 2 disks"),
        ("disk-list = [\"/dev/sda\"]\nfilesystem = \"zfs\"\nzfs.raid = \"Raid0\"", "disk-setup.zfs.raid"),
        ("disk-list = [\"/dev/sda\"]\nfilesystem = \"zfs\"\nlvm.swapsize = 4", "belongs to ext4 and xfs"),
        ("disk-list = [\"/dev/sda\"]\nfilesystem = \"ntfs\"", "disk-setup.filesystem is `ntfs`"),
        ("filter.ID_SERIAL = \"*\"", "has not reported its disks yet"),
        ("filter.ID_SERIAL = \"a\"\nfilter.ID_WWN = \"b\"", "has not reported its disks yet"),
        ("filter.ID_SERIAL = \"a\"\nfilter-match = \"some\"", "must be any or all"),
        ("filesystem = \"zfs\"", "names no disk"),
    ] {
        let refused = setup(&with_disks(said), &without_disks("9.2")).unwrap_err();
        assert!(refused.contains(complaint), "{said}: {refused}");
    }
    let refused = render(&with_disks("disk-list = [\"/dev/sda\"]"), &values("9.2")).unwrap_err();
    assert!(refused.contains("the server type names some too; keep one"), "{refused}");
    let mut other = values("9.2");
    other.server_type.filesystem = Some(Filesystem::Xfs);
    let refused = render(&with_disks("filesystem = \"zfs\""), &other).unwrap_err();
    assert!(refused.contains("`xfs` in the server type and `zfs` in the template"), "{refused}");
}

#[test]
fn wishes_become_exact_names_that_the_installer_cannot_misread() {
    let zfs = "filesystem = \"zfs\"\nzfs = { raid = \"raid1\", compress = \"zstd\" }";
    let mirror = json!({"select": [{"model": "INTEL SSDSC2KB240G8", "count": 2}], "data_disks": ["ZA1A"]});
    assert_fixture("zfs-mirror-by-model-9.2.toml", &render(&with_disks(zfs), &reported("9.2", mirror)).unwrap());
    for (options, expected) in [
        (
            json!({"select": [{"serial": "PHYF02"}]}),
            "filesystem = \"ext4\"\nfilter.ID_SERIAL = \"INTEL_SSDSC2KB240G8_PHYF02\"",
        ),
        (
            json!({"select": [{"path": "/dev/sda"}]}),
            "filesystem = \"ext4\"\nfilter.ID_SERIAL = \"INTEL_SSDSC2KB240G8_PHYF01\"",
        ),
        (
            json!({"select": [{"min_size_gib": 1000}], "filesystem": "xfs"}),
            "filesystem = \"xfs\"\nfilter.ID_SERIAL = \"ST8000NM0055_ZA1A\"",
        ),
        (
            json!({"select": [{"max_size_gib": 300, "count": 2}], "filesystem": "btrfs", "raid": "raid1"}),
            "filesystem = \"btrfs\"\nbtrfs.raid = \"raid1\"\nfilter = { ID_SERIAL = \"INTEL_SSDSC2KB240G8_PHYF01\", ID_SERIAL_SHORT = \"PHYF02\" }",
        ),
    ] {
        assert_eq!(setup(TEMPLATE, &reported("9.2", options.clone())).unwrap(), table(expected), "{options}");
    }
}

#[test]
fn a_filter_of_a_template_is_read_as_its_author_means_it_once_the_disks_are_known() {
    let both = "filesystem = \"zfs\"\nzfs.raid = \"raid1\"\nfilter.ID_MODEL = \"INTEL*\"";
    let found = setup(&with_disks(both), &reported("9.2", json!({}))).unwrap();
    assert_eq!(found["filter"].as_table().unwrap().len(), 2, "two properties, each of one disk: {found}");
    assert_eq!(found.get("filter-match"), None);
    let all =
        "filesystem = \"ext4\"\nfilter = { ID_MODEL = \"INTEL*\", ID_SERIAL_SHORT = \"*02\" }\nfilter-match = \"all\"";
    let found = setup(&with_disks(all), &reported("9.2", json!({}))).unwrap();
    assert_eq!(found, table("filesystem = \"ext4\"\nfilter.ID_SERIAL = \"INTEL_SSDSC2KB240G8_PHYF02\""));
    // The installer itself would take every disk of this, or any disk of the next.
    for (said, complaint) in [
        (
            "filesystem = \"zfs\"\nzfs.raid = \"raid1\"\nfilter.NOT_A_KEY = \"x\"\nfilter-match = \"all\"",
            "there is no such disk",
        ),
        ("filesystem = \"ext4\"\nfilter = { ID_MODEL = \"INTEL*\", ID_SERIAL_SHORT = \"*02\" }", "where 1 is meant"),
        (
            "filesystem = \"zfs\"\nzfs.raid = \"raid1\"\nfilter.ID_SERIAL = \"*\"",
            "3 of the machine's disks are like that where 2 is meant",
        ),
    ] {
        let refused = setup(&with_disks(said), &reported("9.2", json!({}))).unwrap_err();
        assert!(refused.contains(complaint), "{said}: {refused}");
    }
}

#[test]
fn what_would_touch_data_or_nothing_is_refused_with_the_reason() {
    for (options, complaint) in [
        (
            json!({"select": [{"serial": "ZA1A"}], "data_disks": ["ZA1A"]}),
            "is declared as a data disk (ZA1A) and is not touched",
        ),
        (json!({"select": [{"model": "INTEL*"}]}), "where 1 is meant"),
        (json!({"select": [{"serial": "GONE"}]}), "there is no such disk; the machine reported /dev/sda"),
        (json!({"select": [{"path": "/dev/nvme0n1"}]}), "answer.disks.ignore_report=true"),
        (
            json!({"select": [{"serial": "PHYF01"}, {"serial": "ZA1A"}], "filesystem": "zfs", "raid": "raid1"}),
            "must have the same size",
        ),
    ] {
        let refused = setup(TEMPLATE, &reported("9.2", options.clone())).unwrap_err();
        assert!(refused.contains(complaint), "{options}: {refused}");
    }
    // A mirror of 223 GiB takes a tenth more, and no more.
    let mirror = json!({"select": [{"path": "/dev/sda"}, {"path": "/dev/sdb"}], "filesystem": "zfs", "raid": "raid1"});
    let mut unequal = reported("9.2", mirror);
    unequal.known_disks[1].size_bytes = Some(245 << 30);
    assert!(setup(TEMPLATE, &unequal).is_ok());
    unequal.known_disks[1].size_bytes = Some(246 << 30);
    assert!(setup(TEMPLATE, &unequal).unwrap_err().contains("must have the same size"));
    let mut small = reported("9.2", json!({"select": [{"path": "/dev/sda"}]}));
    small.known_disks[0].size_bytes = Some(7 << 30);
    assert!(setup(TEMPLATE, &small).unwrap_err().contains("smaller than 8 GiB"));
}

#[test]
fn after_a_change_of_disks_the_last_report_can_be_disregarded() {
    let options = json!({"select": [{"path": "/dev/nvme0n1"}], "ignore_report": true});
    let found = setup(TEMPLATE, &reported("9.2", options)).unwrap();
    assert_eq!(found, table("filesystem = \"ext4\"\ndisk-list = [\"/dev/nvme0n1\"]"));
    let refused = setup(TEMPLATE, &reported("9.2", json!({"select": [{"model": "INTEL*"}], "ignore_report": true})));
    assert!(refused.unwrap_err().contains("has not reported its disks yet"));
}

#[test]
fn a_review_says_which_disks_are_wiped() {
    let known = reported("9.2", json!({"select": [{"serial": "PHYF02"}]}));
    assert_eq!(
        review(TEMPLATE, &known).disks.as_deref(),
        Some("/dev/sdb (INTEL_SSDSC2KB240G8, serial PHYF02, 223 GiB)")
    );
    assert_eq!(review(TEMPLATE, &values("9.2")).disks.as_deref(), Some("/dev/nvme0n1"));
    let data = reported("9.2", json!({"select": [{"serial": "ZA1A"}]}));
    let warnings = review(TEMPLATE, &data).warnings;
    assert!(warnings[0].to_string().starts_with("answer.disks: disk-setup: /dev/sdc (ST8000NM0055"), "{warnings:?}");
}

#[test]
fn a_server_type_may_wish_for_disks_and_a_level() {
    let mut kind = reported("9.2", json!({}));
    kind.server_type = serde_yaml::from_str(
        "display_name: Storage\ndisks: [{model: INTEL*, count: 2}]\nfilesystem: zfs\nraid: raid1\n",
    )
    .unwrap();
    assert_eq!(kind.server_type.check(), Vec::<String>::new());
    let found = setup(TEMPLATE, &kind).unwrap();
    assert_eq!((found["zfs"]["raid"].as_str(), found["filter"].as_table().unwrap().len()), (Some("raid1"), 2));
    assert_eq!(kind.server_type.disk_rule(), "2 disks of model INTEL*");
}
