//! Good days, and the days on which a join ends in a sentence.

use rackseed::domain::operation::OperationStatus;

use crate::{
    lab::{Oddities, in_lab},
    story::{Story, key, settings},
    support::rebuild_world::image,
};

#[test]
fn the_first_host_makes_the_cluster_and_the_second_and_third_join_by_key() {
    in_lab(async |lab| {
        let mut story = Story::new(lab, settings(key(lab)));
        let names = ["pve-01", "pve-02", "pve-03"];
        for (count, name) in (1..).zip(names) {
            let ending = story.rebuild(name, count).await;
            story.assert_ready(&ending).await;
            for member in story.nodes.values() {
                assert!(member.sees(&names[..usize::from(count)]), "{}: {}", member.name, member.members());
            }
        }
        assert_eq!(story.node("pve-01").count("pvecm create lab --link0 10.0.0.1"), 1);
        for (name, link) in [("pve-02", "10.0.0.2"), ("pve-03", "10.0.0.3")] {
            assert_eq!(story.node(name).count("pvecm add"), 1);
            let request = format!("pvecm addnode {name} --force 1 --link0 {link}");
            assert_eq!(story.node("pve-01").count(&request), 1, "{:?}", story.node("pve-01").actions());
        }
    });
}

#[test]
fn a_host_joins_by_the_password_which_stands_nowhere() {
    in_lab(async |lab| {
        let mut story = Story::with_old_member(lab);
        let ending = story.rebuild("pve-01", 1).await;
        story.assert_ready(&ending).await;
        assert!(story.node("old-01").sees(&["old-01", "pve-01"]));
        let left = "grep -rl 'correct [h]orse' /root /etc /run /var/log /tmp 2> /dev/null; \
             grep -al 'correct [h]orse' /proc/[0-9]*/{cmdline,environ} | head";
        assert_eq!(story.node("pve-01").console(left), "", "the password is left on the node");
        // It is known there: the second asks at the gate of the first, or by the password again.
        let ending = story.rebuild("pve-02", 2).await;
        story.assert_ready(&ending).await;
        assert!(story.node("old-01").sees(&["old-01", "pve-01", "pve-02"]));
    });
}

#[test]
fn a_password_that_the_api_refuses_ends_in_a_sentence_and_harms_nobody() {
    in_lab(async |lab| {
        let mut story = Story::with_old_member(lab);
        story.node("old-01").console("echo \"API_ROOT_HASH='$(openssl passwd -6 other)'\" >> /etc/stand-in.conf");
        let ending = story.rebuild("pve-01", 1).await;
        assert_eq!(ending.progress.status, OperationStatus::NeedsAttention);
        assert!(ending.reason().contains("proxmox.root_password_file"), "{}", ending.reason());
        assert!(ending.reason().contains("401 Unauthorized"), "{}", ending.reason());
        assert!(story.node("old-01").sees(&["old-01"]));
        assert_eq!(story.node("old-01").count("pvecm addnode"), 0);
        assert!(story.node("pve-01").members()["cluster"].is_null());
        // The person puts it right, and presses retry.
        story.node("old-01").console("sed -i /API_ROOT_HASH/d /etc/stand-in.conf");
        let ending = story.retry(&ending).await;
        story.assert_ready(&ending).await;
        assert!(story.node("old-01").sees(&["old-01", "pve-01"]));
    });
}

#[test]
fn a_password_that_ssh_refuses_arms_nothing_and_stops_a_join() {
    in_lab(async |lab| {
        let mut story = Story::with_old_member(lab);
        let (host, operation) = story.install("pve-01", 1, &Oddities::default()).await;
        story.node("old-01").console("usermod -p \"$(openssl passwd -6 other)\" root");
        let said = story.drive_until(&host, &operation, "refuses our login").await;
        assert!(said.contains("10.0.0.9"), "{said}");
        assert!(story.node("old-01").sees(&["old-01"]));
        let other = story.rebuilds.register("pve-02", "52:54:00:00:00:02").await;
        let refused = story.rebuilds.rebuild_desk(Some(image())).request(&other.id, Some("pve-02"), None).await;
        assert!(refused.unwrap_err().to_string().contains("nothing was armed"));
    });
}
