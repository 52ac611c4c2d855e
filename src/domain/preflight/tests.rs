//! What is found, and how much it weighs.

use std::collections::BTreeMap;

use super::*;
use crate::domain::{
    cluster::{Membership, NodeView, read_members},
    cluster_plan::{HostClaim, count_votes, find_belonging},
    cluster_report::{Unread, read_report, tests::EVERYTHING, tests::report},
    hardware::{Disk, Hardware},
    host_lifecycle::{HostEvent, HostState},
    image::{Image, InstallerRelease},
    image_choice::ChosenBecause,
};

const NOW: i64 = 1_750_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn host() -> Host {
    Host {
        id: "aaaaaaaaaaaa".parse().unwrap(),
        hostname: "pve-03".parse().unwrap(),
        mac: "52:54:00:00:00:03".parse().unwrap(),
        server_type: "generic-sata".parse().unwrap(),
        state: HostState::Ready,
        state_since: now(),
        reason: None,
        address: Some("10.0.0.3".parse().unwrap()),
        hardware_id: None,
        ssh_host_key: None,
        registered_at: now(),
        installed_at: Some(now()),
        is_member: true,
        options: crate::domain::host_options::HostOptions::default(),
        boot_order: None,
        hardware: Some(Hardware { memory_bytes: Some(64 << 30), disks: vec![disk(true)], ..Hardware::default() }),
        operation: None,
    }
}

fn disk(is_boot_disk: bool) -> Disk {
    Disk { path: "/dev/sda".into(), size_bytes: Some(500 << 30), is_boot_disk, properties: BTreeMap::new() }
}

fn choice() -> ImageChoice {
    let image = Image {
        id: "pve-9.2-1-3fa94c21".parse().unwrap(),
        product: "pve".into(),
        product_name: "Proxmox VE".into(),
        release: InstallerRelease { major: 9, minor: 2 },
        iso_release: "1".into(),
        source_name: String::new(),
        source_sha256: String::new(),
        iso_size_bytes: 1 << 30,
        settings_offset_bytes: 0,
        settings_size_bytes: 0,
        added_at: now(),
        is_default: false,
        files: None,
    };
    ImageChoice { image, because: ChosenBecause::Newest }
}

fn heard(event: HostEvent) -> HistoryEntry {
    HistoryEntry { at: now(), event, from: HostState::Ready, to: HostState::Ready, because: "it phoned home".into() }
}

/// A host that nothing speaks against: there is no cluster.
fn good() -> Facts {
    let review = AnswerReview {
        toml: Some("[global]".into()),
        disks: Some("/dev/sda".into()),
        wiped: vec![disk(true)],
        ..AnswerReview::default()
    };
    Facts {
        now: now(),
        host: Host { is_member: false, ..host() },
        server_type: Some(serde_json::from_value(serde_json::json!({ "display_name": "x" })).unwrap()),
        image: Ok(choice()),
        image_damage: None,
        answer: Some(Ok(review)),
        last_heard: Some(heard(HostEvent::PhonedHome)),
        cluster: ClusterFacts { belonging: Belonging::NotAMember, votes: None, view: None, report: None },
    }
}

fn view(online: [bool; 3], names: &[&str]) -> ClusterView {
    let nodes = names.iter().enumerate().map(|(place, name)| {
        let node = NodeView {
            id: None,
            online: online[place],
            address: format!("10.0.0.{}", name.trim_start_matches("pve-0")),
        };
        ((*name).to_owned(), node)
    });
    let nodes: BTreeMap<_, _> = nodes.collect();
    let quorate = nodes.values().filter(|node| node.online).count() > nodes.len() / 2;
    ClusterView { node: names[0].to_owned(), cluster: Some(Membership { name: "lab".into(), quorate, nodes }) }
}

/// The facts of a member, as the view and the report tell them.
fn member(view: ClusterView, report: Reading<ClusterReport>) -> Facts {
    let host = host();
    let claim = HostClaim { name: &host.hostname, known_address: host.address, stated_address: None, is_member: true };
    let belonging = find_belonging(&view, "10.0.0.1".parse().unwrap(), &claim);
    let votes = count_votes(&view, host.hostname.as_str());
    Facts { cluster: ClusterFacts { belonging, votes, view: Some(view), report: Some(report) }, host, ..good() }
}

/// A report with some pieces in place of the full ones.
fn changed(pieces: &[(&'static str, &'static str, &'static str)]) -> Reading<ClusterReport> {
    let mut all = EVERYTHING.to_vec();
    all.retain(|(name, ..)| !pieces.iter().any(|(other, ..)| other == name));
    all.extend(pieces);
    read_report("pve-03", &report(&all))
}

/// A report of a node that is nothing but a member.
fn idle() -> Vec<(&'static str, &'static str, &'static str)> {
    let plain = "nodelist {\n node {\n name: pve-01\n }\n node {\n name: pve-02\n }\n node {\n name: pve-03\n }\n}";
    let mut pieces = vec![("corosync.conf", plain, "ok")];
    for name in [
        "ha/resources.cfg",
        "ha/groups.cfg",
        "ha/rules.cfg",
        "ha/manager_status",
        "replication.cfg",
        "storage.cfg",
        "jobs.cfg",
        "ceph.conf",
        "qemu-server",
        "lxc",
    ] {
        pieces.push((name, "", "absent"));
    }
    pieces.push(("resources", "[]", "ok"));
    pieces
}

/// The same with other pieces.
fn idle_but(pieces: &[(&'static str, &'static str, &'static str)]) -> Reading<ClusterReport> {
    let mut all = idle();
    all.retain(|(name, ..)| !pieces.iter().any(|(other, ..)| other == name));
    all.extend(pieces);
    changed(&all)
}

const ALL_ONLINE: [bool; 3] = [true; 3];
const THREE: &[&str] = &["pve-01", "pve-02", "pve-03"];

fn of(facts: Facts, severity: Severity) -> Vec<&'static str> {
    ids(examine(facts).of(severity).collect())
}

fn blockers(facts: Facts) -> Vec<&'static str> {
    of(facts, Severity::Blocker)
}

#[test]
fn a_host_without_a_cluster_that_is_in_order_has_neither_blocker_nor_warning() {
    let found = examine(good());
    assert!(found.findings.iter().all(|finding| finding.severity == Severity::Note), "{:#?}", found.findings);
    assert_eq!(found.permits(&Consent::default()), Ok(vec![]));
}

#[test]
fn ids_are_unique_and_have_one_word() {
    let mut ids: Vec<_> = TABLES.iter().copied().flatten().map(|rule| rule.id).collect();
    assert!(ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    ids.sort_unstable();
    let all = ids.len();
    ids.dedup();
    assert_eq!(all, ids.len());
}

#[test]
fn what_a_rebuild_needs_is_a_blocker_that_nobody_can_override() {
    let broken = AnswerReview {
        problems: vec![crate::domain::answer::AnswerNote { place: None, text: "global.fqdn is missing".into() }],
        ..AnswerReview::default()
    };
    for (id, facts) in [
        ("under_way", Facts { host: Host { state: HostState::Installing, ..host() }, ..good() }),
        ("server_type_gone", Facts { server_type: None, answer: None, ..good() }),
        ("no_image", Facts { image: Err("there is no installer image yet".into()), answer: None, ..good() }),
        ("image_damaged", Facts { image_damage: Some("linux26 has another size".into()), ..good() }),
        ("answer_broken", Facts { answer: Some(Ok(broken)), ..good() }),
        ("answer_broken", Facts { answer: Some(Err("there is no template".into())), ..good() }),
        (
            "disk_unsettled",
            Facts { answer: Some(Ok(AnswerReview { toml: Some(String::new()), ..AnswerReview::default() })), ..good() },
        ),
    ] {
        let found = examine(facts);
        assert_eq!(ids(found.of(Severity::Blocker).collect()), [id]);
        let consent = Consent { overrides: vec![id.into()], reason: "because".into(), accepts_warnings: true };
        assert_eq!(found.permits(&consent), Err(Objection::Blocked(vec![id])));
    }
}

#[test]
fn another_disk_than_that_of_the_system_and_too_little_memory_are_warnings() {
    let review = AnswerReview {
        toml: Some(String::new()),
        disks: Some("/dev/sdb".into()),
        wiped: vec![Disk { path: "/dev/sdb".into(), ..disk(false) }],
        ..AnswerReview::default()
    };
    let facts = Facts { answer: Some(Ok(review)), ..good() };
    let found = examine(facts);
    assert_eq!(ids(found.of(Severity::Warning).collect()), ["disk_without_system"]);
    assert_eq!(found.permits(&Consent::default()), Err(Objection::Unaccepted(vec!["disk_without_system"])));
    assert!(found.permits(&Consent { accepts_warnings: true, ..Consent::default() }).is_ok());
    let mut facts = good();
    facts.host.hardware =
        Some(Hardware { memory_bytes: Some(1 << 30), disks: vec![disk(true)], ..Hardware::default() });
    assert_eq!(of(facts, Severity::Warning), ["memory"]);
}

#[test]
fn what_is_not_known_yet_is_told() {
    let mut facts = good();
    (facts.host.hardware, facts.host.installed_at, facts.last_heard) = (None, None, None);
    let notes = of(facts, Severity::Note);
    for id in ["disks_unknown", "memory_unknown", "never_heard", "by_hand"] {
        assert!(notes.contains(&id), "{id}: {notes:?}");
    }
    let silent = Facts { last_heard: Some(heard(HostEvent::AnswerServed)), ..good() };
    assert!(of(silent, Severity::Note).contains(&"silent_since_installation"));
}

#[test]
fn a_member_with_nothing_on_it_may_go_when_the_others_keep_their_quorum() {
    let found = examine(member(view(ALL_ONLINE, THREE), idle_but(&[])));
    assert!(found.findings.iter().all(|finding| finding.severity == Severity::Note), "{:#?}", found.findings);
    let outlook = found.outlook.unwrap();
    assert_eq!((outlook.votes_online, outlook.votes_expected, outlook.votes_needed), (3, 3, 2));
    assert_eq!((outlook.votes_without, outlook.votes_needed_after), (2, 2));
}

#[test]
fn the_quorum_without_the_host_decides() {
    let blocked = |online, names: &[&str], report| blockers(member(view(online, names), report));
    assert_eq!(blocked([true, false, true], THREE, idle_but(&[])), ["quorum_lost"]);
    assert_eq!(blocked([true, false, false], THREE, idle_but(&[])), ["no_quorum"]);
    let pair = &["pve-01", "pve-03"];
    let two = "nodelist {\n node {\n name: pve-01\n }\n node {\n name: pve-03\n }\n}";
    let facts = member(view(ALL_ONLINE, pair), idle_but(&[("corosync.conf", two, "ok")]));
    assert_eq!((blockers(facts.clone()), of(facts, Severity::Warning)), (vec![], vec!["two_nodes"]));
    let with_ha = idle_but(&[("corosync.conf", two, "ok"), ("ha/resources.cfg", "vm: 900\n", "ok")]);
    assert_eq!(blocked(ALL_ONLINE, pair, with_ha), ["two_nodes_with_ha"]);
    let heavy = "nodelist {\n node {\n name: pve-01\n }\n node {\n name: pve-02\n }\n node {\n name: pve-03\n quorum_votes: 3\n }\n}";
    assert_eq!(
        blocked(ALL_ONLINE, THREE, idle_but(&[("corosync.conf", heavy, "ok")])),
        ["quorum_lost"],
        "it has most of the votes"
    );
    let device = "nodelist {\n node {\n name: pve-01\n }\n node {\n name: pve-02\n }\n node {\n name: pve-03\n }\n}\nquorum {\n device {\n votes: 1\n }\n}";
    let with_device = blocked(ALL_ONLINE, THREE, idle_but(&[("corosync.conf", device, "ok")]));
    assert!(with_device.contains(&"quorum_device"), "{with_device:?}");
}

#[test]
fn a_name_or_an_address_that_does_not_fit_is_a_wall() {
    let facts = member(view(ALL_ONLINE, THREE), idle_but(&[]));
    let with = |address: Option<&str>, name: &str| {
        let host = Host { address: address.map(|it| it.parse().unwrap()), hostname: name.parse().unwrap(), ..host() };
        let claim =
            HostClaim { name: &host.hostname, known_address: host.address, stated_address: None, is_member: false };
        let belonging = find_belonging(facts.cluster.view.as_ref().unwrap(), "10.0.0.1".parse().unwrap(), &claim);
        blockers(Facts { cluster: ClusterFacts { belonging, ..facts.cluster.clone() }, host, ..facts.clone() })
    };
    assert_eq!(with(None, "pve-03"), ["address_unstated"]);
    assert_eq!(with(Some("10.0.0.77"), "pve-03"), ["address_differs"]);
    assert_eq!(with(Some("10.0.0.3"), "pve-09"), ["address_of_another"]);
    assert_eq!(with(Some("10.0.0.1"), "pve-01"), ["asked_itself"]);
    let alone = Facts {
        host: Host { hostname: "pve-03".parse().unwrap(), ..host() },
        ..member(view(ALL_ONLINE, &["pve-03"]), idle_but(&[]))
    };
    assert!(blockers(alone).contains(&"last_member"));
}

#[test]
fn everything_on_the_node_is_found() {
    let found = examine(member(view(ALL_ONLINE, THREE), changed(&[])));
    let stands = ids(found.of(Severity::Blocker).collect());
    let expected = [
        "quorum_lost",
        "quorum_device",
        "guests_running",
        "guests_state_unread",
        "guests_without_backup",
        "ceph_monitor",
        "ceph_disks",
        "serves_storage",
    ];
    assert_eq!(stands, expected, "{:#?}", found.findings);
    let asks = ids(found.of(Severity::Warning).collect());
    let expected = [
        "backups_old",
        "guests_stopped",
        "ceph_service",
        "ha_resources",
        "ha_rules",
        "replication_jobs",
        "storage_only_here",
        "backup_jobs",
    ];
    assert_eq!(asks, expected, "{:#?}", found.findings);
    let sentence = |id| found.findings.iter().find(|finding| finding.id == id).unwrap().sentence.clone();
    assert!(
        sentence("guests_running").contains("run on this host: VM 101 (web); move"),
        "{}",
        sentence("guests_running")
    );
    assert!(sentence("guests_without_backup").contains(": CT 103 (mail); back them up"));
    assert!(sentence("backups_old").contains("VM 102 (db) (1736 days ago)"), "{}", sentence("backups_old"));
    assert!(sentence("ha_resources").contains("vm:101, ct:900"));
    assert!(sentence("replication_jobs").contains("101-0 (to pve-02), 700-0 (to pve-03)"));
    assert!(sentence("ceph_disks").contains("2 disks"));
}

#[test]
fn what_could_not_be_read_of_a_member_is_never_a_silent_pass() {
    let failed = "Input/output error";
    for (piece, id) in [
        ("corosync.conf", "votes_unread"),
        ("qemu-server", "guests_unread"),
        ("ha/manager_status", "ha_unread"),
        ("replication.cfg", "replication_unread"),
        ("storage.cfg", "storages_unread"),
        ("ceph.conf", "ceph_unread"),
    ] {
        let report = idle_but(&[(piece, failed, "failed 5")]);
        assert_eq!(blockers(member(view(ALL_ONLINE, THREE), report)), [id]);
    }
    let guest = |pieces: &[_]| {
        let mut all = vec![("qemu-server", "101.conf", "ok")];
        all.extend_from_slice(pieces);
        blockers(member(view(ALL_ONLINE, THREE), idle_but(&all)))
    };
    let stopped = "[{\"vmid\":101,\"node\":\"pve-03\",\"type\":\"qemu\",\"status\":\"stopped\"}]";
    assert_eq!(guest(&[("resources", stopped, "ok")]), Vec::<&str>::new());
    assert_eq!(guest(&[("resources", failed, "failed 255")]), ["guests_state_unread"]);
    assert_eq!(guest(&[("resources", stopped, "ok"), ("storages", failed, "failed 1")]), ["backups_unread"]);
    assert_eq!(guest(&[("resources", stopped, "ok"), ("backups/local", failed, "late")]), ["backups_unread"]);
    let unread = Unread { what: "the cluster's report".into(), why: "status 1".into() };
    assert_eq!(blockers(member(view(ALL_ONLINE, THREE), Err(unread))), ["report_unread"]);
    let silent =
        ClusterFacts { belonging: Belonging::Unknown("nobody answers".into()), votes: None, view: None, report: None };
    assert_eq!(blockers(Facts { cluster: silent, ..good() }), ["cluster_unreachable"]);
}

#[test]
fn each_blocker_must_be_named_and_a_reason_given() {
    let found = examine(member(view([true, false, true], THREE), idle_but(&[("qemu-server", "101.conf", "ok")])));
    let stands = ["quorum_lost", "guests_state_unread"];
    let consent = |overrides: &[&str], reason: &str| Consent {
        overrides: overrides.iter().map(|id| (*id).to_owned()).collect(),
        reason: reason.into(),
        accepts_warnings: true,
    };
    assert_eq!(found.permits(&consent(&[], "")), Err(Objection::Blocked(stands.to_vec())));
    assert_eq!(found.permits(&consent(&stands[..1], "x")), Err(Objection::Blocked(vec![stands[1]])));
    assert_eq!(found.permits(&consent(&stands, "  ")), Err(Objection::Reason));
    assert_eq!(found.permits(&consent(&stands, &"x".repeat(501))), Err(Objection::Reason));
    let consent = consent(&stands, "the node is dead");
    let overridden = Overridden::new(&found.permits(&consent).unwrap(), &consent).unwrap();
    assert_eq!(
        overridden.sentence(),
        "rebuild requested against the blockers guests_state_unread, quorum_lost; reason given: the node is dead"
    );
    let asks = Consent { accepts_warnings: false, ..consent };
    assert_eq!(found.permits(&asks), Err(Objection::Unaccepted(vec!["others_offline"])));
}

#[test]
fn a_view_of_a_lone_node_that_is_the_host_itself_is_told() {
    let view = read_members(r#"{"nodename":"pve-03","version":3}"#).unwrap();
    let facts = Facts {
        cluster: ClusterFacts {
            belonging: Belonging::NotAMember,
            votes: None,
            view: Some(view),
            report: Some(idle_but(&[])),
        },
        ..good()
    };
    assert_eq!(blockers(facts), ["standalone_node"]);
}
