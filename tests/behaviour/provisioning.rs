//! What booting machines, installers and nodes are given, and what they are refused.

use std::net::Ipv4Addr;

use jiff::SignedDuration;
use rackseed::{
    domain::{
        boot_request::{BootOffer, BootRequest, SilenceReason},
        host_lifecycle::HostState,
        identity::{HostId, OperationId},
        image::ImagePart,
        installer::{InstallReport, PhoneHomeReport, SystemReport},
        ipxe::Ipxe,
        live_event::Topic,
        rebuild::TokenPurpose,
    },
    ports::{LiveFeed, RebuildLedger},
    provisioning::{AnswerRequest, Refusal, ScriptRequest},
};
use serde_json::json;

use crate::support::{rebuild_world::RebuildWorld, served::bytes_of};

const MAC: &str = "52:54:00:00:00:01";
const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 50);
const OTHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 66);
const OUR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// A world with one armed host, and the way of its machine through it.
struct Machine {
    world: RebuildWorld,
    host: HostId,
    operation: OperationId,
}

impl Machine {
    async fn armed() -> Self {
        let world = RebuildWorld::new();
        let (host, operation) = world.armed("pve-01", 1).await;
        Self { world, host, operation }
    }

    async fn token(&self, purpose: TokenPurpose) -> String {
        self.world.token(&self.operation, purpose).await
    }

    fn offer(&self, architecture: u16, is_ipxe: bool) -> BootOffer {
        let ipxe = is_ipxe.then(|| Ipxe::read(&[0x13, 1, 1, 0x18, 1, 1, 0x24, 1, 1, 0xeb, 3, 2, 0, 0]));
        let request = BootRequest { ipxe, ..BootRequest::new(MAC.parse().unwrap(), architecture) };
        self.world.boot_offers().offer(&request, OUR)
    }

    async fn script(&self, token: Option<&str>, platform: &str, version: &str, peer: Ipv4Addr) -> String {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let request = ScriptRequest {
            mac: MAC.into(),
            token: token.map(str::to_owned),
            platform: some(platform),
            version: some(version),
            processor: None,
            peer,
            our: OUR,
        };
        self.world.boot_desk().script(&request).await
    }

    /// Boots up to the point at which the installer asks for its answer.
    async fn loads_the_installer(&self) {
        let token = self.token(TokenPurpose::Boot).await;
        assert!(self.script(Some(&token), "pcbios", "1.0.0", PEER).await.contains("kernel --name proxmox-kernel"));
        self.file(&token, PEER).await.unwrap();
    }

    async fn file(&self, token: &str, peer: Ipv4Addr) -> Result<String, Refusal> {
        let file = self.world.boot_desk().file(token, ImagePart::InstallerIso, peer, OUR).await?.file;
        Ok(String::from_utf8(bytes_of(&file, 0..file.length())).unwrap())
    }

    async fn answer(&self, token: &str, mac: &str, peer: Ipv4Addr) -> Result<String, Refusal> {
        let report: SystemReport = serde_json::from_value(json!({
            "iso": {"release": "9.2", "isorelease": "1"}, "dmi": {"system": {"uuid": "4c4c"}},
            "network_interfaces": [{"link": "eno1", "mac": mac}],
        }))
        .unwrap();
        let request = AnswerRequest { token: Some(token.into()), bearer: None, report, peer, our: OUR };
        self.world.answers().answer(&request).await
    }

    async fn state(&self) -> HostState {
        self.world.host(&self.host).await.state
    }

    async fn warnings(&self) -> Vec<String> {
        let events = self.world.store.events_after(0, 1000).await.unwrap();
        events.into_iter().filter(|event| event.topic == Topic::Warning).map(|event| event.message).collect()
    }

    async fn refused(&self) -> Option<String> {
        self.world.store.rebuild(&self.operation).await.unwrap().unwrap().marks.refused
    }
}

#[tokio::test]
async fn only_an_armed_machine_is_offered_anything() {
    let machine = Machine::armed().await;
    assert!(matches!(machine.offer(0, false), BootOffer::Loader(it) if it.file == "b/525400000001/undionly.kpxe"));
    assert!(matches!(machine.offer(7, false), BootOffer::Loader(it) if it.file == "b/525400000001/snponly.efi"));
    let BootOffer::Script(url) = machine.offer(7, true) else { panic!("iPXE gets its script") };
    assert!(url.starts_with(&format!("http://192.0.2.1:8081/ipxe/{MAC}?b=")) && url.len() <= 127, "{url}");
    assert_eq!(machine.offer(27, false), BootOffer::Silence(SilenceReason::UnknownArchitecture));
    assert_eq!(machine.offer(11, false), BootOffer::Silence(SilenceReason::NoBootFile));
    let stranger = BootRequest::new("52:54:00:00:00:99".parse().unwrap(), 0);
    assert_eq!(machine.world.boot_offers().offer(&stranger, OUR), BootOffer::Silence(SilenceReason::NotRegistered));
}

#[tokio::test]
async fn arming_expires_and_a_clock_that_jumps_back_disarms() {
    let machine = Machine::armed().await;
    let token = machine.token(TokenPurpose::Boot).await;
    for jump in [SignedDuration::from_mins(61), SignedDuration::from_mins(-120)] {
        machine.world.clock.advance(jump);
        assert_eq!(machine.offer(0, false), BootOffer::Silence(SilenceReason::ArmingExpired));
        let script = machine.script(Some(&token), "pcbios", "2.0.0", PEER).await;
        assert!(script.contains("sanboot") && !script.contains("proxmox-kernel"), "{script}");
    }
    assert_eq!(machine.state().await, HostState::PxeReady);
}

#[tokio::test]
async fn a_script_without_this_rebuilds_token_boots_the_local_disk() {
    let machine = Machine::armed().await;
    for token in [None, Some("wrong"), Some(machine.token(TokenPurpose::Answer).await.as_str())] {
        let script = machine.script(token, "efi", "2.0.0", PEER).await;
        assert!(
            script.starts_with("#!ipxe") && script.contains("sanboot") && !script.contains("proxmox-kernel"),
            "{script}"
        );
    }
    assert_eq!(machine.state().await, HostState::PxeReady);
    assert_eq!(machine.warnings().await.len(), 1, "the same refusal is told once: {:?}", machine.warnings().await);
}

#[tokio::test]
async fn ipxe_says_who_it_is_first_and_an_old_one_is_refused_on_uefi_alone() {
    let machine = Machine::armed().await;
    let token = machine.token(TokenPurpose::Boot).await;
    let identify = machine.script(Some(&token), "", "", PEER).await;
    assert!(
        identify.contains(&format!("/ipxe/{MAC}?b={token}&platform=${{platform}}&version=${{version:uristring}}")),
        "{identify}"
    );
    let old = machine.script(Some(&token), "efi", "1.0.0+git-20190125.36a4c85", PEER).await;
    assert!(old.contains("too old") && !old.contains("proxmox-kernel"), "{old}");
    assert_eq!(machine.state().await, HostState::PxeReady, "nothing is spent by a refusal");
    let install = machine.script(Some(&token), "efi", "2.0.0", PEER).await;
    assert!(install.contains("ramdisk_size=16777216 rw quiet splash=silent proxmox-start-auto-installer"), "{install}");
    assert!(install.contains("/installer.iso /proxmox.iso") && !install.contains("initrd="), "{install}");
    assert_eq!(machine.state().await, HostState::PxeBooted);
    assert_eq!(machine.script(Some(&token), "efi", "2.0.0", PEER).await, install, "firmware asks twice");
}

#[tokio::test]
async fn a_wrong_mac_address_gets_a_script_that_says_so() {
    let machine = Machine::armed().await;
    let request = ScriptRequest {
        mac: "zz${net0/ip}||".into(),
        token: None,
        platform: None,
        version: None,
        processor: None,
        peer: PEER,
        our: OUR,
    };
    let script = machine.world.boot_desk().script(&request).await;
    assert!(
        script.starts_with("#!ipxe") && script.contains("is not a MAC address") && !script.contains("${net0"),
        "{script}"
    );
}

#[tokio::test]
async fn the_iso_goes_only_to_the_machine_that_fetched_the_script() {
    let machine = Machine::armed().await;
    let token = machine.token(TokenPurpose::Boot).await;
    assert!(matches!(machine.file(&token, PEER).await, Err(Refusal::Forbidden(_))), "before the script");
    machine.script(Some(&token), "pcbios", "2.0.0", PEER).await;
    let settings = machine.file(&token, PEER).await.unwrap();
    let answer = machine.token(TokenPurpose::Answer).await;
    assert!(settings.contains(&format!("url = \"https://192.0.2.1:8443/api/boot/answer?t={answer}\"")), "{settings}");
    assert!(toml::from_str::<toml::Table>(&settings).unwrap()["http"].get("cert_fingerprint").is_some());
    assert!(matches!(machine.file(&token, OTHER).await, Err(Refusal::Forbidden(_))));
    assert!(machine.refused().await.unwrap().contains("two machines claimed this rebuild"));
    assert!(matches!(machine.file(&token, PEER).await, Err(Refusal::Forbidden(_))), "and then to nobody");
}

#[tokio::test]
async fn an_answer_is_served_once_and_again_only_to_the_same_machine_soon() {
    let machine = Machine::armed().await;
    let token = machine.token(TokenPurpose::Answer).await;
    machine.loads_the_installer().await;
    let answer = machine.answer(&token, &MAC.to_uppercase(), PEER).await.unwrap();
    assert_eq!(machine.state().await, HostState::Installing);
    assert_eq!(machine.answer(&token, &MAC.to_uppercase(), PEER).await.unwrap(), answer);
    assert_eq!(machine.offer(0, false), BootOffer::Silence(SilenceReason::NotArmed), "from here on it boots its disk");
    let boot = machine.token(TokenPurpose::Boot).await;
    assert!(!machine.script(Some(&boot), "pcbios", "2.0.0", PEER).await.contains("proxmox-kernel"));
    machine.world.clock.advance(SignedDuration::from_secs(121));
    assert!(matches!(machine.answer(&token, MAC, PEER).await, Err(Refusal::Forbidden(_))));
    assert!(machine.refused().await.is_some(), "and the operation parks");
}

#[tokio::test]
async fn an_answer_is_refused_to_another_machine_and_the_rebuild_stops() {
    for (mac, peer, because) in
        [("52:54:00:00:00:99", PEER, "without the MAC address"), (MAC, OTHER, "one DHCP address")]
    {
        let machine = Machine::armed().await;
        machine.loads_the_installer().await;
        let token = machine.token(TokenPurpose::Answer).await;
        let refusal = machine.answer(&token, mac, peer).await.unwrap_err();
        assert!(matches!(&refusal, Refusal::Forbidden(why) if why.contains(because)), "{refusal}");
        assert_eq!(machine.state().await, HostState::PxeBooted, "nothing was served");
        machine.world.run(&machine.world.world, &machine.host, &machine.operation).await.unwrap();
        assert_eq!(machine.state().await, HostState::Failed);
        assert!(machine.world.host(&machine.host).await.reason.unwrap().contains(because));
    }
}

#[tokio::test]
async fn an_answer_before_its_turn_or_with_another_token_is_refused() {
    let machine = Machine::armed().await;
    let token = machine.token(TokenPurpose::Answer).await;
    assert!(matches!(machine.answer(&token, MAC, PEER).await, Err(Refusal::Forbidden(_))), "before the boot script");
    machine.loads_the_installer().await;
    for wrong in ["", "wrong", machine.token(TokenPurpose::Boot).await.as_str()] {
        assert!(matches!(machine.answer(wrong, MAC, PEER).await, Err(Refusal::Forbidden(_))), "{wrong}");
    }
    assert_eq!(machine.state().await, HostState::PxeBooted);
}

#[tokio::test]
async fn reports_are_believed_once_repeated_harmlessly_and_refused_from_others() {
    let machine = Machine::armed().await;
    machine.loads_the_installer().await;
    machine.answer(&machine.token(TokenPurpose::Answer).await, MAC, PEER).await.unwrap();
    let (check_in, host) = (machine.world.check_in(), &machine.host);
    let (script, installed) =
        (machine.token(TokenPurpose::FirstBootScript).await, machine.token(TokenPurpose::Installed).await);
    let home = machine.token(TokenPurpose::PhoneHome).await;
    let phone: PhoneHomeReport =
        serde_json::from_value(json!({"address": "192.0.2.50", "hardware_id": "4c4c"})).unwrap();
    assert!(check_in.first_boot_script(host, &script, PEER, OUR).await.unwrap().contains(&home));
    assert!(
        matches!(check_in.phone_home(host, &home, &phone, PEER).await, Err(Refusal::NotNow(_))),
        "before the webhook"
    );
    let report: InstallReport = serde_json::from_value(
        json!({"ssh-public-host-keys": {"ed25519": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIabc x"}}),
    )
    .unwrap();
    assert!(
        matches!(check_in.installed(host, &home, &report, PEER).await, Err(Refusal::Forbidden(_))),
        "another purpose's token"
    );
    for _ in 0..2 {
        check_in.installed(host, &installed, &report, PEER).await.unwrap();
        assert_eq!(machine.state().await, HostState::Installed);
    }
    for _ in 0..2 {
        check_in.phone_home(host, &home, &phone, PEER).await.unwrap();
        assert_eq!(machine.state().await, HostState::FirstBoot);
    }
    let (other, _) = machine.world.armed("pve-02", 2).await;
    assert!(
        matches!(check_in.phone_home(&other, &home, &phone, PEER).await, Err(Refusal::Forbidden(_))),
        "another host's token"
    );
    machine.world.operations().cancel(&machine.operation).await.unwrap();
    check_in.installed(host, &installed, &report, PEER).await.expect("a repeat after the end is answered as before");
    assert_eq!(machine.state().await, HostState::Failed);
    machine
        .world
        .rebuild_desk(Some(crate::support::rebuild_world::image()))
        .request(host, Some("pve-01"), None)
        .await
        .unwrap();
    assert!(
        matches!(check_in.installed(host, &installed, &report, PEER).await, Err(Refusal::Forbidden(_))),
        "an older rebuild's token"
    );
}

#[tokio::test]
async fn an_unreadable_host_key_is_heard_and_never_pinned() {
    let machine = Machine::armed().await;
    machine.loads_the_installer().await;
    machine.answer(&machine.token(TokenPurpose::Answer).await, MAC, PEER).await.unwrap();
    let report: InstallReport =
        serde_json::from_value(json!({"ssh-public-host-keys": {"ed25519": "unknown"}})).unwrap();
    let token = machine.token(TokenPurpose::Installed).await;
    machine
        .world
        .check_in()
        .installed(&machine.host, &token, &report, PEER)
        .await
        .expect("a refused webhook would park the machine");
    machine.world.run(&machine.world.world, &machine.host, &machine.operation).await.unwrap();
    let host = machine.world.host(&machine.host).await;
    assert_eq!((host.state, host.ssh_host_key), (HostState::Failed, None));
}
