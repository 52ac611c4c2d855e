//! The join gate as operators meet it: installed over a login that is given once, listed, brought up to date, used, and taken away.

mod openssh;
mod script;

use std::{fs, io::Write, os::unix::fs::PermissionsExt, path::PathBuf, process::Stdio, sync::Arc};

use rackseed::{
    ports::GateLedger,
    simulator::{SimulatedNode, SimulatedSshServer},
    store::Store,
};
use serde_json::{Value, json};

use crate::support::{
    house::House,
    member::{PASSWORD, SimulatedMember},
    rebuild_world::RebuildWorld,
};

/// A daemon, and a member beside it that it does not know.
struct Place {
    house: House,
    member: Arc<SimulatedNode>,
    folder: tempfile::TempDir,
    server: Option<SimulatedSshServer>,
    address: String,
}

impl Place {
    /// Each test has an address of its own.
    async fn new(last: u8) -> Self {
        Self::with(last, |_, _| ()).await
    }

    async fn with(last: u8, change: impl FnOnce(&mut rackseed::settings::Settings, &SimulatedNode)) -> Self {
        let SimulatedMember { node: member, server, folder, address, port } =
            SimulatedMember::creating("demo", "pve-77", [127, 0, 77, last].into()).await;
        let node = member.clone();
        let house = House::with(|settings| {
            settings.proxmox.ssh_port = port;
            change(settings, &node);
        })
        .await;
        Self { house, member, folder, server, address }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("network/nodes/pve-77").join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn request(&self) -> Value {
        json!({ "address": self.address, "ssh_host_key": self.member.host_key_line(), "password": PASSWORD })
    }

    async fn install(&self) -> Value {
        let answer = self.house.post("/api/cluster/gates", &self.request()).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()
    }

    fn is_untouched(&self) -> bool {
        !self.path("root/.ssh/authorized_keys2").exists() && !self.path("usr/local/sbin/rackseed-join-gate").exists()
    }
}

#[tokio::test]
async fn an_installation_puts_one_script_and_one_line_there_and_proves_both() {
    let place = Place::new(1).await;
    let gate = place.install().await;
    assert_eq!((&gate["node"], &gate["current"]), (&json!("pve-77"), &json!(true)), "{gate}");
    assert_eq!(place.read("usr/local/sbin/rackseed-join-gate"), script::SCRIPT);
    let mode = fs::metadata(place.path("usr/local/sbin/rackseed-join-gate")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
    assert_eq!(fs::read_dir(place.path("usr/local/sbin")).unwrap().count(), 1, "nothing half-written stays");
    let line = place.read("root/.ssh/authorized_keys2");
    assert!(
        line.starts_with("restrict,command=\"") && line.ends_with(" rackseed-join-gate\n") && line.lines().count() == 1,
        "{line}"
    );
    assert_eq!(fs::metadata(place.path("root/.ssh/authorized_keys2")).unwrap().permissions().mode() & 0o777, 0o600);
    let journal = place.read("var/log/journal");
    assert!(journal.contains("rackseed-join-gate: refused: no such command (from 127.0.0.1)"), "{journal}");
    assert!(journal.contains("rackseed-join-gate: asked: members (from 127.0.0.1)"), "{journal}");
    let listed = place.house.get("/api/cluster/gates").await.json();
    assert_eq!(listed, json!([gate]));
    // Again is the same again, beside other keys.
    fs::write(place.path("root/.ssh/authorized_keys2"), format!("ssh-ed25519 AAAAother other\n{line}")).unwrap();
    place.install().await;
    assert_eq!(place.read("root/.ssh/authorized_keys2"), format!("ssh-ed25519 AAAAother other\n{line}"));
}

#[tokio::test]
async fn a_host_key_that_nobody_stated_is_shown_and_not_believed() {
    let place = Place::new(2).await;
    let mut request = place.request();
    request["ssh_host_key"] = Value::Null;
    let answer = place.house.post("/api/cluster/gates", &request).await;
    let sentence = answer.problem(422);
    let shown = answer.json()["shown_fingerprint"].as_str().unwrap().to_owned();
    assert!(shown.starts_with("SHA256:") && sentence.contains(&shown), "{sentence}");
    assert!(sentence.contains("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"), "{sentence}");
    request["ssh_host_key"] = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl".into();
    let sentence = place.house.post("/api/cluster/gates", &request).await.problem(502);
    assert!(sentence.contains(&shown) && sentence.contains("nothing was sent"), "{sentence}");
    assert!(place.is_untouched());
    assert_eq!(place.house.get("/api/cluster/gates").await.json(), json!([]));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_with_its_field() {
    let place = Place::new(3).await;
    for (field, value, status, words) in [
        ("address", json!("pve-77"), 422, "IPv4 address"),
        ("ssh_host_key", json!("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ"), 422, "Ed25519"),
        ("ssh_host_key", json!("ssh-ed25519 AAAA'; id"), 422, "Ed25519"),
        ("password", Value::Null, 422, "is needed"),
        ("password", json!("wrong"), 502, "refused the login"),
        ("key", json!("no key"), 422, "exclude each other"),
        ("verb", json!("id"), 422, "unknown field"),
    ] {
        let mut request = place.request();
        request[field] = value;
        let sentence = place.house.post("/api/cluster/gates", &request).await.problem(status);
        assert!(sentence.contains(words), "{field}: {sentence}");
        assert!(!sentence.contains(PASSWORD) && place.is_untouched(), "{sentence}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_read_the_second_file_of_keys_is_refused_before_anything_is_written() {
    let place = Place::new(4).await;
    fs::write(place.path("etc/ssh/sshd_config"), "AuthorizedKeysFile .ssh/authorized_keys\n".to_lowercase()).unwrap();
    let sentence = place.house.post("/api/cluster/gates", &place.request()).await.problem(502);
    assert!(sentence.contains("/root/.ssh/authorized_keys2") && sentence.contains("sshd_config"), "{sentence}");
    assert!(place.is_untouched());
    fs::remove_file(place.path("etc/pve/.members")).unwrap();
    let sentence = place.house.post("/api/cluster/gates", &place.request()).await.problem(502);
    assert!(sentence.contains("Proxmox VE does not run there"), "{sentence}");
}

#[tokio::test]
async fn neither_the_password_nor_the_gates_key_is_kept_readable_or_shown() {
    let place = Place::new(5).await;
    let shown = place.install().await.to_string() + &place.house.get("/api/cluster/gates").await.text;
    let audit = place.house.get("/api/audit").await.text;
    assert!(audit.contains("POST /api/cluster/gates"), "{audit}");
    let data = place.house.folder.path().join("data");
    let mut kept = shown.into_bytes();
    kept.extend(audit.bytes());
    for entry in fs::read_dir(&data).unwrap() {
        kept.extend(fs::read(entry.unwrap().path()).unwrap_or_default());
    }
    let store = Store::open_shared(&data).unwrap();
    let sealed = store.gate_key().await.unwrap().unwrap();
    let secrets = rackseed::store::KeyFile::open(&data).unwrap();
    let key = rackseed::ports::Secrets::open(&secrets, "gate_key/sealed", &sealed).unwrap();
    let holds = |secret: &[u8]| kept.windows(secret.len()).any(|window| window == secret);
    assert!(holds(&sealed), "the search itself works");
    assert!(!holds(secrecy::ExposeSecret::expose_secret(&key)) && !holds(PASSWORD.as_bytes()));
}

#[tokio::test]
async fn an_older_script_is_noticed_and_replaced_by_the_same_request() {
    let place = Place::new(6).await;
    place.install().await;
    let store = Store::open_shared(&place.house.folder.path().join("data")).unwrap();
    let gate = store.gates().await.unwrap().remove(0);
    store.set_gate(&rackseed::domain::gate::Gate { script_sha256: "0".repeat(64), ..gate }).await.unwrap();
    fs::write(place.path("usr/local/sbin/rackseed-join-gate"), "#!/bin/sh\ncat /etc/pve/.members\n").unwrap();
    assert_eq!(place.house.get("/api/cluster/gates").await.json()[0]["current"], false);
    assert_eq!(place.install().await["current"], true);
    assert_eq!(place.read("usr/local/sbin/rackseed-join-gate"), script::SCRIPT);
    assert_eq!(place.house.get("/api/cluster/gates").await.json()[0]["current"], true);
}

#[tokio::test]
async fn a_removed_gate_lets_nobody_in_and_one_that_is_out_of_reach_is_only_forgotten_when_that_is_said() {
    let mut place = Place::new(7).await;
    place.install().await;
    let path = format!("/api/cluster/gates/{}", place.address);
    assert_eq!(place.house.delete(&path).await.status, 204);
    assert!(place.is_untouched());
    assert!(place.house.delete(&path).await.problem(404).contains("no join gate"));
    place.install().await;
    place.server = None;
    let sentence = place.house.delete(&path).await.problem(502);
    assert!(sentence.contains("--forget") && sentence.contains("nothing was forgotten"), "{sentence}");
    assert_eq!(place.house.get("/api/cluster/gates").await.json().as_array().unwrap().len(), 1);
    place.house.delete(&format!("{path}?forget=yes")).await.problem(400);
    assert_eq!(place.house.delete(&format!("{path}?forget=true")).await.status, 204);
    assert_eq!(place.house.get("/api/cluster/gates").await.json(), json!([]));
}

/// Runs the command line beside the daemon, with text on its standard input.
fn rackseed(place: &Place, words: &[&str], input: &str) -> (bool, String) {
    let mut child = place
        .house
        .program()
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_does_it_with_a_password_that_is_in_no_argument() {
    let place = Place::new(10).await;
    let install = ["gate", "install", "--node", "127.0.77.10"];
    let (done, said) = rackseed(&place, &install, &format!("{PASSWORD}\n"));
    assert!(!done && said.contains("SHA256:"), "{said}");
    let key = place.member.host_key_line();
    let with_key = [install.as_slice(), &["--host-key", &key]].concat();
    let (done, said) = rackseed(&place, &with_key, "\n");
    assert!(!done && said.contains("no password was given"), "{said}");
    let (done, said) = rackseed(&place, &with_key, &format!("{PASSWORD}\n"));
    assert!(done && said.contains("installed on pve-77 (127.0.77.10) and proved"), "{said}");
    let (done, said) = rackseed(&place, &["gate", "list"], "");
    assert!(done && said.contains("127.0.77.10") && said.contains("current"), "{said}");
    let (done, said) = rackseed(&place, &["gate", "remove", "--node", "127.0.77.10"], "");
    assert!(done && said.contains("lets nobody in any more") && place.is_untouched(), "{said}");
    let file = place.folder.path().join("password");
    fs::write(&file, PASSWORD).unwrap();
    let from_file = [with_key.as_slice(), &["--password-file", file.to_str().unwrap()]].concat();
    let (done, said) = rackseed(&place, &from_file, "");
    assert!(!done && said.contains("chmod 600"), "{said}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let (done, said) = rackseed(&place, &from_file, "");
    assert!(done, "{said}");
}

/// What a rebuild of a host says, which asks the cluster first.
async fn rebuild(house: &House) -> crate::support::house::Answer {
    house.add_image().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    house.post(&format!("/api/hosts/{id}/rebuild"), &json!({ "confirm": "pve-01" })).await
}

#[tokio::test]
async fn without_any_way_to_a_member_the_three_ways_are_named_and_the_gate_first() {
    let place = Place::with(8, |settings, member| {
        settings.proxmox.existing_node = member.address.to_string();
        settings.proxmox.existing_node_ssh_host_key = member.host_key_line();
    })
    .await;
    let sentence = rebuild(&place.house).await.text;
    let places = ["rackseed gate install --node 127.0.77.8", "proxmox.key_file", "proxmox.root_password_file"];
    let places = places.map(|way| sentence.find(way).unwrap_or_else(|| panic!("{way}: {sentence}")));
    assert!(places.is_sorted(), "{sentence}");
}

#[tokio::test]
async fn a_member_with_the_gate_is_asked_there_and_needs_no_setting() {
    let place = Place::new(9).await;
    place.install().await;
    let before = place.read("var/log/journal").lines().count();
    let answer = rebuild(&place.house).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let journal = place.read("var/log/journal");
    let asked: Vec<_> = journal.lines().skip(before).collect();
    assert!(asked.iter().any(|line| line.starts_with("rackseed-join-gate: asked: members ")), "{journal}");
    // The line is taken away there by hand: the sentence says what to do.
    fs::write(place.path("root/.ssh/authorized_keys2"), "").unwrap();
    let id = place.house.register("pve-02", "52:54:00:00:00:02").await;
    let sentence = place.house.post(&format!("/api/hosts/{id}/rebuild"), &json!({ "confirm": "pve-02" })).await.text;
    assert!(sentence.contains("does not let us in at its join gate any more"), "{sentence}");
    assert!(sentence.contains("rackseed gate install --node 127.0.77.9"), "{sentence}");
}

#[tokio::test]
async fn a_member_with_the_gate_is_asked_before_one_of_the_settings_without() {
    let place = Place::with(11, |settings, member| {
        settings.proxmox.existing_node = "127.0.77.99".into();
        settings.proxmox.existing_node_ssh_host_key = member.host_key_line();
    })
    .await;
    place.install().await;
    let answer = rebuild(&place.house).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
}

#[tokio::test]
async fn a_node_whose_server_pays_no_heed_to_forced_commands_keeps_no_key_of_the_gate() {
    let world = RebuildWorld::new();
    let (id, operation) = world.armed("pve-01", 1).await;
    let address = [10, 0, 0, 1].into();
    world.nodes.change(address, |node| node.runs_anything = true);
    world.run(&world.world, &id, &operation).await.unwrap();
    let view = world.operations().view(&operation).await.unwrap().unwrap();
    let told = format!("{:?}", view.progress);
    assert!(told.contains("ran a command that the gate has to refuse"), "{told}");
    let node = world.nodes.node(address);
    assert_eq!((node.gate.0, world.store.gates().await.unwrap()), (None, Vec::new()));
    assert!(node.has_key, "the step comes before the ephemeral key is removed");
}

#[tokio::test]
async fn a_node_gets_the_gate_in_its_own_join_and_the_next_one_joins_through_it() {
    let world = RebuildWorld::new();
    for last in 1..=2 {
        let (id, operation) = world.armed(&format!("pve-0{last}"), last).await;
        world.run(&world.world, &id, &operation).await.unwrap();
    }
    let gates: Vec<_> = world.store.gates().await.unwrap().into_iter().map(|gate| gate.node).collect();
    assert_eq!(gates, ["pve-01", "pve-02"]);
    // The world has a key of root's as well; the gate is preferred.
    let asked = world.nodes.node([10, 0, 0, 1].into()).asked_at_gate;
    assert!(asked.iter().any(|words| words.starts_with("authorise ssh-rsa AAAA")), "{asked:?}");
}
