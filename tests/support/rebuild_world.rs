//! Everything that a rebuild needs, with the real store and the real catalog, and machines and nodes that exist only in memory.

mod desks;

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::SignedDuration;
use rackseed::{
    catalog::{CatalogFolders, FolderCatalog},
    domain::{
        boot_request::Unarmed,
        host::{Host, HostFacts},
        host_lifecycle::{HostEvent, HostState},
        identity::{HostId, ImageId, OperationId},
        image::{Image, ImagePart, InstallerRelease},
        rebuild::{RebuildMarks, TokenPurpose},
    },
    operations::{Advance, ClusterSettings, Engine, MemberCredential, OperationDesk, RebuildDesk, World},
    ports::{
        BootFileShelf, Clock, Doorbell, HostLedger, HostRecord, ImageLedger, ImageLibrary, ImageLibraryError,
        Infrastructure, InfrastructureError, LedgerError, NoTrace, OperationJournal, RebuildLedger, RemoteShell,
        Segment, ServedFile,
    },
    provisioning::{
        AnswerDesk, BootDesk, BootOffers, CheckIn, Enrolment, HostKeeper, MachineUrls, Move, OwnCertificate, Patience,
        RefusalLog, Sightings,
    },
    remote_shell::Ssh,
    store::{KeyFile, Store},
};

use super::{clock::TestClock, nodes::Nodes, power::MemoryPower};

/// The host key that every machine in memory reports.
const HOST_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// More moves than any rebuild takes.
const MOST_MOVES: usize = 600;

/// One image, without files.
pub(crate) struct OneImage(pub(crate) Option<Image>);

#[async_trait]
impl ImageLibrary for OneImage {
    async fn images(&self) -> Result<Vec<Image>, LedgerError> {
        Ok(self.0.iter().cloned().collect())
    }

    async fn image(&self, id: &ImageId) -> Result<Option<Image>, LedgerError> {
        Ok(self.0.clone().filter(|image| image.id == *id))
    }

    async fn open(&self, _: &ImageId, _: ImagePart, settings: Option<&str>) -> Result<ServedFile, ImageLibraryError> {
        let text = settings.unwrap_or("a part").to_owned();
        Ok(ServedFile::new("\"text\"".into(), vec![Segment::Memory(text.into())]))
    }
}

/// The two boot files that every iPXE folder has, and one that some have.
struct UsualBootFiles;

impl BootFileShelf for UsualBootFiles {
    fn boot_file(&self, name: &str) -> Option<ServedFile> {
        let tag = format!("\"{name}\"");
        let bytes = Segment::Memory(format!("the bytes of {name}").into());
        self.has(name).then(|| ServedFile::new(tag, vec![bytes]))
    }

    fn has(&self, name: &str) -> bool {
        ["undionly.kpxe", "snponly.efi", "ipxe.efi"].contains(&name)
    }
}

/// The inventory service: fails as often as it is told to.
#[derive(Default)]
pub(crate) struct Inventory {
    pub(crate) failures: std::sync::Mutex<u32>,
    pub(crate) records: std::sync::Mutex<Vec<HostRecord>>,
}

#[async_trait]
impl Infrastructure for Inventory {
    fn is_on(&self) -> bool {
        true
    }

    async fn register(&self, record: &HostRecord) -> Result<(), InfrastructureError> {
        let mut failures = self.failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return Err(InfrastructureError("answered 503: busy".into()));
        }
        self.records.lock().unwrap().push(record.clone());
        Ok(())
    }
}

/// The whole of it.
pub(crate) struct RebuildWorld {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) inventory: Arc<Inventory>,
    pub(crate) power: Arc<MemoryPower>,
    pub(crate) world: Arc<World>,
    /// The host keys that machines report; those in memory report all the same one.
    pub(crate) host_keys: std::sync::Mutex<BTreeMap<Ipv4Addr, String>>,
    pub(crate) catalog: Arc<FolderCatalog>,
    refusals: Arc<RefusalLog>,
}

impl RebuildWorld {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("data")).unwrap());
        let clock = Arc::new(TestClock::default());
        let nodes = Arc::new(Nodes::default());
        let (inventory, power) = (Arc::new(Inventory::default()), Arc::new(MemoryPower::default()));
        let path = |name: &str| folder.path().join(name);
        let folders = CatalogFolders {
            answer_templates: path("answer-templates"),
            server_types: path("server-types"),
            ipxe: path("ipxe"),
        };
        let catalog = Arc::new(FolderCatalog::open(folders, clock.clone()).unwrap());
        let key_file = Arc::new(KeyFile::open(&folder.path().join("data")).unwrap());
        let world = Arc::new(build(&store, store.clone(), &clock, &nodes, (&inventory, &power), &key_file));
        let refusals = Arc::new(RefusalLog::new(store.clone(), clock.clone()));
        Self {
            folder,
            store,
            clock,
            nodes,
            inventory,
            power,
            world,
            host_keys: std::sync::Mutex::default(),
            catalog,
            refusals,
        }
    }

    /// The same world after a restart, with another journal in front of the same store.
    pub(crate) fn restarted(&self, journal: Arc<dyn OperationJournal>) -> Arc<World> {
        let key_file = Arc::new(KeyFile::open(&self.folder.path().join("data")).unwrap());
        Arc::new(build(&self.store, journal, &self.clock, &self.nodes, (&self.inventory, &self.power), &key_file))
    }

    /// The same world on another database.
    pub(crate) fn on(&self, store: &Arc<Store>, key_file: &Arc<KeyFile>) -> Arc<World> {
        Arc::new(build(store, store.clone(), &self.clock, &self.nodes, (&self.inventory, &self.power), key_file))
    }

    /// Puts nodes and a cluster that exist outside in the place of those in memory.
    pub(crate) fn use_nodes(&mut self, shell: Arc<dyn RemoteShell>, cluster: ClusterSettings) {
        let key_file = Arc::new(KeyFile::open(&self.folder.path().join("data")).unwrap());
        let outside = (&self.inventory, &self.power);
        let world = build(&self.store, self.store.clone(), &self.clock, &self.nodes, outside, &key_file);
        self.world = Arc::new(World { shell, cluster, ..world });
    }

    pub(crate) async fn register(&self, name: &str, mac: &str) -> Host {
        // A rebuild begins only with an image that has a row; a test may have written its own.
        let _ = ImageLedger::insert(self.store.as_ref(), &image()).await;
        self.enrolment().register(name, mac, "generic-sata").await.unwrap()
    }

    /// Registers a host with a power driver and arms its rebuild; its node will be at `10.0.0.LAST`.
    pub(crate) async fn armed(&self, name: &str, last: u8) -> (HostId, OperationId) {
        let host = self.register(name, &format!("52:54:00:00:00:{last:02x}")).await;
        let driver = serde_json::json!({ "power": { "driver": "wake_on_lan" } });
        self.enrolment().change_options(&host.id, &driver).await.unwrap();
        self.arm(&host, last).await
    }

    /// The same for a host that people switch on.
    pub(crate) async fn armed_without_driver(&self, name: &str, last: u8) -> (HostId, OperationId) {
        let host = self.register(name, &format!("52:54:00:00:00:{last:02x}")).await;
        self.arm(&host, last).await
    }

    async fn arm(&self, host: &Host, last: u8) -> (HostId, OperationId) {
        let name = host.hostname.as_str();
        self.nodes.add(Ipv4Addr::new(10, 0, 0, last), name, None);
        let view = self.rebuild_desk(Some(image())).request(&host.id, Some(name), None).await.unwrap();
        (host.id.clone(), view.operation.id)
    }

    /// Two ready members, `pve-01` and `pve-02`, of which the second one's next rebuild is armed.
    pub(crate) async fn armed_member(&self) -> (HostId, OperationId) {
        self.ready_member("pve-01", 1).await;
        let second = self.ready_member("pve-02", 2).await;
        let driver = serde_json::json!({ "power": { "driver": "wake_on_lan" } });
        self.enrolment().change_options(&second, &driver).await.unwrap();
        let view = self.rebuild_desk(Some(image())).request(&second, Some("pve-02"), None).await.unwrap();
        (second, view.operation.id)
    }

    /// A host at `10.0.0.LAST` that is a ready member, without the long way there.
    pub(crate) async fn ready_member(&self, name: &str, last: u8) -> HostId {
        let host = self.register(name, &format!("52:54:00:00:00:{last:02x}")).await;
        let address = Ipv4Addr::new(10, 0, 0, last);
        self.nodes.add(address, name, Some("rackseed"));
        self.nodes.change(address, |node| node.has_key = false);
        let facts = HostFacts {
            address: Some(address),
            ssh_host_key: Some(HOST_KEY.into()),
            is_member: Some(true),
            ..HostFacts::default()
        };
        for event in [
            HostEvent::RebuildRequested,
            HostEvent::BootScriptServed,
            HostEvent::AnswerServed,
            HostEvent::InstallReported,
            HostEvent::PhonedHome,
            HostEvent::JoinStarted,
            HostEvent::JoinVerified,
        ] {
            let seen = self.host(&host.id).await;
            let details = Move { facts: facts.clone(), ..Move::default() };
            self.world.keeper.apply(&seen, event, details).await.unwrap();
        }
        host.id
    }

    pub(crate) async fn host(&self, id: &HostId) -> Host {
        HostLedger::host(self.store.as_ref(), id).await.unwrap().unwrap()
    }

    /// Moves an operation until it rests; the machine does its part whenever the operation waits. An error ends it: that is how a test
    /// kills the engine.
    pub(crate) async fn run(
        &self,
        world: &Arc<World>,
        host: &HostId,
        operation: &OperationId,
    ) -> Result<(), LedgerError> {
        let engine = Engine::new(world.clone());
        for _ in 0..MOST_MOVES {
            match engine.advance(operation).await? {
                Advance::Again => {}
                Advance::Rest => return Ok(()),
                Advance::NotBefore(_) => {
                    self.machine_acts(world, host).await;
                    self.clock.advance(SignedDuration::from_secs(2));
                }
            }
        }
        panic!("the operation never rests");
    }

    /// What the machine does next, as the desks would record it.
    pub(crate) async fn machine_acts(&self, world: &World, id: &HostId) {
        let host = self.host(id).await;
        let (Some(operation), now) = (host.operation.clone(), self.clock.now()) else { return };
        let address = Ipv4Addr::new(10, 0, 0, host.mac.bytes()[5]);
        let host_key = self.host_keys.lock().unwrap().get(&address).cloned().unwrap_or_else(|| HOST_KEY.into());
        let rebuild = self.store.rebuild(&operation).await.unwrap().unwrap();
        if host.state == HostState::PxeReady {
            self.nodes.change(address, |node| node.online = false);
        }
        // The desks give nothing to a machine that must leave its cluster first.
        if host.state == HostState::PxeBooted && rebuild.must_leave() {
            return;
        }
        if host.state == HostState::Installing {
            self.nodes.reinstall(address);
        }
        let (event, facts, marks) = match host.state {
            HostState::PxeReady => (
                HostEvent::BootScriptServed,
                HostFacts::default(),
                RebuildMarks { script_address: Some(address), ..RebuildMarks::default() },
            ),
            HostState::PxeBooted => (
                HostEvent::AnswerServed,
                HostFacts { installed_at: Some(now), ..HostFacts::default() },
                RebuildMarks { answered_at: Some(now), ..RebuildMarks::default() },
            ),
            HostState::Installing => (
                HostEvent::InstallReported,
                HostFacts { ssh_host_key: Some(host_key), ..HostFacts::default() },
                RebuildMarks { installed_at: Some(now), ..RebuildMarks::default() },
            ),
            HostState::Installed => (
                HostEvent::PhonedHome,
                HostFacts { address: Some(address), hardware_id: Some("uuid".into()), ..HostFacts::default() },
                RebuildMarks { phoned_home_at: Some(now), ..RebuildMarks::default() },
            ),
            HostState::Registered
            | HostState::FirstBoot
            | HostState::Joining
            | HostState::Ready
            | HostState::Failed => return,
        };
        world
            .keeper
            .apply(&host, event, Move { facts, marks: Some((operation, marks)), ..Move::default() })
            .await
            .unwrap();
    }
}

fn certificate() -> OwnCertificate {
    OwnCertificate { pem: "PEM".into(), name: "rackseed.internal".into(), fingerprint: "0".repeat(64) }
}

pub(crate) fn urls() -> MachineUrls {
    MachineUrls { boot_port: 8081, machine_port: 8443, public_url: None, public_machine_url: None }
}

pub(crate) fn image() -> Image {
    Image {
        id: "pve-9.2-1-test".parse().unwrap(),
        product: "pve".into(),
        product_name: "Proxmox VE".into(),
        release: InstallerRelease { major: 9, minor: 2 },
        iso_release: "1".into(),
        source_name: "test.iso".into(),
        source_sha256: "0".repeat(64),
        iso_size_bytes: 1,
        settings_offset_bytes: 0,
        settings_size_bytes: 1,
        added_at: TestClock::default().now(),
        is_default: false,
        files: None,
    }
}

fn build(
    store: &Arc<Store>,
    journal: Arc<dyn OperationJournal>,
    clock: &Arc<TestClock>,
    nodes: &Arc<Nodes>,
    (inventory, power): (&Arc<Inventory>, &Arc<MemoryPower>),
    key_file: &Arc<KeyFile>,
) -> World {
    let keeper =
        HostKeeper::new(store.clone(), store.clone(), key_file.clone(), clock.clone(), Arc::new(Doorbell::default()));
    World {
        keeper: Arc::new(keeper),
        hosts: store.clone(),
        rebuilds: store.clone(),
        journal,
        gates: store.clone(),
        certificates: store.clone(),
        shell: nodes.clone(),
        ssh_keys: Arc::new(Ssh),
        power: power.clone(),
        secrets: key_file.clone(),
        infrastructure: inventory.clone(),
        clock: clock.clone(),
        cluster: ClusterSettings {
            existing_node: None,
            existing_node_ssh_host_key: None,
            join_fingerprint: None,
            cluster_name: "rackseed".into(),
            credential: Some(MemberCredential::Key("a key".to_owned().into())),
            links: BTreeMap::new(),
            ssh_port: 22,
            confirm_host_key: false,
        },
        server_type_map: BTreeMap::new(),
        patience: Patience::default(),
        pauses: Arc::default(),
    }
}
