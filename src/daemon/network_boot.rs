//! Answers booting machines on every interface of the settings, while interfaces come, go and change their addresses.
//!
//! Every two seconds the interfaces are compared with what runs: DHCP's two ports for each interface, TFTP for each of our addresses.
//! What is missing is started, what has lost its place is stopped. Nothing that happens to an interface ends the daemon; every change is
//! told once.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use ipnet::Ipv4Net;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    dhcp::{
        BindError, DhcpConfig, DhcpListener, Ear, Interface, InterfaceError, Place, Port, interfaces, place,
        port_holder,
    },
    domain::{
        boot_request::{BootOffer, BootRequest},
        network::{
            InterfaceState, InterfaceStatus, MeetingPlace, NetworkStatus, Service, ServiceState, ServiceStatus,
            WantedInterface,
        },
    },
    ports::NetworkView,
    tftp::{TftpBindError, TftpServer},
};

/// How often the interfaces are looked at. A longer pause leaves machines unanswered longer after a bridge was made anew.
const LOOK_PAUSE: Duration = Duration::from_secs(2);
/// How long a port that could not be had is left alone; finding out who has it reads the files of every process.
const RETRY_PAUSE: Duration = Duration::from_secs(10);
/// How long a service may take to let go of its port.
const END_LIMIT: Duration = Duration::from_secs(1);

/// Decides what a machine is offered.
pub type Decide = Arc<dyn Fn(&BootRequest, &MeetingPlace) -> BootOffer + Send + Sync>;
/// Makes the TFTP server of an address.
pub type OpenTftp = Box<dyn Fn(SocketAddr) -> Result<TftpServer, TftpBindError> + Send + Sync>;

/// Where and how machines are answered.
#[derive(Debug, Clone, Default)]
pub struct NetworkBootConfig {
    /// The interfaces.
    pub interfaces: Vec<WantedInterface>,
    /// UDP port of DHCP.
    pub dhcp_port: u16,
    /// UDP port of the PXE boot server.
    pub proxy_port: u16,
    /// UDP port of TFTP.
    pub tftp_port: u16,
    /// Whether DHCP's port belongs to another program of this computer and is never taken.
    pub is_dhcp_port_shared: bool,
    /// The networks of the relays that may ask; empty: any.
    pub relays: Vec<Ipv4Net>,
    /// Whether replies go to the sender's port instead of being broadcast.
    pub reply_to_source: bool,
    /// Is told what machines say to DHCP servers.
    pub ear: Ear,
}

/// What is known of the network, for whoever asks.
#[derive(Default)]
pub struct NetworkBoard(ArcSwap<NetworkStatus>);

impl NetworkView for NetworkBoard {
    fn status(&self) -> NetworkStatus {
        NetworkStatus::clone(&self.0.load())
    }
}

/// Keeps the services running.
pub struct NetworkBoot {
    config: NetworkBootConfig,
    decide: Decide,
    open_tftp: OpenTftp,
    board: Arc<NetworkBoard>,
    running: BTreeMap<Key, Running>,
    failed: BTreeMap<Key, Failure>,
    /// The interfaces on which another program had DHCP's port. It is left to that program for good: one that is restarted would else find
    /// us in its place.
    beside: BTreeSet<String>,
}

/// One service of one interface or address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Dhcp(String),
    BootServer(String),
    Tftp(Ipv4Addr),
}

struct Running {
    /// The place for which it was started; TFTP follows its address alone.
    place: Option<Place>,
    port: u16,
    state: ServiceState,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

struct Failure {
    place: Place,
    port: u16,
    why: String,
    retry_at: Instant,
}

impl NetworkBoot {
    /// Starts what can be started now; the rest is waited for. Fails only where that is in vain: without the right to open the ports.
    pub async fn start(
        config: NetworkBootConfig,
        decide: Decide,
        open_tftp: OpenTftp,
        board: Arc<NetworkBoard>,
    ) -> Result<Self, BindError> {
        let (running, failed, beside) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let mut network_boot = Self { config, decide, open_tftp, board, running, failed, beside };
        match network_boot.look().await {
            Some(error) if error.is_for_lack_of_rights() => Err(error),
            Some(_) | None => Ok(network_boot),
        }
    }

    /// Follows the interfaces until it is stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_PAUSE)).await.is_some() {
            self.look().await;
        }
        for (_, running) in std::mem::take(&mut self.running) {
            running.end().await;
        }
    }

    /// Brings what runs in line with the interfaces, and tells what changed. Returns an error of a port, if there was one.
    async fn look(&mut self) -> Option<BindError> {
        let present = interfaces();
        let places: Vec<_> = self.config.interfaces.iter().map(|wanted| find(wanted, &present)).collect();
        let wanted: BTreeMap<Key, Place> = places.iter().flatten().flat_map(keys).collect();
        self.end_what_lost_its_place(&wanted).await;
        let mut trouble = None;
        for (key, place) in wanted {
            if !self.running.contains_key(&key) && self.may_try(&key, &place) {
                trouble = self.try_to_start(key, place).or(trouble);
            }
        }
        self.tell(&places, &present.unwrap_or_default());
        trouble
    }

    async fn end_what_lost_its_place(&mut self, wanted: &BTreeMap<Key, Place>) {
        let stays = |key: &Key, running: &Running| {
            let is_there = wanted.get(key).is_some_and(|place| running.place.as_ref().is_none_or(|old| old == place));
            is_there && !running.task.is_finished()
        };
        let lost: Vec<_> =
            self.running.iter().filter(|(key, running)| !stays(key, running)).map(|(key, _)| key.clone()).collect();
        for running in lost.iter().filter_map(|key| self.running.remove(key)).collect::<Vec<_>>() {
            running.end().await;
        }
        self.failed.retain(|key, _| wanted.contains_key(key));
    }

    fn may_try(&self, key: &Key, place: &Place) -> bool {
        self.failed.get(key).is_none_or(|failure| failure.place != *place || failure.retry_at <= Instant::now())
    }

    fn try_to_start(&mut self, key: Key, place: Place) -> Option<BindError> {
        let (port, why, error) = match &key {
            Key::Dhcp(_) | Key::BootServer(_) => match self.start_dhcp(&key, place.clone()) {
                Ok(running) => return self.has_started(key, running),
                Err((port, error)) => (port, error.to_string(), Some(error)),
            },
            Key::Tftp(address) => match self.start_tftp(*address) {
                Ok(running) => return self.has_started(key, running),
                Err(error) => {
                    let holder = port_holder(*address, self.config.tftp_port);
                    let named = holder.map(|holder| format!("; {holder} has it")).unwrap_or_default();
                    (self.config.tftp_port, format!("{error}{named}"), None)
                }
            },
        };
        let failure = Failure { place, port, why, retry_at: Instant::now() + RETRY_PAUSE };
        self.failed.insert(key, failure);
        error
    }

    fn has_started(&mut self, key: Key, running: Running) -> Option<BindError> {
        self.failed.remove(&key);
        self.running.insert(key, running);
        None
    }

    fn start_dhcp(&mut self, key: &Key, place: Place) -> Result<Running, (u16, BindError)> {
        let config = &self.config;
        let (port, number) = match key {
            Key::Dhcp(_) => (Port::Server, config.dhcp_port),
            Key::BootServer(_) | Key::Tftp(_) => (Port::Proxy, config.proxy_port),
        };
        let listener = DhcpListener::bind(DhcpConfig {
            place: place.clone(),
            port,
            number,
            is_shared: config.is_dhcp_port_shared || self.beside.contains(&place.interface),
            relays: config.relays.clone(),
            reply_to_source: config.reply_to_source,
            ear: config.ear.clone(),
        })
        .map_err(|error| (number, error))?;
        let state = match listener.beside() {
            None => ServiceState::Serving,
            Some(other) => {
                self.beside.insert(place.interface.clone());
                ServiceState::Beside(other.to_owned())
            }
        };
        let number = listener.port().unwrap_or(number);
        let (decide, stop, interface) = (Arc::clone(&self.decide), CancellationToken::new(), place.interface.clone());
        let run = listener.run(move |request, met| decide(request, met), stop.clone());
        let task = tokio::spawn(async move {
            if let Err(error) = run.await {
                tracing::warn!(interface, ?port, %error, "a DHCP socket was lost; it is opened again");
            }
        });
        Ok(Running { place: Some(place), port: number, state, stop, task })
    }

    fn start_tftp(&self, address: Ipv4Addr) -> Result<Running, TftpBindError> {
        let server = (self.open_tftp)(SocketAddr::from((address, self.config.tftp_port)))?;
        let port = server.address().map_or(self.config.tftp_port, |address| address.port());
        let stop = CancellationToken::new();
        let task = tokio::spawn(server.run(stop.clone()));
        Ok(Running { place: None, port, state: ServiceState::Serving, stop, task })
    }

    /// Writes down how every interface is going, and logs those that are going otherwise than before.
    fn tell(&self, places: &[Result<Place, InterfaceError>], present: &BTreeMap<String, Interface>) {
        let before = self.board.0.load();
        let mut status = NetworkStatus { interfaces: Vec::new(), present: present.keys().cloned().collect() };
        for (wanted, place) in self.config.interfaces.iter().zip(places) {
            let now = self.status(&wanted.name, place, present.get(&wanted.name));
            // Interfaces of the same name with another subnet or address each stand at their own number.
            if before.interfaces.get(status.interfaces.len()) != Some(&now) {
                log(&now);
            }
            status.interfaces.push(now);
        }
        self.board.0.store(Arc::new(status));
    }

    fn status(
        &self,
        name: &str,
        place: &Result<Place, InterfaceError>,
        interface: Option<&Interface>,
    ) -> InterfaceStatus {
        let has_carrier = interface.is_some_and(|interface| interface.has_carrier);
        let (addresses, services, waiting_for) = match place {
            Err(error) => (Vec::new(), Vec::new(), Some(error.to_string())),
            Ok(place) => {
                (place.addresses.clone(), keys(place).map(|(key, _)| self.service(&key, place)).collect(), None)
            }
        };
        InterfaceStatus { name: name.to_owned(), addresses, waiting_for, has_carrier, services }
    }

    fn service(&self, key: &Key, place: &Place) -> ServiceStatus {
        let (service, address) = match key {
            Key::Dhcp(_) => (Service::Dhcp, place.our),
            Key::BootServer(_) => (Service::BootServer, place.our),
            Key::Tftp(address) => (Service::Tftp, *address),
        };
        let (port, state) = match (self.running.get(key), self.failed.get(key)) {
            (Some(running), _) => (running.port, running.state.clone()),
            (None, Some(failure)) => (failure.port, ServiceState::Failed(failure.why.clone())),
            (None, None) => (0, ServiceState::Failed("it starts in a moment".into())),
        };
        ServiceStatus { service, address, port, state }
    }
}

impl Running {
    async fn end(self) {
        self.stop.cancel();
        let abort = self.task.abort_handle();
        if tokio::time::timeout(END_LIMIT, self.task).await.is_err() {
            abort.abort();
        }
    }
}

fn find(
    wanted: &WantedInterface,
    present: &Result<BTreeMap<String, Interface>, InterfaceError>,
) -> Result<Place, InterfaceError> {
    place(wanted, present.as_ref().map_err(Clone::clone)?)
}

/// What is to run at a place.
fn keys(place: &Place) -> impl Iterator<Item = (Key, Place)> {
    let tftp = place.addresses.iter().map(|address| Key::Tftp(*address));
    let dhcp = [Key::Dhcp(place.interface.clone()), Key::BootServer(place.interface.clone())];
    dhcp.into_iter().chain(tftp).map(|key| (key, place.clone()))
}

fn log(status: &InterfaceStatus) {
    let interface = &status.name;
    match status.state() {
        InterfaceState::Answering => tracing::info!(interface, "{}", status.sentence()),
        InterfaceState::Impaired => tracing::error!(interface, "{}", status.sentence()),
        InterfaceState::Waiting => {
            tracing::warn!(interface, "no booting machine is answered there yet: {}", status.sentence());
        }
    }
}
