//! What a rebuild proves about a host, and how it got there.

use rackseed::{
    domain::{
        evidence::{Evidence, Standing, evidence},
        identity::{HostId, OperationId},
        journey::{Journey, Passage},
    },
    ports::{Clock, HostLedger, RebuildLedger},
};

use crate::support::rebuild_world::RebuildWorld;

async fn list(world: &RebuildWorld, operation: &OperationId) -> Vec<Evidence> {
    let rebuild = world.store.rebuild(operation).await.unwrap().unwrap();
    let view = world.operations().view(operation).await.unwrap().unwrap();
    evidence(&rebuild, &view.progress, Some("SHA256:abc"))
}

fn of<'a>(list: &'a [Evidence], id: &str) -> &'a Evidence {
    list.iter().find(|one| one.id == id).unwrap_or_else(|| panic!("no {id} in {list:#?}"))
}

async fn journey(world: &RebuildWorld, host: &HostId) -> Journey {
    let history = HostLedger::history(world.store.as_ref(), host, 200).await.unwrap();
    Journey::read(&world.host(host).await, &history, world.clock.now())
}

#[tokio::test]
async fn a_ready_host_proves_everything_with_times_and_its_way_has_durations() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    world.run(&world.world, &host, &operation).await.unwrap();
    let list = list(&world, &operation).await;
    for one in &list {
        assert!(one.standing == Standing::Proved && one.at.is_some(), "{one:#?}");
    }
    let read_back = &of(&list, "key_read_back").proof;
    for place in
        ["/root/.ssh/authorized_keys:", "/root/.ssh/authorized_keys2: no such file", "/etc/pve/priv/authorized_keys:"]
    {
        assert!(read_back.contains(place), "{read_back}");
    }
    assert!(of(&list, "key_refused").proof.contains("root@10.0.0.1"), "{list:#?}");
    assert!(of(&list, "membership").proof.contains("rackseed"), "{list:#?}");
    assert_eq!(of(&list, "host_key_reported").proof, "SHA256:abc");

    let journey = journey(&world, &host).await;
    let times: Vec<_> = journey.legs.iter().map(|leg| (leg.passage, leg.took.is_some())).collect();
    let passed = (Passage::Passed, true);
    let expected = [(Passage::Passed, false), passed, passed, passed, passed, passed, passed, (Passage::Here, false)];
    assert_eq!(times, expected, "{journey:#?}");
}

#[tokio::test]
async fn nothing_is_claimed_before_it_was_seen() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    let early = list(&world, &operation).await;
    assert!(early.iter().all(|one| one.standing == Standing::Awaited && one.at.is_none()), "{early:#?}");
    // The machine goes as far as its answer, and is given up.
    for _ in 0..2 {
        world.machine_acts(&world.world, &host).await;
    }
    world.operations().cancel(&operation).await.unwrap();
    let list = list(&world, &operation).await;
    assert_eq!(of(&list, "answer_given").standing, Standing::Proved);
    for id in ["host_key_reported", "membership", "key_read_back", "key_refused"] {
        let one = of(&list, id);
        assert!(one.standing == Standing::Unproved && one.proof.contains("ended before"), "{one:#?}");
    }
    assert_eq!(of(&list, "key_erased").standing, Standing::Proved, "what Rackseed had of the key is gone all the same");
    let journey = journey(&world, &host).await;
    let stopped: Vec<_> = journey.legs.iter().filter(|leg| leg.passage == Passage::Stopped).collect();
    assert_eq!((stopped.len(), stopped[0].state.word()), (1, "installing"));
    assert!(stopped[0].setbacks[0].because.contains("cancelled"), "{stopped:#?}");
}

#[tokio::test]
async fn a_key_that_was_gone_already_is_not_said_to_have_been_read_back() {
    let world = RebuildWorld::new();
    let (host, operation) = world.armed("pve-01", 1).await;
    // The step removes the key and dies before it can write so: at the next look the node refuses the login at once.
    let engine = rackseed::operations::Engine::new(world.world.clone());
    let address = std::net::Ipv4Addr::new(10, 0, 0, 1);
    for _ in 0..200 {
        let view = world.operations().view(&operation).await.unwrap().unwrap();
        if view.progress.step("install_join_gate").is_some_and(|step| step.is_done()) {
            world.nodes.change(address, |node| node.has_key = false);
        }
        match engine.advance(&operation).await.unwrap() {
            rackseed::operations::Advance::Again => {}
            rackseed::operations::Advance::Rest => break,
            rackseed::operations::Advance::NotBefore(_) => {
                world.machine_acts(&world.world, &host).await;
                world.clock.advance(jiff::SignedDuration::from_secs(2));
            }
        }
    }
    let list = list(&world, &operation).await;
    assert_eq!(of(&list, "key_refused").standing, Standing::Proved);
    let read_back = of(&list, "key_read_back");
    assert!(read_back.standing == Standing::Unproved && read_back.proof.contains("not kept"), "{read_back:#?}");
}
