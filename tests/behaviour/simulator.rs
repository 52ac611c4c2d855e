//! What the demo shows: the whole story with simulated machines, as a process of its own, and what is left on the simulated nodes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    time::{Duration, Instant},
};

use rackseed::simulator::{Installation, SimulatedNetwork, SimulatedNode};
use serde_json::Value;

/// The demo needs about seven seconds; this is for a machine on which everything else is being tested as well.
const DEMO_LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_demo_makes_three_hosts_ready_and_leaves_no_ephemeral_key_on_their_nodes() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("demo");
    let began = Instant::now();
    let output = demo(&["--once", "--json", "--folder", folder.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(began.elapsed() < DEMO_LIMIT, "{:?}", began.elapsed());
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let states: Vec<_> = summary["hosts"].as_array().unwrap().iter().map(|host| &host["state"]).collect();
    assert_eq!(states, ["ready"; 3], "{summary}");
    for host in summary["hosts"].as_array().unwrap() {
        let node = folder.join("network/nodes").join(host["hostname"].as_str().unwrap());
        // The script stays where the real installer puts it, and names the public key that it put into place.
        let script = node.join("var/lib/proxmox-first-boot/proxmox-first-boot");
        let key = ephemeral_key(&fs::read_to_string(&script).unwrap());
        let holders: Vec<_> = files(&folder.join("network"))
            .into_iter()
            .filter(|path| {
                read(path).contains(&key) && *path != script && !path.starts_with(folder.join("network/logs"))
            })
            .collect();
        assert_eq!(holders, Vec::<PathBuf>::new());
        // Its gate has stayed where the ephemeral key was.
        let line = read(&node.join("root/.ssh/authorized_keys2"));
        assert!(line.starts_with("restrict,command=") && line.lines().count() == 1, "{line}");
        // The node's own key stands among the cluster's without a time limit: the joining key's line was not taken for it.
        let own = read(&node.join("root/.ssh/id_rsa.pub"));
        assert!(read(&node.join("etc/pve/priv/authorized_keys")).lines().any(|line| line == own.trim()));
        let members = read(&node.join("etc/pve/.members"));
        assert!(members.contains(r#""nodes": 3, "quorate": 1"#), "{members}");
    }
}

#[test]
fn the_demo_has_no_password_or_key_of_members_and_joins_through_the_gate_of_the_first() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("demo");
    let output = demo(&["--once", "--json", "--folder", folder.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output));
    let settings = read(&folder.join("rackseed.yaml"));
    assert!(!settings.contains("key_file") && !settings.contains("root_password_file"), "{settings}");
    let journals = ["pve-01", "pve-02", "pve-03"]
        .map(|name| read(&folder.join("network/nodes").join(name).join("var/log/journal")));
    let authorised: usize =
        journals.iter().map(|journal| journal.matches(": authorised a joining key for").count()).sum();
    assert_eq!(authorised, 2, "{journals:#?}");
}

#[test]
fn the_demo_tells_its_story_and_takes_its_folder_away() {
    let place = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_rackseed"))
        .args(["demo", "--once"])
        .env("TMPDIR", place.path())
        .output()
        .unwrap();
    let told = text(&output);
    assert!(output.status.success(), "{told}");
    for name in ["pve-01", "pve-02", "pve-03"] {
        let ready = told.lines().filter(|line| line.contains(name) && line.contains("ready (membership")).count();
        assert_eq!(ready, 1, "{told}");
    }
    assert!(told.contains("All ready in"), "{told}");
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_holds_anything_is_refused_and_left_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("notes"), "mine").unwrap();
    let output = demo(&["--once", "--folder", place.path().to_str().unwrap()]);
    assert!(!output.status.success());
    assert!(text(&output).contains("is not empty"), "{}", text(&output));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_failed_join_ends_with_status_0_and_tells_the_truth_only_in_its_task_log() {
    let lab = Lab::new();
    let node = lab.node("pve-09", 9);
    let (status, output) = run(&node, "pvecm add 127.0.0.99 --use_ssh --link0 127.0.0.9").await;
    assert_eq!(status, Some(0));
    assert!(output.contains("500 Can't connect to 127.0.0.99:8006"), "{output}");
    let (_, log) = run(&node, "cat /var/log/pve/tasks/UPID*").await;
    assert!(log.contains("TASK ERROR: 500 Can't connect"), "{log}");
    assert!(!run(&node, "cat /etc/pve/.members").await.1.contains("cluster"));
}

#[tokio::test]
async fn a_join_by_password_replaces_the_key_file_and_only_the_second_one_lets_us_in() {
    let lab = Lab::new();
    let (member, node) = (lab.node("pve-01", 1), lab.node("pve-02", 2));
    run(&member, "pvecm create demo --link0 127.0.0.1").await;
    run(&node, &format!("echo '{LATER_KEY}' > /root/.ssh/authorized_keys2")).await;
    assert!(node.accepts_key(FIRST_KEY) && node.accepts_key(LATER_KEY));
    let fingerprint =
        run(&member, "cd /etc/pve/nodes/$(uname -n) && openssl x509 -noout -fingerprint -sha256 -in pve-ssl.pem")
            .await
            .1;
    let fingerprint = fingerprint.trim().rsplit('=').next().unwrap().to_owned();
    let join =
        |password: &str| format!("echo {password} | pvecm add 127.0.0.1 --fingerprint {fingerprint} --link0 127.0.0.2");
    let (status, refused) = run(&node, &join("wrong")).await;
    assert_eq!((status, refused.contains("401 Unauthorized")), (Some(0), true), "{refused}");
    // The refused join has moved the keys already, as the real one does.
    let (_, joined) = run(&node, &join("secret")).await;
    assert!(joined.ends_with("successfully added node 'pve-02' to cluster.\n"), "{joined}");
    assert!(node.accepts_key(LATER_KEY));
    for seen in [run(&member, "cat /etc/pve/.members").await.1, run(&node, "cat /etc/pve/.members").await.1] {
        assert!(seen.contains(r#""nodes": 2, "quorate": 1"#), "{seen}");
    }
    let (_, again) = run(&node, &join("secret")).await;
    assert!(again.contains("Check if node may join a cluster failed!"), "{again}");
}

const FIRST_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
const LATER_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

struct Lab {
    network: SimulatedNetwork,
    _folder: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { network: SimulatedNetwork::new(folder.path().join("network"), 0.1).unwrap(), _folder: folder }
    }

    fn node(&self, hostname: &str, last: u8) -> Arc<SimulatedNode> {
        let installation = Installation {
            hostname: hostname.into(),
            address: [127, 0, 0, last].into(),
            hardware_id: "4c4c4544-0035-4810-8051-000000000000".into(),
            root_ssh_keys: vec![FIRST_KEY.into()],
            root_password: "secret".into(),
        };
        Arc::new(self.network.install(&installation).unwrap())
    }
}

async fn run(node: &SimulatedNode, line: &str) -> (Option<i32>, String) {
    let output = node.start_command(line).unwrap().wait_with_output().await.unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr))
}

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rackseed")).arg("demo").args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// The base64 of the key that the script puts into place.
fn ephemeral_key(script: &str) -> String {
    let place = script.find("ssh-ed25519 ").unwrap();
    script[place..].split_whitespace().nth(1).unwrap().to_owned()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else if entry.file_type().unwrap().is_file() {
            found.push(entry.path());
        }
    }
    found
}
