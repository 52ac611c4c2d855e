//! The TFTP server: async-tftp within the bounds that firmware and a small machine need.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_tftp::{packet, server::Handler, server::TftpServerBuilder};
use futures_lite::{AsyncRead, io::Cursor, io::Sink};
use tokio_util::sync::CancellationToken;

use super::boot_files::BootFiles;

/// The largest block: an Ethernet frame. Firmware asks for 1432 or 1468.
const LARGEST_BLOCK: u16 = 1468;
/// The largest window. Larger ones buffer more for each client and lose more at a dropped packet.
const LARGEST_WINDOW: u16 = 16;
/// How long to wait for an acknowledgement before sending again.
const ANSWER_WAIT: Duration = Duration::from_secs(1);
/// How often a block is sent again. async-tftp goes on after a client's ERROR (upstream issue 18), so this bounds a dead transfer.
const MOST_REPEATS: u32 = 5;
/// How many transfers run at once; a storm of requests gets errors.
const MOST_TRANSFERS: usize = 64;
/// How long to wait before a socket that failed is used again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

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

/// A TFTP server on one of our addresses: its transfers must leave from the address that was asked.
pub struct TftpServer {
    socket: UdpSocket,
    files: Arc<BootFiles>,
}

impl TftpServer {
    /// Binds the port.
    pub fn bind(address: SocketAddr, files: Arc<BootFiles>) -> Result<Self, TftpBindError> {
        let socket = UdpSocket::bind(address).map_err(|reason| TftpBindError { address, reason })?;
        Ok(Self { socket, files })
    }

    /// The address on which it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until it is stopped. The library's server ends at the first error of its socket; it is started again.
    pub async fn run(self, stop: CancellationToken) {
        let transfers = Arc::new(AtomicUsize::new(0));
        loop {
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                ended = self.serve(Arc::clone(&transfers)) => ended,
            };
            tracing::warn!(error = ended.err().map(|error| error.to_string()), "TFTP was interrupted; it starts again");
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RESTART_PAUSE) => {}
            }
        }
    }

    async fn serve(&self, transfers: Arc<AtomicUsize>) -> Result<(), async_tftp::Error> {
        let handler = FileHandler { files: Arc::clone(&self.files), transfers };
        TftpServerBuilder::with_handler(handler)
            .std_socket(self.socket.try_clone()?)?
            .block_size_limit(LARGEST_BLOCK)
            .window_size_limit(LARGEST_WINDOW)
            .timeout(ANSWER_WAIT)
            .ignore_client_timeout()
            .max_send_retries(MOST_REPEATS)
            .build()
            .await?
            .serve()
            .await
    }
}

struct FileHandler {
    files: Arc<BootFiles>,
    transfers: Arc<AtomicUsize>,
}

impl Handler for FileHandler {
    type Reader = Transfer;
    type Writer = Sink;

    async fn read_req_open(
        &mut self,
        client: &SocketAddr,
        path: &Path,
    ) -> Result<(Transfer, Option<u64>), packet::Error> {
        let Some(file) = self.files.find(&path.to_string_lossy()) else {
            tracing::debug!(%client, path = %path.display(), "TFTP: no such file");
            return Err(packet::Error::FileNotFound);
        };
        if self.transfers.fetch_add(1, Ordering::SeqCst) >= MOST_TRANSFERS {
            self.transfers.fetch_sub(1, Ordering::SeqCst);
            return Err(packet::Error::Msg("too many transfers; try again".into()));
        }
        tracing::info!(%client, path = %path.display(), "sending a boot file by TFTP");
        let transfer = Transfer { bytes: Cursor::new(Arc::clone(&file.bytes)), transfers: Arc::clone(&self.transfers) };
        Ok((transfer, u64::try_from(file.bytes.len()).ok()))
    }

    async fn write_req_open(&mut self, _: &SocketAddr, _: &Path, _: Option<u64>) -> Result<Sink, packet::Error> {
        Err(packet::Error::IllegalOperation)
    }
}

/// One transfer; counted until it is dropped.
struct Transfer {
    bytes: Cursor<Arc<[u8]>>,
    transfers: Arc<AtomicUsize>,
}

impl AsyncRead for Transfer {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.bytes).poll_read(context, buffer)
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.transfers.fetch_sub(1, Ordering::SeqCst);
    }
}
