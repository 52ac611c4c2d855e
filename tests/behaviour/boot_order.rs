//! Whether a host asks the network or its disk first is learned from what its machine does, and kept.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use rackseed::{
    domain::{
        boot_order::BootOrder,
        boot_request::{BootOffer, BootRequest, SilenceReason},
        boot_trace::Milestone,
        host_lifecycle::HostState,
        identity::{HostId, MacAddress},
    },
    ports::{BootTrace, NoTrace},
    provisioning::{BootOffers, RememberingTrace, keep_boot_orders},
};

use crate::support::{house::House, rebuild_world::RebuildWorld};

const OUR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// A host on its way through a rebuild.
struct Rebuilt {
    world: RebuildWorld,
    host: HostId,
    offers: BootOffers,
    trace: RememberingTrace,
}

impl Rebuilt {
    async fn armed() -> Self {
        let world = RebuildWorld::new();
        let (host, _) = world.armed("pve-01", 1).await;
        let offers = world.boot_offers();
        let (memory, clock) = (offers.memory.clone(), world.clock.clone());
        Self { world, host, offers, trace: RememberingTrace { memory, clock, next: Arc::new(NoTrace) } }
    }

    fn mac() -> MacAddress {
        "52:54:00:00:00:01".parse().unwrap()
    }

    fn asks(&self) -> BootOffer {
        self.offers.offer(&BootRequest::new(Self::mac(), 7), OUR)
    }

    /// Its machine goes on until the host is in a state; the trace is told as the desks tell it.
    async fn until(&self, state: HostState) {
        for _ in 0..9 {
            let before = self.world.host(&self.host).await.state;
            if before == state {
                return;
            }
            self.world.machine_acts(&self.world.world, &self.host).await;
            match before {
                HostState::Installing => self.trace.saw(Self::mac(), Milestone::Installed),
                HostState::Installed => self.trace.saw(Self::mac(), Milestone::PhonedHome),
                HostState::Registered
                | HostState::PxeReady
                | HostState::PxeBooted
                | HostState::FirstBoot
                | HostState::Joining
                | HostState::Ready
                | HostState::Failed => {}
            }
        }
        panic!("it never gets there");
    }

    /// What is kept, once everything that was learned is.
    async fn order(&self) -> Option<BootOrder> {
        let keeping = keep_boot_orders(&self.offers.memory, &self.world.world.keeper);
        let _ = tokio::time::timeout(Duration::from_millis(300), keeping).await;
        self.world.host(&self.host).await.boot_order
    }
}

#[tokio::test]
async fn a_host_that_calls_from_its_new_system_without_having_asked_starts_its_disk_first() {
    let rebuilt = Rebuilt::armed().await;
    assert!(matches!(rebuilt.asks(), BootOffer::Loader(_)));
    rebuilt.until(HostState::Installed).await;
    assert_eq!(rebuilt.order().await, None, "nothing is known before it started again");
    rebuilt.until(HostState::FirstBoot).await;
    assert_eq!(rebuilt.order().await, Some(BootOrder::DiskFirst));
}

#[tokio::test]
async fn a_host_that_asks_on_its_way_to_its_new_system_has_the_network_first() {
    let rebuilt = Rebuilt::armed().await;
    rebuilt.asks();
    rebuilt.until(HostState::Installed).await;
    assert_eq!(rebuilt.asks(), BootOffer::Silence(SilenceReason::NotArmed));
    assert_eq!(rebuilt.order().await, Some(BootOrder::NetworkFirst), "known as soon as it asked");
    rebuilt.until(HostState::FirstBoot).await;
    assert_eq!(rebuilt.order().await, Some(BootOrder::NetworkFirst));
}

#[tokio::test]
async fn what_was_learned_is_corrected_by_what_is_seen_later() {
    let rebuilt = Rebuilt::armed().await;
    rebuilt.asks();
    rebuilt.until(HostState::FirstBoot).await;
    assert_eq!(rebuilt.order().await, Some(BootOrder::DiskFirst));
    rebuilt.asks();
    assert_eq!(rebuilt.order().await, Some(BootOrder::NetworkFirst));
}

#[tokio::test]
async fn nothing_is_learned_of_a_machine_whose_questions_we_could_not_hear() {
    let rebuilt = Rebuilt::armed().await;
    rebuilt.until(HostState::FirstBoot).await;
    assert_eq!(rebuilt.order().await, None, "it never asked us in its life: somebody else booted it");
}

#[tokio::test]
async fn a_program_reads_what_a_person_must_press() {
    let house = House::empty().await;
    let id = house.register("pve-01", "52:54:00:00:00:01").await;
    let host = house.get(&format!("/api/hosts/{id}")).await.json();
    assert_eq!(host["boot_order"], serde_json::Value::Null);
    assert!(host["boot_advice"].as_str().unwrap().contains("not known yet"), "{host}");
}
