//! Reports as the script prints them.

use super::*;

/// A report as the script prints it, made of pieces: `(name, content, ending)`.
pub(in crate::domain) fn report(pieces: &[(&str, &str, &str)]) -> String {
    let mut text = String::new();
    for (name, content, ending) in pieces {
        text.push_str(&format!("== {name}\n"));
        for line in content.lines() {
            text.push_str(&format!("|{line}\n"));
        }
        text.push_str(&format!("-- {ending}\n"));
    }
    text + "== end\n"
}

/// The pieces of a cluster of three with everything on the third node that a pre-flight looks for.
pub(in crate::domain) const EVERYTHING: &[(&str, &str, &str)] = &[
    ("members", "{\"nodename\":\"pve-01\"}", "ok"),
    (
        "corosync.conf",
        "logging {\n  debug: off\n}\nnodelist {\n  node {\n    name: pve-01\n    nodeid: 1\n    quorum_votes: 1\n    ring0_addr: 10.0.0.1\n  }\n  \
         node {\n    name: pve-02\n    quorum_votes: 1\n  }\n  node {\n    name: pve-03\n    quorum_votes: 2\n  }\n}\nquorum {\n  \
         provider: corosync_votequorum\n  device {\n    model: net\n    votes: 1\n    net {\n      host: 10.0.0.9\n    }\n  }\n}\ntotem {\n  version: 2\n}",
        "ok",
    ),
    ("ha/resources.cfg", "vm: 101\n\tgroup first\n\tstate started\n\nct: 900\n\tstate started\n", "ok"),
    ("ha/groups.cfg", "group: first\n\tnodes pve-03:2,pve-01\n\trestricted 1\n", "ok"),
    ("ha/rules.cfg", "node-affinity: near\n\tnodes pve-02\n\tresources vm:101,ct:900\n", "ok"),
    (
        "ha/manager_status",
        "{\"master_node\":\"pve-03\",\"node_status\":{\"pve-03\":\"online\"},\"service_status\":{\"ct:900\":{\"node\":\"pve-03\",\"state\":\"started\"}},\"timestamp\":1}",
        "ok",
    ),
    (
        "replication.cfg",
        "local: 101-0\n\ttarget pve-02\n\tschedule */5\n\tsource pve-03\n\nlocal: 700-0\n\ttarget pve-03\n",
        "ok",
    ),
    (
        "storage.cfg",
        "dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl,backup\n\nzfspool: tank\n\tpool tank\n\tnodes pve-03\n\nnfs: share\n\tserver 10.0.0.3\n\texport /share\n",
        "ok",
    ),
    ("jobs.cfg", "vzdump: nightly\n\tschedule 02:00\n\tnode pve-03\n\tall 1\n\nrealm-sync: x\n\trealm ldap\n", "ok"),
    ("ceph.conf", "[global]\n\tmon_host = 10.0.0.1 10.0.0.3\n\n[mon.pve-01]\n\tpublic_addr = 10.0.0.1\n", "ok"),
    ("qemu-server", "101.conf\n102.conf\nnotes.txt", "ok"),
    ("lxc", "103.conf", "ok"),
    (
        "names",
        "/etc/pve/nodes/pve-03/qemu-server/101.conf:name: web\n/etc/pve/nodes/pve-03/qemu-server/101.conf:[before]\n/etc/pve/nodes/pve-03/qemu-server/101.conf:name: old\n/etc/pve/nodes/pve-03/lxc/103.conf:hostname: mail",
        "ok",
    ),
    (
        "resources",
        "[{\"type\":\"qemu\",\"vmid\":101,\"node\":\"pve-03\",\"status\":\"running\"}\n{\"type\":\"qemu\",\"vmid\":\"102\",\"node\":\"pve-03\",\"status\":\"stopped\",\"name\":\"db\"},\n{\"type\":\"lxc\",\"vmid\":103,\"node\":\"pve-03\",\"status\":\"unknown\"}]",
        "ok",
    ),
    (
        "ceph",
        "{\"mon\":{\"pve-01@pve-01\":{\"hostname\":\"pve-01\"}},\"mgr\":{\"pve-03@pve-03\":{\"hostname\":\"pve-03\"}},\"osd\":[{\"id\":0,\"hostname\":\"pve-03\"},{\"id\":1,\"hostname\":\"pve-03\"}]}",
        "ok",
    ),
    ("storages", "local\npbs", "ok"),
    ("backups/local", "101 1700000000\n102 1600000000", "ok"),
    ("backups/pbs", "101 1750000000", "ok"),
];

fn with(name: &str, content: &str, ending: &str) -> ClusterReport {
    let mut pieces = EVERYTHING.to_vec();
    pieces.retain(|(piece, ..)| *piece != name);
    pieces.push((name, content, ending));
    read_report("pve-03", &report(&pieces)).unwrap()
}

#[test]
fn a_whole_report_is_read() {
    let read = read_report("pve-03", &report(EVERYTHING)).unwrap();
    let votes = read.votes.unwrap();
    assert_eq!((votes.expected(), votes.of("pve-03"), votes.of("pve-01"), votes.device), (5, 2, 1, 1));
    let guests = read.guests.unwrap();
    let told: Vec<_> = guests.iter().map(|guest| (guest.title(), guest.state)).collect();
    assert_eq!(
        told,
        [
            ("VM 101 (web)".to_owned(), GuestState::Running),
            ("VM 102 (db)".to_owned(), GuestState::Stopped),
            ("CT 103 (mail)".to_owned(), GuestState::Unknown),
        ]
    );
    let ha = read.high_availability.unwrap();
    assert_eq!(ha.resources, [("vm:101".to_owned(), None), ("ct:900".to_owned(), Some("pve-03".to_owned()))]);
    assert_eq!(ha.rules[0], ("group `first`".to_owned(), vec!["pve-03".to_owned(), "pve-01".to_owned()]));
    assert_eq!(ha.rules[1].1, ["pve-02", "vm:101", "ct:900"]);
    assert_eq!(ha.master.as_deref(), Some("pve-03"));
    let jobs = read.replication.unwrap();
    assert_eq!(
        (jobs[0].guest(), jobs[0].source.as_deref(), jobs[1].target.as_deref()),
        (Some(101), Some("pve-03"), Some("pve-03"))
    );
    let ceph = read.ceph.unwrap();
    assert!(ceph.has("mon", "pve-03", Some("10.0.0.3")), "only its address is in mon_host");
    assert!(!ceph.has("mon", "pve-02", Some("10.0.0.2")) && ceph.has("mgr", "pve-03", None));
    assert_eq!((ceph.disks_of("pve-03"), ceph.disks_of("pve-01")), (2, 0));
    let storages = read.storages.unwrap();
    assert_eq!(
        (storages[1].nodes.clone(), storages[2].servers.clone()),
        (vec!["pve-03".to_owned()], vec!["10.0.0.3".to_owned()])
    );
    assert_eq!(read.backup_jobs.unwrap(), [BackupJob { id: "nightly".into(), node: Some("pve-03".into()) }]);
    let backups = read.backups.unwrap();
    assert_eq!(backups.newest[&101].as_second(), 1_750_000_000, "the newest of all storages counts");
    assert_eq!(backups.looked_through, ["local", "pbs"]);
}

#[test]
fn what_a_cluster_does_not_have_is_empty_and_what_could_not_be_read_is_an_error() {
    for (name, what) in
        [("replication.cfg", "replication"), ("ha/resources.cfg", "high availability"), ("storage.cfg", "storages")]
    {
        let absent = with(name, "", "absent");
        let is_ok = absent.replication.is_ok() && absent.high_availability.is_ok() && absent.storages.is_ok();
        assert!(is_ok, "{what} need not be there");
        for ending in ["failed 124", "late", "cut", "failed 5", ""] {
            let unread = with(name, "Input/output error", ending);
            let is_err = unread.replication.is_err() || unread.high_availability.is_err() || unread.storages.is_err();
            assert!(is_err, "{name} with `{ending}` is no empty list");
        }
    }
    assert!(with("corosync.conf", "", "absent").votes.is_err(), "every cluster has one");
    let said = with("ceph", "got timeout", "failed 124").ceph.unwrap_err().to_string();
    assert_eq!(said, "Ceph's list of its services could not be read: the member did not answer it in time");
    assert!(with("ceph.conf", "", "absent").ceph.unwrap().disks_of("pve-03") == 0, "no Ceph, no roles");
    let guests = with("resources", "no such cluster", "failed 255").guests.unwrap();
    assert!(guests.iter().all(|guest| guest.state == GuestState::Unknown), "no list of states, no states");
    assert!(with("qemu-server", "Input/output error", "failed 2").guests.is_err());
    let backups = with("backups/pbs", "storage 'pbs' is not online", "failed 255").backups.unwrap();
    assert!(backups.unread[0].to_string().contains("`pbs` could not be read: failed 255: storage 'pbs' is not online"));
    assert!(with("storages", "", "failed 1").backups.is_err());
}

#[test]
fn a_report_that_was_cut_off_is_refused_as_a_whole() {
    let whole = report(EVERYTHING);
    for place in [0, 10, whole.len() / 2, whole.len() - 4] {
        assert!(read_report("pve-03", &whole[..place]).is_err(), "{place}");
    }
}

#[test]
fn content_cannot_pass_for_a_frame() {
    let read = with("replication.cfg", "== storage.cfg\n-- ok\n== end", "ok");
    assert_eq!(read.storages.unwrap().len(), 3);
}
