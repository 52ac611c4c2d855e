//! What the trace is told of a transfer, and the script beside the binary.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rackseed::{
    domain::{boot_trace::Milestone, identity::MacAddress},
    ports::BootTrace,
    provisioning::BootOffers,
};

use super::{
    Running,
    client::{Answer, read_request},
};
use crate::{dhcp::packet::recorded, support::rebuild_world::RebuildWorld};

const MAC: &str = "52:54:00:00:00:01";
const LOADER: &str = "b/525400000001/snponly.efi";

#[derive(Default)]
struct Seen(Mutex<Vec<(MacAddress, Milestone)>>);

impl BootTrace for Seen {
    fn saw(&self, mac: MacAddress, milestone: Milestone) {
        self.0.lock().unwrap().push((mac, milestone));
    }
}

impl Seen {
    /// The bytes of the next loader that is told, and whether it was all.
    async fn next(&self, patience: Duration) -> Option<(u64, bool)> {
        let began = Instant::now();
        while began.elapsed() < patience {
            let next = { self.0.lock().unwrap().pop() };
            if let Some((mac, milestone)) = next {
                let Milestone::LoaderFetched { file, transfer } = milestone else { panic!("{milestone:?}") };
                assert_eq!((mac.to_string().as_str(), file.as_str()), (MAC, "snponly.efi"));
                return Some((transfer.bytes, transfer.complete));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        None
    }
}

/// A server for one armed host.
async fn armed() -> (RebuildWorld, Running, Arc<Seen>) {
    let world = RebuildWorld::new();
    world.armed("pve-01", 1).await;
    let seen = Arc::new(Seen::default());
    let offers = Arc::new(BootOffers { trace: seen.clone(), ..world.boot_offers() });
    (world, Running::start_with(offers), seen)
}

#[tokio::test]
async fn a_loader_that_went_out_is_told_with_its_machine_and_bytes() {
    let (_world, server, seen) = armed().await;
    let fetched = server.machine().await.fetch(&read_request(LOADER, &[("tsize", 0)])).await.unwrap();
    let bytes = fetched.bytes.len() as u64;
    assert_eq!(seen.next(Duration::from_secs(2)).await, Some((bytes, true)));
    // A name that tells no machine is served, and told to nobody.
    server.machine().await.fetch(&read_request("snponly.efi", &[])).await.unwrap();
    assert_eq!(seen.next(Duration::from_millis(200)).await, None);
    server.end().await;
}

#[tokio::test]
async fn a_size_probe_is_no_milestone() {
    let (_world, server, seen) = armed().await;
    let machine = server.machine().await;
    machine.ask(&read_request(LOADER, &[("tsize", 0), ("blksize", 1468), ("windowsize", 4)])).await;
    let (_, transfer) = machine.hear().await.unwrap();
    machine.send(&recorded("tftp-error8-ovmf"), transfer).await;
    assert_eq!(seen.next(Duration::from_millis(300)).await, None);
    server.end().await;
}

#[tokio::test]
async fn a_machine_that_breaks_off_closes_its_port_or_asks_for_something_else_is_told_at_once() {
    let (_world, server, seen) = armed().await;
    for ends in ["error", "closed port", "another request"] {
        let machine = server.machine().await;
        machine.ask(&read_request(LOADER, &[("blksize", 8)])).await;
        let (_, transfer) = machine.hear().await.unwrap();
        machine.acknowledge(0, transfer).await;
        machine.hear().await.unwrap();
        machine.acknowledge(1, transfer).await;
        assert!(matches!(machine.hear().await, Some((Answer::Data(2, _), _))));
        match ends {
            "error" => machine.send(b"\0\x05\0\0disk full\0", transfer).await,
            // Its next repeat finds nobody; the system says so.
            "closed port" => drop(machine),
            _ => machine.ask(&read_request("wrong", &[])).await,
        }
        assert_eq!(seen.next(Duration::from_secs(2)).await, Some((8, false)), "{ends}");
    }
    server.end().await;
}

#[tokio::test]
async fn the_script_beside_the_binary_is_there_for_an_armed_machine_and_for_no_other() {
    let (_world, server, seen) = armed().await;
    let script = server.machine().await.fetch(&read_request("b/525400000001/autoexec.ipxe", &[])).await.unwrap();
    let script = String::from_utf8(script.bytes).unwrap();
    assert!(script.starts_with("#!ipxe\n") && script.contains("chain --replace http://127.0.0.1:"), "{script}");
    assert!(script.contains(&format!("/ipxe/{MAC}?b=")), "{script}");
    for name in ["b/525400000099/autoexec.ipxe", "autoexec.ipxe"] {
        let began = Instant::now();
        let (code, _) = server.machine().await.fetch(&read_request(name, &[])).await.unwrap_err();
        assert!(code == 1 && began.elapsed() < Duration::from_millis(300), "{name}");
    }
    assert_eq!(seen.next(Duration::from_millis(100)).await, None);
    assert_eq!(server.address.ip(), Ipv4Addr::LOCALHOST);
    server.end().await;
}
