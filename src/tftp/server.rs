//! The TFTP server of one of our addresses: reads requests, and starts, repeats, replaces and bounds transfers.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    net::UdpSocket,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{AbortHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::{
    files::TftpFiles,
    request::{self, Asked, Limits, PLAIN_BLOCK_BYTES, ReadRequest},
    session::{self, Pulse, Session},
    transfer::{Action, Transfer},
};

/// The largest block: an Ethernet frame. Firmware asks for 1432 or 1468.
const LARGEST_BLOCK: u16 = 1468;
/// The largest window.
const LARGEST_WINDOW: u16 = 16;
/// The longest wait between repeats that a machine may ask for.
const LONGEST_TIMEOUT_SECONDS: u16 = 5;
/// How many transfers run at once, on all addresses together.
const MOST_TRANSFERS: usize = 64;
/// How many of them one machine may have.
const MOST_TRANSFERS_OF_A_MACHINE: usize = 4;
/// A transfer whose machine has been silent for so long gives way to another.
const QUIET: Duration = Duration::from_secs(1);
/// The same request again, so soon after the machine said something, is a copy that the network made.
const COPY: Duration = Duration::from_millis(300);
/// How long a machine that seems to get no large packets is served small ones.
const NARROW_FOR: Duration = Duration::from_secs(600);
/// How many such machines are remembered.
const MOST_NARROW: usize = 64;
/// Longer than any request of firmware; RFC 2347 allows 512 bytes.
const LARGEST_REQUEST: usize = 1024;
/// How long to wait before a socket that failed is used again.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// How often a full house is told.
const FULL_PAUSE: Duration = Duration::from_secs(10);

/// Why the port cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("UDP port {} on {} cannot be used for TFTP: {reason}; {}", address.port(), address.ip(), advice(reason))]
pub struct TftpBindError {
    address: SocketAddr,
    reason: io::Error,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the system knows many more errors than we have advice for")]
fn advice(reason: &io::Error) -> &'static str {
    match reason.kind() {
        io::ErrorKind::AddrInUse => "another TFTP server runs on this machine (`ss -ulpn` names it)",
        io::ErrorKind::PermissionDenied => "run as root, or with the capability CAP_NET_BIND_SERVICE",
        _ => "check pxe.interface and pxe.tftp_port",
    }
}

/// The places for transfers, which all servers share.
#[derive(Debug, Clone)]
pub struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_TRANSFERS)))
    }
}

/// A TFTP server on one of our addresses: its transfers leave from the address that was asked.
pub struct TftpServer {
    socket: std::net::UdpSocket,
    our: IpAddr,
    files: Arc<dyn TftpFiles>,
    places: Places,
    largest_block: u16,
    running: Vec<Running>,
    tasks: JoinSet<()>,
    narrow: Vec<(IpAddr, Instant)>,
    told_full_at: Option<Instant>,
}

/// A transfer that runs.
struct Running {
    client: SocketAddr,
    request: Vec<u8>,
    socket: Arc<UdpSocket>,
    first_packet: Vec<u8>,
    pulse: Arc<Pulse>,
    began: Instant,
    task: AbortHandle,
    _place: OwnedSemaphorePermit,
}

impl Running {
    fn quiet_for(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_millis(self.pulse.heard_milliseconds()))
    }
}

impl TftpServer {
    /// Binds the port.
    pub fn bind<F: TftpFiles + 'static>(address: SocketAddr, files: Arc<F>) -> Result<Self, TftpBindError> {
        let failed = |reason| TftpBindError { address, reason };
        let socket = std::net::UdpSocket::bind(address).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Self {
            socket,
            our: address.ip(),
            files,
            places: Places::default(),
            largest_block: LARGEST_BLOCK,
            running: Vec::new(),
            tasks: JoinSet::new(),
            narrow: Vec::new(),
            told_full_at: None,
        })
    }

    /// Takes its places from those that all servers share.
    #[must_use]
    pub fn sharing(self, places: Places) -> Self {
        Self { places, ..self }
    }

    /// Sends no larger blocks than this, for networks that carry less than an Ethernet frame.
    #[must_use]
    pub fn with_largest_block(self, bytes: u16) -> Self {
        Self { largest_block: bytes.min(LARGEST_BLOCK), ..self }
    }

    /// The address on which it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until it is stopped.
    pub async fn run(mut self, stop: CancellationToken) {
        let socket = match self.socket.try_clone().and_then(UdpSocket::from_std) {
            Ok(socket) => socket,
            Err(error) => return tracing::error!(%error, "TFTP cannot use its socket"),
        };
        let mut datagram = [0; LARGEST_REQUEST];
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(_) = self.tasks.join_next() => self.clear_up(),
                asked = socket.recv_from(&mut datagram) => match asked {
                    Ok((length, client)) => self.answer(&socket, &datagram[..length], client).await,
                    Err(error) => {
                        tracing::warn!(%error, "TFTP was interrupted; it goes on");
                        tokio::time::sleep(FAILURE_PAUSE).await;
                    }
                },
            }
        }
    }

    async fn answer(&mut self, socket: &UdpSocket, datagram: &[u8], client: SocketAddr) {
        let refusal = match request::read(datagram) {
            Asked::Nothing => return,
            Asked::Write => error(4, "this server is read-only"),
            Asked::OtherMode => error(0, "only the mode octet is served; in tftp-hpa's client type: binary"),
            Asked::Read(request) => match self.read(datagram, request, client).await {
                None => return,
                Some(refusal) => refusal,
            },
        };
        // Only a full buffer fails here; the machine asks again.
        let _ = socket.try_send_to(&refusal, client);
    }

    /// Starts a transfer, or returns the error with which the request is answered.
    async fn read(&mut self, datagram: &[u8], request: ReadRequest, client: SocketAddr) -> Option<Vec<u8>> {
        self.clear_up();
        if let Some(place) = self.running.iter().position(|running| running.client == client) {
            let running = &self.running[place];
            if running.request == datagram {
                let has_heard = running.pulse.heard_milliseconds() > 0;
                if !has_heard {
                    let _ = running.socket.try_send(&running.first_packet);
                }
                if !has_heard || running.quiet_for() < COPY {
                    return None;
                }
            }
            self.end(place);
        }
        let our = if let IpAddr::V4(our) = self.our { our } else { Ipv4Addr::UNSPECIFIED };
        let Some(file) = self.files.open(&request.name, our) else {
            tracing::debug!(%client, name = %String::from_utf8_lossy(&request.name), "TFTP: no such file");
            return Some(error(1, "file not found"));
        };
        let place = self.find_place(client.ip())?;
        let socket = match session::open(self.our, client).await {
            Ok(socket) => Arc::new(socket),
            Err(error) => {
                tracing::warn!(%client, %error, "TFTP: no socket for a transfer");
                return None;
            }
        };
        let agreed = request.within(self.limits(&socket, client.ip()));
        let began = Instant::now();
        let (transfer, first) = Transfer::start(&agreed, file.bytes.clone(), began);
        let mut first_packet = Vec::new();
        if let Action::Send(blocks) = &first {
            transfer.write(blocks.start, &mut first_packet);
        }
        let pulse = Arc::new(Pulse::default());
        let files = Arc::clone(&self.files);
        let (own_socket, own_pulse) = (Arc::clone(&socket), Arc::clone(&pulse));
        let session =
            Session { client, socket: own_socket, transfer, file, files, pulse: own_pulse, began, ending: None };
        let task = self.tasks.spawn(session.run(first));
        let request = datagram.to_vec();
        self.running.push(Running { client, request, socket, first_packet, pulse, began, task, _place: place });
        None
    }

    /// Finds a place for another transfer: a free one, or that of a machine that says nothing. Without one nothing is answered, and firmware
    /// asks again; an error would make it give up, and be an echo for whoever forges requests.
    fn find_place(&mut self, machine: IpAddr) -> Option<OwnedSemaphorePermit> {
        let of_this_machine = self.running.iter().filter(|running| running.client.ip() == machine).count();
        if of_this_machine >= MOST_TRANSFERS_OF_A_MACHINE {
            self.end_the_quietest(|running| running.client.ip() == machine)?;
        }
        if self.places.0.available_permits() == 0 {
            self.end_the_quietest(|_| true)?;
        }
        Arc::clone(&self.places.0).try_acquire_owned().ok()
    }

    fn end_the_quietest(&mut self, may_end: impl Fn(&Running) -> bool) -> Option<()> {
        let candidates = self.running.iter().enumerate().filter(|(_, running)| may_end(running));
        let quietest = candidates.max_by_key(|(_, running)| running.quiet_for());
        let Some((place, _)) = quietest.filter(|(_, running)| running.quiet_for() >= QUIET) else {
            if self.told_full_at.is_none_or(|told| told.elapsed() >= FULL_PAUSE) {
                self.told_full_at = Some(Instant::now());
                tracing::warn!("TFTP: as many transfers run as there are places; more machines have to ask again");
            }
            return None;
        };
        self.end(place);
        Some(())
    }

    /// Forgets the transfers that are over.
    fn clear_up(&mut self) {
        while let Some(place) = self.running.iter().position(|running| running.task.is_finished()) {
            self.end(place);
        }
    }

    fn end(&mut self, place: usize) {
        let running = self.running.swap_remove(place);
        running.task.abort();
        self.learn(&running);
    }

    /// Remembers a machine that seems to get no large packets.
    fn learn(&mut self, running: &Running) {
        if running.pulse.suspects_a_narrow_path() {
            let machine = running.client.ip();
            tracing::warn!(%machine, "TFTP: large packets do not seem to arrive; the machine gets blocks of 512 bytes");
            self.narrow.retain(|(other, since)| *other != machine && since.elapsed() < NARROW_FOR);
            if self.narrow.len() >= MOST_NARROW {
                self.narrow.remove(0);
            }
            self.narrow.push((machine, Instant::now()));
        }
    }

    fn limits(&self, socket: &UdpSocket, machine: IpAddr) -> Limits {
        let was_narrow = self.narrow.iter().any(|(other, since)| *other == machine && since.elapsed() < NARROW_FOR);
        // Firmware that asks again, mostly does so from its next port.
        let mut others = self.running.iter().filter(|running| running.client.ip() == machine);
        let is_narrow = was_narrow || others.any(|running| running.pulse.suspects_a_narrow_path());
        let largest = if is_narrow { PLAIN_BLOCK_BYTES } else { self.largest_block };
        let block_bytes = largest.min(session::path_block_bytes(socket)).max(8);
        Limits { block_bytes, window: LARGEST_WINDOW, timeout_seconds: LONGEST_TIMEOUT_SECONDS }
    }
}

fn error(code: u8, words: &str) -> Vec<u8> {
    [&[0, 5, 0, code], words.as_bytes(), &[0]].concat()
}
