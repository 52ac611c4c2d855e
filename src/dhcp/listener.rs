//! The two sockets of proxy DHCP. No decision is made here, and nothing is waited for but packets.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    os::fd::AsRawFd,
    time::Duration,
};

use nix::{
    cmsg_space,
    libc::in_pktinfo,
    net::if_::if_nametoindex,
    sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt, sockopt},
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{io::Interest, net::UdpSocket};
use tokio_util::sync::CancellationToken;

use super::{
    diary::Diary,
    reply::reply,
    request::{Port, parse},
};
use crate::domain::boot_request::{BootOffer, BootRequest};

/// Larger than any packet that a client may send (Ethernet's 1500 bytes, RFC 2131 §2).
const LARGEST_PACKET: usize = 2048;
/// How often we look whether the interface is still the one on which the sockets were bound.
const INTERFACE_PAUSE: Duration = Duration::from_secs(2);

/// Where to listen.
#[derive(Debug, Clone)]
pub struct DhcpConfig {
    /// The interface of the machines.
    pub interface: String,
    /// Our address on it.
    pub address: Ipv4Addr,
    /// Port of the DISCOVERs.
    pub dhcp_port: u16,
    /// Port of the boot server.
    pub proxy_port: u16,
    /// Whether every reply goes to the sender's address and port, as a rehearsal on high ports wants it.
    pub reply_to_source: bool,
}

/// Why a port cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("UDP port {port} cannot be used: {reason}; {advice}")]
pub struct BindError {
    port: u16,
    reason: io::Error,
    advice: &'static str,
}

/// Both sockets, bound.
pub struct DhcpListener {
    config: DhcpConfig,
    sockets: Sockets,
}

struct Sockets {
    server: UdpSocket,
    proxy: UdpSocket,
    /// The index that the interface had; `None` if it had none.
    interface_index: Option<u32>,
}

impl DhcpListener {
    /// Binds both ports on the interface.
    pub fn bind(config: DhcpConfig) -> Result<Self, BindError> {
        Ok(Self { sockets: Sockets::bind(&config)?, config })
    }

    /// Our address on the interface.
    pub fn address(&self) -> Ipv4Addr {
        self.config.address
    }

    /// The ports as they are bound: of the DISCOVERs, and of the boot server.
    pub fn ports(&self) -> io::Result<(u16, u16)> {
        Ok((self.sockets.server.local_addr()?.port(), self.sockets.proxy.local_addr()?.port()))
    }

    /// Answers until it is stopped; ends early only when a socket is lost.
    ///
    /// Both ports ask the same `decide`, so a machine that was made an offer is answered on the proxy port too. It is called for every
    /// packet and nothing else is done meanwhile: it must come from memory (iPXE waits two seconds for all offers of a network).
    pub async fn run(
        self,
        decide: impl Fn(&BootRequest, Ipv4Addr) -> BootOffer + Send + Sync,
        stop: CancellationToken,
    ) -> io::Result<()> {
        let Self { config, mut sockets } = self;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                lost = serve(&config, &sockets.server, Port::Server, &decide) => return lost,
                lost = serve(&config, &sockets.proxy, Port::Proxy, &decide) => return lost,
                () = sockets.interface_is_another(&config.interface) => {}
            }
            // A bridge that `ifdown` and `ifup` made anew keeps its name only: sockets of the old one never hear a packet again.
            tracing::warn!(
                interface = config.interface,
                "the interface went away or was made anew; binding to it again"
            );
            drop(sockets);
            sockets = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                sockets = Sockets::bind_again(&config) => sockets,
            };
            tracing::info!(interface = config.interface, "answering booting machines again");
        }
    }
}

impl Sockets {
    fn bind(config: &DhcpConfig) -> Result<Self, BindError> {
        let interface_index = index(&config.interface);
        Ok(Self { server: bind(config, config.dhcp_port)?, proxy: bind(config, config.proxy_port)?, interface_index })
    }

    async fn bind_again(config: &DhcpConfig) -> Self {
        loop {
            match Self::bind(config) {
                Ok(sockets) => return sockets,
                Err(error) => tracing::debug!(%error, "not yet"),
            }
            tokio::time::sleep(INTERFACE_PAUSE).await;
        }
    }

    async fn interface_is_another(&self, interface: &str) {
        while index(interface) == self.interface_index {
            tokio::time::sleep(INTERFACE_PAUSE).await;
        }
    }
}

fn index(interface: &str) -> Option<u32> {
    if_nametoindex(interface).ok()
}

async fn serve(
    config: &DhcpConfig,
    socket: &UdpSocket,
    port: Port,
    decide: &(impl Fn(&BootRequest, Ipv4Addr) -> BootOffer + Send + Sync),
) -> io::Result<()> {
    let (mut buffer, mut diary) = (vec![0; LARGEST_PACKET], Diary::default());
    loop {
        let (length, source, interface) =
            match socket.async_io(Interest::READABLE, || receive(socket, &mut buffer)).await {
                Ok(received) => received,
                Err(error) if is_passing(&error) => continue,
                Err(error) => return Err(error),
            };
        let request = match parse(&buffer[..length], port) {
            Ok(request) => request,
            Err(reason) => {
                diary.ignored(source, reason);
                continue;
            }
        };
        let offer = decide(&request.boot, config.address);
        diary.decided(request.boot.mac, port, &offer);
        let Some(reply) = reply(&request, &offer, config.address) else { continue };
        let destination = match reply.destination {
            Some(SocketAddr::V4(destination)) if !config.reply_to_source => destination,
            Some(_) | None => source,
        };
        let sent = socket
            .async_io(Interest::WRITABLE, || send(socket, &reply.bytes, destination, config.address, interface))
            .await;
        if let Err(error) = sent {
            diary.not_sent(destination, &error);
        }
    }
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
fn bind(config: &DhcpConfig, port: u16) -> Result<UdpSocket, BindError> {
    open(config, port).map_err(|reason| {
        let advice = match reason.kind() {
            io::ErrorKind::AddrInUse => "another DHCP or PXE server such as dnsmasq, Kea or dhcpd has it (`ss -ulpn` names it); stop that one, or run Rackseed on another machine",
            io::ErrorKind::PermissionDenied => "run as root, or with the capabilities CAP_NET_BIND_SERVICE and CAP_NET_RAW",
            _ => "check pxe.interface",
        };
        BindError { port, reason, advice }
    })
}

/// A socket bound to an address never hears a broadcast, so it is bound to all of them on the one interface. Never with `SO_REUSEADDR`: on
/// the machine of another DHCP server we would take its unicast packets away.
fn open(config: &DhcpConfig, port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_broadcast(true)?;
    socket.set_nonblocking(true)?;
    // On loopback (rehearsals) no device is bound: that would need a capability.
    if !config.address.is_loopback() {
        socket.bind_device(Some(config.interface.as_bytes()))?;
    }
    setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    UdpSocket::from_std(socket.into())
}

/// Receives a packet with its sender and the index of the interface on which it came.
fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddrV4, i32)> {
    let mut parts = [IoSliceMut::new(buffer)];
    let mut control = cmsg_space!(in_pktinfo);
    let message = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
    let source = message.address.ok_or(io::ErrorKind::InvalidData)?;
    let mut interface = 0;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::Ipv4PacketInfo(info) = control {
            interface = info.ipi_ifindex;
        }
    }
    Ok((message.bytes, source.into(), interface))
}

/// Sends from our address out of the interface on which the question came: a limited broadcast has no route of its own.
fn send(socket: &UdpSocket, bytes: &[u8], destination: SocketAddrV4, our: Ipv4Addr, interface: i32) -> io::Result<()> {
    let info = in_pktinfo {
        ipi_ifindex: interface,
        ipi_spec_dst: nix::libc::in_addr { s_addr: u32::from(our).to_be() },
        ipi_addr: nix::libc::in_addr { s_addr: 0 },
    };
    let control = [ControlMessage::Ipv4PacketInfo(&info)];
    sendmsg(
        socket.as_raw_fd(),
        &[IoSlice::new(bytes)],
        &control,
        MsgFlags::empty(),
        Some(&SockaddrIn::from(destination)),
    )?;
    Ok(())
}
