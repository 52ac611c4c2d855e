//! The stand-in itself: what it does where Proxmox VE is known to do so. Without these tests the others would prove nothing.

use std::{process::Stdio, time::Duration};

use crate::lab::{Lab, Node, Oddities, PASSWORD, in_lab, until};

fn boot(lab: &Lab, name: &str, last: u8) -> Node {
    lab.boot(name, last, "", &Oddities::default())
}

/// A cluster of one.
async fn first(lab: &Lab) -> Node {
    let node = boot(lab, "one", 1);
    assert!(node.console("pvecm create lab --link0 10.0.0.1").contains("Restart corosync"));
    until("the cluster of one is whole", || node.sees(&["one"])).await;
    node
}

/// What a node needs to join over SSH (1.11).
fn introduce(node: &Node, member: &Node) {
    let key = node.console("cat /root/.ssh/id_rsa.pub");
    member.console(&format!("echo '{}' >> /etc/pve/priv/authorized_keys", key.trim()));
    node.console(&format!("echo '{} {}' >> /root/.ssh/known_hosts", member.address, member.host_key()));
}

/// Joins over SSH as an orchestrator should.
fn join(node: &Node, member: &Node) -> String {
    introduce(node, member);
    node.console(&format!("pvecm add {} --use_ssh --link0 {} </dev/null", member.address, node.address))
}

fn fingerprint(node: &Node) -> String {
    let said = node.console("openssl x509 -noout -fingerprint -sha256 -in /etc/pve/local/pve-ssl.pem | cut -d= -f2");
    said.trim().to_owned()
}

/// Asserts that the last task of a node failed so, although its program ended with status 0 (1.3).
fn assert_failed(node: &Node, said: &str, with: &str) {
    assert!(!said.contains("status "), "1.3: the exit status is 0: {said}");
    assert!(said.contains(with), "{said}");
    let task = node.console("tail -qn 1 \"$(ls -t /var/log/pve/tasks/*/UPID:*:cluster* | head -n 1)\"");
    assert!(task.starts_with("TASK ERROR: "), "{task}");
}

#[test]
fn wrong_words_are_told_by_the_exit_status() {
    in_lab(async |lab| {
        let node = boot(lab, "one", 1);
        for words in ["add 10.0.0.2 --password x", "add 10.0.0.2 --nonsense", "create a-name-of-sixteen"] {
            let said = node.console(&format!("pvecm {words} </dev/null"));
            assert!(said.contains("400 ") && said.ends_with("status 255\n"), "1.1: {words}: {said}");
        }
        let said = node.console("cd /etc/pve && pvecm add 10.0.0.2 </dev/null");
        assert!(said.contains("Navigate out of /etc/pve") && said.ends_with("status 255\n"), "1.4: {said}");
        let said = node.console("sed -i /one/d /etc/hosts; pvecm add 10.0.0.2 </dev/null");
        assert!(said.ends_with("status 255\n"), "1.4: {said}");
        let said = node.console("systemctl restart pve-cluster");
        assert!(said.contains("Unable to resolve node name 'one' to a non-loopback IP address"), "1.4: {said}");
        let said = node.console("pvecm add 10.0.0.2 </dev/null");
        assert!(said.contains("not mounted") && said.ends_with("status 255\n"), "1.4: {said}");
    });
}

#[test]
fn a_failed_join_by_password_ends_with_status_0_and_changes_nothing() {
    in_lab(async |lab| {
        let (one, two) = (first(lab).await, boot(lab, "two", 2));
        let right = fingerprint(&one);
        let add = |input: &str, more: &str| {
            two.console(&format!("printf '{input}' | pvecm add 10.0.0.1 {more} --link0 10.0.0.2"))
        };
        let pinned = format!("--fingerprint {right}");
        assert_failed(&two, &add("", &pinned), "EOF while reading password");
        assert_failed(&two, &add("wrong\\n", &pinned), "401 Unauthorized");
        let other = format!("--fingerprint {}", "AA:".repeat(31) + "AA");
        assert_failed(
            &two,
            &add(&format!("{PASSWORD}\\n"), &other),
            &format!("fingerprint '{right}' not verified, abort!"),
        );
        assert_failed(&two, &add(&format!("{PASSWORD}\\nno\\n"), ""), "hostname verification failed");
        one.console("echo 'root@pam:totp' > /etc/pve/priv/tfa.cfg");
        assert_failed(&two, &add(&format!("{PASSWORD}\\n"), &pinned), "works only with a TTY");
        one.console("rm /etc/pve/priv/tfa.cfg; systemctl stop pveproxy");
        assert_failed(
            &two,
            &add(&format!("{PASSWORD}\\n"), &pinned),
            "500 Can't connect to 10.0.0.1:8006 (Connection refused)",
        );
        assert!(two.members()["cluster"].is_null() && one.sees(&["one"]));
        one.console("systemctl start pveproxy");
        // Case does not matter, and without a fingerprint a second line does.
        let said = add(&format!("{PASSWORD}\\nyes\\n"), "");
        assert!(said.trim().ends_with("successfully added node 'two' to cluster."), "1.3: {said}");
        assert!(two.console("cat /var/log/pve/tasks/*/*clusterjoin*").contains("TASK OK"));
        let three = boot(lab, "three", 3);
        let lower = right.to_lowercase();
        let said =
            three.console(&format!("echo '{PASSWORD}' | pvecm add 10.0.0.1 --fingerprint {lower} --link0 10.0.0.3"));
        assert!(said.contains("successfully added node 'three'"), "1.2: {said}");
    });
}

#[test]
fn every_reason_against_a_join_is_told_at_once() {
    in_lab(async |lab| {
        let (one, two) = (first(lab).await, boot(lab, "two", 2));
        two.console("mkdir -p /etc/pve/nodes/two/lxc; touch /etc/pve/nodes/two/lxc/100.conf /etc/corosync/authkey");
        let said = two.console("echo x | pvecm add 10.0.0.1 --link0 10.0.0.77");
        assert_failed(&two, &said, "Check if node may join a cluster failed!");
        for problem in [
            "detected the following error(s):",
            "* authentication key '/etc/corosync/authkey' already exists",
            "* this host already contains virtual guests",
            "* link0: cannot use IP '10.0.0.77', not found on local node!",
        ] {
            assert!(said.contains(problem), "1.4: {said}");
        }
        // 1.10: a member that joins again changes nothing.
        let before = one.console("cat /etc/pve/corosync.conf");
        let said = one.console("echo x | pvecm add 10.0.0.2 --link0 10.0.0.1");
        assert_failed(&one, &said, "* cluster config '/etc/pve/corosync.conf' already exists");
        assert!(said.contains("* corosync is already running, is this node already in a cluster?!"), "{said}");
        assert_eq!(one.console("cat /etc/pve/corosync.conf"), before);
    });
}

#[test]
fn a_join_takes_the_old_keys_and_everything_else_of_the_node_with_it() {
    in_lab(async |lab| {
        let one = first(lab).await;
        let (lost, kept) = (lab.key("lost"), lab.key("kept"));
        let two = lab.boot("two", 2, &kept.public, &Oddities::default());
        // What a fresh node has of keys stands in the file of root, and so in pmxcfs (1.6).
        two.console(&format!("echo '{}' >> /root/.ssh/authorized_keys; echo mine > /etc/pve/storage.cfg", lost.public));
        assert_eq!(two.console("readlink /root/.ssh/authorized_keys"), "/etc/pve/priv/authorized_keys\n");
        assert!(lab.ssh(&two, &lost, "true") && lab.ssh(&two, &kept, "true"));
        let before = fingerprint(&two);
        let session = lab.ssh_command(&two, &kept, "while sleep 0.2; do date +%s%N >> /run/session; done").spawn();
        let mut session = session.unwrap();
        introduce(&two, &one);
        two.start("pvecm add 10.0.0.1 --use_ssh --link0 10.0.0.2 > /run/join.log 2>&1");
        let (mut tries, mut let_in_with_lost) = (0, Vec::new());
        until("the node has joined", || {
            let is_mounted = two.console("mountpoint -q /etc/pve; echo $?") == "0\n";
            let is_new = two.console("test -e /etc/corosync/authkey; echo $?") == "0\n";
            assert!(lab.ssh(&two, &kept, "true"), "1.6: the key in authorized_keys2 lets in at every moment");
            if is_new {
                tries += 1;
                let_in_with_lost.push((is_mounted, lab.ssh(&two, &lost, "true")));
            }
            two.console("cat /run/join.log").contains("successfully added")
        })
        .await;
        // The first look may come before pve-cluster is stopped.
        let refused = let_in_with_lost.iter().filter(|(_, let_in)| !let_in).count();
        assert!(tries > 1 && refused + 1 >= tries, "1.6: {let_in_with_lost:?}");
        assert!(!lab.ssh(&two, &lost, "true"), "1.6: the key is lost for good");
        assert!(two.console("cat /etc/pve/storage.cfg").contains("No such file"), "1.5");
        assert_ne!(fingerprint(&two), before, "1.5: the certificate is a new one");
        let backups = two.console("ls /var/lib/pve-cluster/backup");
        assert!(backups.starts_with("config-") && backups.contains(".sql.gz"), "1.5: {backups}");
        let age = two.console("echo $(( ($(date +%s%N) - $(tail -n 1 /run/session)) / 1000000 ))");
        assert!(age.trim().parse::<u64>().unwrap() < 3000, "1.6: an open session survives: {age} ms");
        session.kill().unwrap();
        session.wait().unwrap();
        assert!(one.sees(&["one", "two"]));
    });
}

#[test]
fn a_dropped_channel_leaves_a_half_joined_node_that_can_be_recovered() {
    in_lab(async |lab| {
        let one = first(lab).await;
        let kept = lab.key("kept");
        let two = lab.boot("two", 2, &kept.public, &Oddities::default());
        introduce(&two, &one);
        // The channel is lost while the cluster's files are copied: two lines later the worker has nobody to talk to.
        two.replace("rsync", "touch /run/copying; sleep 2; exec /usr/bin/rsync \"$@\"");
        let line = "pvecm add 10.0.0.1 --use_ssh --link0 10.0.0.2";
        let mut channel = lab.ssh_command(&two, &kept, line).stdout(Stdio::piped()).spawn().unwrap();
        until("the files are being copied", || two.console("ls /run/copying").starts_with("/run/copying\n")).await;
        channel.kill().unwrap();
        channel.wait().unwrap();
        until("the worker is gone", || {
            two.console("tail -qn 1 /var/log/pve/tasks/*/*clusterjoin*").contains("TASK ERROR: broken pipe")
        })
        .await;
        let left = two.console("ls /etc/corosync/authkey /etc/corosync/corosync.conf /var/lib/pve-cluster/config.db; systemctl is-active pve-cluster");
        assert!(!left.contains("No such file") && left.contains("inactive"), "1.6: {left}");
        until("the member has lost its quorum", || !one.can_write()).await;
        assert_eq!(one.members()["cluster"]["quorate"], 0, "1.6");
        // The recovery of 1.6.
        two.console("rm /etc/corosync/authkey /etc/corosync/corosync.conf; systemctl start pve-cluster");
        assert!(two.members()["cluster"].is_null());
        one.console("pvecm expected 1");
        until("the member can write again", || one.can_write()).await;
        let said = join(&two, &one);
        assert!(
            said.contains("forcing overwrite of configured node 'two'") && said.contains("successfully added"),
            "1.10: {said}"
        );
        until("both are whole", || one.sees(&["one", "two"]) && two.sees(&["one", "two"])).await;
    });
}

#[test]
fn the_second_node_counts_before_it_is_there_and_can_be_taken_back() {
    in_lab(async |lab| {
        let one = first(lab).await;
        one.console("pvecm addnode two --link0 10.0.0.2");
        until("the member has lost its quorum", || one.members()["cluster"]["quorate"] == 0 && !one.can_write()).await;
        assert!(one.console("touch /etc/pve/x").contains("Read-only"), "1.7");
        for words in ["addnode three --link0 10.0.0.3", "delnode two"] {
            let said = one.console(&format!("pvecm {words}"));
            assert!(said.contains("cluster not ready - no quorum?") && said.contains("status 255"), "1.7: {said}");
        }
        assert!(one.console("pvecm status").contains("Quorate:          No"), "1.8");
        one.console("pvecm expected 1");
        until("corosync has its quorum", || one.members()["cluster"]["quorate"] == 1).await;
        until("the member can write", || one.can_write()).await;
        let said = one.console("pvecm delnode two");
        assert!(
            said.contains("Could not kill node (error = CS_ERR_NOT_EXIST)") && !said.contains("status "),
            "1.10: {said}"
        );
        until("the member is whole", || one.sees(&["one"])).await;
    });
}

#[test]
fn the_quorum_comes_before_anything_can_be_written() {
    in_lab(async |lab| {
        let slow = Oddities { writable_seconds: 4, ..Oddities::default() };
        let one = lab.boot("one", 1, "", &slow);
        assert!(one.console("cat /etc/pve/.members").contains("\"nodename\": \"one\""), "1.8");
        assert!(
            one.members()["cluster"].is_null() && one.members()["nodelist"].is_null(),
            "1.8: a node that stands alone"
        );
        assert!(
            one.console("pvecm status").starts_with("Error: Corosync config '/etc/pve/corosync.conf' does not exist")
        );
        one.start("pvecm create lab --link0 10.0.0.1");
        until("there is a quorum", || one.console("cat /etc/pve/.members").contains("\"quorate\": 1")).await;
        assert!(!one.can_write(), "1.8: not yet");
        until("it can be written", || one.can_write()).await;
        assert_eq!(one.members()["nodelist"]["one"]["ip"], "10.0.0.1");
        assert!(!one.console("pvecm status").to_lowercase().contains("fingerprint"), "1.8");
    });
}

#[test]
fn locks_are_waited_for_and_expire() {
    in_lab(async |lab| {
        let (one, two) = (first(lab).await, boot(lab, "two", 2));
        assert!(join(&two, &one).contains("successfully added"));
        one.start("exec 9> /var/lock/pvecm.lock; flock 9; sleep 5");
        tokio::time::sleep(Duration::from_millis(500)).await;
        let said = one.console("pvecm addnode three --link0 10.0.0.3");
        assert!(
            said.contains("can't lock file '/var/lock/pvecm.lock' - got timeout") && said.contains("status 255"),
            "1.7: {said}"
        );
        two.console("mkdir /etc/pve/priv/lock/file-corosync_conf");
        tokio::time::sleep(Duration::from_secs(3)).await;
        two.console("touch /etc/pve/priv/lock/file-corosync_conf");
        let said = one.console("pvecm addnode three --link0 10.0.0.3");
        assert!(said.contains("cfs-lock 'file-corosync_conf' error: got lock request timeout"), "1.7: {said}");
        // Old enough, it is thrown away by whoever waits.
        until("the lock is old", || one.console("pvecm delnode nobody").contains("not a known host")).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let said = one.console("pvecm addnode three --link0 10.0.0.3");
        assert!(!said.contains("status "), "1.7: {said}");
    });
}

#[test]
fn the_links_of_a_new_node_must_be_those_of_the_cluster() {
    in_lab(async |lab| {
        let wide = Oddities { second_network: true, ..Oddities::default() };
        let (one, two) = (lab.boot("one", 1, "", &wide), lab.boot("two", 2, "", &wide));
        one.console("pvecm create lab --link0 10.0.0.1 --link1 address=10.1.0.1,priority=5");
        until("the cluster of one is whole", || one.sees(&["one"])).await;
        let add = |words: &str| one.console(&format!("pvecm addnode two {words}"));
        let refuse = |words: &str, with: &str| {
            let said = add(words);
            assert!(said.contains(with) && said.contains("status 255"), "1.7: {words}: {said}");
        };
        refuse("--link0 10.0.0.2 --force 1", "cluster has 2 links, but only 1 given");
        refuse("--link0 10.0.0.2 --apiversion 1", "link 1 exists in cluster config but wasn't specified for new node");
        refuse("--new_node_ip 10.0.0.2 --apiversion 1", "no links given but multiple links found on other nodes");
        refuse(
            "--link0 10.0.0.1 --link1 10.1.0.2",
            "corosync: address '10.0.0.1' already used on link 0 by node 'one'",
        );
        introduce(&two, &one);
        let said = two.console("pvecm add 10.0.0.1 --use_ssh --link0 10.0.0.2 --link1 10.1.0.2 < /dev/null");
        assert!(said.contains("successfully added"), "{said}");
        // One link is enough for corosync.
        two.cable(0, "down");
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(one.sees(&["one", "two"]), "{}", one.members());
        two.cable(1, "down");
        until("the other is offline", || one.members()["nodelist"]["two"]["online"] == 0).await;
    });
}

#[test]
fn an_address_that_is_used_twice_is_noticed_among_links_alone() {
    in_lab(async |lab| {
        let one = first(lab).await;
        let said = one.console("pvecm addnode one --link0 10.0.0.9");
        assert!(said.contains("can't add existing node 'one'") && said.contains("status 255"), "1.7: {said}");
        let said = one.console("pvecm addnode two --link1 10.1.0.2 --link0 10.0.0.2");
        assert!(said.contains("link 1 specified for new node doesn't exist in cluster config"), "1.7: {said}");
        let said = one.console("pvecm addnode two --new_node_ip 10.0.0.1 --apiversion 1");
        assert!(!said.contains("status "), "1.7: the address of the member itself is taken: {said}");
    });
}

#[test]
fn a_node_is_removed_by_name_and_leaves_its_folder_behind() {
    in_lab(async |lab| {
        let (one, two, three) = (first(lab).await, boot(lab, "two", 2), boot(lab, "three", 3));
        assert!(join(&two, &one).contains("successfully added") && join(&three, &one).contains("successfully added"));
        until("all are whole", || one.sees(&["one", "two", "three"])).await;
        for (words, with) in [
            ("one", "Cannot delete myself from cluster!"),
            ("four", "Node/IP: four is not a known host of the cluster."),
        ] {
            let said = one.console(&format!("pvecm delnode {words}"));
            assert!(said.contains(with) && said.contains("status 255"), "1.10: {said}");
        }
        three.cable(0, "down");
        until("it is offline", || one.members()["nodelist"]["three"]["online"] == 0).await;
        assert!(one.console("pvecm delnode three").contains("Could not kill node"), "1.10");
        until("two are left", || one.sees(&["one", "two"]) && two.sees(&["one", "two"])).await;
        let left = one.console("ls /etc/pve/nodes/three; grep -c root@three /etc/pve/priv/authorized_keys");
        assert!(left.contains("pve-ssl.pem") && left.ends_with("1\n"), "1.10: {left}");
        // A removed node that comes back is a ghost: it believes that it is a member, and nobody else does.
        three.cable(0, "up");
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(!three.can_write() && three.members()["cluster"]["quorate"] == 0);
        assert!(one.sees(&["one", "two"]));
        // With one of two dead, the other must be told what to expect.
        two.cable(0, "down");
        until("the quorum is lost", || !one.can_write()).await;
        assert!(one.console("pvecm delnode two").contains("cluster not ready - no quorum?"));
        one.console("pvecm expected 1");
        until("it can write", || one.can_write()).await;
        assert!(!one.console("pvecm delnode two").contains("status "));
        until("one is left", || one.sees(&["one"])).await;
    });
}

#[test]
fn over_ssh_the_host_key_must_be_known_before() {
    in_lab(async |lab| {
        let (one, two) = (first(lab).await, boot(lab, "two", 2));
        let said = two.console("pvecm add 10.0.0.1 --use_ssh --link0 10.0.0.2 < /dev/null");
        assert_failed(&two, &said, "unable to copy ssh ID");
        assert!(one.sees(&["one"]));
        let answer = two
            .console("curl -sk -i -X POST -d link0=10.0.0.2 https://10.0.0.1:8006/api2/json/cluster/config/nodes/two");
        assert!(answer.starts_with("HTTP/1.1 403 Permission check failed (user != root@pam)"), "1.9: {answer}");
    });
}
