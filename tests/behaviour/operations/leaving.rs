//! A host that is a member leaves its cluster before it is installed: the proofs of every plan for the plan with that step, and its guards.

use std::{net::Ipv4Addr, sync::atomic::Ordering};

use rackseed::{
    domain::{
        host_lifecycle::HostState,
        identity::{HostId, OperationId},
        image::ImagePart,
        operation::{OperationStatus, StepStatus},
        preflight::Consent,
        rebuild::TokenPurpose,
    },
    operations::{Advance, Engine, OperationView, RebuildWish, plans::PLANS},
    ports::{OperationJournal, RebuildLedger},
    provisioning::{AnswerRequest, ScriptRequest},
};

use super::{
    assert_ready, fail_at,
    killing_journal::{Kill, KillingJournal},
    run_with_kills,
};
use crate::support::rebuild_world::{RebuildWorld, image};

const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const THIRD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);

async fn view(world: &RebuildWorld, operation: &OperationId) -> OperationView {
    world.operations().view(operation).await.unwrap().unwrap()
}

/// Ready again, after exactly one leave and one join.
async fn assert_rebuilt(world: &RebuildWorld, host: &HostId, operation: &OperationId) {
    assert_ready(world, host, operation).await;
    assert_eq!(world.nodes.node(SECOND).removals, 1);
    let marks = world.store.rebuild(operation).await.unwrap().unwrap().marks;
    assert!(marks.leaving_at <= marks.left_cluster_at && marks.left_cluster_at <= marks.answered_at);
    assert!(marks.left_cluster_at.is_some());
}

/// Nothing happened to the cluster, and the machine boots its disk.
async fn assert_untouched(world: &RebuildWorld, host: &HostId, operation: &OperationId) {
    let node = world.nodes.node(SECOND);
    assert_eq!((node.cluster.as_deref(), node.removals), (Some("rackseed"), 0));
    let found = world.host(host).await;
    assert_eq!((found.state, found.is_member), (HostState::Failed, true));
    assert_eq!(view(world, operation).await.progress.status, OperationStatus::Failed);
}

/// Moves an operation so often as a minute of looks would, with its machine.
async fn look_often(world: &RebuildWorld, host: &HostId, operation: &OperationId) {
    let engine = Engine::new(world.world.clone());
    for _ in 0..60 {
        if matches!(engine.advance(operation).await.unwrap(), Advance::NotBefore(_)) {
            world.machine_acts(&world.world, host).await;
            world.clock.advance(jiff::SignedDuration::from_secs(1));
        }
    }
}

#[tokio::test]
async fn a_member_leaves_is_installed_and_joins_again_under_its_name() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed_member().await;
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_rebuilt(&world, &host, &operation).await;
    let steps = view(&world, &operation).await.progress.steps;
    assert!(steps.iter().any(|step| step.name == "leave_cluster"));
}

#[tokio::test]
async fn a_rebuild_that_leaves_and_runs_every_step_twice_ends_in_the_same_state() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed_member().await;
    let journal = KillingJournal::new(world.store.clone(), Kill::Before, 0, true);
    run_with_kills(&world, &journal, &host, &operation).await;
    assert_rebuilt(&world, &host, &operation).await;
    assert!(journal.appends.load(Ordering::SeqCst) > 2 * PLANS[0].steps.len());
}

#[tokio::test]
async fn a_rebuild_that_leaves_and_is_killed_at_any_journal_write_ends_in_the_same_state() {
    for kill in [Kill::After, Kill::Before] {
        for at in 0.. {
            let world = RebuildWorld::new();
            let (host, operation) = world.armed_member().await;
            let journal = KillingJournal::new(world.store.clone(), kill, at, false);
            run_with_kills(&world, &journal, &host, &operation).await;
            assert_rebuilt(&world, &host, &operation).await;
            if journal.appends.load(Ordering::SeqCst) <= at {
                assert!(at > PLANS[0].steps.len(), "the journal is shorter than the plan");
                break;
            }
        }
    }
}

#[tokio::test]
async fn until_the_host_has_left_a_failure_unwinds_and_from_then_on_it_parks() {
    let mut has_left = false;
    for step in PLANS[0].steps {
        let world = RebuildWorld::new();
        let (host, operation) = world.armed_member().await;
        fail_at(&world, step, &host, &operation).await;
        if has_left {
            let progress = view(&world, &operation).await.progress;
            assert_eq!(progress.status, OperationStatus::NeedsAttention, "{step}");
            assert_eq!(world.host(&host).await.state, HostState::Failed, "{step}");
            assert_eq!(world.nodes.node(SECOND).removals, 1, "{step}");
        } else {
            assert_untouched(&world, &host, &operation).await;
            let steps = view(&world, &operation).await.progress.steps;
            let touched = steps.iter().filter(|it| it.status != StepStatus::Pending);
            assert!(touched.into_iter().all(|it| it.status == StepStatus::Undone), "{step}");
            assert_eq!(
                world.store.take_turn("rackseed", &operation).await.ok(),
                None,
                "{step}: the turn is given back"
            );
        }
        has_left |= *step == "leave_cluster";
    }
}

#[tokio::test]
async fn an_unwinding_at_the_leave_that_is_killed_at_any_write_ends_in_the_same_state() {
    for kill in [Kill::After, Kill::Before] {
        for at in 0..16 {
            let world = RebuildWorld::new();
            let (host, operation) = world.armed_member().await;
            world.nodes.change(FIRST, |node| node.removal_failure = Some((64, "rackseed-join-gate: no".into())));
            let journal = KillingJournal::new(world.store.clone(), kill, at, false);
            run_with_kills(&world, &journal, &host, &operation).await;
            assert_untouched(&world, &host, &operation).await;
        }
    }
}

#[tokio::test]
async fn a_member_that_refuses_the_removal_leaves_the_cluster_untouched_and_says_why() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed_member().await;
    let said = "rackseed-join-gate: pve-02 is listed at 10.0.0.9 and not at 10.0.0.2";
    world.nodes.change(FIRST, |node| node.removal_failure = Some((64, said.into())));
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_untouched(&world, &host, &operation).await;
    let found = world.host(&host).await;
    assert!(world.world.keeper.boot_table().armed(found.mac).is_none(), "the machine boots its disk");
    let reason = found.reason.unwrap();
    assert!(reason.contains("listed at 10.0.0.9") && !reason.contains("join-gate"), "{reason}");
}

#[tokio::test]
async fn what_may_pass_is_waited_for_and_given_up_without_harm_when_it_takes_too_long() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed_member().await;
    let locked = "rackseed-join-gate: the cluster's configuration is locked";
    world.nodes.change(FIRST, |node| node.removal_failure = Some((75, locked.into())));
    look_often(&world, &host, &operation).await;
    let progress = view(&world, &operation).await.progress;
    assert_eq!(progress.current_step().unwrap().name, "leave_cluster");
    assert!(progress.reason.unwrap().contains("is locked"));
    world.clock.advance(jiff::SignedDuration::from_mins(30));
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_untouched(&world, &host, &operation).await;
    // The same, when it passes.
    world.nodes.change(FIRST, |node| node.removal_failure = None);
    world.nodes.change(SECOND, |node| node.online = true);
    let again = world.rebuild_desk(Some(image())).request(&host, Some("pve-02"), None).await.unwrap();
    world.run(&world.world, &host, &again.operation.id).await.unwrap();
    assert_rebuilt(&world, &host, &again.operation.id).await;
}

#[tokio::test]
async fn a_removal_of_which_we_did_not_hear_is_never_unwound() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed_member().await;
    world.nodes.change(FIRST, |node| node.breaks_after_removal = true);
    look_often(&world, &host, &operation).await;
    assert_eq!(world.nodes.node(SECOND).removals, 1);
    assert!(world.host(&host).await.is_member, "we do not know it yet");
    // Nobody can be asked any more, for too long: it is parked, and nothing boots the old system as if it were still a member.
    world.nodes.change(FIRST, |node| node.online = false);
    world.clock.advance(jiff::SignedDuration::from_mins(60));
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_eq!(view(&world, &operation).await.progress.status, OperationStatus::NeedsAttention);
    // The next rebuild finds that there is nothing left to leave.
    world.nodes.change(FIRST, |node| (node.online, node.breaks_after_removal) = (true, false));
    let again = world.rebuild_desk(Some(image())).request(&host, Some("pve-02"), None).await.unwrap();
    world.run(&world.world, &host, &again.operation.id).await.unwrap();
    assert_ready(&world, &host, &again.operation.id).await;
}

#[tokio::test]
async fn a_connection_that_breaks_once_is_looked_at_again() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed_member().await;
    world.nodes.change(FIRST, |node| node.breaks_after_removal = true);
    look_often(&world, &host, &operation).await;
    world.nodes.change(FIRST, |node| node.breaks_after_removal = false);
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_rebuilt(&world, &host, &operation).await;
}

#[tokio::test]
async fn nobody_is_removed_while_the_cluster_sees_the_node_online() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed_member().await;
    // Another machine answers under that name: ours is in its network boot, and the cluster still sees a node.
    let engine = Engine::new(world.world.clone());
    for _ in 0..60 {
        if matches!(engine.advance(&operation).await.unwrap(), Advance::NotBefore(_)) {
            world.machine_acts(&world.world, &host).await;
            world.nodes.change(SECOND, |node| node.online = true);
        }
    }
    let progress = view(&world, &operation).await.progress;
    assert!(progress.reason.as_deref().unwrap().contains("to see pve-02 offline"), "{progress:?}");
    assert_eq!(world.nodes.node(SECOND).removals, 0);
    world.nodes.change(SECOND, |node| node.online = false);
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_rebuilt(&world, &host, &operation).await;
}

#[tokio::test]
async fn a_node_that_somebody_removed_in_the_meantime_has_left() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed_member().await;
    world.nodes.change(SECOND, |node| node.cluster = None);
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_ready(&world, &host, &operation).await;
    assert_eq!(world.nodes.node(SECOND).removals, 0);
}

#[tokio::test]
async fn a_rebuild_that_would_cost_the_quorum_is_refused_and_one_that_loses_it_later_waits() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed_member().await;
    world.run(&world.world, &host, &operation).await.unwrap();
    world.nodes.add(THIRD, "pve-03", Some("rackseed"));
    world.nodes.change(THIRD, |node| node.online = false);
    let desk = world.rebuild_desk(Some(image()));
    let refused = desk.request(&host, Some("pve-02"), None).await;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("bring pve-03 online first"), "{why}");
    world.nodes.change(THIRD, |node| node.online = true);
    let again = desk.request(&host, Some("pve-02"), None).await.unwrap().operation.id;
    world.nodes.change(THIRD, |node| node.online = false);
    look_often(&world, &host, &again).await;
    assert!(view(&world, &again).await.progress.reason.unwrap().contains("no quorum"));
    assert_eq!(world.nodes.node(SECOND).removals, 1, "the one of the first rebuild");
    world.nodes.change(THIRD, |node| node.online = true);
    world.run(&world.world, &host, &again).await.unwrap();
    assert_ready(&world, &host, &again).await;
}

#[tokio::test]
async fn a_leave_waits_for_a_join_and_lets_others_join_during_the_installation() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed_member().await;
    let (third, joining) = world.armed("pve-03", 3).await;
    fail_at(&world, "join_cluster", &third, &joining).await;
    look_often(&world, &host, &operation).await;
    let reason = view(&world, &operation).await.progress.reason.unwrap();
    assert!(reason.contains(joining.as_str()), "it waits for the join that has the turn: {reason}");
    assert_eq!(world.nodes.node(SECOND).removals, 0);
    world.operations().cancel(&joining).await.unwrap();
    // As far as its installation.
    let engine = Engine::new(world.world.clone());
    while world.host(&host).await.state != HostState::Installing {
        if matches!(engine.advance(&operation).await.unwrap(), Advance::NotBefore(_)) {
            world.machine_acts(&world.world, &host).await;
        }
    }
    let (fourth, other) = world.armed("pve-04", 4).await;
    world.run(&world.world, &fourth, &other).await.unwrap();
    assert_eq!(world.host(&fourth).await.state, HostState::Ready);
    world.run(&world.world, &host, &operation).await.unwrap();
    assert_rebuilt(&world, &host, &operation).await;
}

#[tokio::test]
async fn a_machine_that_was_given_up_after_it_left_says_what_a_person_must_do() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed_member().await;
    fail_after_leaving(&world, &host, &operation).await;
    let progress = view(&world, &operation).await.progress;
    assert_eq!(progress.status, OperationStatus::NeedsAttention);
    let reason = progress.reason.unwrap();
    assert!(reason.contains("leave its old system switched off, press Rebuild"), "{reason}");
    assert!(!world.host(&host).await.is_member);
}

/// The installer never asks for its answer.
async fn fail_after_leaving(world: &RebuildWorld, host: &HostId, operation: &OperationId) {
    let engine = Engine::new(world.world.clone());
    for _ in 0..200 {
        let rebuild = world.store.rebuild(operation).await.unwrap().unwrap();
        match engine.advance(operation).await.unwrap() {
            Advance::NotBefore(_) if rebuild.marks.left_cluster_at.is_some() => {
                let found = world.host(host).await;
                let details = rackseed::provisioning::Move::failing("the installer did not ask in time");
                let event = rackseed::domain::host_lifecycle::HostEvent::Overdue;
                world.world.keeper.apply(&found, event, details).await.unwrap();
                return world.run(&world.world, host, operation).await.unwrap();
            }
            Advance::NotBefore(_) => world.machine_acts(&world.world, host).await,
            Advance::Again | Advance::Rest => {}
        }
    }
    panic!("it never leaves");
}

#[tokio::test]
async fn a_host_of_which_it_is_unclear_whether_it_is_a_member_is_not_rebuilt() {
    let world = RebuildWorld::new();
    let (first, operation) = world.armed("pve-01", 1).await;
    world.run(&world.world, &first, &operation).await.unwrap();
    let desk = world.rebuild_desk(Some(image()));
    let second = world.register("pve-02", "52:54:00:00:00:02").await;
    world.nodes.add(SECOND, "pve-02", Some("rackseed"));
    let refused = desk.request(&second.id, Some("pve-02"), None).await;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("--member-address 10.0.0.2"), "{why}");
    // The only member of its cluster ends the cluster with it: nobody is left to ask, and a new cluster begins.
    world.nodes.change(SECOND, |node| node.cluster = None);
    let refused = desk.request(&first, Some("pve-01"), None).await;
    assert!(refused.unwrap_err().to_string().contains("last_member"));
    let consent = Consent { overrides: vec!["last_member".into()], reason: "made anew".into(), ..Consent::default() };
    let wish = RebuildWish { confirm: Some("pve-01".into()), consent, ..RebuildWish::default() };
    let again = desk.request_with(&first, &wish).await.unwrap();
    assert!(again.operation.steps.iter().all(|step| step != "leave_cluster"));
    world.nodes.change(FIRST, |node| node.cluster = None);
    world.run(&world.world, &first, &again.operation.id).await.unwrap();
    assert_ready(&world, &first, &again.operation.id).await;
    // One that nobody can be asked about.
    world.nodes.change(FIRST, |node| node.online = false);
    let refused = desk.request(&first, Some("pve-01"), None).await;
    assert!(refused.unwrap_err().to_string().contains("cluster_unreachable"));
}

#[tokio::test]
async fn a_machine_waits_in_its_network_boot_until_it_has_left_and_is_given_nothing_else() {
    let world = RebuildWorld::new();
    let (_, operation) = world.armed_member().await;
    let token = world.token(&operation, TokenPurpose::Boot).await;
    let (peer, our) = (Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 254));
    let request = ScriptRequest {
        mac: "52:54:00:00:00:02".into(),
        token: Some(token.clone()),
        platform: Some("efi".into()),
        version: Some("2.0.0".into()),
        processor: Some("x86_64".into()),
        peer,
        our,
    };
    let desk = world.boot_desk();
    for _ in 0..2 {
        let script = desk.script(&request).await;
        assert!(script.contains("pve-02 leaves its cluster first") && !script.contains("kernel"), "{script}");
        assert!(script.contains(&format!("ipxe/52:54:00:00:00:02?b={token}&platform")), "{script}");
    }
    let refused = desk.file(&token, ImagePart::Kernel, peer, our).await.unwrap_err().to_string();
    assert!(refused.contains("has not left its cluster yet"), "{refused}");
    let report = serde_json::from_value(serde_json::json!({
        "iso": {"release": "9.2", "isorelease": "1"}, "dmi": {"system": {"uuid": "4c4c"}},
        "network_interfaces": [{"link": "eno1", "mac": "52:54:00:00:00:02"}],
    }))
    .unwrap();
    let answer = Some(world.token(&operation, TokenPurpose::Answer).await);
    let asked = AnswerRequest { token: answer, bearer: None, report, peer, our };
    let refused = world.answers().answer(&asked).await.unwrap_err().to_string();
    assert!(refused.contains("has not left its cluster yet, so its disk is not touched"), "{refused}");
    // The cluster sees it go, and the same question gets the installer.
    world.nodes.change(SECOND, |node| node.online = false);
    let engine = Engine::new(world.world.clone());
    while world.store.rebuild(&operation).await.unwrap().unwrap().must_leave() {
        engine.advance(&operation).await.unwrap();
    }
    assert!(desk.script(&request).await.contains("kernel --name proxmox-kernel"));
    desk.file(&token, ImagePart::InstallerIso, peer, our).await.unwrap();
    assert!(world.answers().answer(&asked).await.is_ok());
    // One that cannot leave boots its disk.
    let failing = RebuildWorld::new();
    let (host, operation) = failing.armed_member().await;
    failing.nodes.change(FIRST, |node| node.removal_failure = Some((64, "no".into())));
    failing.run(&failing.world, &host, &operation).await.unwrap();
    let script = failing.boot_desk().script(&request).await;
    assert!(script.contains("it boots its own disk"), "{script}");
}
