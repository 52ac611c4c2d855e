//! The verb `remove` of the join gate, in a real shell on simulated members: every guard, every leftover, and twice.

use std::{fs, path::PathBuf, sync::Arc};

use rackseed::simulator::{Installation, SimulatedNetwork, SimulatedNode};

/// The script as it is built into the program.
const SCRIPT: &str = include_str!("../../../src/operations/member/join-gate");

/// A cluster of simulated nodes: `pve-01` at 127.0.0.1 and so on.
struct Rack {
    folder: tempfile::TempDir,
    network: SimulatedNetwork,
    nodes: Vec<Arc<SimulatedNode>>,
}

impl Rack {
    async fn of(count: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let network = SimulatedNetwork::new(folder.path().join("network"), 0.05).unwrap();
        let mut rack = Self { folder, network, nodes: Vec::new() };
        for last in 1..=count {
            rack.nodes.push(rack.node(&format!("pve-{last:02}"), last));
            let line = if last == 1 {
                "pvecm create lab --link0 127.0.0.1".to_owned()
            } else {
                rack.let_in(last).await;
                format!("pvecm add 127.0.0.1 --use_ssh --link0 127.0.0.{last}")
            };
            rack.run(last, &line).await;
        }
        rack.eventually(1, "stat -c %A /etc/pve/local", "drw").await;
        rack
    }

    fn node(&self, hostname: &str, last: u8) -> Arc<SimulatedNode> {
        let installation = Installation {
            hostname: hostname.into(),
            address: [127, 0, 0, last].into(),
            hardware_id: "4c4c4544-0035-4810-8051-000000000000".into(),
            root_ssh_keys: Vec::new(),
            root_password: "secret".into(),
        };
        Arc::new(self.network.install(&installation).unwrap())
    }

    /// What a join without a password needs: the first node knows the joining one's key, and is known by it.
    async fn let_in(&self, last: u8) {
        let key = self.run(last, "cat /root/.ssh/id_rsa.pub").await.1;
        self.run(1, &format!("echo '{}' >> /etc/pve/priv/authorized_keys", key.trim())).await;
        let known = format!("127.0.0.1 {}", self.nodes[0].host_key_line());
        self.run(last, &format!("echo '{known}' > /root/.ssh/known_hosts")).await;
    }

    async fn run(&self, last: u8, line: &str) -> (i32, String) {
        let child = self.nodes[usize::from(last) - 1].start_command(line).unwrap();
        let output = child.wait_with_output().await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), said)
    }

    /// Asks a member for a removal, as a root shell does.
    async fn remove(&self, asked: u8, name: &str, last: u8) -> (i32, String) {
        let line = format!("sh -s -- remove {name} 127.0.0.{last} <<'END_OF_SCRIPT'\n{SCRIPT}END_OF_SCRIPT\n");
        self.run(asked, &line).await
    }

    async fn members(&self, last: u8) -> String {
        self.run(last, "cat /etc/pve/.members /etc/pve/corosync.conf").await.1
    }

    async fn off(&self, last: u8) {
        self.nodes[usize::from(last) - 1].switch_off().await.unwrap();
    }

    async fn eventually(&self, last: u8, line: &str, expected: &str) {
        for _ in 0..100 {
            if self.run(last, line).await.1.contains(expected) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("`{line}` never says {expected}");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("network").join(name)
    }
}

#[tokio::test]
async fn an_offline_node_is_removed_with_what_it_left_and_a_second_time_is_a_success_too() {
    let rack = Rack::of(3).await;
    let guest = rack.path("clusters/lab/tree/nodes/pve-03/lxc");
    fs::create_dir_all(&guest).unwrap();
    fs::write(guest.join("105.conf"), "hostname: web\n").unwrap();
    let known = rack.path("nodes/pve-01/root/.ssh/known_hosts");
    fs::write(&known, "127.0.0.3 ssh-ed25519 AAAAold\nother,pve-03 ssh-rsa AAAAold\npve-02 ssh-rsa AAAAkept\n")
        .unwrap();
    let keys = rack.path("clusters/lab/tree/priv/authorized_keys");
    assert!(fs::read_to_string(&keys).unwrap().contains("root@pve-03"));
    rack.off(3).await;
    let (status, said) = rack.remove(1, "pve-03", 3).await;
    assert_eq!((status, said.contains("pve-03 is not in the cluster")), (0, true), "{said}");
    for asked in [1, 2] {
        assert!(!rack.members(asked).await.contains("pve-03"), "{}", rack.members(asked).await);
    }
    assert!(!rack.path("clusters/lab/tree/nodes/pve-03").exists());
    let kept = said.split("left in ").nth(1).unwrap().split(' ').next().unwrap();
    assert_eq!(fs::read_to_string(PathBuf::from(kept).join("lxc/105.conf")).unwrap(), "hostname: web\n");
    assert!(kept.contains("/var/lib/rackseed/removed-nodes/pve-03-") && said.contains("(1 guests)"), "{said}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(kept).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
    let left = fs::read_to_string(&keys).unwrap();
    assert!(!left.contains("root@pve-03") && left.contains("root@pve-02"), "{left}");
    assert_eq!(fs::read_to_string(&known).unwrap(), "pve-02 ssh-rsa AAAAkept\n");
    let (status, said) = rack.remove(1, "pve-03", 3).await;
    assert_eq!((status, said.as_str()), (0, "pve-03 is not in the cluster\n"));
}

#[tokio::test]
async fn of_a_pair_the_other_one_is_removed_after_it_was_told_to_expect_one_vote() {
    let rack = Rack::of(2).await;
    rack.off(2).await;
    assert!(rack.members(1).await.contains(r#""quorate": 0"#));
    let (status, said) = rack.remove(1, "pve-02", 2).await;
    assert_eq!(status, 0, "{said}");
    let members = rack.members(1).await;
    assert!(members.contains(r#""nodes": 1, "quorate": 1"#) && !members.contains("pve-02"), "{members}");
}

#[tokio::test]
async fn a_node_that_is_online_or_is_another_one_than_was_meant_is_not_removed() {
    let rack = Rack::of(3).await;
    let before = rack.members(1).await;
    for (name, last, why) in [
        ("pve-03", 3, "pve-03 is online"),
        ("pve-03", 9, "listed at 127.0.0.3 and not at 127.0.0.9"),
        ("pve-01", 1, "I am pve-01 myself"),
        ("pve-09", 3, "127.0.0.3 is listed as pve-03"),
    ] {
        let (status, said) = rack.remove(1, name, last).await;
        assert_eq!((status, said.contains(why)), (64, true), "{name}: {said}");
        assert_eq!(said.lines().count(), 1, "one sentence: {said}");
    }
    rack.off(3).await;
    let (status, said) = rack.remove(1, "pve-03", 2).await;
    assert_eq!((status, said.contains("not at 127.0.0.2")), (64, true), "the address of another one: {said}");
    let (status, said) = rack.run(1, &words("remove pve-03;reboot 127.0.0.3")).await;
    assert_eq!(status, 64, "{said}");
    assert_eq!(rack.members(1).await.matches("nodeid").count(), before.matches("nodeid").count());
}

/// The script as a forced command runs it: all words in one variable.
fn words(original: &str) -> String {
    format!("SSH_ORIGINAL_COMMAND='{original}' sh -s <<'END_OF_SCRIPT'\n{SCRIPT}END_OF_SCRIPT\n")
}

#[tokio::test]
async fn without_a_quorum_nothing_is_removed_and_nothing_is_expected() {
    let rack = Rack::of(3).await;
    rack.off(3).await;
    rack.off(2).await;
    let (status, said) = rack.remove(1, "pve-03", 3).await;
    assert_eq!((status, said.contains("no quorum (1 of 3 nodes are online)")), (75, true), "{said}");
    assert!(!rack.path("clusters/lab/expected").exists(), "a bare minority must never be told that it is enough");
    assert!(rack.members(1).await.contains("pve-03"));
    // Somebody else said so already: still no reason to remove the last but one.
    rack.run(1, "pvecm expected 1").await;
    let (status, said) = rack.remove(1, "pve-03", 3).await;
    assert_eq!((status, said.contains("only 1 of 2 nodes would be online")), (75, true), "{said}");
}

#[tokio::test]
async fn a_locked_configuration_is_waited_for_and_its_lock_is_never_deleted() {
    let rack = Rack::of(3).await;
    rack.off(3).await;
    let lock = rack.path("clusters/lab/tree/priv/lock/file-corosync_conf");
    fs::create_dir_all(&lock).unwrap();
    let (status, said) = rack.remove(1, "pve-03", 3).await;
    assert_eq!((status, said.contains("lets go of it after two minutes")), (75, true), "{said}");
    assert!(lock.exists() && rack.members(1).await.contains("pve-03"));
    fs::remove_dir(&lock).unwrap();
    assert_eq!(rack.remove(1, "pve-03", 3).await.0, 0);
}

#[tokio::test]
async fn any_other_status_of_pvecm_is_a_failure_and_so_is_a_node_that_stays_listed() {
    let rack = Rack::of(3).await;
    rack.off(3).await;
    let pvecm = rack.path("nodes/pve-01/bin/pvecm");
    let real = fs::read_to_string(&pvecm).unwrap();
    fs::write(&pvecm, "#!/bin/sh\necho 'trouble' >&2\nexit 13\n").unwrap();
    let (status, said) = rack.remove(1, "pve-03", 3).await;
    assert_eq!((status, said.contains("ended with 13: trouble")), (1, true), "{said}");
    fs::write(&pvecm, "#!/bin/sh\necho 'Killing node 3'\nexit 0\n").unwrap();
    let (status, said) = rack.remove(1, "pve-03", 3).await;
    assert_eq!((status, said.contains("still lists it")), (75, true), "{said}");
    assert!(rack.path("clusters/lab/tree/nodes/pve-03").exists(), "nothing of it is touched before it is gone");
    fs::write(&pvecm, real).unwrap();
    assert_eq!(rack.remove(1, "pve-03", 3).await.0, 0);
}

#[tokio::test]
async fn leftovers_of_a_node_that_somebody_else_removed_are_cleared() {
    let rack = Rack::of(3).await;
    rack.off(3).await;
    rack.run(1, "pvecm delnode pve-03").await;
    assert!(rack.path("clusters/lab/tree/nodes/pve-03").exists());
    let (status, said) = rack.remove(2, "pve-03", 3).await;
    assert_eq!((status, said.contains("kept what pve-03 left")), (0, true), "{said}");
    assert!(!rack.path("clusters/lab/tree/nodes/pve-03").exists());
    assert!(rack.remove(3, "pve-03", 3).await.0 != 0, "one that is switched off removes nobody");
}
