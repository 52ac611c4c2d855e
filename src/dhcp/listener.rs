//! One port of proxy DHCP on one interface. No decision is made here, and nothing is waited for but packets.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    ops::Range,
    sync::Arc,
};

use ipnet::Ipv4Net;
use tokio_util::sync::CancellationToken;

use super::{
    diary::Diary,
    ear::Ear,
    interface::Place,
    packet_socket::BesidePort,
    port_holder::{named_port_holder, port_holder},
    reply::reply,
    request::{IgnoreReason, Port, ReceivedRequest, parse},
    udp_socket::OwnPort,
};
use crate::domain::{
    boot_request::{BootOffer, BootRequest},
    network::MeetingPlace,
};

/// Larger than any packet that a client may send (Ethernet's 1500 bytes, RFC 2131 §2).
const LARGEST_PACKET: usize = 2048;

/// Where and how to listen.
#[derive(Debug, Clone)]
pub struct DhcpConfig {
    /// Our place on the interface of the machines.
    pub place: Place,
    /// Which of the two ports this is.
    pub port: Port,
    /// Its number; 0 lets the system choose (rehearsals).
    pub number: u16,
    /// Whether port 67 is another program's, also while that one does not run: it is then never taken.
    pub is_shared: bool,
    /// The networks of the relays that may ask; empty: any.
    pub relays: Vec<Ipv4Net>,
    /// Whether every reply goes to the sender's address and port, as a rehearsal on high ports wants it.
    pub reply_to_source: bool,
    /// Is told what machines say to DHCP servers.
    pub ear: Ear,
}

/// Why a port cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("UDP port {port} cannot be used: {reason}; {advice}")]
pub struct BindError {
    port: u16,
    reason: io::Error,
    advice: String,
}

impl BindError {
    /// Whether we lack a right; that does not mend itself.
    pub fn is_for_lack_of_rights(&self) -> bool {
        self.reason.kind() == io::ErrorKind::PermissionDenied
    }
}

/// A packet that came in.
pub(super) struct Received {
    /// Where the datagram stands in the buffer.
    pub(super) payload: Range<usize>,
    /// Who sent it.
    pub(super) source: SocketAddrV4,
    /// The address to which it was sent: ours, or a broadcast.
    pub(super) asked: Ipv4Addr,
}

enum DhcpSocket {
    Own(OwnPort),
    Beside(BesidePort),
}

/// One port, ready to be listened on.
pub struct DhcpListener {
    config: DhcpConfig,
    socket: DhcpSocket,
    beside: Option<String>,
}

impl DhcpListener {
    /// Takes the port on the interface, or stands beside the program that has port 67.
    ///
    /// Port 4011 is not shared: another program that has it is a PXE server, and its answers and ours would race.
    pub fn bind(config: DhcpConfig) -> Result<Self, BindError> {
        let may_share = config.port == Port::Server && !config.place.our.is_loopback();
        let (socket, beside) = if may_share && config.is_shared {
            let holder = port_holder(Ipv4Addr::UNSPECIFIED, config.number);
            (beside(&config)?, Some(holder.unwrap_or_else(|| "a DHCP server that does not run at the moment".into())))
        } else {
            match OwnPort::bind(&config.place, config.number) {
                Ok(socket) => (DhcpSocket::Own(socket), None),
                Err(error) if may_share && error.kind() == io::ErrorKind::AddrInUse => {
                    (beside(&config)?, Some(named_port_holder(Ipv4Addr::UNSPECIFIED, config.number)))
                }
                Err(reason) => return Err(bind_error(&config, reason)),
            }
        };
        Ok(Self { config, socket, beside })
    }

    /// The program beside which we listen, as far as it can be seen; `None` when the port is our own.
    pub fn beside(&self) -> Option<&str> {
        self.beside.as_deref()
    }

    /// The number of the port.
    pub fn port(&self) -> io::Result<u16> {
        match &self.socket {
            DhcpSocket::Own(socket) => socket.port(),
            DhcpSocket::Beside(socket) => Ok(socket.port()),
        }
    }

    /// Answers until it is stopped; ends early only when the socket is lost.
    ///
    /// Both ports ask the same `decide`, so a machine that was made an offer is answered on the proxy port too. It is called for every
    /// packet and nothing else is done meanwhile: it must come from memory (iPXE waits two seconds for all offers of a network).
    pub async fn run(
        self,
        decide: impl Fn(&BootRequest, &MeetingPlace) -> BootOffer + Send + Sync,
        stop: CancellationToken,
    ) -> io::Result<()> {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            lost = self.serve(decide) => lost,
        }
    }

    async fn serve(&self, decide: impl Fn(&BootRequest, &MeetingPlace) -> BootOffer + Send + Sync) -> io::Result<()> {
        let Self { config, socket, .. } = self;
        let interface: Arc<str> = config.place.interface.as_str().into();
        let (mut buffer, mut diary) = (vec![0; LARGEST_PACKET], Diary::default());
        loop {
            let received = match socket.receive(&mut buffer).await {
                Ok(received) => received,
                Err(error) if is_passing(&error) => continue,
                Err(error) => return Err(error),
            };
            let request = match parse(&buffer[received.payload.clone()], config.port) {
                Ok(request) => request,
                Err(reason) => {
                    if reason == IgnoreReason::NotForUs && config.port == Port::Server {
                        config.ear.listen(&buffer[received.payload.clone()]);
                    }
                    diary.ignored(received.source, reason);
                    continue;
                }
            };
            let relay = Some(request.giaddr).filter(|relay| !relay.is_unspecified());
            if relay.is_some_and(|relay| !self.may_ask(relay)) {
                diary.strange_relay(request.giaddr);
                continue;
            }
            let met = MeetingPlace { our: self.our(&received), interface: Arc::clone(&interface), relay };
            let offer = decide(&request.boot, &met);
            diary.decided(request.boot.mac, config.port, &offer);
            self.answer(&request, &offer, &met, received.source, &mut diary).await;
        }
    }

    async fn answer(
        &self,
        request: &ReceivedRequest,
        offer: &BootOffer,
        met: &MeetingPlace,
        source: SocketAddrV4,
        diary: &mut Diary,
    ) {
        let Some(reply) = reply(request, offer, met.our) else { return };
        let destination = match reply.destination {
            Some(SocketAddr::V4(destination)) if !self.config.reply_to_source => destination,
            Some(_) | None => source,
        };
        if let Err(error) = self.socket.send(&reply.bytes, met.our, destination).await {
            diary.not_sent(destination, &error);
        }
    }

    fn may_ask(&self, relay: Ipv4Addr) -> bool {
        self.config.relays.is_empty() || self.config.relays.iter().any(|network| network.contains(&relay))
    }

    /// The address by which the asker knows us: the one that it asked, as a relay and the boot server's clients do; for a broadcast the
    /// one of the interface.
    fn our(&self, received: &Received) -> Ipv4Addr {
        let place = &self.config.place;
        if place.addresses.contains(&received.asked) { received.asked } else { place.our }
    }
}

impl DhcpSocket {
    async fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        match self {
            Self::Own(socket) => socket.receive(buffer).await,
            Self::Beside(socket) => socket.receive(buffer).await,
        }
    }

    async fn send(&self, bytes: &[u8], our: Ipv4Addr, destination: SocketAddrV4) -> io::Result<()> {
        match self {
            Self::Own(socket) => socket.send(bytes, our, destination).await,
            Self::Beside(socket) => socket.send(bytes, our, destination).await,
        }
    }
}

fn beside(config: &DhcpConfig) -> Result<DhcpSocket, BindError> {
    let opened = BesidePort::open(config.place.clone(), config.number);
    opened.map(DhcpSocket::Beside).map_err(|reason| bind_error(config, reason))
}

/// Whether an error only tells that an earlier reply did not reach somebody, or that the cable is out for the moment.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
    )
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the system knows many more errors than we have advice for")]
fn bind_error(config: &DhcpConfig, reason: io::Error) -> BindError {
    let advice = match reason.kind() {
        io::ErrorKind::AddrInUse => format!(
            "{} has it; switch off PXE in that program, or run Rackseed on another computer",
            named_port_holder(Ipv4Addr::UNSPECIFIED, config.number)
        ),
        io::ErrorKind::PermissionDenied => {
            "run as root, or with the capabilities CAP_NET_BIND_SERVICE and CAP_NET_RAW".to_owned()
        }
        _ => "check pxe.interface".to_owned(),
    };
    BindError { port: config.number, reason, advice }
}
