//! What UEFI HTTP boot loads: the whole of iPXE at once, with what EDK2's HTTP client insists on.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use rackseed::{
    domain::{
        boot_request::{BootOffer, BootRequest},
        boot_trace::Milestone,
        firmware::Transport,
        identity::MacAddress,
    },
    http::{BootState, HttpListener, RequestCounts, boot_router},
    ports::BootTrace,
    provisioning::BootOffers,
};
use reqwest::{Method, header};
use tokio_util::sync::CancellationToken;

use crate::support::{house::Answer, rebuild_world::RebuildWorld};

/// What the support's `snponly.efi` holds.
const SNPONLY: &str = "the bytes of snponly.efi";

#[derive(Default)]
struct Seen(Mutex<Vec<Milestone>>);

impl BootTrace for Seen {
    fn saw(&self, _: MacAddress, milestone: Milestone) {
        self.0.lock().unwrap().push(milestone);
    }
}

/// A boot listener and one armed host.
struct Loaders {
    _world: RebuildWorld,
    address: SocketAddr,
    offers: Arc<BootOffers>,
    seen: Arc<Seen>,
    stop: CancellationToken,
}

impl Loaders {
    async fn start() -> Self {
        let world = RebuildWorld::new();
        world.armed("pve-01", 1).await;
        let listener = HttpListener::bind((Ipv4Addr::LOCALHOST, 0).into(), None).await.unwrap().sending_files();
        let (address, seen) = (listener.address().unwrap(), Arc::new(Seen::default()));
        let mut offers = BootOffers { trace: seen.clone(), ..world.boot_offers() };
        offers.urls.boot_port = address.port();
        let (offers, stop) = (Arc::new(offers), CancellationToken::new());
        let (desk, requests) = (Arc::new(world.boot_desk()), Arc::new(RequestCounts::default()));
        let router = boot_router(BootState { desk, offers: offers.clone(), requests });
        tokio::spawn(listener.run(router, stop.clone()));
        Self { _world: world, address, offers, seen, stop }
    }

    async fn ask(&self, method: Method, path: &str) -> Answer {
        let client = rackseed::daemon::http_client(Duration::from_secs(20)).unwrap();
        Answer::of(client.request(method, format!("http://{}{path}", self.address))).await
    }

    /// Whether a whole loader was told to the trace.
    async fn is_told(&self) -> bool {
        for _ in 0..200 {
            let told = |it: &Milestone| matches!(it, Milestone::LoaderFetched { file, transfer } if file == "snponly.efi" && transfer.complete);
            if self.seen.0.lock().unwrap().iter().any(told) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }
}

impl Drop for Loaders {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn http_boot_asks_for_the_size_and_then_loads_the_url_that_dhcp_offered() {
    let loaders = Loaders::start().await;
    let mac = "52:54:00:00:00:01".parse().unwrap();
    let request = BootRequest { transport: Transport::Http, ..BootRequest::new(mac, 16) };
    let BootOffer::Loader(offer) = loaders.offers.offer(&request, Ipv4Addr::LOCALHOST) else { panic!("a loader") };
    let path = offer.file.strip_prefix(&format!("http://{}", loaders.address)).expect("an address, no name");
    let head = loaders.ask(Method::HEAD, path).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    assert_eq!((head.header("content-length"), head.header("content-type")), ("24", "application/efi"));
    assert!(!loaders.seen.0.lock().unwrap().iter().any(|it| matches!(it, Milestone::LoaderFetched { .. })));
    let whole = loaders.ask(Method::GET, path).await;
    assert_eq!((whole.status.as_u16(), whole.text.as_str()), (200, SNPONLY));
    assert_eq!(whole.header("etag"), head.header("etag"));
    assert!(whole.headers.get(header::LOCATION).is_none() && !whole.header("etag").is_empty());
    assert!(loaders.is_told().await, "the trace knows that the loader went out");
}

#[tokio::test]
async fn names_are_taken_as_firmware_mangles_them_and_nothing_else_is_served() {
    let loaders = Loaders::start().await;
    for path in ["/loader/snponly.efi", "/loader/B/525400000001/SNPONLY.EFI", "/loader//b//525400000001//snponly.efi"] {
        assert_eq!(loaders.ask(Method::GET, path).await.text, SNPONLY, "{path}");
    }
    for path in
        ["/loader/ipxe.lkrn", "/loader/b/525400000001/..%2f..%2fetc/passwd", "/loader/%ff%fe", "/loader/a/b/c/d"]
    {
        let answer = loaders.ask(Method::GET, path).await;
        assert_eq!(answer.problem(404), "there is no such boot file", "{path}");
    }
}

#[tokio::test]
async fn the_script_beside_the_binary_is_there_for_an_armed_machine_alone_and_is_missed_at_once_by_others() {
    let loaders = Loaders::start().await;
    let script = loaders.ask(Method::GET, "/loader/b/525400000001/autoexec.ipxe").await.text;
    let url = format!("http://{}/ipxe/52:54:00:00:00:01?b=", loaders.address);
    assert!(script.starts_with("#!ipxe\nimgfree autoexec.ipxe ||\ndhcp ||\nchain --replace "), "{script}");
    assert!(script.contains(&url) && script.ends_with('\n'), "{script}");
    for path in ["/loader/b/525400000099/autoexec.ipxe", "/loader/autoexec.ipxe"] {
        loaders.ask(Method::GET, path).await.problem(404);
    }
}
