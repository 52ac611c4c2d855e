//! The cluster as people see it: told by a member, remembered, and never waited for.

use std::{sync::Arc, time::Instant};

use rackseed::{
    domain::{identity::OperationId, operation::StepStatus},
    operations::{Advance, ClusterDesk, Engine},
    ports::OperationJournal,
    simulator::{SimulatedNode, SimulatedSshServer},
};
use serde_json::{Value, json};

use crate::support::{
    browser::Browser,
    house::House,
    member::{PASSWORD, SimulatedMember},
    rebuild_world::RebuildWorld,
};

/// A daemon, and a member of a cluster of three beside it.
struct Place {
    house: House,
    member: Arc<SimulatedNode>,
    server: Option<SimulatedSshServer>,
    folder: tempfile::TempDir,
    address: String,
}

impl Place {
    /// Each test has an address of its own.
    async fn new(last: u8) -> Self {
        let SimulatedMember { node: member, server, folder, address, port } =
            SimulatedMember::creating("lab", "pve-01", [127, 0, 78, last].into()).await;
        let house = House::with(|settings| {
            settings.proxmox.ssh_port = port;
            settings.proxmox.existing_node = address.clone();
            settings.proxmox.existing_node_ssh_host_key = member.host_key_line();
        })
        .await;
        let place = Self { house, member, server, folder, address };
        let gate = json!({ "address": place.address, "password": PASSWORD });
        let installed = place.house.post("/api/cluster/gates", &gate).await;
        assert_eq!(installed.status, 201, "{}", installed.text);
        place.has_members(true);
        place
    }

    /// Writes the list of the cluster as the member has it.
    fn has_members(&self, third_is_online: bool) {
        let third = u8::from(third_is_online);
        let text = format!(
            r#"{{"nodename":"pve-01","version":4,"cluster":{{"name":"lab","version":3,"nodes":3,"quorate":1}},
               "nodelist":{{"pve-01":{{"id":1,"online":1,"ip":"{}"}},"pve-02":{{"id":2,"online":1,"ip":"10.0.0.2"}},
               "pve-03":{{"id":3,"online":{third},"ip":"10.0.0.3"}}}}}}"#,
            self.address
        );
        let node = |number: u8| format!("node {{\n name: pve-0{number}\n nodeid: {number}\n quorum_votes: 1\n}}\n");
        let nodes = format!("nodelist {{\n{}{}{}}}\n", node(1), node(2), node(3));
        let place = self.folder.path().join("network/nodes/pve-01/etc/pve");
        std::fs::write(place.join(".members"), text).unwrap();
        std::fs::write(place.join("corosync.conf"), nodes).unwrap();
    }

    async fn cluster(&self, query: &str) -> Value {
        let answer = self.house.get(&format!("/api/cluster{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }
}

#[tokio::test]
async fn before_there_is_a_cluster_the_page_says_what_the_first_rebuild_will_do() {
    let house = House::empty().await;
    for query in ["", "?ask=true"] {
        let told = house.get(&format!("/api/cluster{query}")).await.json();
        assert_eq!((&told["name"], &told["members"]), (&Value::Null, &json!([])), "{told}");
        assert!(told["sentence"].as_str().unwrap().contains("the first host that is rebuilt creates the cluster"));
    }
    let page = house.get("/cluster").await.text;
    assert!(page.contains("<title>Cluster: none yet · Rackseed</title>"), "{page}");
    assert!(page.contains("No member has the gate yet.") && page.contains("rackseed gate install --node ADDRESS"));
    assert!(!page.contains("Ask again"), "there is nobody to ask: {page}");
    assert!(house.get("/cluster?ask=perhaps").await.text.contains("ask: is true or false"));
}

#[tokio::test]
async fn a_member_tells_who_is_there_who_is_a_stranger_and_how_many_may_fail() {
    let place = Place::new(1).await;
    let host = place.house.register("pve-02", "52:54:00:00:00:02").await;
    let before = place.cluster("").await;
    assert_eq!((&before["sentence"], &before["asked_at"]), (&json!("no member was asked yet"), &Value::Null));
    let told = place.cluster("?ask=true").await;
    assert_eq!((&told["name"], &told["quorate"], &told["asked"]), (&json!("lab"), &json!(true), &json!("pve-01")));
    assert_eq!(told["sentence"], "3 of 3 votes, 2 are needed: one member may fail");
    let hosts: Vec<_> = told["members"].as_array().unwrap().iter().map(|member| &member["host"]).collect();
    assert_eq!(hosts, [&Value::Null, &json!(host), &Value::Null], "strangers have no host: {told}");
    assert_eq!((&told["members"][1]["node_id"], &told["members"][1]["votes"]), (&json!(2), &json!(1)));
    place.has_members(false);
    assert_eq!(place.cluster("").await["may_fail"], 1, "what is remembered");
    assert_eq!(place.cluster("?ask=true").await["sentence"], "2 of 3 votes, 2 are needed: no member may fail");
    let page = place.house.get("/cluster").await.text;
    assert!(page.contains("<title>Cluster lab: quorate, not all online · Rackseed</title>"), "{page}");
    assert!(page.contains(&format!("<a class=\"name\" href=\"/hosts/{host}\">pve-02</a>")), "{page}");
    assert!(page.contains("a stranger: no host of Rackseed has this name and address"), "{page}");
}

#[tokio::test]
async fn a_member_that_is_gone_is_told_beside_what_was_told_before() {
    let mut place = Place::new(2).await;
    place.cluster("?ask=true").await;
    drop(place.server.take());
    let told = place.cluster("?ask=true").await;
    assert!(told["problem"].as_str().unwrap().contains("no member of the cluster answers"), "{told}");
    assert_eq!(told["members"].as_array().unwrap().len(), 3, "{told}");
    let began = Instant::now();
    let page = place.house.get("/cluster").await.text;
    assert!(began.elapsed().as_secs() < 5, "a page does not wait for a member");
    assert!(page.contains("Below is what was told before") && page.contains("pve-03"), "{page}");
    let _ = place.member;
}

#[tokio::test]
async fn the_page_asks_by_itself_and_a_gate_is_removed_on_it_after_a_question() {
    let place = Place::new(3).await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.resize(1280, 900).await;
    browser.sign_in(&place.house).await;
    browser.open(&place.house.operator("/cluster")).await;
    browser.see("#quorum", "3 of 3 votes, 2 are needed: one member may fail").await;
    browser.see("h1", "quorate").await;
    browser.picture("cluster").await;
    place.has_members(false);
    browser.click("#ask").await;
    browser.see("#quorum", "no member may fail").await;
    browser.see("#gates", "up to date").await;
    browser.resize(390, 844).await;
    assert_eq!(browser.overflow().await, 0, "nothing reaches beyond the width of a phone");
    browser.picture("cluster-phone").await;
    browser.scheme("dark").await;
    browser.click(".remove-gate summary").await;
    browser.see(".remove-gate form", "takes its key off pve-01").await;
    browser.picture("cluster-phone-dark").await;
    browser.click("#remove-pve-01").await;
    browser.see("#gates", "No member has the gate yet.").await;
    assert_eq!(place.house.get("/api/cluster/gates").await.json(), json!([]));
}

/// Moves an operation until a step waits.
async fn until_waiting(world: &RebuildWorld, operation: &OperationId, step: &str) {
    let engine = Engine::new(world.world.clone());
    let (found, _) = world.store.operation(operation).await.unwrap().unwrap();
    for _ in 0..400 {
        let view = world.operations().view(operation).await.unwrap().unwrap();
        if view.progress.step(step).is_some_and(|step| step.status == StepStatus::Waiting) {
            return;
        }
        if let Advance::NotBefore(_) = engine.advance(operation).await.unwrap() {
            world.machine_acts(&world.world, &found.host).await;
            world.clock.advance(jiff::SignedDuration::from_secs(2));
        }
    }
    panic!("{step} never waits");
}

#[tokio::test]
async fn joins_show_who_has_the_turn_and_who_waits_for_it() {
    let world = RebuildWorld::new();
    let desk = ClusterDesk::new(world.world.clone(), world.operations());
    let (_, first) = world.armed_without_driver("pve-01", 1).await;
    let (_, second) = world.armed_without_driver("pve-02", 2).await;
    assert!(desk.joins().await.unwrap().holder.is_none());
    world.store.take_turn("rackseed", &first).await.unwrap();
    until_waiting(&world, &second, "take_join_turn").await;
    let joins = desk.joins().await.unwrap();
    let holder = joins.holder.expect("the first one has the turn");
    assert_eq!((holder.hostname.as_str(), holder.operation.operation.id), ("pve-01", first));
    let waiting: Vec<_> = joins.waiting.iter().map(|join| (join.hostname.as_str(), join.step.as_str())).collect();
    assert_eq!(waiting, [("pve-02", "take_join_turn")]);
}
