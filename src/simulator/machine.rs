//! A host that exists only in this process and lives the whole life over the real sockets: firmware, iPXE, installer, reboot, node.
//!
//! It is as stubborn as a real one: it trusts nothing that firmware or installer would refuse, never asks twice where they do not, and must be
//! left alone after its installation. Every machine has an address of its own on loopback, so that the daemon sees different peers.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{net::UdpSocket, sync::mpsc, time::timeout};

use super::{
    Habits, SimulatedFirmware, SimulatedNetwork, SimulatedNode, SimulatedSshServer,
    first_boot::run_first_boot,
    installer::{Loaded, MachineStopped, install},
    ipxe_script::{Installer, ScriptOutcome, read_script},
    tftp,
    wire::{BootReply, firmware_discover, ipxe_discover, proxy_request, read_reply},
};
use crate::domain::identity::MacAddress;

/// How long firmware waits for an offer. Real firmware waits for seconds; the daemon answers within milliseconds.
const OFFER_WAIT: Duration = Duration::from_millis(250);
/// How long a machine that runs from its disk goes on before somebody presses its reset button again.
const RESET_PAUSE: Duration = Duration::from_secs(2);
/// How many scripts follow each other at most.
const LONGEST_CHAIN: usize = 4;
/// How long a machine waits where a script says `sleep`; real ones take the script's word.
const SCRIPT_PAUSE: Duration = Duration::from_millis(500);
/// How many scripts it is given at most, waiting ones included.
const LONGEST_WAIT: usize = 200;
/// How long a download may take.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(30);

/// Where a machine finds the daemon.
#[derive(Debug, Clone, Copy)]
pub struct DaemonPorts {
    /// Its address.
    pub address: Ipv4Addr,
    /// DHCP.
    pub dhcp: u16,
    /// The PXE boot server.
    pub proxy: u16,
    /// TFTP.
    pub tftp: u16,
}

/// One machine.
#[derive(Debug, Clone)]
pub struct SimulatedMachine {
    /// What the story calls it.
    pub name: String,
    /// Its network card.
    pub mac: MacAddress,
    /// The address that its network gives it.
    pub address: Ipv4Addr,
    /// Its firmware.
    pub firmware: SimulatedFirmware,
    /// SMBIOS system UUID.
    pub hardware_id: String,
    /// Where the daemon is.
    pub daemon: DaemonPorts,
    /// Where its node will be.
    pub network: SimulatedNetwork,
    /// Root's password on its node.
    pub root_password: String,
    /// The SSH port of its node.
    pub ssh_port: u16,
    /// What it does otherwise than an ordinary machine on a good day.
    pub habits: Habits,
}

/// Something that a person would see at the machine.
#[derive(Debug, Clone)]
pub struct MachineEvent {
    /// The machine's name.
    pub machine: String,
    /// The sentence.
    pub what: String,
}

/// Tells the story of one machine.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    machine: String,
    events: mpsc::Sender<MachineEvent>,
}

impl Teller {
    pub(super) async fn tell(&self, what: impl Into<String>) {
        // Nobody listens any more: the machine lives on all the same.
        let _ = self.events.send(MachineEvent { machine: self.machine.clone(), what: what.into() }).await;
    }
}

/// What runs from the disk of a machine.
struct RunningSystem {
    node: Arc<SimulatedNode>,
    _ssh: SimulatedSshServer,
}

impl SimulatedMachine {
    /// Lives until it is dropped: whenever it is offered a boot from the network it takes it, else it runs from its disk, and somebody presses
    /// its reset button now and then. A machine whose boot failed is switched off and on again.
    pub async fn run(self, events: mpsc::Sender<MachineEvent>) {
        let teller = Teller { machine: self.name.clone(), events };
        let mut running: Option<RunningSystem> = None;
        loop {
            // A daemon that is not there yet or no longer is silence as well.
            if let Ok(Some(reply)) = self.ask_as_firmware().await {
                if let Some(system) = running.take() {
                    // Other members see it go.
                    if let Err(error) = system.node.switch_off().await {
                        teller.tell(format!("does not go down cleanly: {error}")).await;
                    }
                }
                match self.boot_from_network(reply, &teller).await {
                    Ok(system) => running = Some(system),
                    Err(stopped) => teller.tell(format!("stops: {stopped}")).await,
                }
            }
            if running.is_some() {
                tokio::time::sleep(RESET_PAUSE).await;
            }
        }
    }

    async fn boot_from_network(&self, offer: BootReply, teller: &Teller) -> Result<RunningSystem, MachineStopped> {
        let loader = self.load_loader(offer, teller).await?;
        let url = self.ask_as_ipxe().await?;
        teller.tell(format!("iPXE runs ({loader} bytes); DHCP names its script")).await;
        let installer = self.follow_scripts(url).await?;
        let loaded = self.download(&installer).await?;
        let sizes =
            [loaded.kernel_bytes, loaded.initrd_bytes, loaded.iso.len()].map(|bytes| format!("{} KiB", bytes / 1024));
        teller
            .tell(format!("the installer is loaded: kernel {}, initrd {}, ISO {}", sizes[0], sizes[1], sizes[2]))
            .await;
        let node = install(self, &loaded, teller).await?;
        if let Some(again) = self.ask_as_firmware().await.map_err(stopped("DHCP after the installation"))? {
            return Err(MachineStopped(format!("it was offered {} again after its installation", again.file)));
        }
        teller.tell("rebooted: nobody offers a network boot, so it boots its disk").await;
        self.boot_from_disk(node, teller).await
    }

    async fn boot_from_disk(&self, node: SimulatedNode, teller: &Teller) -> Result<RunningSystem, MachineStopped> {
        let node = Arc::new(node);
        let ssh =
            SimulatedSshServer::start(Arc::clone(&node), self.ssh_port).await.map_err(stopped("starting sshd"))?;
        run_first_boot(&node).await?;
        teller.tell("the first-boot script has phoned home").await;
        Ok(RunningSystem { node, _ssh: ssh })
    }

    /// The firmware's part: the offer, for UEFI the boot server's word, and the loader by TFTP. Returns the loader's size.
    async fn load_loader(&self, offer: BootReply, teller: &Teller) -> Result<usize, MachineStopped> {
        let reply = if offer.takes_file {
            offer
        } else {
            let xid = random_xid()?;
            let request = proxy_request(self.mac, self.firmware, xid, self.address);
            let asked = self.exchange(&request, xid, self.daemon.proxy).await.map_err(stopped("the boot server"))?;
            asked.ok_or_else(|| MachineStopped("PXE-E16: the boot server did not answer".into()))?
        };
        let (label, file) = (self.firmware.label(), &reply.file);
        teller.tell(format!("{label} firmware is offered {file}")).await;
        let server = SocketAddr::from((reply.server, self.daemon.tftp));
        let loaded = tftp::load(self.address, server, file, self.firmware).await;
        loaded.map(|bytes| bytes.len()).map_err(stopped("TFTP"))
    }

    async fn ask_as_firmware(&self) -> io::Result<Option<BootReply>> {
        let xid = random_xid().map_err(io::Error::other)?;
        self.exchange(&firmware_discover(self.mac, self.firmware, xid), xid, self.daemon.dhcp).await
    }

    async fn ask_as_ipxe(&self) -> Result<String, MachineStopped> {
        let xid = random_xid()?;
        let request = ipxe_discover(self.mac, self.firmware, xid);
        let reply = self.exchange(&request, xid, self.daemon.dhcp).await.map_err(stopped("DHCP of iPXE"))?;
        reply.map(|reply| reply.file).ok_or_else(|| MachineStopped("iPXE was offered nothing".into()))
    }

    async fn exchange(&self, packet: &[u8], xid: u32, port: u16) -> io::Result<Option<BootReply>> {
        let socket = UdpSocket::bind((self.address, 0)).await?;
        socket.send_to(packet, (self.daemon.address, port)).await?;
        let mut buffer = vec![0; 2048];
        let listen = async {
            loop {
                let (length, _) = socket.recv_from(&mut buffer).await?;
                if let Some(reply) = read_reply(&buffer[..length], self.mac, xid) {
                    return Ok(reply);
                }
            }
        };
        match timeout(OFFER_WAIT, listen).await {
            Ok(reply) => reply.map(Some),
            Err(_) => Ok(None),
        }
    }

    async fn follow_scripts(&self, first: String) -> Result<Installer, MachineStopped> {
        let (mut url, mut chained) = (first, 0);
        for _ in 0..LONGEST_WAIT {
            let script = String::from_utf8_lossy(&self.get(&url).await?).into_owned();
            match read_script(&script, self.firmware.platform()) {
                Some(ScriptOutcome::Chain(_)) if chained == LONGEST_CHAIN => break,
                Some(ScriptOutcome::Chain(next)) => (url, chained) = (next, chained + 1),
                Some(ScriptOutcome::Wait(next)) => {
                    tokio::time::sleep(SCRIPT_PAUSE).await;
                    url = next;
                }
                Some(ScriptOutcome::Boot(installer)) => return Ok(installer),
                Some(ScriptOutcome::LocalDisk(said)) => return Err(MachineStopped(format!("iPXE says: {said}"))),
                None => return Err(MachineStopped("the script is not one of iPXE".into())),
            }
        }
        Err(MachineStopped("iPXE scripts follow each other without an end".into()))
    }

    async fn download(&self, installer: &Installer) -> Result<Loaded, MachineStopped> {
        if !installer.command_line.split(' ').any(|word| word == "proxmox-start-auto-installer") {
            return Err(MachineStopped("the kernel's command line does not start the automatic installer".into()));
        }
        let mut loaded = Loaded { kernel_bytes: self.get(&installer.kernel).await?.len(), ..Loaded::default() };
        for (url, path) in &installer.initrds {
            let file = self.get(url).await?;
            match path.as_deref() {
                None => loaded.initrd_bytes = file.len(),
                Some("/proxmox.iso") => loaded.iso = file,
                Some(other) => return Err(MachineStopped(format!("nobody reads {other}"))),
            }
        }
        Ok(loaded)
    }

    /// Loads over plain HTTP, as iPXE does.
    async fn get(&self, url: &str) -> Result<Vec<u8>, MachineStopped> {
        let client = super::web::client(Some(IpAddr::V4(self.address)), DOWNLOAD_LIMIT).map_err(stopped(url))?;
        let response =
            client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(stopped(url))?;
        Ok(response.bytes().await.map_err(stopped(url))?.to_vec())
    }
}

/// Names what was tried when something failed.
pub(super) fn stopped<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> MachineStopped {
    let what = what.to_owned();
    move |error| MachineStopped(format!("{what}: {error}"))
}

fn random_xid() -> Result<u32, MachineStopped> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(stopped("random bytes"))?;
    Ok(u32::from_be_bytes(bytes))
}
