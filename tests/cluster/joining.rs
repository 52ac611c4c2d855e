//! Good days, and the days on which a join ends in a sentence.

use rackseed::domain::operation::OperationStatus;

use crate::{
    lab::{Oddities, in_lab},
    story::{Story, key, password, settings},
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
fn hosts_join_by_the_password_which_stands_nowhere() {
    in_lab(async |lab| {
        let mut story = Story::new(lab, settings(password()));
        for (count, name) in (1..).zip(["pve-01", "pve-02"]) {
            let ending = story.rebuild(name, count).await;
            story.assert_ready(&ending).await;
        }
        assert!(story.node("pve-01").sees(&["pve-01", "pve-02"]));
        let left = story.node("pve-02").console(
            "grep -rl 'correct [h]orse' /root /etc /run /var/log /tmp 2> /dev/null; grep -al 'correct [h]orse' /proc/[0-9]*/{cmdline,environ} | head",
        );
        assert_eq!(left, "", "the password is left on the node");
    });
}

#[test]
fn a_password_that_the_api_refuses_ends_in_a_sentence_and_harms_nobody() {
    in_lab(async |lab| {
        let mut story = Story::new(lab, settings(password()));
        let first = story.rebuild("pve-01", 1).await;
        story.assert_ready(&first).await;
        story.node("pve-01").console("echo \"API_ROOT_HASH='$(openssl passwd -6 other)'\" >> /etc/stand-in.conf");
        let second = story.rebuild("pve-02", 2).await;
        assert_eq!(second.progress.status, OperationStatus::NeedsAttention);
        assert!(second.reason().contains("proxmox.root_password_file"), "{}", second.reason());
        assert!(second.reason().contains("401 Unauthorized"), "{}", second.reason());
        assert!(story.node("pve-01").sees(&["pve-01"]));
        assert_eq!(story.node("pve-01").count("pvecm addnode"), 0);
        assert!(story.node("pve-02").members()["cluster"].is_null());
        // The person puts it right, and presses retry.
        story.node("pve-01").console("sed -i /API_ROOT_HASH/d /etc/stand-in.conf");
        let second = story.retry(&second).await;
        story.assert_ready(&second).await;
        assert!(story.node("pve-01").sees(&["pve-01", "pve-02"]));
    });
}

#[test]
fn a_password_that_ssh_refuses_arms_nothing_and_stops_a_join() {
    in_lab(async |lab| {
        let mut story = Story::new(lab, settings(password()));
        let first = story.rebuild("pve-01", 1).await;
        story.assert_ready(&first).await;
        let (host, operation) = story.install("pve-02", 2, &Oddities::default()).await;
        story.node("pve-01").console("usermod -p \"$(openssl passwd -6 other)\" root");
        let ending = story.drive(&host, &operation).await;
        assert_eq!(ending.progress.status, OperationStatus::NeedsAttention);
        assert!(ending.reason().contains("refused the login"), "{}", ending.reason());
        assert!(story.node("pve-01").sees(&["pve-01"]));
        let third = story.rebuilds.register("pve-03", "52:54:00:00:00:03").await;
        let refused = story.rebuilds.rebuild_desk(Some(image())).request(&third.id, Some("pve-03"), None).await;
        assert!(refused.unwrap_err().to_string().contains("nothing was armed"));
    });
}
