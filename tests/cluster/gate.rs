//! The join gate, behind OpenSSH's own forced command.

use crate::{
    lab::in_lab,
    story::{Story, key, settings},
};

#[test]
fn hosts_join_through_the_gate_of_a_node_that_was_brought_up_here_without_any_standing_credential() {
    in_lab(async |lab| {
        let mut story = Story::new(lab, settings(key(lab)));
        let first = story.rebuild("pve-01", 1).await;
        story.assert_ready(&first).await;
        let mut without = settings(key(lab));
        without.credential = None;
        story.restart(without);
        for (count, name) in [(2, "pve-02"), (3, "pve-03")] {
            let ending = story.rebuild(name, count).await;
            story.assert_ready(&ending).await;
        }
        let names = ["pve-01", "pve-02", "pve-03"];
        for member in story.nodes.values() {
            assert!(member.sees(&names), "{}: {}", member.name, member.members());
        }
        // Each use is in the member's own log, and the line of the key lets nothing else be done.
        let log = story.node("pve-01").actions().join("\n");
        for words in ["asked: members", "authorised a joining key"] {
            assert!(log.contains(words), "{words}: {log}");
        }
        let line = story.node("pve-01").console("cat /root/.ssh/authorized_keys2");
        assert!(line.starts_with("restrict,command=\"/usr/local/sbin/rackseed-join-gate\" ssh-ed25519 "), "{line}");
        assert_eq!(line.lines().count(), 1);
    });
}
