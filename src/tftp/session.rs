//! Runs one transfer over a socket of its own, and tells how it ended.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use nix::sys::socket::{getsockopt, sockopt::IpMtu};
use tokio::net::UdpSocket;

use super::{
    files::{OpenFile, TftpFiles},
    transfer::{Action, Ending, Transfer},
};
use crate::domain::boot_trace;

/// An acknowledgement has 4 bytes; an error's words are cut here.
const LARGEST_ANSWER: usize = 256;
/// IPv4's, UDP's and TFTP's headers.
const HEADERS_BYTES: u16 = 32;

/// What the server sees of a transfer while it runs.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    heard_milliseconds: AtomicU64,
    suspects_a_narrow_path: AtomicBool,
}

impl Pulse {
    /// The time of the last word, in milliseconds since the transfer began; 0 when nothing was heard yet.
    pub(super) fn heard_milliseconds(&self) -> u64 {
        self.heard_milliseconds.load(Ordering::Relaxed)
    }

    /// Whether the machine seems to get no packets of this size.
    pub(super) fn suspects_a_narrow_path(&self) -> bool {
        self.suspects_a_narrow_path.load(Ordering::Relaxed)
    }
}

/// One transfer's socket, machine and story.
pub(super) struct Session {
    pub(super) client: SocketAddr,
    pub(super) socket: Arc<UdpSocket>,
    pub(super) transfer: Transfer,
    pub(super) file: OpenFile,
    pub(super) files: Arc<dyn TftpFiles>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) began: Instant,
    /// `None` until it is over; one that is dropped before was replaced by the machine's next request.
    pub(super) ending: Option<Ending>,
}

/// Opens the socket of a transfer: on the address that was asked, with a port of its own (the TID of RFC 1350 §4), which hears nobody else.
pub(super) async fn open(our: IpAddr, client: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((our, 0)).await?;
    socket.connect(client).await?;
    Ok(socket)
}

/// The largest block that leaves in one frame on the way to the machine, as far as this computer knows the way.
pub(super) fn path_block_bytes(socket: &UdpSocket) -> u16 {
    let frame = getsockopt(socket, IpMtu).ok().and_then(|bytes| u16::try_from(bytes).ok());
    frame.map_or(u16::MAX, |bytes| bytes.saturating_sub(HEADERS_BYTES))
}

impl Session {
    /// Runs to the end.
    pub(super) async fn run(mut self, first: Action) {
        let mut action = first;
        let mut answer = [0; LARGEST_ANSWER];
        let mut datagram = Vec::new();
        let alarm = tokio::time::sleep_until(self.transfer.deadline().into());
        tokio::pin!(alarm);
        loop {
            match action {
                Action::End(ending) => {
                    self.ending = Some(ending);
                    return;
                }
                Action::Wait => {}
                Action::Send(blocks) => {
                    for block in blocks {
                        datagram.clear();
                        self.transfer.write(block, &mut datagram);
                        if is_refused(&self.socket.send(&datagram).await) {
                            self.ending = Some(self.transfer.is_unreachable());
                            return;
                        }
                    }
                }
            }
            if self.transfer.deadline() < alarm.deadline().into_std() {
                alarm.as_mut().reset(self.transfer.deadline().into());
            }
            action = tokio::select! {
                biased;
                heard = self.socket.recv(&mut answer) => match heard {
                    Ok(length) => self.hear(&answer[..length]),
                    error if is_refused(&error) => Action::End(self.transfer.is_unreachable()),
                    // Like a lost packet: its time will be up.
                    Err(_) => Action::Wait,
                },
                // It is not set anew for every packet; when it rings too early, it is set to the present deadline.
                () = &mut alarm => {
                    let action = self.transfer.time_is_up(Instant::now());
                    let suspects = self.transfer.suspects_a_narrow_path();
                    self.pulse.suspects_a_narrow_path.store(suspects, Ordering::Relaxed);
                    alarm.as_mut().reset(self.transfer.deadline().into());
                    action
                }
            };
        }
    }

    fn hear(&mut self, datagram: &[u8]) -> Action {
        let now = Instant::now();
        // 0 stands for never.
        let milliseconds = u64::try_from((now - self.began).as_millis()).unwrap_or(u64::MAX).max(1);
        self.pulse.heard_milliseconds.store(milliseconds, Ordering::Relaxed);
        let action = self.transfer.hear(datagram, now);
        self.pulse.suspects_a_narrow_path.store(self.transfer.suspects_a_narrow_path(), Ordering::Relaxed);
        action
    }
}

/// The machine answered by ICMP that nobody listens there.
fn is_refused(result: &io::Result<usize>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// However a transfer ends, it is told once.
impl Drop for Session {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let (client, file, acknowledged) = (self.client, &self.file.name, self.transfer.acknowledged_bytes());
        let seconds = took.as_secs_f64();
        let whole = self.file.bytes.len() as u64;
        let is_complete = match &self.ending {
            Some(Ending::Fetched { is_confirmed }) => {
                tracing::info!(%client, file, bytes = whole, seconds, is_confirmed, "sent a boot file by TFTP");
                true
            }
            Some(Ending::SizeProbe) => {
                tracing::debug!(%client, file, "TFTP: a size probe; the machine now asks for the file itself");
                return;
            }
            Some(Ending::BrokenOff { code, words }) => {
                tracing::warn!(%client, file, acknowledged, code, words, "TFTP: the machine broke off");
                false
            }
            Some(Ending::Unreachable) => {
                tracing::warn!(%client, file, acknowledged, "TFTP: the machine has closed its port");
                false
            }
            Some(Ending::Silent) => {
                tracing::warn!(%client, file, acknowledged, "TFTP: the machine says nothing more; is UDP to it blocked?");
                false
            }
            None => {
                tracing::debug!(%client, file, acknowledged, "TFTP: the machine asks anew, or the server stops");
                false
            }
        };
        let bytes = if is_complete { whole } else { acknowledged };
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.files.sent(&self.file, boot_trace::Transfer { bytes, milliseconds, complete: is_complete });
    }
}
