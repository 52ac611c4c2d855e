//! Makes downloads survive a wire that loses packets.
//!
//! iPXE on UEFI acknowledges what was sent again with an old time stamp (seen with 1.21.1+git20250501). Linux then takes the round trip for
//! seconds long, and with every further loss it waits longer: with 5 % of all packets lost, an ISO of 43 MiB was not through after eight
//! minutes. With a bound on that wait and with a congestion control that does not take each loss for congestion it took 26 seconds; the
//! bound alone 155.

use nix::{
    libc, setsockopt_impl,
    sys::socket::{setsockopt, sockopt::SetUsize},
};
use socket2::SockRef;
use tokio::net::TcpListener;

/// The socket option `TCP_RTO_MAX_MS` of Linux 6.15 (`include/uapi/linux/tcp.h`), which no library names yet.
const TCP_RTO_MAX_MS: libc::c_int = 44;
/// The longest wait before a segment is sent again, in milliseconds. Linux takes no shorter one.
const LONGEST_WAIT: usize = 1000;
/// The congestion control that rates a wire by what arrives.
const CONGESTION_CONTROL: &[u8] = b"bbr";

#[derive(Clone, Copy)]
struct LongestRetransmissionWait;
setsockopt_impl!(LongestRetransmissionWait, libc::IPPROTO_TCP, TCP_RTO_MAX_MS, usize, SetUsize);

/// Sets both for every connection of a listener. A kernel that lacks one of them goes on without it.
pub(super) fn harden(listener: &TcpListener) {
    if let Err(error) = SockRef::from(listener).set_tcp_congestion(CONGESTION_CONTROL) {
        tracing::debug!(%error, "no TCP BBR here (module tcp_bbr): downloads are slow on a wire that loses packets");
    }
    if let Err(error) = setsockopt(listener, LongestRetransmissionWait, &LONGEST_WAIT) {
        tracing::debug!(%error, "no TCP_RTO_MAX_MS here (Linux 6.15): downloads are slow on a wire that loses packets");
    }
}
