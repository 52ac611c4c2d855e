//! A house that people live in: three nodes that the simulator has really installed and joined, hosts in every state, an operation that
//! needs attention, strangers on the network, a batch, names as long and hardware as hostile as they may be.

use std::{collections::BTreeMap, fs, sync::Arc, time::Duration};

use jiff::Timestamp;
use rackseed::{
    daemon::{Daemon, RunningDaemon, SystemClock},
    domain::{
        hardware::{Disk, Hardware, Nic},
        host::HostFacts,
        host_lifecycle::HostEvent,
        identity::{HostId, OperationId},
        operation::{JournalEntry, JournalEvent},
    },
    ports::{Doorbell, ImageLedger, OperationJournal},
    provisioning::{HostKeeper, Move},
    settings::Settings,
    simulator::{Demo, DemoStage},
    store::{KeyFile, Store},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::house::{Answer, client_with_token, command_line_token};

/// The longest name that a host may have.
pub(crate) const LONG_NAME: &str = "a-host-with-the-longest-name-that-a-label-of-the-dns-may-have";
/// What a machine may say of itself to do harm to whoever looks at it, or only to a narrow page.
const HOSTILE: &str =
    "<img src=x onerror=alert(1)>\"'&lt;ThisIsOneVeryLongWordWithoutAnyPlaceAtWhichItMayBeBrokenIntoLines0123456789";
/// How many hosts there are beside those with a story.
const CROWD: usize = 14;
/// Somebody to be told, who never answers.
const TARGETS: &str = "notifications:\n  targets:\n    - {name: chat, kind: webhook, url: 'http://127.0.0.1:9/hook'}\n    \
                       - {name: phone, kind: ntfy, url: 'http://127.0.0.1:9/rack', events: [needs_attention]}\n";

/// The house.
pub(crate) struct Peopled {
    pub(crate) demo: Demo<RunningDaemon>,
    pub(crate) client: reqwest::Client,
    /// Ids of hosts by name.
    pub(crate) hosts: BTreeMap<String, String>,
    /// The operation that needs attention.
    pub(crate) parked: String,
    /// One that has succeeded.
    pub(crate) succeeded: String,
    /// A batch of rebuilds.
    pub(crate) batch: String,
    folder: TempDir,
}

impl Peopled {
    /// Lets everybody move in.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        #[expect(clippy::disallowed_methods, reason = "the daemon has the system's clock")]
        let now = Timestamp::now();
        let mut demo = Demo::begin(Some(&folder.path().join("house")), now, start).await.unwrap();
        demo.run_until_ready(&|_| ()).await.unwrap();
        let client = client_with_token(&command_line_token(&demo.folder().join("data")));
        let nobody = String::new;
        let mut house = Self {
            demo,
            client,
            hosts: BTreeMap::new(),
            parked: nobody(),
            succeeded: nobody(),
            batch: nobody(),
            folder,
        };
        for host in house.get("/api/hosts").await.as_array().unwrap() {
            let (name, id) = (host["hostname"].as_str().unwrap(), host["id"].as_str().unwrap());
            house.hosts.insert(name.to_owned(), id.to_owned());
        }
        house.succeeded = house.operation_of("pve-01").await;
        house.tell_stories().await;
        house
    }

    /// Where a page is.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.demo.daemon().operator_address.port())
    }

    /// Where a page of a host is.
    pub(crate) fn host(&self, name: &str) -> String {
        format!("/hosts/{}", self.hosts[name])
    }

    async fn get(&self, path: &str) -> Value {
        Answer::of(self.client.get(self.url(path))).await.json()
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = Answer::of(self.client.post(self.url(path)).json(body)).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
        answer.json()
    }

    async fn register(&mut self, name: &str, mac: &str, server_type: &str) {
        let body = json!({ "hostname": name, "mac": mac, "server_type": server_type });
        let host = self.post("/api/hosts", &body).await;
        self.hosts.insert(name.to_owned(), host["id"].as_str().unwrap().to_owned());
    }

    async fn operation_of(&self, name: &str) -> String {
        let host = self.get(&format!("/api{}", self.host(name))).await;
        host["operation"]["id"].as_str().unwrap().to_owned()
    }

    async fn tell_stories(&mut self) {
        use HostEvent::{AnswerServed, BootScriptServed, InstallReported, PhonedHome};
        let stories: [(&str, &[HostEvent]); 7] = [
            ("rack2-armed", &[]),
            ("rack2-loading", &[BootScriptServed]),
            ("rack2-installing", &[BootScriptServed, AnswerServed]),
            ("rack2-installed", &[BootScriptServed, AnswerServed, InstallReported]),
            ("rack2-first-boot", &[BootScriptServed, AnswerServed, InstallReported, PhonedHome]),
            ("rack3-attention", &[BootScriptServed]),
            ("rack3-failed", &[BootScriptServed, AnswerServed]),
        ];
        let keeper = self.keeper();
        for (place, (name, events)) in stories.into_iter().enumerate() {
            self.register(name, &format!("52:54:00:aa:00:{place:02x}"), "generic-sata").await;
            let body = json!({ "confirm": name, "accept_warnings": true });
            self.post(&format!("/api{}/rebuild", self.host(name)), &body).await;
            for event in events {
                let id: HostId = self.hosts[name].parse().unwrap();
                let host = keeper.host(&id).await.unwrap();
                keeper.apply(&host, *event, Move::default()).await.unwrap();
            }
        }
        self.parked = self.operation_of("rack3-attention").await;
        self.park().await;
        let failed: HostId = self.hosts["rack3-failed"].parse().unwrap();
        let host = keeper.host(&failed).await.unwrap();
        let why = "the installer said: no disk matches /dev/disk/by-id/ata-SAMSUNG_MZ7LH960HAJR-00005_S45NNA0M123456";
        let facts = HostFacts { reason: Some(why.into()), ..HostFacts::default() };
        let details = Move { because: Some(why.into()), facts, ..Move::default() };
        keeper.apply(&host, HostEvent::OperationFailed, details).await.unwrap();
        self.register(LONG_NAME, "52:54:00:aa:01:00", "generic-nvme").await;
        let id: HostId = self.hosts[LONG_NAME].parse().unwrap();
        keeper.learn(&id, |hardware| *hardware = hostile_hardware()).await;
        for number in 0..CROWD {
            self.register(&format!("rack9-{number:02}"), &format!("52:54:00:bb:00:{number:02x}"), "generic-nvme").await;
        }
        let batch =
            json!({ "hosts": ["rack9-00", "rack9-01", "rack9-02"], "rolling": true, "confirm": "rebuild 3 hosts" });
        self.batch = self.post("/api/batches", &batch).await["id"].as_str().unwrap().to_owned();
        for stranger in 1..5 {
            let script = format!("http://{}/ipxe/52:54:00:cc:00:0{stranger}", self.demo.daemon().boot_address);
            Answer::of(self.client.get(script)).await;
        }
        let image = json!({ "url": "http://127.0.0.1:9/an-image-with-quite-a-long-name_9.2-1.iso" });
        self.post("/api/images", &image).await;
    }

    fn keeper(&self) -> HostKeeper {
        let data = self.demo.folder().join("data");
        let store = Arc::new(Store::open_shared(&data).unwrap());
        let secrets = Arc::new(KeyFile::open(&data).unwrap());
        HostKeeper::new(store.clone(), store, secrets, Arc::new(SystemClock), Arc::new(Doorbell::default()))
    }

    /// Lets the operation say that it cannot go on.
    async fn park(&self) {
        let store = Store::open_shared(&self.demo.folder().join("data")).unwrap();
        let id: OperationId = self.parked.parse().unwrap();
        let reason = "two machines claimed this rebuild: the answer was asked for by 192.0.2.7 and by 192.0.2.9; find out \
                      which of them is the right one, then retry";
        let event = JournalEvent::Parked { reason: reason.into() };
        for _ in 0..20 {
            let length = store.operation(&id).await.unwrap().unwrap().1.len();
            #[expect(clippy::disallowed_methods, reason = "the daemon has the system's clock")]
            let entry = JournalEntry { at: Timestamp::now(), step: String::new(), event: event.clone() };
            // The runner writes at the same moments.
            if store.append(&id, length, &entry, None).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the operation cannot be parked");
    }

    /// Breaks a file of the catalog, as a slip of the hand does.
    pub(crate) async fn break_catalog(&self) {
        let file = self.demo.folder().join("server-types/server-types.yaml");
        let broken = fs::read_to_string(&file).unwrap() + "\nserver_types: [oh, no\n";
        fs::write(file, broken).unwrap();
        for _ in 0..100 {
            if !self.get("/api/catalog").await["problems"].as_array().unwrap().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nobody has seen the broken file");
    }

    /// Everybody moves out.
    pub(crate) async fn end(self) {
        self.demo.end().await;
        drop(self.folder);
    }
}

async fn start(stage: &DemoStage) -> Result<RunningDaemon, String> {
    let settings = fs::read_to_string(&stage.settings_file).unwrap() + TARGETS;
    fs::write(&stage.settings_file, settings).unwrap();
    let store = Store::open(&stage.data_folder).unwrap();
    ImageLedger::insert(&store, &stage.image).await.unwrap();
    drop(store);
    let settings = Settings::load(&stage.settings_file).map_err(|error| error.to_string())?;
    Daemon::start(settings).await.map_err(|error| format!("{error:#}"))
}

fn hostile_hardware() -> Hardware {
    let properties =
        BTreeMap::from([("ID_SERIAL".to_owned(), HOSTILE.to_owned()), ("ID_MODEL".to_owned(), HOSTILE.to_owned())]);
    let disk = |path: &str| Disk {
        path: path.into(),
        size_bytes: Some(3_840_755_982_336),
        is_boot_disk: path.ends_with("n1"),
        properties: properties.clone(),
    };
    let nic = |name: &str, mac: &str| Nic {
        name: name.into(),
        mac: mac.into(),
        is_management: true,
        properties: BTreeMap::new(),
    };
    Hardware {
        product: Some(HOSTILE.into()),
        serial: Some(HOSTILE.into()),
        cpu_model: Some(HOSTILE.into()),
        cpu_cores: Some(128),
        memory_bytes: Some(2 << 40),
        disks: vec![disk("/dev/nvme0n1"), disk("/dev/nvme1n2")],
        nics: vec![nic("enp65s0f0np0", "52:54:00:aa:01:00"), nic(HOSTILE, "52:54:00:aa:01:01")],
        ..Hardware::default()
    }
}
