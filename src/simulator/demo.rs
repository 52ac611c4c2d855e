//! The demo: a daemon on loopback, three simulated machines, and the story of their rebuild as it happens.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::Serialize;
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    DemoStage, Habits, MachineEvent, SimulatedFirmware, SimulatedMachine, SimulatedNetwork,
    operator::{FeedRow, HostView, Operator},
};
use crate::domain::identity::MacAddress;

/// How long all hosts together may take. They need about ten seconds; a slow machine may need three times as much.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How often the hosts are looked at, besides after every event.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long a simulated join takes.
const JOIN_SECONDS: f32 = 0.5;
/// How long after each other the machines are switched on: the first one then creates the cluster, and the story reads in order.
const SWITCH_ON_PAUSE: Duration = Duration::from_millis(400);
/// How many machines stand in the rack of the demo; hosts beyond them wait to be switched on.
const MOST_MACHINES: usize = 16;
/// How many lines of the story may wait to be told; a machine waits when nobody reads them.
const WAITING_LINES: usize = 256;

/// The hosts of the demo. The first one creates the cluster.
const CAST: &[Role] = &[
    Role {
        hostname: "pve-01",
        mac: "52:54:00:de:70:01",
        server_type: "generic-sata",
        firmware: SimulatedFirmware::Bios,
    },
    Role {
        hostname: "pve-02",
        mac: "52:54:00:de:70:02",
        server_type: "generic-sata",
        firmware: SimulatedFirmware::Uefi,
    },
    Role {
        hostname: "pve-03",
        mac: "52:54:00:de:70:03",
        server_type: "generic-sata",
        firmware: SimulatedFirmware::Bios,
    },
];

/// Steps of which the story says nothing while they go well.
const QUIET_STEPS: &[&str] = &["await ", "confirm host key", "register host", "finish"];

struct Role {
    hostname: &'static str,
    mac: &'static str,
    server_type: &'static str,
    firmware: SimulatedFirmware,
}

/// The daemon that the demo runs beside, as much of it as the demo needs.
pub trait DemoDaemon {
    /// Where people reach it.
    fn operator_address(&self) -> SocketAddr;

    /// Stops it in order.
    fn stop(self) -> impl Future<Output = ()> + Send;
}

/// Why the demo did not reach its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The folder, a port, or the image could not be had.
    #[error("the demo cannot be set up: {0}")]
    Stage(#[from] std::io::Error),
    /// The daemon did not start.
    #[error("the daemon does not start: {0}")]
    Daemon(String),
    /// The daemon refused what the operator asked for.
    #[error("the operator was refused: {0}")]
    Operator(String),
    /// A host went another way than to `ready`.
    #[error("{host} is not ready: {reason}")]
    HostFailed {
        /// Its name.
        host: String,
        /// Why.
        reason: String,
    },
    /// It took too long.
    #[error("not ready after {} s: {hosts}", READY_LIMIT.as_secs())]
    TooSlow {
        /// The hosts that are not ready, with their states.
        hosts: String,
    },
}

/// Who says a line of the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Narrator {
    /// The simulated machine itself.
    Machine,
    /// The daemon, in its live feed.
    Daemon,
}

/// One line of the story.
#[derive(Debug, Clone)]
pub struct StoryLine {
    /// How long after the beginning.
    pub after: Duration,
    /// The host that it is about; empty when it is about all.
    pub host: String,
    /// Who says it.
    pub narrator: Narrator,
    /// The sentence.
    pub what: String,
}

impl fmt::Display for StoryLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let narrator = match self.narrator {
            Narrator::Machine => "machine",
            Narrator::Daemon => "daemon",
        };
        write!(formatter, "{:6.2} s  {:<6}  {narrator:<7}  {}", self.after.as_secs_f32(), self.host, self.what)
    }
}

/// How it ended.
#[derive(Debug, Clone, Serialize)]
pub struct DemoSummary {
    /// The cluster.
    pub cluster: String,
    /// How long it took until all were ready, the start of the daemon included.
    pub seconds: f32,
    /// The hosts.
    pub hosts: Vec<HostSummary>,
}

/// How it ended for one host.
#[derive(Debug, Clone, Serialize)]
pub struct HostSummary {
    /// Its name.
    pub hostname: String,
    /// Its firmware.
    pub firmware: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its state: `ready`.
    pub state: String,
    /// From the request of its rebuild to `ready`.
    pub seconds: f32,
}

/// A demo that runs.
pub struct Demo<D> {
    // The stage goes last: it takes the folder away in which everything else happens.
    daemon: D,
    operator: Operator,
    network: SimulatedNetwork,
    known_cards: BTreeSet<MacAddress>,
    /// Machines that are not switched on yet.
    rack: Vec<SimulatedMachine>,
    machines: JoinSet<()>,
    tell_machine: mpsc::Sender<MachineEvent>,
    told: mpsc::Receiver<MachineEvent>,
    feed: mpsc::Receiver<FeedRow>,
    names: BTreeMap<String, String>,
    began: Instant,
    stage: DemoStage,
}

impl<D: DemoDaemon> Demo<D> {
    /// Sets the stage, in `kept_folder` or in a temporary one, and starts the daemon; the machines are still off.
    pub async fn begin(
        kept_folder: Option<&Path>,
        now: Timestamp,
        start_daemon: impl AsyncFnOnce(&DemoStage) -> Result<D, String>,
    ) -> Result<Self, DemoError> {
        let began = Instant::now();
        let addresses: Vec<_> = (0..CAST.len()).map(address).collect();
        let stage = DemoStage::set(kept_folder, &addresses, now)?;
        let network = SimulatedNetwork::new(stage.path("network"), JOIN_SECONDS)?;
        let daemon = start_daemon(&stage).await.map_err(DemoError::Daemon)?;
        let operator = Operator::new(daemon.operator_address(), &stage.data_folder).map_err(DemoError::Operator)?;
        let (tell_machine, told) = mpsc::channel(WAITING_LINES);
        let (tell_feed, feed) = mpsc::channel(WAITING_LINES);
        let (mut machines, mut rack, mut known_cards) = (JoinSet::new(), Vec::new(), BTreeSet::new());
        machines.spawn(operator.clone().watch(tell_feed));
        for (place, role) in CAST.iter().enumerate() {
            let mac: MacAddress = role.mac.parse().map_err(|error| DemoError::Operator(format!("{error}")))?;
            known_cards.insert(mac);
            rack.push(machine(role.hostname, mac, role.firmware, place, &stage, &network));
        }
        Ok(Self {
            daemon,
            operator,
            network,
            known_cards,
            rack,
            machines,
            tell_machine,
            told,
            feed,
            names: BTreeMap::new(),
            began,
            stage,
        })
    }

    /// Where the dashboard is.
    pub fn dashboard(&self) -> &str {
        self.operator.dashboard()
    }

    /// The daemon.
    pub fn daemon(&self) -> &D {
        &self.daemon
    }

    /// The folder with everything in it.
    pub fn folder(&self) -> std::path::PathBuf {
        self.stage.path("")
    }

    /// Registers the hosts, rebuilds them, switches the machines on, and tells what happens until all are ready.
    pub async fn run_until_ready(&mut self, tell: &(dyn Fn(&StoryLine) + Sync)) -> Result<DemoSummary, DemoError> {
        for role in CAST {
            let host = self.operator.register(role.hostname, role.mac, role.server_type).await;
            let host = host.map_err(DemoError::Operator)?;
            self.names.insert(host.id.clone(), host.hostname.clone());
            self.operator.rebuild(&host).await.map_err(DemoError::Operator)?;
        }
        let requested = Instant::now();
        self.switch_on();
        let mut ready: BTreeMap<String, f32> = BTreeMap::new();
        loop {
            self.tell_next(tell).await;
            let hosts = self.operator.hosts().await.map_err(DemoError::Operator)?;
            for host in &hosts {
                if host.state == "ready" {
                    ready.entry(host.hostname.clone()).or_insert_with(|| requested.elapsed().as_secs_f32());
                }
                if let Some(reason) = why_failed(host) {
                    self.tell_waiting(tell);
                    return Err(DemoError::HostFailed { host: host.hostname.clone(), reason });
                }
            }
            if ready.len() == CAST.len() {
                self.tell_waiting(tell);
                return Ok(self.summary(&ready));
            }
            if self.began.elapsed() > READY_LIMIT {
                let hosts = hosts.iter().filter(|host| host.state != "ready");
                let hosts: Vec<_> = hosts.map(|host| format!("{} is {}", host.hostname, host.state)).collect();
                return Err(DemoError::TooSlow { hosts: hosts.join(", ") });
            }
        }
    }

    /// Switches the machines on, one after the other.
    fn switch_on(&mut self) {
        let mut pause = Duration::ZERO;
        for machine in self.rack.drain(..) {
            let (events, wait) = (self.tell_machine.clone(), pause);
            self.machines.spawn(async move {
                tokio::time::sleep(wait).await;
                machine.run(events).await;
            });
            pause += SWITCH_ON_PAUSE;
        }
    }

    /// Goes on telling for as long as it is polled. For every host that an operator registers now, there is a machine.
    pub async fn stay(&mut self, tell: &(dyn Fn(&StoryLine) + Sync)) {
        loop {
            self.tell_next(tell).await;
            for host in self.operator.hosts().await.unwrap_or_default() {
                self.names.insert(host.id.clone(), host.hostname.clone());
                let place = self.known_cards.len();
                if place < MOST_MACHINES && self.known_cards.insert(host.mac) {
                    let firmware =
                        if place.is_multiple_of(2) { SimulatedFirmware::Bios } else { SimulatedFirmware::Uefi };
                    self.rack.push(machine(&host.hostname, host.mac, firmware, place, &self.stage, &self.network));
                }
            }
            self.switch_on();
        }
    }

    /// Switches everything off and takes the folder away, unless it was asked for.
    pub async fn end(mut self) {
        self.machines.shutdown().await;
        self.daemon.stop().await;
    }

    /// Tells the next line, or nothing within a moment.
    async fn tell_next(&mut self, tell: &(dyn Fn(&StoryLine) + Sync)) {
        let line = tokio::select! {
            Some(row) = self.feed.recv() => self.line_of_feed(row),
            Some(event) = self.told.recv() => Some(self.line_of_machine(event)),
            () = tokio::time::sleep(LOOK_AGAIN) => None,
        };
        if let Some(line) = line {
            tell(&line);
        }
        self.tell_waiting(tell);
    }

    fn tell_waiting(&mut self, tell: &(dyn Fn(&StoryLine) + Sync)) {
        while let Ok(row) = self.feed.try_recv() {
            if let Some(line) = self.line_of_feed(row) {
                tell(&line);
            }
        }
        while let Ok(event) = self.told.try_recv() {
            tell(&self.line_of_machine(event));
        }
    }

    /// A row of the feed as a line of the story; `None` for a step that only repeats what a change of state has told.
    fn line_of_feed(&self, row: FeedRow) -> Option<StoryLine> {
        let goes_well = row.message.ends_with(": done") || row.message.contains(": waiting for the ");
        if goes_well && QUIET_STEPS.iter().any(|step| row.message.starts_with(step)) {
            return None;
        }
        let host = row.host.and_then(|id| self.names.get(&id).cloned()).unwrap_or_default();
        let what = row.message.strip_prefix(&host).map(|rest| rest.trim_start_matches([':', ' ']).to_owned());
        let what = what.unwrap_or(row.message);
        Some(StoryLine { after: self.began.elapsed(), host, narrator: Narrator::Daemon, what })
    }

    fn line_of_machine(&self, event: MachineEvent) -> StoryLine {
        StoryLine { after: self.began.elapsed(), host: event.machine, narrator: Narrator::Machine, what: event.what }
    }

    fn summary(&self, ready: &BTreeMap<String, f32>) -> DemoSummary {
        let hosts = CAST.iter().enumerate().map(|(place, role)| HostSummary {
            hostname: role.hostname.to_owned(),
            firmware: role.firmware.label().to_owned(),
            address: address(place),
            state: "ready".to_owned(),
            seconds: ready.get(role.hostname).copied().unwrap_or_default(),
        });
        DemoSummary { cluster: "demo".into(), seconds: self.began.elapsed().as_secs_f32(), hosts: hosts.collect() }
    }
}

/// Why a host will not become ready by itself.
fn why_failed(host: &HostView) -> Option<String> {
    if host.state == "failed" {
        return Some(host.reason.clone().unwrap_or_else(|| "it has failed".into()));
    }
    let operation = host.operation.as_ref().filter(|operation| operation.status == "needs_attention")?;
    Some(operation.reason.clone().unwrap_or_else(|| "its operation needs attention".into()))
}

/// All of 127/8 is loopback, so every machine can have an address of its own without root.
fn address(place: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + 1 + u32::try_from(place).unwrap_or_default())
}

fn machine(
    name: &str,
    mac: MacAddress,
    firmware: SimulatedFirmware,
    place: usize,
    stage: &DemoStage,
    network: &SimulatedNetwork,
) -> SimulatedMachine {
    SimulatedMachine {
        name: name.to_owned(),
        mac,
        address: address(place),
        firmware,
        hardware_id: format!("4c4c4544-0035-4810-8051-{}", mac.to_string().replace(':', "")),
        daemon: stage.ports,
        network: network.clone(),
        root_password: String::new(),
        ssh_port: stage.ssh_port,
        habits: Habits::default(),
    }
}
