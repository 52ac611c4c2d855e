//! A UDP port of our own on one interface.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    os::fd::AsRawFd,
};

use nix::{
    cmsg_space,
    libc::{in_addr, in_pktinfo},
    sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt, sockopt},
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{io::Interest, net::UdpSocket};

use super::{interface::Place, listener::Received};

/// The port, taken.
pub(super) struct OwnPort {
    socket: UdpSocket,
    interface_index: i32,
}

impl OwnPort {
    /// A socket bound to an address never hears a broadcast, so it is bound to all of them on the one interface. Never with `SO_REUSEADDR`:
    /// on the computer of another DHCP server we would take its unicast packets away.
    pub(super) fn bind(place: &Place, port: u16) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_broadcast(true)?;
        socket.set_nonblocking(true)?;
        // On loopback (rehearsals) no device is bound: that would need a capability.
        if !place.our.is_loopback() {
            socket.bind_device(Some(place.interface.as_bytes()))?;
        }
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
        let interface_index = i32::try_from(place.index).map_err(io::Error::other)?;
        Ok(Self { socket: UdpSocket::from_std(socket.into())?, interface_index })
    }

    /// The port, also where the system chose it.
    pub(super) fn port(&self) -> io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        self.socket.async_io(Interest::READABLE, || receive(&self.socket, buffer)).await
    }

    /// Sends from our address out of the interface: a limited broadcast has no route of its own.
    pub(super) async fn send(&self, bytes: &[u8], our: Ipv4Addr, destination: SocketAddrV4) -> io::Result<()> {
        let info = in_pktinfo {
            ipi_ifindex: self.interface_index,
            ipi_spec_dst: in_addr { s_addr: u32::from(our).to_be() },
            ipi_addr: in_addr { s_addr: 0 },
        };
        let send = || {
            let control = [ControlMessage::Ipv4PacketInfo(&info)];
            let destination = SockaddrIn::from(destination);
            sendmsg(self.socket.as_raw_fd(), &[IoSlice::new(bytes)], &control, MsgFlags::empty(), Some(&destination))?;
            Ok(())
        };
        self.socket.async_io(Interest::WRITABLE, send).await
    }
}

/// Receives a packet with its sender and the address to which it was sent.
fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
    let mut parts = [IoSliceMut::new(buffer)];
    let mut control = cmsg_space!(in_pktinfo);
    let message = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
    let source = message.address.ok_or(io::ErrorKind::InvalidData)?;
    let mut asked = Ipv4Addr::UNSPECIFIED;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::Ipv4PacketInfo(info) = control {
            asked = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
        }
    }
    Ok(Received { payload: 0..message.bytes, source: source.into(), asked })
}
