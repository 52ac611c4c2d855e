//! The two sockets of proxy DHCP. No decision is made here, and nothing is waited for but packets.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    os::fd::AsRawFd,
    sync::Arc,
};

use nix::{
    cmsg_space,
    libc::in_pktinfo,
    sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt, sockopt},
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{io::Interest, net::UdpSocket};
use tokio_util::sync::CancellationToken;

use super::{
    reply::reply,
    request::{Port, parse},
};
use crate::{domain::boot_request::BootOffer, provisioning::BootDesk};

/// Larger than any packet that a client may send (Ethernet's 1500 bytes, RFC 2131 §2).
const LARGEST_PACKET: usize = 2048;

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
    server: UdpSocket,
    proxy: UdpSocket,
}

impl DhcpListener {
    /// Binds both ports on the interface.
    pub fn bind(config: DhcpConfig) -> Result<Self, BindError> {
        let server = bind(&config, config.dhcp_port)?;
        let proxy = bind(&config, config.proxy_port)?;
        Ok(Self { config, server, proxy })
    }

    /// Our address on the interface.
    pub fn address(&self) -> Ipv4Addr {
        self.config.address
    }

    /// Answers until it is stopped; ends early only when a socket is lost.
    pub async fn run(self, desk: Arc<BootDesk>, stop: CancellationToken) -> io::Result<()> {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            lost = self.serve(&self.server, Port::Server, &desk) => lost,
            lost = self.serve(&self.proxy, Port::Proxy, &desk) => lost,
        }
    }

    async fn serve(&self, socket: &UdpSocket, port: Port, desk: &BootDesk) -> io::Result<()> {
        let mut buffer = vec![0; LARGEST_PACKET];
        loop {
            let (length, source, interface) =
                match socket.async_io(Interest::READABLE, || receive(socket, &mut buffer)).await {
                    Ok(received) => received,
                    // What an earlier reply could not reach comes back as an error of the next receive.
                    Err(error)
                        if matches!(
                            error.kind(),
                            io::ErrorKind::ConnectionRefused
                                | io::ErrorKind::HostUnreachable
                                | io::ErrorKind::NetworkUnreachable
                        ) =>
                    {
                        continue;
                    }
                    Err(error) => return Err(error),
                };
            let Some((bytes, destination)) = self.answer(&buffer[..length], port, source, desk) else { continue };
            let sent = socket
                .async_io(Interest::WRITABLE, || send(socket, &bytes, destination, self.config.address, interface))
                .await;
            if let Err(error) = sent {
                tracing::warn!(%destination, %error, "a boot offer could not be sent");
            }
        }
    }

    fn answer(
        &self,
        packet: &[u8],
        port: Port,
        source: SocketAddrV4,
        desk: &BootDesk,
    ) -> Option<(Vec<u8>, SocketAddrV4)> {
        let request = match parse(packet, port) {
            Ok(request) => request,
            Err(reason) => {
                tracing::trace!(%source, ?reason, "ignored a packet");
                return None;
            }
        };
        let offer = desk.offer(&request.boot, self.config.address);
        let mac = request.boot.mac;
        match &offer {
            BootOffer::Silence(reason) => tracing::debug!(host.mac = %mac, ?reason, "no boot offer"),
            BootOffer::Loader(firmware) => {
                tracing::info!(host.mac = %mac, file = firmware.boot_file, ?port, "made a boot offer")
            }
            BootOffer::Script(_) => tracing::info!(host.mac = %mac, ?port, "offered iPXE its script"),
        }
        let reply = reply(&request, &offer, self.config.address)?;
        let destination = match reply.destination {
            Some(SocketAddr::V4(destination)) if !self.config.reply_to_source => destination,
            Some(_) | None => source,
        };
        Some((reply.bytes, destination))
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the system knows many more errors than we have advice for")]
fn bind(config: &DhcpConfig, port: u16) -> Result<UdpSocket, BindError> {
    open(config, port).map_err(|reason| {
        let advice = match reason.kind() {
            io::ErrorKind::AddrInUse => "another DHCP or PXE server runs on this machine (`ss -ulpn` names it); stop it, or run Rackseed elsewhere",
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
