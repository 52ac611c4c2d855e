//! One daemon, one network, and the machines in it.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rackseed::{
    daemon::SystemClock,
    ports::{Clock, ImageLedger},
    simulator::{
        DaemonPorts, DemoStage, Habits, MachineEvent, NodeLog, SimulatedFirmware, SimulatedMachine, SimulatedNetwork,
    },
    store::Store,
};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    cable::Cable,
    daemon::{Daemon, LOOK_AGAIN, Operator, serve},
    member::{self, Member},
    slot::Slot,
};

/// The host that is rebuilt.
pub(crate) const HOSTNAME: &str = "pve-01";
/// Its network card.
pub(crate) const MAC: &str = "52:54:00:de:70:01";
/// How long a join takes, so that there is time to die during it.
const JOIN_SECONDS: f32 = 0.4;
/// How long a person in front of a machine goes on asking while the daemon is dead.
const PERSON_PATIENCE: Duration = Duration::from_secs(60);
/// How long the daemon may take to say something.
const SAID_LIMIT: Duration = Duration::from_secs(60);

/// How the host comes into the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is the first one.
    Create,
    /// Through a member that lets the joining node's own key in.
    AddByKey,
    /// Through a member whose root password we know.
    AddByPassword,
}

/// A world. When it goes, everything in it goes.
pub(crate) struct World {
    daemon: Option<Daemon>,
    machines: JoinSet<()>,
    story: Arc<Mutex<Vec<String>>>,
    /// The operator.
    pub(crate) operator: Operator,
    /// The nodes.
    pub(crate) network: SimulatedNetwork,
    /// The id of the host.
    pub(crate) host: String,
    _member: Option<Member>,
    /// Between the daemon and the host's node.
    pub(crate) cable: Cable,
    /// The daemon's folder and settings.
    pub(crate) stage: DemoStage,
    pub(crate) slot: Slot,
}

impl World {
    /// A daemon that serves, and a host that is registered.
    pub(crate) async fn begin(way: Way) -> Self {
        let mut world = Self::set(way).await;
        world.start(&mut serve(&world.stage.settings_file.clone()));
        world.serve_and_register().await;
        world
    }

    /// Waits until the daemon serves, and registers the host.
    pub(crate) async fn serve_and_register(&mut self) {
        self.operator.wait_until_served().await;
        self.host = self.operator.register(HOSTNAME, MAC).await;
    }

    /// Everything but the daemon.
    pub(crate) async fn set(way: Way) -> Self {
        let slot = Slot::take();
        let mut stage = DemoStage::set(None, &[Ipv4Addr::LOCALHOST], SystemClock.now()).unwrap();
        stage.ports =
            DaemonPorts { address: Ipv4Addr::LOCALHOST, dhcp: slot.port(3), proxy: slot.port(4), tftp: slot.port(5) };
        stage.ssh_port = slot.port(6);
        let network = SimulatedNetwork::new(stage.path("network"), JOIN_SECONDS).unwrap();
        let member = match way {
            Way::Create => None,
            Way::AddByKey | Way::AddByPassword => {
                let key = stage.path("operator.key");
                Some(Member::stand_up(&network, slot.address(9), stage.ssh_port, &key).await)
            }
        };
        write_settings(&stage, &slot, way, member.as_ref());
        let store = Store::open(&stage.data_folder).unwrap();
        store.insert(&stage.image).await.unwrap();
        drop(store);
        let operator = Operator::new(operator_address(&slot), &stage.data_folder, &stage.path("daemon.log"));
        let (machines, story) = (JoinSet::new(), Arc::default());
        let (daemon, host) = (None, String::new());
        let from = SocketAddr::from((slot.address(1), slot.port(6)));
        let cable = Cable::lay(from, SocketAddr::from((slot.address(1), slot.port(7))));
        Self { daemon, machines, story, operator, network, host, _member: member, cable, stage, slot }
    }

    /// Starts the daemon, which was not there; it may not serve yet.
    pub(crate) fn start(&mut self, command: &mut Command) {
        assert!(self.daemon.is_none());
        self.daemon = Some(Daemon::start(command, &self.stage.path("daemon.log")));
    }

    /// Starts the daemon as usual.
    pub(crate) fn restart(&mut self) {
        self.start(&mut serve(&self.stage.settings_file.clone()));
    }

    /// The daemon, for whoever will kill it.
    pub(crate) fn take_daemon(&mut self) -> Daemon {
        self.daemon.take().unwrap()
    }

    /// Switches the host's machine on. A person stands in front of it who asks again for what the installer would ask only once.
    pub(crate) fn switch_on(&mut self) {
        self.switch_on_with(Self::patient());
    }

    /// The habits of such a person.
    pub(crate) fn patient() -> Habits {
        Habits { asks_again_for: PERSON_PATIENCE, ..Habits::default() }
    }

    /// Takes the power from the host's machine.
    pub(crate) async fn switch_off(&mut self) {
        self.machines.shutdown().await;
    }

    /// Waits until the daemon has said something, in any of its lives.
    pub(crate) async fn wait_for_log(&self, words: &str) {
        let end = Instant::now() + SAID_LIMIT;
        while !self.operator.daemon_log().contains(words) {
            assert!(Instant::now() < end, "the daemon does not say `{words}`\n{}", self.tell());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Switches the host's machine on, with these habits.
    pub(crate) fn switch_on_with(&mut self, habits: Habits) {
        let machine = SimulatedMachine {
            name: HOSTNAME.into(),
            mac: MAC.parse().unwrap(),
            address: self.slot.address(1),
            firmware: SimulatedFirmware::Bios,
            hardware_id: "4c4c4544-0035-4810-8051-525400de7001".into(),
            daemon: self.stage.ports,
            network: self.network.clone(),
            root_password: String::new(),
            ssh_port: self.slot.port(7),
            habits,
        };
        let (events, told) = mpsc::channel(64);
        self.machines.spawn(machine.run(events));
        self.machines.spawn(listen(told, Arc::clone(&self.story)));
    }

    /// What was done to the host's node.
    pub(crate) fn node_log(&self) -> NodeLog {
        self.network.log(HOSTNAME)
    }

    /// Where the daemon keeps its database.
    pub(crate) fn data(&self) -> PathBuf {
        self.stage.data_folder.clone()
    }

    /// Everything that was seen, for the report of a test that fails.
    pub(crate) fn tell(&self) -> String {
        let story = self.story.lock().unwrap().join("\n");
        let node = self.node_log().lines().join("\n");
        format!("the machine:\n{story}\n\nthe node:\n{node}\n\nthe daemon:\n{}", self.operator.daemon_log())
    }
}

async fn listen(mut told: mpsc::Receiver<MachineEvent>, story: Arc<Mutex<Vec<String>>>) {
    while let Some(event) = told.recv().await {
        story.lock().unwrap().push(event.what);
    }
}

fn operator_address(slot: &Slot) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, slot.port(0)))
}

/// Puts what is this world's own into the settings of the stage.
fn write_settings(stage: &DemoStage, slot: &Slot, way: Way, member: Option<&Member>) {
    let text = fs::read_to_string(&stage.settings_file).unwrap();
    let mut settings: Value = serde_yaml::from_str(&text).unwrap();
    for (key, place) in [("listen", 0), ("boot_listen", 1), ("machine_listen", 2)] {
        settings["server"][key] = json!(SocketAddr::from((Ipv4Addr::LOCALHOST, slot.port(place))));
    }
    for (key, port) in
        [("dhcp_port", stage.ports.dhcp), ("proxy_port", stage.ports.proxy), ("tftp_port", stage.ports.tftp)]
    {
        settings["pxe"][key] = json!(port);
    }
    settings["proxmox"]["ssh_port"] = json!(stage.ssh_port);
    if let Some(member) = member {
        settings["proxmox"]["existing_node"] = json!(member.address());
        settings["proxmox"]["existing_node_ssh_host_key"] = json!(member.host_key());
    }
    if way == Way::AddByKey {
        settings["proxmox"]["key_file"] = json!(stage.path("operator.key"));
    }
    if let (Way::AddByPassword, Some(member)) = (way, member) {
        let file = stage.path("root-password");
        member::write_password(&file);
        settings["proxmox"]["root_password_file"] = json!(file);
        settings["proxmox"]["join_fingerprint"] = json!(member.fingerprint());
    }
    fs::write(&stage.settings_file, serde_yaml::to_string(&settings).unwrap()).unwrap();
}
