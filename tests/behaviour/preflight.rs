//! What is found before a host is wiped, asked from outside: the API, the page and the command line, with members that are folders behind
//! a real SSH server, on which the real script runs.

mod asking;
mod lab;

use serde_json::{Value, json};

use crate::support::house::House;
use lab::{Lab, MEMBER_ADDRESS, ids, with_severity};

#[tokio::test]
async fn a_host_that_the_cluster_does_not_know_has_nothing_against_it() {
    let lab = Lab::new().await;
    let host = lab.house.register("pve-09", "52:54:00:00:00:09").await;
    let plan = lab.plan(&host, "").await;
    assert_eq!(plan["may_start"], true, "{plan:#}");
    assert_eq!(with_severity(&plan, "warning"), Vec::<String>::new(), "{plan:#}");
    let notes = with_severity(&plan, "note");
    for id in ["disks_unknown", "memory_unknown", "never_heard", "by_hand"] {
        assert!(notes.iter().any(|note| note == id), "{id}: {notes:?}");
    }
    assert_eq!((&plan["cluster"]["name"], &plan["cluster"]["votes_online"]), (&json!("lab"), &json!(3)));
    assert!(plan["answer"].as_str().unwrap().contains("fqdn = \"pve-09.home.arpa\""), "{plan:#}");
    assert!(!plan.to_string().contains("$6$salt$hash"), "the answer is shown without its secrets");
    let operation = lab.house.rebuild(&host, "pve-09").await;
    assert!(!operation.is_empty());
}

#[tokio::test]
async fn a_member_that_was_never_installed_by_us_is_known_only_by_the_address_that_the_operator_states() {
    let lab = Lab::new().await;
    let host = lab.house.register("pve-03", "52:54:00:00:00:03").await;
    assert_eq!(with_severity(&lab.plan(&host, "").await, "blocker"), ["address_unstated"]);
    let wrong = lab.plan(&host, "?member_address=127.0.0.99").await;
    assert_eq!(with_severity(&wrong, "blocker"), ["address_differs"]);
    let right = lab.plan(&host, &format!("?member_address={MEMBER_ADDRESS}")).await;
    assert_eq!(with_severity(&right, "blocker"), Vec::<String>::new(), "{right:#}");
    let cluster = &right["cluster"];
    assert_eq!((&cluster["votes_without"], &cluster["votes_needed"]), (&json!(2), &json!(2)));
    let bad = lab.house.get(&format!("/api/hosts/{host}/rebuild-plan?member_address=x")).await;
    assert!(bad.problem(422).contains("is not an IPv4 address"));
}

#[tokio::test]
async fn everything_that_lives_on_a_member_is_found_and_stops_its_rebuild() {
    let lab = Lab::new().await;
    lab.furnish();
    let host = lab.house.register("pve-03", "52:54:00:00:00:03").await;
    let plan = lab.plan(&host, &format!("?member_address={MEMBER_ADDRESS}")).await;
    let blockers = with_severity(&plan, "blocker");
    assert_eq!(
        blockers,
        ["guests_running", "guests_without_backup", "ceph_monitor", "ceph_disks", "serves_storage"],
        "{plan:#}"
    );
    let warnings = with_severity(&plan, "warning");
    assert_eq!(
        warnings,
        [
            "backups_old",
            "guests_stopped",
            "ha_resources",
            "ha_rules",
            "replication_jobs",
            "storage_only_here",
            "backup_jobs"
        ]
    );
    let guests = plan["cluster"]["guests"].as_array().unwrap();
    assert_eq!((&guests[0]["name"], &guests[0]["state"]), (&json!("web"), &json!("running")));
    assert_eq!(guests[1]["last_backup_at"], "2023-11-14T22:13:20Z", "{plan:#}");

    let path = format!("/api/hosts/{host}/rebuild");
    let ask = |more: Value| {
        let mut body = json!({ "confirm": "pve-03", "member_address": MEMBER_ADDRESS });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let refused = lab.house.post(&path, &ask(json!({}))).await;
    assert!(refused.problem(409).contains("these guests run on this host: VM 101 (web)"), "{}", refused.text);
    assert_eq!(refused.json()["stopped_by"], json!(blockers));
    assert_eq!(ids(&refused.json()).len(), ids(&plan).len(), "all that was found is told");
    let most = &blockers[..blockers.len() - 1];
    let refused = lab.house.post(&path, &ask(json!({ "override": most, "reason": "x" }))).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["stopped_by"]), (409, &json!(["serves_storage"])));
    let refused = lab.house.post(&path, &ask(json!({ "override": blockers, "reason": " " }))).await;
    assert_eq!(refused.json()["errors"][0]["field"], "reason");
    let refused = lab.house.post(&path, &ask(json!({ "override": blockers, "reason": "x" }))).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["stopped_by"]), (409, &json!(warnings)));
    assert_eq!(lab.house.state(&host).await, "registered", "nothing was armed");
}

#[tokio::test]
async fn a_member_without_a_quorum_and_one_that_would_take_it_along_are_not_rebuilt() {
    let lab = Lab::new().await;
    let host = lab.house.register("pve-03", "52:54:00:00:00:03").await;
    let query = format!("?member_address={MEMBER_ADDRESS}");
    lab.nodes_online([true, false, true]);
    let plan = lab.plan(&host, &query).await;
    assert_eq!(with_severity(&plan, "blocker"), ["quorum_lost"], "{plan:#}");
    assert_eq!(with_severity(&plan, "warning"), ["others_offline"]);
    lab.nodes_online([true, false, false]);
    assert_eq!(with_severity(&lab.plan(&host, &query).await, "blocker"), ["no_quorum"]);
}

#[tokio::test]
async fn what_a_member_cannot_read_stops_a_rebuild_as_well() {
    let lab = Lab::new().await;
    let host = lab.house.register("pve-03", "52:54:00:00:00:03").await;
    let query = format!("?member_address={MEMBER_ADDRESS}");
    // A folder in the place of a file cannot be read.
    std::fs::create_dir_all(lab.file("etc/pve/replication.cfg")).unwrap();
    lab.write("etc/pve/nodes/pve-03/qemu-server/101.conf", "name: web\n");
    lab.write("bin/pvesh", "#!/bin/sh\necho 'ipcc_send_rec[1] failed: Connection refused' >&2\nexit 255\n");
    let plan = lab.plan(&host, &query).await;
    let blockers = with_severity(&plan, "blocker");
    assert_eq!(blockers, ["guests_state_unread", "guests_without_backup", "replication_unread"], "{plan:#}");
}

#[tokio::test]
async fn a_cluster_that_cannot_be_asked_stops_every_rebuild_until_an_operator_overrides_it_with_a_reason_that_is_kept()
{
    let lab = Lab::new().await;
    let host = lab.house.register("pve-09", "52:54:00:00:00:09").await;
    lab.stop_member();
    let path = format!("/api/hosts/{host}/rebuild");
    let refused = lab.house.post(&path, &json!({ "confirm": "pve-09" })).await;
    assert_eq!(refused.json()["stopped_by"], json!(["cluster_unreachable"]), "{}", refused.text);
    let reason = "the whole cluster is made anew";
    let body = json!({ "confirm": "pve-09", "override": ["cluster_unreachable"], "reason": reason });
    let armed = lab.house.post(&path, &body).await;
    assert_eq!(armed.status, 202, "{}", armed.text);
    let shown = lab.house.get(&format!("/api/hosts/{host}")).await.json();
    let because = shown["history"][0]["because"].as_str().unwrap();
    assert!(because.contains("cluster_unreachable") && because.contains(reason), "{because}");
    let kept = lab.overridden(armed.json()["id"].as_str().unwrap()).await.unwrap();
    assert_eq!((kept.reason.as_str(), kept.findings.len()), (reason, 1));
    assert!(kept.findings["cluster_unreachable"][0].contains("cannot be asked"), "{kept:?}");
}

#[tokio::test]
async fn what_is_wrong_with_us_cannot_be_overridden() {
    let house = House::furnished().await;
    let host = house.register("pve-01", "52:54:00:00:00:01").await;
    let plan = house.get(&format!("/api/hosts/{host}/rebuild-plan")).await.json();
    assert_eq!(plan["may_start"], true);
    // The plan was good when it was looked at.
    let image = plan["image"]["id"].as_str().unwrap();
    let kernel = house.folder.path().join("data/images").join(image).join("linux26");
    std::fs::write(&kernel, "shorter").unwrap();
    let body = json!({ "confirm": "pve-01", "override": ["image_damaged"], "reason": "x", "accept_warnings": true });
    let refused = house.post(&format!("/api/hosts/{host}/rebuild"), &body).await;
    assert!(refused.problem(409).contains("linux26"), "{}", refused.text);
    assert_eq!(refused.json()["stopped_by"], json!(["image_damaged"]));
    assert_eq!(house.state(&host).await, "registered");
}
