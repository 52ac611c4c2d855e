//! Days on which something is wrong with the member, the node or the way between them. Each ends in a sentence or in a cluster that is whole.

use rackseed::{
    daemon::SystemClock,
    domain::operation::{OperationStatus, StepStatus},
    ports::Clock,
};

use crate::{
    lab::{Oddities, in_lab, until},
    story::{Story, cluster, current},
};

#[test]
fn a_certificate_that_is_not_the_pinned_one_stops_the_join_and_shows_both() {
    in_lab(async |lab| {
        let mut story = Story::with_old_member(lab);
        let show = "openssl x509 -noout -fingerprint -sha256 -in /etc/pve/local/pve-ssl.pem | cut -d= -f2";
        let pinned = story.node("old-01").console(show).trim().to_owned();
        story.node("old-01").console("pvecm updatecerts --force; systemctl restart pveproxy");
        let seen = story.node("old-01").console(show).trim().to_owned();
        let mut pinning = story.settings();
        pinning.join_fingerprint = Some(pinned.clone());
        story.restart(pinning.clone());
        let ending = story.rebuild("pve-01", 1).await;
        assert_eq!(ending.progress.status, OperationStatus::NeedsAttention);
        for part in [pinned.as_str(), seen.as_str(), "proxmox.join_fingerprint"] {
            assert!(ending.reason().contains(part), "{part}: {}", ending.reason());
        }
        assert_eq!(story.node("pve-01").count("pvecm add "), 0);
        assert!(story.node("old-01").sees(&["old-01"]));
        // The person has compared them, and corrects the setting.
        pinning.join_fingerprint = Some(seen);
        story.restart(pinning);
        let ending = story.retry(&ending).await;
        story.assert_ready(&ending).await;
    });
}

#[test]
fn a_dead_member_is_waited_for_and_then_joined_through() {
    in_lab(async |lab| {
        let (mut story, _) = cluster(lab, 1).await;
        let (host, operation) = story.install("pve-02", 2, &Oddities::default()).await;
        story.node("pve-01").cable(0, "down");
        let said = story.drive_until(&host, &operation, "10.0.0.1").await;
        assert!(said.contains("cannot reach"), "{said}");
        assert_eq!(story.node("pve-02").count("pvecm"), 1, "updatecerts at its boot, and no more");
        story.node("pve-01").cable(0, "up");
        let ending = story.drive(&host, &operation).await;
        story.assert_ready(&ending).await;
        assert_eq!(story.node("pve-01").count("pvecm create"), 1);
    });
}

#[test]
fn nothing_is_joined_while_the_member_has_no_quorum() {
    in_lab(async |lab| {
        let (mut story, _) = cluster(lab, 2).await;
        let (host, operation) = story.install("pve-03", 3, &Oddities::default()).await;
        story.node("pve-02").cable(0, "down");
        until("the quorum is lost", || !story.node("pve-01").can_write()).await;
        let said = story.drive_until(&host, &operation, "quorum").await;
        assert!(said.contains("10.0.0.1") || said.contains("pve-01"), "{said}");
        assert_eq!(story.node("pve-03").count("pvecm add"), 0);
        story.node("pve-02").cable(0, "up");
        let ending = story.drive(&host, &operation).await;
        story.assert_ready(&ending).await;
        assert!(story.node("pve-02").sees(&["pve-01", "pve-02", "pve-03"]));
    });
}

#[test]
fn a_stale_lock_is_waited_out() {
    in_lab(async |lab| {
        let (mut story, _) = cluster(lab, 2).await;
        let (host, operation) = story.install("pve-03", 3, &Oddities::default()).await;
        // It looks as if somebody had taken it just now, and will be old after the first try has given up.
        story.node("pve-02").console("mkdir -p /etc/pve/priv/lock/file-corosync_conf; touch -d '+4 seconds' /etc/pve/priv/lock/file-corosync_conf");
        let ending = story.drive(&host, &operation).await;
        story.assert_ready(&ending).await;
        let tries = story.node("pve-03").count("pvecm add");
        assert!((2..=4).contains(&tries), "{tries} tries");
        assert!(story.node("pve-02").sees(&["pve-01", "pve-02", "pve-03"]));
    });
}

#[test]
fn a_half_joined_node_is_brought_back_and_joins_again() {
    in_lab(async |lab| {
        let (mut story, _) = cluster(lab, 2).await;
        let (host, operation) = story.install("pve-03", 3, &Oddities::default()).await;
        // The whole program is gone with its cluster filesystem stopped, as after a loss of power.
        let kill = "[ -e /run/killed ] && exec /usr/bin/gzip \"$@\"; touch /run/killed; pkill -9 -x pvecm";
        story.node("pve-03").replace("gzip", kill);
        let ending = story.drive(&host, &operation).await;
        if ending.progress.status == OperationStatus::NeedsAttention {
            assert!(ending.reason().contains("the node is no member"), "{}", ending.reason());
            let ending = story.retry(&ending).await;
            story.assert_ready(&ending).await;
        } else {
            story.assert_ready(&ending).await;
        }
        assert!(story.node("pve-01").sees(&["pve-01", "pve-02", "pve-03"]));
        assert_eq!(story.node("pve-03").count("pvecm add"), 2);
    });
}

#[test]
fn a_second_node_that_dies_half_way_leaves_the_first_to_a_person_who_is_told_what_to_do() {
    in_lab(async |lab| {
        let (mut story, _) = cluster(lab, 1).await;
        let (host, operation) = story.install("pve-02", 2, &Oddities::default()).await;
        let kill = "[ -e /run/killed ] && exec /usr/bin/gzip \"$@\"; touch /run/killed; pkill -9 -x pvecm";
        story.node("pve-02").replace("gzip", kill);
        let ending = story.drive(&host, &operation).await;
        assert_eq!(ending.progress.status, OperationStatus::NeedsAttention, "{:#?}", ending.progress);
        until("the first has lost its quorum", || !story.node("pve-01").can_write()).await;
        // Either it is taken care of by itself, or the person is told what to do.
        story.rebuilds.operations().retry(&ending.operation).await.unwrap();
        let is_told = |progress: &_| !current(progress).1.contains("pvecm expected 1");
        let ending = story.drive_while(&host, &operation, is_told).await;
        if current(&ending.progress).1.contains("pvecm expected 1") {
            story.node("pve-01").console("pvecm expected 1");
        }
        let ending = story.drive(&host, &operation).await;
        story.assert_ready(&ending).await;
        assert!(story.node("pve-01").sees(&["pve-01", "pve-02"]));
    });
}

#[test]
fn a_cluster_with_more_links_than_the_node_was_given_is_told_so() {
    in_lab(async |lab| {
        let wide = Oddities { second_network: true, ..Oddities::default() };
        let mut story = Story::with_old_member_at(lab, &wide, "--link0 10.0.0.9 --link1 10.1.0.9");
        let ending = story.rebuild_odd("pve-01", 1, &wide).await;
        assert_eq!(ending.progress.status, OperationStatus::NeedsAttention);
        assert!(ending.reason().contains("add it as entry 1"), "{}", ending.reason());
        assert!(story.node("old-01").sees(&["old-01"]));
    });
}

#[test]
fn a_connection_that_is_lost_in_the_middle_of_a_join_loses_nothing() {
    in_lab(async |lab| {
        let (mut story, _) = cluster(lab, 1).await;
        let (host, operation) = story.install("pve-02", 2, &Oddities::default()).await;
        story.node("pve-02").replace("rsync", "touch /run/copying; sleep 3; exec /usr/bin/rsync \"$@\"");
        let mut drops = 0;
        let ending = story
            .drive_while(&host, &operation, |progress| {
                let node = story.node("pve-02");
                if current(progress).0 == "join_cluster"
                    && drops < 5
                    && node.console("ls /run/copying").starts_with("/run")
                {
                    node.console("pkill -f '^sshd: root'; true");
                    drops += 1;
                }
                true
            })
            .await;
        story.assert_ready(&ending).await;
        assert!(drops > 0);
        assert_eq!(story.node("pve-02").count("pvecm add"), 1);
        assert!(story.node("pve-01").sees(&["pve-01", "pve-02"]));
    });
}

#[test]
fn a_node_that_cannot_resolve_its_own_name_is_told_so() {
    in_lab(async |lab| {
        let (mut story, _) = cluster(lab, 1).await;
        let (host, operation) = story.install("pve-02", 2, &Oddities::default()).await;
        story.node("pve-02").console("cp /etc/hosts /run/hosts; sed -i /pve-02/d /etc/hosts");
        let ending = story.drive(&host, &operation).await;
        assert_eq!(ending.progress.status, OperationStatus::NeedsAttention, "{:#?}", ending.progress);
        assert!(ending.reason().contains("/etc/hosts"), "{}", ending.reason());
        assert!(story.node("pve-01").sees(&["pve-01"]));
        story.node("pve-02").console("cat /run/hosts > /etc/hosts");
        let ending = story.retry(&ending).await;
        story.assert_ready(&ending).await;
    });
}

#[test]
fn a_node_whose_cluster_filesystem_never_started_is_told_so() {
    in_lab(async |lab| {
        let (mut story, _) = cluster(lab, 1).await;
        let nameless = Oddities { resolves: false, ..Oddities::default() };
        let (host, operation) = story.install("pve-02", 2, &nameless).await;
        let said = story.drive_until(&host, &operation, "cannot resolve its own name").await;
        assert!(story.node("pve-01").sees(&["pve-01"]));
        assert_eq!(story.node("pve-02").count("pvecm add"), 0, "{said}");
        story.node("pve-02").console("echo '10.0.0.2 pve-02' >> /etc/hosts; systemctl start pve-cluster pveproxy");
        let mut ending = story.drive(&host, &operation).await;
        if ending.progress.status == OperationStatus::NeedsAttention {
            ending = story.retry(&ending).await;
        }
        story.assert_ready(&ending).await;
    });
}

#[test]
fn a_clock_that_is_wrong_by_hours_is_no_reason_to_hang() {
    in_lab(async |lab| {
        let (mut story, _) = cluster(lab, 1).await;
        let late = Oddities { clock_offset: Some("+3h"), ..Oddities::default() };
        let (host, operation) = story.install("pve-02", 2, &late).await;
        let skew = story.node("pve-02").console(". /etc/environment; export LD_PRELOAD FAKETIME; date +%s");
        let ahead = skew.trim().parse::<i64>().unwrap() - SystemClock.now().as_second();
        assert!((10_000..11_600).contains(&ahead), "the node's clock is {ahead} s ahead");
        // The join itself bears it; where it is held up for it, the person is told.
        let is_told = |progress: &_| !current(progress).1.contains("clock");
        let ending = story.drive_while(&host, &operation, is_told).await;
        if current(&ending.progress).1.contains("clock") {
            assert_eq!(story.node("pve-02").count("pvecm add"), 0);
            story.node("pve-02").console("rm /etc/environment");
        }
        let ending = story.drive(&host, &operation).await;
        story.assert_ready(&ending).await;
        assert!(story.node("pve-01").sees(&["pve-01", "pve-02"]));
    });
}

#[test]
fn a_step_that_failed_tells_which() {
    in_lab(async |lab| {
        let (mut story, _) = cluster(lab, 1).await;
        let (host, operation) = story.install("pve-02", 2, &Oddities::default()).await;
        story.node("pve-02").console("mkdir -p /etc/pve/nodes/pve-02/lxc; touch /etc/pve/nodes/pve-02/lxc/100.conf");
        let ending = story.drive(&host, &operation).await;
        assert_eq!(ending.progress.status, OperationStatus::NeedsAttention);
        let failed = ending.progress.steps.iter().find(|step| step.status == StepStatus::Failed).unwrap();
        assert_eq!(failed.name, "join_cluster");
        assert!(ending.reason().contains("already has guests"), "{}", ending.reason());
        assert_eq!(story.node("pve-01").count("pvecm addnode"), 0);
    });
}
