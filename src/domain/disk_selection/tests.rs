//! Machines with their disks, and what may be selected of them.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn disk(path: &str, model: &str, serial: &str, gib: u64, is_boot_disk: bool) -> Disk {
    let property = |key: &str, value: String| (key.to_owned(), value);
    Disk {
        path: path.to_owned(),
        size_bytes: Some(gib << 30),
        is_boot_disk,
        properties: BTreeMap::from([
            property("ID_MODEL", model.to_owned()),
            property("ID_SERIAL", format!("{model}_{serial}")),
            property("ID_SERIAL_SHORT", serial.to_owned()),
            property("ID_WWN", format!("0x{serial}")),
        ]),
    }
}

/// Two small disks of one kind with the system, and two large ones with data.
fn server() -> Vec<Disk> {
    vec![
        disk("/dev/sda", "INTEL_SSDSC2KB240G8", "PHYF01A", 223, true),
        disk("/dev/sdb", "INTEL_SSDSC2KB240G8", "PHYF02A", 223, true),
        disk("/dev/sdc", "ST8000NM0055", "ZA1A", 7452, false),
        disk("/dev/sdd", "ST8000NM0055", "ZA1B", 7452, false),
    ]
}

fn wishes(wishes: serde_json::Value) -> DiskRequest {
    DiskRequest::Wishes(serde_json::from_value(wishes).unwrap())
}

fn filter(keys: &[(&str, &str)], all: bool, count: usize) -> DiskRequest {
    let keys = keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    DiskRequest::Filter { keys, all, count }
}

/// The devices that the installer would take.
fn taken(request: &DiskRequest, known: &[Disk], data: &[&str]) -> Result<Vec<String>, String> {
    let data: Vec<_> = data.iter().map(|name| (*name).to_owned()).collect();
    let selection = select(request, known, &data).map_err(|problems| problems.join("; "))?;
    Ok(selection.exact.taken(known).into_iter().map(|disk| disk.path.clone()).collect())
}

#[test]
fn a_wish_takes_the_disks_that_it_means_and_no_other() {
    let server = server();
    for (request, expected) in [
        (wishes(json!([{"serial": "PHYF02A"}])), vec!["/dev/sdb"]),
        (wishes(json!([{"serial": "intel_ssdsc2kb240g8_phyf02a"}])), vec!["/dev/sdb"]),
        (wishes(json!([{"wwn": "0xZA1A"}])), vec!["/dev/sdc"]),
        (wishes(json!([{"path": "/dev/sda"}])), vec!["/dev/sda"]),
        (wishes(json!([{"model": "INTEL SSDSC2KB240G8", "count": 2}])), vec!["/dev/sda", "/dev/sdb"]),
        (wishes(json!([{"max_size_gib": 300, "count": 2}])), vec!["/dev/sda", "/dev/sdb"]),
        (wishes(json!([{"model": "ST*", "min_size_gib": 7000, "count": 2}])), vec!["/dev/sdc", "/dev/sdd"]),
        (wishes(json!([{"path": "/dev/sda"}, {"serial": "ZA1B"}])), vec!["/dev/sda", "/dev/sdd"]),
        (filter(&[("ID_MODEL", "INTEL*")], false, 2), vec!["/dev/sda", "/dev/sdb"]),
        (filter(&[("ID_MODEL", "INTEL*"), ("ID_SERIAL_SHORT", "*02A")], true, 1), vec!["/dev/sdb"]),
        (filter(&[("ID_SERIAL_SHORT", "*01A"), ("ID_WWN", "0xZA1A")], false, 2), vec!["/dev/sda", "/dev/sdc"]),
    ] {
        assert_eq!(taken(&request, &server, &[]).unwrap(), expected, "{request:?}");
    }
}

#[test]
fn a_wish_that_is_ambiguous_or_absent_is_refused_with_what_there_is() {
    let server = server();
    for (request, complaint) in [
        (
            wishes(json!([{"model": "INTEL*"}])),
            "2 of the machine's disks are like that where 1 is meant: /dev/sda (INTEL_SSDSC2KB240G8, serial PHYF01A, 223 GiB)",
        ),
        (wishes(json!([{"model": "INTEL*", "count": 3}])), "2 of the machine's disks are like that where 3 is meant"),
        (wishes(json!([{"model": "SAMSUNG*"}])), "there is no such disk; the machine reported /dev/sda"),
        (wishes(json!([{"serial": "PHYF03A"}])), "there is no such disk"),
        (wishes(json!([{"path": "/dev/nvme0n1"}])), "there is no such disk"),
        (wishes(json!([{"path": "/dev/sda"}, {"serial": "PHYF01A"}])), "is meant twice"),
        (filter(&[("ID_MODEL", "*")], false, 1), "4 of the machine's disks"),
        // What the installer makes of this is all four disks.
        (filter(&[("NOT_A_KEY", "x")], true, 1), "there is no such disk"),
        (filter(&[("ID_MODEL", "INTEL*"), ("NOT_A_KEY", "x")], true, 2), "there is no such disk"),
    ] {
        let refused = taken(&request, &server, &[]).unwrap_err();
        assert!(refused.contains(complaint), "{request:?}: {refused}");
    }
}

#[test]
fn a_declared_data_disk_is_never_touched() {
    let server = server();
    for request in [
        wishes(json!([{"serial": "ZA1A"}])),
        wishes(json!([{"path": "/dev/sdc"}])),
        filter(&[("ID_MODEL", "ST8000NM0055")], false, 2),
    ] {
        let refused = taken(&request, &server, &["ZA1A"]).unwrap_err();
        assert!(
            refused.contains("/dev/sdc (ST8000NM0055, serial ZA1A, 7452 GiB) is declared as a data disk"),
            "{refused}"
        );
    }
    // By kind it is passed over, and the other one is found.
    assert_eq!(taken(&wishes(json!([{"model": "ST*"}])), &server, &["0xza1a"]).unwrap(), ["/dev/sdd"]);
    let warnings = select(&wishes(json!([{"path": "/dev/sda"}])), &server, &["GONE".to_owned()]).unwrap().warnings;
    assert!(warnings[0].contains("`GONE`"), "{warnings:?}");
}

#[test]
fn before_the_first_report_only_a_name_names_a_disk() {
    for (request, exact) in [
        (wishes(json!([{"path": "/dev/sda"}, {"path": "/dev/sdb"}])), "/dev/sda, /dev/sdb"),
        (wishes(json!([{"serial": "S[1"}])), "the disk with ID_SERIAL_SHORT = S[[]1"),
        (wishes(json!([{"wwn": "0x5"}])), "the disk with ID_WWN = 0x5"),
        (filter(&[("ID_SERIAL", "A_1")], false, 1), "the disk with ID_SERIAL = A_1"),
    ] {
        assert_eq!(select(&request, &[], &[]).unwrap().exact.sentence(), exact);
    }
    for request in [
        wishes(json!([{"model": "INTEL*"}])),
        wishes(json!([{"serial": "a"}, {"serial": "b"}])),
        wishes(json!([{"path": "/dev/sda"}, {"serial": "b"}])),
        filter(&[("ID_MODEL", "INTEL")], false, 1),
        filter(&[("ID_SERIAL", "A*")], false, 1),
        filter(&[("ID_SERIAL", "A"), ("ID_WWN", "B")], false, 1),
        filter(&[], false, 1),
    ] {
        assert!(select(&request, &[], &[]).unwrap_err()[0].contains("has not reported its disks yet"), "{request:?}");
    }
}

#[test]
fn before_the_first_report_a_declared_data_disk_forbids_device_names() {
    let data = ["ZA1A".to_owned()];
    assert!(
        select(&wishes(json!([{"path": "/dev/sda"}])), &[], &data).unwrap_err()[0].contains("might be one of them")
    );
    assert!(select(&wishes(json!([{"serial": "ZA1A"}])), &[], &data).unwrap_err()[0].contains("also declared"));
    assert!(select(&wishes(json!([{"serial": "ZA1B"}])), &[], &data).is_ok());
}

#[test]
fn a_device_name_is_replaced_by_a_serial_number_where_disks_can_be_mistaken() {
    let server = server();
    let exact = |known: &[Disk]| select(&wishes(json!([{"path": "/dev/sda"}])), known, &[]).unwrap().exact;
    assert_eq!(exact(&server).sentence(), "the disk with ID_SERIAL = INTEL_SSDSC2KB240G8_PHYF01A");
    assert_eq!(exact(&server[..1]).sentence(), "/dev/sda", "there is no other");
}

#[test]
fn a_property_that_two_disks_share_names_neither() {
    let mut twins = vec![disk("/dev/sda", "USB", "0001", 100, false), disk("/dev/sdb", "USB", "0001", 100, false)];
    let refused = taken(&wishes(json!([{"serial": "0001"}])), &twins, &[]).unwrap_err();
    assert!(refused.contains("2 of the machine's disks"), "{refused}");
    let selection = select(&wishes(json!([{"path": "/dev/sdb"}])), &twins, &[]).unwrap();
    assert_eq!(selection.exact, ExactDisks::Paths(vec!["/dev/sdb".into()]));
    assert!(selection.warnings[0].contains("device names, which may change"), "{selection:?}");
    twins.push(disk("/dev/sdc", "X", "D", 100, false));
    let refused = select(&wishes(json!([{"path": "/dev/sdb"}])), &twins, &["D".to_owned()]).unwrap_err();
    assert!(refused[0].contains("not good enough"), "{refused:?}");
}

#[test]
fn many_disks_of_one_delivery_are_named_together() {
    let mut many: Vec<_> =
        (1..=6).map(|n| disk(&format!("/dev/sd{n}"), "ST", &format!("ZA0{n}"), 100, false)).collect();
    many.push(disk("/dev/sdx", "ST", "ZB01", 100, false));
    let request = wishes(json!((1..=6).map(|n| json!({"serial": format!("ZA0{n}")})).collect::<Vec<_>>()));
    let selection = select(&request, &many, &[]).unwrap();
    assert_eq!(selection.exact.sentence(), "the disk with ID_SERIAL = ST_ZA0[123456]");
    assert_eq!(selection.exact.taken(&many).len(), 6);
}

#[test]
fn a_disk_that_did_not_hold_the_system_is_told_of() {
    let selection = select(&wishes(json!([{"serial": "ZA1A"}])), &server(), &[]).unwrap();
    assert!(selection.warnings[0].contains("/dev/sdc (ST8000NM0055, serial ZA1A, 7452 GiB) did not hold the system"));
    assert!(select(&wishes(json!([{"path": "/dev/sda"}])), &server(), &[]).unwrap().warnings.is_empty());
}

#[test]
fn a_size_that_is_not_known_decides_nothing() {
    let mut server = server();
    server[1].size_bytes = None;
    let refused = taken(&wishes(json!([{"min_size_gib": 7000, "count": 2}])), &server, &[]).unwrap_err();
    assert!(refused.contains("the size of /dev/sdb"), "{refused}");
}

/// Disks with few different names, so that twins and mistakes are frequent; some lack a property.
fn any_disks() -> impl Strategy<Value = Vec<Disk>> {
    let text = |options: &'static [&'static str]| prop::option::weighted(0.8, prop::sample::select(options));
    let one = (text(&["A", "B", "A B"]), text(&["S1", "S2", "S3", "S*", "S[1"]), text(&["0x1", "0x2"]), any::<bool>());
    let disk = one.prop_map(|(model, serial, wwn, is_boot_disk)| {
        let named = [("ID_MODEL", model), ("ID_SERIAL_SHORT", serial), ("ID_SERIAL", serial), ("ID_WWN", wwn)];
        let properties =
            named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect();
        Disk { is_boot_disk, properties, ..Disk::default() }
    });
    prop::collection::vec(disk, 1..6).prop_map(|mut disks| {
        for (number, (letter, disk)) in ('a'..).zip(&mut disks).enumerate() {
            disk.path = format!("/dev/sd{letter}");
            disk.size_bytes = (number % 2 == 0).then_some((number as u64) << 32);
        }
        disks
    })
}

fn any_request() -> impl Strategy<Value = DiskRequest> {
    let wish = prop_oneof![
        prop::sample::select(&["/dev/sda", "/dev/sdb"][..]).prop_map(DiskWish::path),
        prop::sample::select(&["S1", "S2", "S3"][..])
            .prop_map(|serial| DiskWish { serial: Some(serial.into()), ..DiskWish::default() }),
        (prop::sample::select(&["A", "*B", "?"][..]), 1_u32..3).prop_map(|(model, count)| DiskWish {
            model: Some(model.into()),
            count: Some(count),
            ..DiskWish::default()
        }),
        (1_u32..8).prop_map(|least| DiskWish { min_size_gib: Some(least), ..DiskWish::default() }),
    ];
    let key = prop::sample::select(&["ID_SERIAL", "ID_WWN", "ID_MODEL", "NOT_A_KEY"][..]);
    let glob = prop::sample::select(&["S1", "S*", "*", "0x?", "A*"][..]);
    let filter = (
        prop::collection::btree_map(key.prop_map(str::to_owned), glob.prop_map(str::to_owned), 0..3),
        any::<bool>(),
        1_usize..3,
    )
        .prop_map(|(keys, all, count)| DiskRequest::Filter { keys, all, count });
    prop_oneof![prop::collection::vec(wish, 1..3).prop_map(DiskRequest::Wishes), filter]
}

proptest! {
    #[test]
    fn whatever_is_asked_the_installer_takes_what_was_chosen_as_many_as_were_meant_and_never_data(
        disks in any_disks(), request in any_request(), data in prop::sample::subsequence(vec!["S1".to_owned(), "0x2".to_owned()], 0..=2)
    ) {
        if let Ok(selection) = select(&request, &disks, &data) {
            let taken: Vec<_> = selection.exact.taken(&disks).into_iter().cloned().collect();
            prop_assert_eq!(taken.len(), selection.count);
            for disk in &taken {
                prop_assert!(selection.disks.contains(disk));
                prop_assert!(!data.iter().any(|name| is_named(disk, name)), "{} of {:?}", describe(disk), request);
            }
            let meant = match &request {
                DiskRequest::Wishes(wishes) => wishes.iter().map(DiskWish::count).sum(),
                DiskRequest::Filter { count, .. } => *count,
            };
            prop_assert_eq!(taken.len(), meant);
        }
    }
}
