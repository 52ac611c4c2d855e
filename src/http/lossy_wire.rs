//! Makes downloads survive a wire that loses packets.
//!
//! iPXE on UEFI acknowledges what was sent again with an old time stamp (seen with 1.21.1+git20250501). Linux then takes the round trip for
//! seconds long, and with every further loss it waits longer: with 5 % of all packets lost, an ISO of 43 MiB was not through after eight
//! minutes; with a bound on that wait it took two and a half. (BBR in place of the usual congestion control took between 26 s and minutes:
//! where it once judges the wire slow, it stays slow.)

use nix::{
    libc, setsockopt_impl,
    sys::socket::{setsockopt, sockopt::SetUsize},
};
use tokio::net::TcpListener;

/// The socket option `TCP_RTO_MAX_MS` of Linux 6.15 (`include/uapi/linux/tcp.h`), which no library names yet.
const TCP_RTO_MAX_MS: libc::c_int = 44;
/// The longest wait before a segment is sent again, in milliseconds. Linux takes no shorter one.
const LONGEST_WAIT: usize = 1000;

#[derive(Clone, Copy)]
struct LongestRetransmissionWait;
setsockopt_impl!(LongestRetransmissionWait, libc::IPPROTO_TCP, TCP_RTO_MAX_MS, usize, SetUsize);

/// Bounds the wait of every connection of a listener. An older kernel goes on without.
pub(super) fn harden(listener: &TcpListener) {
    if let Err(error) = setsockopt(listener, LongestRetransmissionWait, &LONGEST_WAIT) {
        tracing::debug!(%error, "no TCP_RTO_MAX_MS here (Linux 6.15): UEFI machines load slowly through a wire that loses packets");
    }
}
