//! What machines are offered from one question to the next: no circles, no dead end twice, and the operator's word above all.

use std::{net::Ipv4Addr, sync::Arc};

use jiff::SignedDuration;
use rackseed::{
    domain::{
        boot_options::{BootOptions, Discovery, DiscoveryChoice},
        boot_request::{BootOffer, BootRequest, Loader, SilenceReason, TakenAddress, Unarmed},
        boot_trace::{Milestone, Transfer},
        firmware::Transport,
        host_options::HostOptions,
        identity::{HostId, MacAddress},
        ipxe::Ipxe,
        live_event::{NewLiveEvent, Topic},
    },
    ports::{BootTrace, Clock, HostLedger, NoTrace},
    provisioning::{BootDesk, BootOffers, RememberingTrace, ScriptRequest},
};

use crate::support::rebuild_world::RebuildWorld;

const OUR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const MAC: &str = "52:54:00:00:00:01";
/// What an iPXE of 2.0 says in option 175, for BIOS and UEFI at once; and one that cannot load over HTTP.
const GOOD: &[u8] = &[0x13, 1, 1, 0x18, 1, 1, 0x24, 1, 1, 0xeb, 3, 2, 0, 0];
const WITHOUT_HTTP: &[u8] = &[0x18, 1, 1, 0x24, 1, 1, 0xeb, 3, 1, 0, 0];

fn mac() -> MacAddress {
    MAC.parse().unwrap()
}

/// A question of firmware: the transaction tells one boot from another, the seconds a retry from a new cycle.
fn firmware(architecture: u16, transaction: u32, seconds: u16) -> BootRequest {
    BootRequest { transaction, seconds, ..BootRequest::new(mac(), architecture) }
}

fn ipxe(architecture: u16, transaction: u32, option: &[u8]) -> BootRequest {
    BootRequest { ipxe: Some(Ipxe::read(option)), ..firmware(architecture, transaction, 4) }
}

/// One host, and what answers its machine.
struct Wire {
    world: RebuildWorld,
    host: HostId,
    offers: BootOffers,
    desk: BootDesk,
    trace: Arc<dyn BootTrace>,
}

impl Wire {
    async fn armed_with(boot: BootOptions) -> Self {
        let world = RebuildWorld::new();
        let (host, _) = world.armed("pve-01", 1).await;
        Self::of(world, host, boot).await
    }

    async fn of(world: RebuildWorld, host: HostId, boot: BootOptions) -> Self {
        let feed =
            NewLiveEvent { topic: Topic::Host, host: Some(host.clone()), operation: None, message: String::new() };
        let options = HostOptions { boot, ..HostOptions::default() };
        world.store.set_options(&host, &options, &feed, world.clock.now()).await.unwrap();
        world.world.keeper.show(&host).await.unwrap();
        let offers = world.boot_offers();
        let trace: Arc<dyn BootTrace> = Arc::new(RememberingTrace {
            memory: offers.memory.clone(),
            clock: world.clock.clone(),
            next: Arc::new(NoTrace),
        });
        let desk = BootDesk { trace: trace.clone(), ..world.boot_desk() };
        Self { world, host, offers, desk, trace }
    }

    fn offer(&self, request: &BootRequest) -> BootOffer {
        self.offers.offer(request, OUR)
    }

    fn loader(&self, request: &BootRequest) -> Loader {
        match self.offer(request) {
            BootOffer::Loader(loader) => loader,
            other @ (BootOffer::Silence(_) | BootOffer::Script(_)) => panic!("no loader: {other:?}"),
        }
    }

    fn is_script(&self, request: &BootRequest) -> bool {
        matches!(self.offer(request), BootOffer::Script(_))
    }

    /// What TFTP and HTTP tell when a loader has gone out.
    fn loads(&self, file: &str, complete: bool) {
        let transfer = Transfer { bytes: 300_000, milliseconds: 90, complete };
        self.trace.saw(mac(), Milestone::LoaderFetched { file: file.into(), transfer });
    }

    async fn script(&self, token: Option<&str>, processor: &str) -> String {
        let request = ScriptRequest {
            mac: MAC.into(),
            token: token.map(str::to_owned),
            platform: Some("efi".into()),
            version: Some("2.0.0".into()),
            processor: Some(processor.into()),
            peer: Ipv4Addr::new(192, 0, 2, 50),
            our: OUR,
        };
        self.desk.script(&request).await
    }

    fn pass(&self, seconds: i64) {
        self.world.clock.advance(SignedDuration::from_secs(seconds));
    }
}

#[tokio::test]
async fn an_ipxe_that_cannot_load_the_installer_gets_ours_and_takes_it_directly() {
    let wire = Wire::armed_with(BootOptions::default()).await;
    for (architecture, file) in [(0, "undionly.kpxe"), (7, "snponly.efi"), (9, "snponly.efi")] {
        let loader = wire.loader(&ipxe(architecture, 1, WITHOUT_HTTP));
        assert_eq!((loader.file, loader.discovery), (format!("b/525400000001/{file}"), Discovery::Direct));
        assert!(wire.is_script(&ipxe(architecture, 2, GOOD)), "ours follows, and gets its script");
    }
}

#[tokio::test]
async fn a_host_that_is_to_load_our_ipxe_first_does_so_once_for_each_boot() {
    let wire = Wire::armed_with(BootOptions { own_ipxe: true, ..BootOptions::default() }).await;
    for boot in 0..3 {
        let rom = ipxe(0, 10 + boot, GOOD);
        assert_eq!(wire.loader(&rom).file, "b/525400000001/undionly.kpxe");
        wire.loader(&rom);
        wire.loads("undionly.kpxe", true);
        assert!(wire.is_script(&rom), "the iPXE of 2019 repeats its transactions from boot to boot");
        assert!(wire.is_script(&ipxe(0, 20 + boot, GOOD)));
        wire.script(None, "i386").await;
    }
    // A name that no longer tells the machine: nobody saw who loaded.
    wire.loader(&ipxe(0, 30, GOOD));
    assert!(wire.is_script(&ipxe(0, 31, GOOD)), "a new transaction after the offer is our iPXE");
}

#[tokio::test]
async fn an_ipxe_that_says_nothing_of_itself_is_believed_once_it_is_ours() {
    let wire = Wire::armed_with(BootOptions::default()).await;
    wire.loader(&ipxe(7, 1, &[]));
    assert!(wire.is_script(&ipxe(7, 2, &[])));
}

#[tokio::test]
async fn a_machine_that_loads_ipxe_three_times_and_never_comes_for_its_script_is_left_alone() {
    let wire = Wire::armed_with(BootOptions::default()).await;
    for boot in 0..3 {
        wire.loader(&firmware(7, boot, 0));
        wire.loads("snponly.efi", false);
        wire.loads("snponly.efi", true);
        wire.pass(40);
    }
    assert_eq!(wire.offer(&firmware(7, 9, 0)), BootOffer::Silence(SilenceReason::LoaderLoop));
    let http = BootRequest { transport: Transport::Http, ..firmware(16, 10, 0) };
    assert_eq!(wire.offer(&http), BootOffer::Silence(SilenceReason::LoaderLoop), "nor by its other way of booting");
    assert!(matches!(wire.offer(&firmware(0, 11, 0)), BootOffer::Loader(_)), "in BIOS mode it may fare better");
    assert!(wire.is_script(&ipxe(7, 12, GOOD)), "the script it may still have");
    wire.pass(300);
    wire.loader(&firmware(7, 13, 0));
}

#[tokio::test]
async fn a_fetched_script_is_the_end_of_a_loop() {
    let wire = Wire::armed_with(BootOptions::default()).await;
    for boot in 0..9 {
        wire.loader(&firmware(7, boot, 0));
        wire.loads("snponly.efi", true);
        wire.script(None, "x86_64").await;
    }
}

#[tokio::test]
async fn firmware_that_does_not_follow_is_led_the_other_way_unless_the_operator_decided() {
    let cycle = |wire: &Wire, transaction| [0, 4, 12, 28].map(|s| wire.loader(&firmware(7, transaction, s)).discovery);
    let wire = Wire::armed_with(BootOptions::default()).await;
    assert_eq!(cycle(&wire, 1), [Discovery::BootServer; 4]);
    assert_eq!(cycle(&wire, 2), [Discovery::BootServer; 4]);
    assert_eq!(cycle(&wire, 3), [Discovery::Direct; 4]);
    assert_eq!(wire.loader(&firmware(0, 4, 0)).discovery, Discovery::Direct, "its BIOS is another firmware");
    for (choice, way) in
        [(DiscoveryChoice::Direct, Discovery::Direct), (DiscoveryChoice::BootServer, Discovery::BootServer)]
    {
        let wire = Wire::armed_with(BootOptions { discovery: choice, ..BootOptions::default() }).await;
        assert!((0..5).all(|transaction| cycle(&wire, transaction) == [way; 4]));
    }
}

#[tokio::test]
async fn a_dhcp_server_that_leads_a_machine_away_is_named_in_the_trace() {
    let mut wire = Wire::armed_with(BootOptions::default()).await;
    let seen = Arc::new(Seen::default());
    wire.offers.trace = seen.clone();
    let server = Ipv4Addr::new(192, 0, 2, 254);
    wire.offer(&firmware(7, 1, 0));
    wire.offers.overheard(&TakenAddress { mac: mac(), server });
    wire.offer(&firmware(7, 2, 0));
    let told = seen.0.lock().unwrap().iter().filter(|what| what.contains("192.0.2.254")).count();
    assert_eq!(told, 1, "{:?}", seen.0);
    assert!(seen.0.lock().unwrap().last().unwrap().contains("option 60"));
    wire.script(None, "x86_64").await;
    wire.offer(&firmware(7, 3, 0));
    assert!(!seen.0.lock().unwrap().last().unwrap().contains("option 60"), "it has come to us since");
}

/// What was told of offers.
#[derive(Default)]
struct Seen(std::sync::Mutex<Vec<String>>);

impl BootTrace for Seen {
    fn saw(&self, _: MacAddress, milestone: Milestone) {
        if let Milestone::Offered { what } = milestone {
            self.0.lock().unwrap().push(what);
        }
    }
}

#[tokio::test]
async fn a_host_may_be_given_another_boot_file_of_its_firmware_and_only_one_that_there_is() {
    let with = |file: &str| BootOptions { boot_file: Some(file.into()), ..BootOptions::default() };
    let wire = Wire::armed_with(with("ipxe.efi")).await;
    assert_eq!(wire.loader(&firmware(7, 1, 0)).file, "b/525400000001/ipxe.efi");
    let http = BootRequest { transport: Transport::Http, ..firmware(16, 2, 0) };
    assert_eq!(wire.loader(&http).file, "http://192.0.2.1:8081/loader/b/525400000001/ipxe.efi");
    assert_eq!(wire.loader(&firmware(0, 3, 0)).file, "b/525400000001/undionly.kpxe", "BIOS cannot run it");
    let wire = Wire::armed_with(with("ipxe.pxe")).await;
    assert_eq!(wire.offer(&firmware(0, 1, 0)), BootOffer::Silence(SilenceReason::NoBootFile));
}

#[tokio::test]
async fn an_unarmed_host_gets_silence_or_its_own_disk_as_the_operator_set_it() {
    let world = RebuildWorld::new();
    let host = world.register("pve-01", MAC).await.id;
    let mut wire = Wire::of(world, host, BootOptions::default()).await;
    let questions = [firmware(0, 1, 0), firmware(7, 2, 0), ipxe(7, 3, GOOD)];
    for question in &questions {
        assert_eq!(wire.offer(question), BootOffer::Silence(SilenceReason::NotArmed));
    }
    wire.offers.unarmed = Unarmed::LocalDisk;
    assert_eq!(wire.loader(&questions[0]).file, "b/525400000001/undionly.kpxe");
    assert_eq!(wire.loader(&questions[1]).file, "b/525400000001/snponly.efi");
    let url = "http://192.0.2.1:8081/ipxe/52:54:00:00:00:01";
    assert_eq!(wire.offer(&questions[2]), BootOffer::Script(url.into()), "no token: nothing can be installed with it");
    let script = wire.script(None, "x86_64").await;
    assert!(script.contains("is `registered`; it boots its own disk"), "{script}");
    assert!(script.contains("sanboot --no-describe --drive 0x80 || sanboot --no-describe --drive 0x81 || exit 1"));
    assert_eq!(wire.offers.autoexec(mac(), OUR), None);
    let stranger = BootRequest::new("52:54:00:00:00:99".parse().unwrap(), 7);
    assert_eq!(wire.offer(&stranger), BootOffer::Silence(SilenceReason::NotRegistered), "never a machine of others");
    assert_eq!(wire.world.host(&wire.host).await.state, rackseed::domain::host_lifecycle::HostState::Registered);
}

#[tokio::test]
async fn a_rebuild_that_waited_too_long_leaves_the_disk_to_boot_as_well() {
    let mut wire = Wire::armed_with(BootOptions::default()).await;
    wire.offers.unarmed = Unarmed::LocalDisk;
    let BootOffer::Script(armed) = wire.offer(&ipxe(7, 1, GOOD)) else { panic!("a script") };
    assert!(armed.contains("?b="));
    wire.pass(3700);
    assert_eq!(wire.offer(&ipxe(7, 2, GOOD)), BootOffer::Script("http://192.0.2.1:8081/ipxe/52:54:00:00:00:01".into()));
}

#[tokio::test]
async fn a_machine_that_cannot_be_installed_is_told_so_on_its_console_and_stays_armed() {
    let wire = Wire::armed_with(BootOptions::default()).await;
    let BootOffer::Script(url) = wire.offer(&ipxe(11, 1, GOOD)) else { panic!("a script") };
    let token = url.split("?b=").nth(1).unwrap();
    for (processor, why) in [("arm64", "64-bit Arm processor"), ("i386", "32-bit UEFI")] {
        let script = wire.script(Some(token), processor).await;
        assert!(
            script.contains("pve-01 cannot be installed: its") || script.contains("pve-01 cannot be installed: it")
        );
        assert!(script.contains(why) && !script.contains("proxmox-kernel"), "{script}");
    }
    assert!(wire.script(Some(token), "x86_64").await.contains("proxmox-kernel"));
}
