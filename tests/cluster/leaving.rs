//! A member is rebuilt: it leaves, is installed, and joins again under its name.

use rackseed::domain::identity::OperationId;

use crate::{
    lab::{Lab, in_lab, until},
    story::{Ending, Story, cluster, current},
    support::rebuild_world::image,
};

/// Presses Rebuild for a ready host.
async fn press(story: &Story<'_>, name: &str, ready: &Ending) -> OperationId {
    let view = story.rebuilds.rebuild_desk(Some(image())).request(&ready.host, Some(name), None).await.unwrap();
    view.operation.id
}

/// Switches the machine off and on into its network boot, and lets it leave.
async fn leave(story: &mut Story<'_>, name: &str, ready: &Ending, operation: &OperationId) -> Ending {
    drop(story.nodes.remove(name));
    let goes_on = |progress: &_| current(progress).0 != "await_answer";
    let left = story.drive_while(&ready.host, operation, goes_on).await;
    assert_eq!(current(&left.progress).0, "await_answer", "{:#?}", left.progress);
    left
}

/// Installs the machine that has left, and brings it to its end.
async fn come_back(story: &mut Story<'_>, name: &str, last: u8, left: &Ending) -> Ending {
    story.boot(&left.operation, name, last, &Default::default()).await;
    story.drive(&left.host, &left.operation).await
}

fn removals(story: &Story<'_>, name: &str) -> usize {
    story.nodes.values().map(|node| node.count(&format!("pvecm delnode {name}"))).sum()
}

/// The gate's own refusals, as a login with its key would meet them.
fn assert_guarded(story: &Story<'_>, member: &str, words: &str, with: &str) {
    let said =
        story.node(member).console(&format!("SSH_ORIGINAL_COMMAND='{words}' /usr/local/sbin/rackseed-join-gate"));
    assert!(said.contains(with) && said.ends_with("status 64\n"), "{words}: {said}");
}

#[test]
fn a_member_of_three_leaves_and_joins_again_under_its_name() {
    in_lab(async |lab: &Lab| {
        let (mut story, endings) = cluster(lab, 3).await;
        assert_guarded(&story, "pve-01", "remove pve-02 10.0.0.77", "listed at 10.0.0.2");
        assert_guarded(&story, "pve-01", "remove pve-02 10.0.0.2", "online");
        assert_guarded(&story, "pve-01", "remove pve-01 10.0.0.1", "myself");
        assert_guarded(&story, "pve-01", "remove pve-02 10.0.0.2; reboot", "a character that no command of mine has");
        assert_eq!(removals(&story, "pve-02"), 0);
        let operation = press(&story, "pve-02", &endings[1]).await;
        // Made after the last look: it is not there any more, but what it was is kept.
        let guest = "mkdir -p /etc/pve/nodes/pve-02/lxc; echo guest > /etc/pve/nodes/pve-02/lxc/100.conf";
        story.node("pve-02").console(guest);
        let left = leave(&mut story, "pve-02", &endings[1], &operation).await;
        until("the others are whole without it", || story.node("pve-01").sees(&["pve-01", "pve-03"])).await;
        assert_eq!(removals(&story, "pve-02"), 1);
        let remains =
            story.node("pve-01").console("ls -d /etc/pve/nodes/pve-02; grep root@pve-02 /etc/pve/priv/authorized_keys");
        assert!(remains.contains("No such file") && !remains.contains("ssh-rsa"), "{remains}");
        let kept = ["pve-01", "pve-03"]
            .map(|name| story.node(name).console("cat /var/lib/rackseed/removed-nodes/*/lxc/100.conf"));
        assert!(kept.iter().any(|text| text == "guest\n"), "what a guest was is kept: {kept:?}");
        let back = come_back(&mut story, "pve-02", 2, &left).await;
        story.assert_ready(&back).await;
        for member in story.nodes.values() {
            assert!(member.sees(&["pve-01", "pve-02", "pve-03"]), "{}: {}", member.name, member.members());
        }
        assert_eq!((removals(&story, "pve-02"), story.node("pve-02").count("pvecm add ")), (1, 1));
        let guests = story.node("pve-01").console("ls /etc/pve/nodes/pve-02/lxc");
        assert!(guests.contains("No such file"), "an old guest is no guest of the new node: {guests}");
    });
}

#[test]
fn one_of_two_leaves_and_joins_again() {
    in_lab(async |lab: &Lab| {
        let (mut story, endings) = cluster(lab, 2).await;
        let operation = press(&story, "pve-02", &endings[1]).await;
        let left = leave(&mut story, "pve-02", &endings[1], &operation).await;
        until("the other is whole", || story.node("pve-01").sees(&["pve-01"])).await;
        assert_eq!((removals(&story, "pve-02"), story.node("pve-01").count("pvecm expected 1")), (1, 1));
        let back = come_back(&mut story, "pve-02", 2, &left).await;
        story.assert_ready(&back).await;
        for member in story.nodes.values() {
            assert!(member.sees(&["pve-01", "pve-02"]), "{}: {}", member.name, member.members());
        }
    });
}

#[test]
fn nobody_leaves_while_online_or_at_the_cost_of_the_quorum_or_past_a_lock() {
    in_lab(async |lab: &Lab| {
        let (mut story, endings) = cluster(lab, 3).await;
        // Without a third one, two of three would be left with one.
        story.node("pve-03").cable(0, "down");
        until("the third is offline", || story.node("pve-01").members()["nodelist"]["pve-03"]["online"] == 0).await;
        let refused = story.rebuilds.rebuild_desk(Some(image())).request(&endings[1].host, Some("pve-02"), None).await;
        let why = refused.unwrap_err().to_string();
        assert!(why.contains("quorum") && why.contains("nothing was armed"), "{why}");
        story.node("pve-03").cable(0, "up");
        until("all are back", || story.node("pve-01").sees(&["pve-01", "pve-02", "pve-03"])).await;
        // The machine is said to be in its network boot, and the cluster still sees the node.
        let operation = press(&story, "pve-02", &endings[1]).await;
        let said = story.drive_until(&endings[1].host, &operation, "offline").await;
        assert!(said.contains("waiting for the cluster to see pve-02 offline"), "{said}");
        assert_eq!(removals(&story, "pve-02"), 0);
        // A lock whose holder is gone: it is said, and waited out once it is old.
        let lock = "/etc/pve/priv/lock/file-corosync_conf";
        story.node("pve-03").console(&format!("mkdir -p {lock}; touch -d '+1 hour' {lock}"));
        drop(story.nodes.remove("pve-02"));
        story.drive_until(&endings[1].host, &operation, "locked").await;
        story.node("pve-03").console(&format!("touch -d '-1 hour' {lock}"));
        leave(&mut story, "pve-02", &endings[1], &operation).await;
        until("the others are whole without it", || story.node("pve-01").sees(&["pve-01", "pve-03"])).await;
        assert!(removals(&story, "pve-02") >= 2, "the lock was met, and waited out");
    });
}
